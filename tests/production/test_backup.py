"""deploy/backup.sh when disks are full, runs are killed, pictures are lost, and years pass.

Beside a database of one table, and a manage.py that only knows the settings, unless the site is
needed.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from tests.helpers.servers import ROOT, make_environment, manage, wait_until

from .crowd import DATABASES, Site
from .databases import BIN, Database, run_postgres
from .test_restore import Operator, run_site

pytestmark = pytest.mark.slow
PARTS = ("media", "db.sqlite3")
MANAGE = f"""
import os, sys
if "shell" in sys.argv:
    sys.path.insert(0, {str(ROOT)!r})
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    exec(sys.argv[-1])
elif sys.argv[1] == os.environ.get("FAILING"):
    sys.exit("It fails.")
"""
# The script asks it for the time, and for weeks and months.
DATE = """#!/bin/sh
case $1 in --utc) [ -z "$NOW" ] || exec echo "$NOW" ;; esac
PATH=${PATH#*:} exec date "$@"
"""
# What everybody on the machine can read of a program.
TELLING = """#!/bin/bash
echo "$*" >>"$TOLD"
PATH=${PATH#*:} exec "${0##*/}" "$@"
"""
# Never ends.
HANGING = """#!/bin/sh
echo "$*" >"$BACKUP_DIR/is-hanging"
PATH=${PATH#*:} exec sleep 1000
"""
PASSWORD = "50% @:/?#\\n'\"$HOME`\\"


@dataclass
class Tree:
    """The script beside a database and pictures, and a folder for backups."""

    folder: Path

    @property
    def backups(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "backups").glob("[!.]*"))

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        programs = self.folder / "programs"
        own = {
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DJANGO_DOTENV": "",
            "DJANGO_SECRET_KEY": "secret",
            "DATABASE_URL": f"sqlite:///{self.folder}/db.sqlite3",
            "MEDIA_ROOT": str(self.folder / "media"),
            "BACKUP_DIR": str(self.folder / "backups"),
            "RESTIC_PASSWORD": "secret",
        }
        return subprocess.Popen(
            ["./backup.sh", *arguments],
            cwd=self.folder / "deploy",
            env=own | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> str:
        """Run the script, which must succeed; return what it prints."""
        process = self.start(*arguments, **variables)
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == 0, printed
        return printed

    def fail(self, *arguments: str, **variables: str) -> str:
        """Run the script, which must fail; return its last sentence."""
        process = self.start(*arguments, **variables)
        printed, _ = process.communicate(timeout=120)
        assert process.returncode == 1, printed
        last = printed.splitlines()[-1]
        assert last.startswith("backup.sh: "), printed
        return last.removeprefix("backup.sh: ")

    def make_name(self, day: date) -> str:
        return f"{day}T031500Z"

    def back_up(self, day: date, **variables: str) -> str:
        """Make the backup of a day; return its name."""
        name = self.make_name(day)
        self.run(NOW=name, **variables)
        return name

    def install(self, name: str, program: str) -> None:
        """Let the script find a program of the test's before the machine's."""
        (self.folder / "programs" / name).write_text(program)
        (self.folder / "programs" / name).chmod(0o755)

    @contextmanager
    def hang(self, program: str, *arguments: str, **variables: str) -> Iterator[str]:
        """Run the script until it starts a program, which hangs; give that one's arguments."""
        self.install(program, HANGING)
        process = self.start(*arguments, **variables)
        mark = self.folder / "backups/is-hanging"
        try:
            wait_until(lambda: mark.exists() and mark.read_text().endswith("\n"))
            yield mark.read_text().strip()
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            (self.folder / "programs" / program).unlink()
            mark.unlink()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for folder in ("deploy", "backups", "programs", "media/avatars"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "deploy/backup.sh", tmp_path / "deploy")
    (tmp_path / "manage.py").write_text(MANAGE)
    (tmp_path / "media/avatars/ada.webp").write_bytes(b"ada")
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        database.execute("CREATE TABLE people (name)")
    tree = Tree(tmp_path)
    tree.install("date", DATE)
    return tree


FIRST = date(2025, 1, 1)


def test_after_a_year_there_are_seven_days_four_weeks_and_twelve_months(tree: Tree) -> None:
    # Every fifteenth day, and then each day.
    days = [FIRST + timedelta(days=n) for n in range(0, 376, 15)]
    days += [days[-1] + timedelta(days=n) for n in range(1, 12)]
    for day in days[:-1]:
        tree.back_up(day)
        tree.run("--verify")
    # Nothing is deleted before the newest one is known to be good.
    before, name = tree.backups, tree.back_up(days[-1])
    sentence = f"The pictures of {name} are not complete."
    assert tree.fail("--verify", FAILING="audit_media") == sentence
    assert tree.backups == [*before, name]
    tree.run("--verify")
    kept = set()
    for count, form in ((7, "%F"), (4, "%G-%V"), (12, "%Y-%m")):
        newest = {day.strftime(form): day for day in days}
        kept |= set(sorted(newest.values())[-count:])
    assert tree.backups == [tree.make_name(day) for day in sorted(kept)]


def test_a_picture_in_two_backups_takes_the_room_of_one(tree: Tree) -> None:
    first = tree.back_up(FIRST)
    (tree.folder / "media/avatars/grace.webp").write_bytes(b"grace")
    second = tree.back_up(FIRST + timedelta(days=1))
    (tree.folder / "media/avatars/ada.webp").unlink()
    third = tree.back_up(FIRST + timedelta(days=2))
    backups = tree.folder / "backups"
    files = {name: {*os.listdir(backups / name / "media/avatars")} for name in tree.backups}
    assert files == {
        first: {"ada.webp"},
        second: {"ada.webp", "grace.webp"},
        third: {"grace.webp"},
    }
    pictures = [backups / name / "media/avatars/ada.webp" for name in (first, second)]
    assert pictures[0].samefile(pictures[1])
    assert all((backups / name).stat().st_mode & 0o777 == 0o700 for name in tree.backups)


def test_a_new_site_without_a_picture_has_a_backup(tree: Tree) -> None:
    shutil.rmtree(tree.folder / "media")
    names = [tree.back_up(day) for day in (FIRST, FIRST + timedelta(days=1))]
    tree.run("--verify")
    assert tree.backups == names


def test_a_day_has_one_backup_even_if_it_is_not_good(tree: Tree) -> None:
    with tree.hang("sleep", "--daily") as arguments:
        assert arguments == "1h"
    assert len(tree.backups) == 1
    (tree.folder / "backups/.verified").unlink()
    with tree.hang("sleep", "--daily", NOW="2999-01-01T000000Z", FAILING="migrate") as arguments:
        assert arguments == "22h"
    assert len(tree.backups) == 2
    assert not (tree.folder / "backups/.verified").exists()


def test_a_killed_run_leaves_nothing_that_looks_like_a_backup(tree: Tree) -> None:
    name = tree.back_up(FIRST)
    with tree.hang("rsync"):
        assert tree.fail().startswith("Another run is at work in ")
    kept, part = tree.backups
    assert kept == name
    assert part.endswith(".part")
    # Of somebody else, who uses the same folder.
    (tree.folder / "backups/film.part").touch()
    tree.run()
    assert len(tree.backups) == 3
    assert part not in tree.backups
    assert "film.part" in tree.backups


@contextmanager
def mount_small_disk(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="Mounting a disk needs root.")
def test_a_full_disk_is_reported_and_costs_no_older_backup(tree: Tree) -> None:
    with mount_small_disk(tree.folder / "backups"):
        name = tree.back_up(FIRST)
        large = tree.folder / "media/avatars/large.webp"
        large.write_bytes(bytes(1_000_000))
        assert tree.fail() == "The pictures could not be copied. The disk is full."
        assert tree.backups == [name]
        large.unlink()
        with closing(sqlite3.connect(tree.folder / "db.sqlite3")) as database, database:
            database.execute("INSERT INTO people VALUES (zeroblob(1000000))")
        assert tree.fail() == "The database could not be copied. The disk is full."
        assert tree.backups == [name]


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"BACKUP_DIR": "/nowhere"}, 'BACKUP_DIR is "/nowhere": it must be a folder'),
        ({"MEDIA_ROOT": "/nowhere"}, "/nowhere/avatars is missing: is its disk mounted?"),
        ({"DATABASE_URL": "sqlite:////nowhere/db"}, "The database could not be copied."),
        ({"DATABASE_URL": "postgres://127.0.0.1:1/a"}, "The database could not be copied."),
        ({"NOW": "2000-01-01T000000Z"}, "The clock says 2000-01-01T000000Z, but there is"),
        ({"RESTIC_REPOSITORY": "/dev/null/x"}, "The backup could not be sent to the repository."),
    ],
)
def test_what_fails_ends_with_a_sentence_and_keeps_the_older_backups(
    variables: dict[str, str], sentence: str, tree: Tree
) -> None:
    name = tree.back_up(FIRST)
    assert tree.fail(**variables).startswith(sentence)
    assert name in tree.backups
    assert not any(name.endswith(".part") for name in tree.backups)


