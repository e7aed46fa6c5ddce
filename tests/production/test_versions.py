"""The version that the site says it is, and the way back to the one before."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.servers import GUNICORN, ROOT, get, serve

from .crowd import DATABASES, prepare_site
from .visitors import PASSWORD, Visitor, draw_photo

pytestmark = pytest.mark.slow
# What a next version may add.
NEXT = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("profiles", "{last}")]
    operations = [
        migrations.AddField("profile", "pronouns", models.CharField(max_length=40, null=True)),
        migrations.AddField("profile", "likes", models.IntegerField(db_default=0)),
    ]
"""


def test_the_version_is_that_of_the_newest_changes_and_needs_no_settings() -> None:
    command = [sys.executable, "manage.py", "version"]
    without = {"PATH": os.environ["PATH"], "DJANGO_DOTENV": ""}
    done = subprocess.run(command, cwd=ROOT, env=without, capture_output=True, text=True)
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    versions = re.findall(r"(?m)^## (\d+\.\d+\.\d+)$", changes)
    assert done.stdout.strip() == versions[0]
    assert versions == sorted(versions, key=lambda each: [*map(int, each.split("."))], reverse=True)


def make_next(folder: Path) -> None:
    """Copy the source, and add what a next version may add to the database."""
    for name in ("config", "locale", "profiles", "static", "templates"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("manage.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    migrations = folder / "profiles/migrations"
    [*_, last] = sorted(migrations.glob("0*.py"))
    (migrations / "9999_next.py").write_text(NEXT.format(last=last.stem))


@pytest.mark.parametrize("database", DATABASES)
def test_the_version_before_runs_on_the_database_of_the_next(
    database: str, prepared: Path, tmp_path: Path
) -> None:
    make_next(tmp_path / "next")
    with prepare_site(database, tmp_path / "site", prepared) as site:

        def migrate_to_next() -> str:
            command = [sys.executable, "manage.py", "migrate"]
            done = subprocess.run(
                command, cwd=tmp_path / "next", env=site.environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        assert "profiles.9999_next" in migrate_to_next()
        assert "No migrations to apply." in site.manage("migrate")  # As each start does.
        with site.log.open("a") as log, serve(site.environment, *GUNICORN, output=log) as port:
            ada = Visitor(f"http://127.0.0.1:{port}")
            account = {"username": "ada", "email": "ada@example.com"}
            ada.send("/accounts/signup/", **account, password1=PASSWORD, password2=PASSWORD)
            ada.upload("/profile/avatar/", "avatar", draw_photo())
            ada.send("/profile/edit/", display_name="Ada Lovelace", visibility="public")
            assert "Ada Lovelace" in get(port, "/profiles/")[1].decode()
        site.check_tidy()
        # Forward again: what was stored meanwhile is there.
        assert "No migrations to apply." in migrate_to_next()
        assert site.sql("SELECT likes, pronouns FROM profiles_profile") == [(0, None)]
