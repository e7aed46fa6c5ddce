"""Migrate what the first release has stored, and kill `migrate` at its worst moments."""

import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from django.db.migrations.loader import MigrationLoader

from profiles.pictures import cell
from tests.helpers.pictures import draw_jpeg
from tests.helpers.servers import GUNICORN, ROOT, find, get, manage, serve

from .crowd import DATABASES, Site, prepare_site

pytestmark = pytest.mark.slow
# Who the first release's profiles were for, whether the account is active, and where their pictures
# are; the last three were changed with SQL.
PEOPLE = {
    "ada": ("public", True, "avatars/"),
    "grace": ("members", True, "protected/"),
    "linus": ("private", True, "protected/"),
    "mary": ("private", True, "avatars/"),
    "alan": ("public", False, "avatars/"),
    "joan": ("public", True, "protected/"),
}
HIDDEN = ["mary", "alan"]
# Kills itself in the second operation of profiles 0002, with the transaction open.
DIE_INSIDE = """
add_index = DatabaseSchemaEditor.add_index
def die(self, model, index):
    if index.name == "picture_to_show":
        os.kill(os.getpid(), signal.SIGKILL)
    add_index(self, model, index)
DatabaseSchemaEditor.add_index = die
"""
# Kills itself after the COMMIT of pictures 0001, before that is recorded.
DIE_AFTER = """
record = MigrationRecorder.record_applied
def die(self, app, name):
    if app == "pictures":
        os.kill(os.getpid(), signal.SIGKILL)
    record(self, app, name)
MigrationRecorder.record_applied = die
"""
MIGRATE = """
import os, signal, django
django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
DatabaseSchemaEditor = connection.SchemaEditorClass
{die}
call_command("migrate")
"""


def go_back(site: Site) -> None:
    """Make the database of the first release, which had neither the journal nor its indexes."""
    site.manage("migrate", "pictures", "zero")
    site.manage("migrate", "profiles", "0001")


def add_people(site: Site) -> dict[str, str]:
    """Store people and pictures as the first release did; return their pictures' names."""
    files = cell.make_avatar(BytesIO(draw_jpeg())).files
    names = {}
    for number, (who, (visibility, is_active, prefix)) in enumerate(PEOPLE.items(), 1):
        token = f"{number:032x}"
        stem = f"{prefix}{token[:2]}/{token}-"
        for ending, data in files.items():
            path = site.folder / "media" / f"{stem}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        names[who] = f"{stem}512.webp"
        site.sql(
            "INSERT INTO profiles_user (id, username, password, email, is_superuser, is_staff,"
            " is_active, date_joined) VALUES (?, ?, '!', '', ?, ?, ?, '2026-01-02 03:04:05+00:00')",
            *(number, who, False, False, is_active),
        )
        site.sql(
            "INSERT INTO profiles_profile (user_id, display_name, folded_name, bio, location,"
            " website, visibility, avatar, description) VALUES (?, ?, ?, '', '', '', ?, ?, '')",
            *(number, who.title(), who, visibility, names[who]),
        )
    return names


def migrate_and_die(site: Site, code: str) -> None:
    """Run `migrate` in a process that kills itself at some moment."""
    command = [sys.executable, "-c", MIGRATE.format(die=code)]
    done = subprocess.run(command, cwd=ROOT, env=site.environment, capture_output=True, timeout=120)
    assert done.returncode == -9, done.stderr.decode()


def check_migrated(site: Site) -> None:
    """Fail unless nothing is left to migrate and the database is as the models say."""
    assert "[ ]" not in site.manage("showmigrations")
    site.sql("SELECT name, due FROM pictures_journalentry")
    catalogue = "pg_indexes" if site.url.startswith("postgres:") else "sqlite_master"
    column = "indexname" if catalogue == "pg_indexes" else "name"
    found = {name for (name,) in site.sql(f"SELECT {column} FROM {catalogue}")}
    assert {"picture_to_hide", "picture_to_show", "inactive_user"} <= found


@pytest.mark.parametrize("database", DATABASES)
def test_what_the_first_release_stored_is_migrated(
    database: str, prepared: Path, tmp_path: Path
) -> None:
    with prepare_site(database, tmp_path, prepared) as site:
        go_back(site)
        names = add_people(site)
        site.manage("migrate")
        check_migrated(site)
        audit = manage(site.environment, "audit_media")
        assert "Error: 3 pictures are misplaced." in audit.stderr
        with site.log.open("a") as log, serve(site.environment, *GUNICORN, output=log) as port:
            page = get(port, "/profiles/ada/")[1].decode()
            assert names["ada"] in page
            assert get(port, find("/media/avatars/[^ ]+64.webp", page))[0].status == 200
            site.check_tidy()
            for who in HIDDEN:
                assert get(port, f"/media/{names[who]}")[0].status == 404
            page = get(port, "/profiles/joan/")[1].decode()
            assert get(port, find("/media/avatars/[^ ]+64.webp", page))[0].status == 200
        assert len(site.list_references()) == len(PEOPLE)
        assert "30 files, 0 orphans" in site.manage("audit_media", "--older-than", "0")


@pytest.mark.parametrize("database", DATABASES)
def test_a_migration_that_is_killed_is_completed_as_the_manual_says(
    database: str, prepared: Path, tmp_path: Path
) -> None:
    with prepare_site(database, tmp_path, prepared) as site:
        go_back(site)
        add_people(site)
        migrate_and_die(site, DIE_AFTER)
        again = manage(site.environment, "migrate")
        assert "already exists" in again.stderr
        [app, name] = re.findall(r"Applying (\w+)\.(\w+)\.\.\.", again.stdout)[-1]
        manual = (ROOT / "docs/deploying.md").read_text()
        fake = find("(?<=`python manage.py )migrate --fake (?=APP NAME`)", manual)
        site.manage(*fake.split(), app, name)
        migrate_and_die(site, DIE_INSIDE)
        site.manage("migrate")
        check_migrated(site)
        assert len(site.list_references()) == len(PEOPLE)
        site.check_tidy()


def test_a_migration_changes_one_table_in_one_transaction() -> None:
    migrations = MigrationLoader(None).disk_migrations.items()
    ours = [each for (app, _), each in migrations if app in ("profiles", "pictures")]
    assert len(ours) >= 4
    for migration in ours:
        operations = [] if migration.initial else migration.operations
        assert migration.atomic
        assert len({vars(each).get("model_name", each) for each in operations}) <= 1