def test_a_restore_that_is_not_confirmed_changes_nothing(tree: Tree) -> None:
    tree.back_up(FIRST)
    (tree.folder / "media/avatars/ada.webp").unlink()
    assert tree.fail("--restore") == "Nothing was changed."
    assert os.listdir(tree.folder / "media/avatars") == []


@pytest.mark.skipif(not shutil.which("restic"), reason="Install restic.")
def test_a_second_place_has_each_backup_and_gives_the_newest_one_back(tree: Tree) -> None:
    repository = str(tree.folder / "repository")
    second = {"RESTIC_REPOSITORY": repository, "DJANGO_ALLOWED_HOSTS": "likeness.example"}
    # Another site in the same repository, with older snapshots than are kept.
    another = tree.back_up(FIRST, **second | {"DJANGO_ALLOWED_HOSTS": "other.example"})
    for number in range(1, 10):
        name = tree.back_up(FIRST + timedelta(days=number), **second)
    tree.run("--verify", **second)
    command = ["restic", "--no-cache", "--repo", repository, "snapshots", "--json"]
    secret = os.environ | {"RESTIC_PASSWORD": "secret"}
    listed = subprocess.run(command, env=secret, capture_output=True, check=True).stdout
    found = {(snapshot["hostname"], snapshot["time"][:10]) for snapshot in json.loads(listed)}
    days = [FIRST + timedelta(days=number) for number in range(3, 10)]
    kept = {("likeness.example", str(day)) for day in days}
    assert found == kept | {("other.example", str(FIRST))}
    assert b"ada" not in b"".join(
        path.read_bytes() for path in Path(repository).rglob("*") if path.is_file()
    )
    shutil.rmtree(tree.folder / "backups")
    (tree.folder / "backups").mkdir()
    tree.run("--fetch", **second)
    assert tree.backups == [name]
    tree.run("--fetch", **second | {"RESTIC_HOST": "other.example"})
    assert tree.backups == [another, name]
    backup = tree.folder / "backups" / name
    assert (backup / "media/avatars/ada.webp").read_bytes() == b"ada"
    assert sorted(os.listdir(backup)) == sorted(PARTS)


@pytest.fixture(params=DATABASES)
def site(request: pytest.FixtureRequest, tmp_path: Path, prepared: Path) -> Iterator[Site]:
    """A site with two people and their pictures."""
    with run_site(request.param, tmp_path / "site", prepared) as site:
        site.manage("demo", "--profiles", "2")
        yield site


def test_a_backup_is_verified_beside_the_site(site: Site, tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    operator.run(site)
    [backup] = (tmp_path / "backups").glob("2*")
    # What the site has by now is not in the backup.
    shutil.rmtree(site.folder / "media")
    site.sql("DELETE FROM profiles_profile")
    assert "can be restored, and is whole." in operator.run(site, "--verify")
    assert not (site.folder / "media").exists()
    assert site.sql("SELECT * FROM profiles_profile") == []
    lost = next(backup.rglob("*-512.webp"))
    lost.unlink()
    process = operator.start(site, "--verify")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"missing   {lost.relative_to(backup / 'media')}" in said
    assert said.splitlines()[-1] == f"backup.sh: The pictures of {backup.name} are not complete."
    assert sorted(path.name for path in (tmp_path / "backups").glob("[!.]*")) == [backup.name]
    if BIN and site.url.startswith("postgres:"):
        assert site.sql("SELECT 1 FROM pg_database WHERE datname LIKE '%verify%'") == []


def make_strange_database(server: Database) -> str:
    """Make a user who needs a password, and a database, both hard to quote; return its URL."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        role, database = sql.Identifier('o"neil@home'), sql.Identifier("my 'db' 100%")
        create = "CREATE ROLE {} LOGIN CREATEDB PASSWORD {}"
        connection.execute(sql.SQL(create).format(role, sql.Literal(PASSWORD)))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
        # The operator's own.
        connection.execute("CREATE DATABASE \"my 'db' 100%_verify\"")
        rules = server.folder / "data/pg_hba.conf"
        rules.write_text(f'host all "o""neil@home" all scram-sha-256\n{rules.read_text()}')
        connection.execute("SELECT pg_reload_conf()")
    user, password, name = map(quote_part, ('o"neil@home', PASSWORD, "my 'db' 100%"))
    return f"postgres://{user}:{password}@127.0.0.1:{server.port}/{name}?sslmode=prefer"


def quote_part(part: str) -> str:
    return quote(part, safe="")


@contextmanager
def make_strange_site(database: str, folder: Path) -> Iterator[str]:
    """Give the URL of a database that is hard to quote."""
    if database == "SQLite":
        yield f"sqlite:///{folder}/{quote('my people? 100%.sqlite3')}?timeout=3"
        return
    with run_postgres() as server:
        yield make_strange_database(server)
        with psycopg.connect(server.url) as connection:
            names = connection.execute("SELECT datname FROM pg_database WHERE datname ~ 'verify'")
            assert names.fetchall() == [("my 'db' 100%_verify",)]


@pytest.mark.parametrize("database", DATABASES)
def test_the_script_means_what_the_site_means(database: str, tmp_path: Path) -> None:
    programs, backups = tmp_path / "programs", tmp_path / "my backups 100%"
    programs.mkdir()
    backups.mkdir()
    for name in ("pg_dump", "pg_restore", "psql"):
        (programs / name).write_text(TELLING)
        (programs / name).chmod(0o755)
    (tmp_path / "told").touch()
    variables = make_environment(
        tmp_path,
        DJANGO_DOTENV=str(tmp_path / "likeness.env"),
        BACKUP_DIR=str(backups),
        PATH=f"{programs}:{BIN}:{os.environ['PATH']}",
        TOLD=str(tmp_path / "told"),
    )
    del variables["DATABASE_URL"], variables["MEDIA_ROOT"]

    def run(*arguments: str, status: int = 0, **others: str) -> str:
        done = subprocess.run(
            ["deploy/backup.sh", *arguments],
            cwd=ROOT,
            env=variables | others,
            input="yes\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def count_people() -> str:
        code = "from profiles.models import User; print(User.objects.count())"
        return manage(variables, "shell", "--no-imports", "-c", code).stdout.strip()

    with make_strange_site(database, tmp_path) as url:
        lines = f"DATABASE_URL={url}\nMEDIA_ROOT='{tmp_path}/my media'\n"
        (tmp_path / "likeness.env").write_text(lines)
        for command in (["migrate"], ["demo", "--profiles", "2"]):
            done = manage(variables, *command)
            assert done.returncode == 0, done.stderr
        run()
        assert "can be restored, and is whole." in run("--verify")
        assert manage(variables, "flush", "--no-input").returncode == 0
        shutil.rmtree(tmp_path / "my media")
        assert count_people() == "0"
        run("--restore")
        assert count_people() == "2"
        assert list((tmp_path / "my media").rglob("*.webp"))
        # A wrong variable is named in the one line of manage.py.
        said = run(status=1, DATABASE_URL="mysql://ada@127.0.0.1/people")
        assert said.startswith("DATABASE_URL cannot be read.")
        assert said.count("\n") == 1
    told = (tmp_path / "told").read_text()
    assert PASSWORD not in told
    assert quote_part(PASSWORD) not in told
    assert bool(told) == (database == "PostgreSQL")
