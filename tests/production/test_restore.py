"""Back up a site that members use meanwhile, by the manual's commands, and restore it elsewhere.

A stand-in for `docker` runs the same commands beside the site.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.pictures import draw_jpeg
from tests.helpers.servers import GUNICORN, ROOT, serve

from .crowd import DATABASES, Answer, Member, Reference, Site, prepare_site
from .databases import BIN, run_postgres
from .engine import read_documented

pytestmark = pytest.mark.slow
PICTURE = draw_jpeg()
# Commands in a container run here; starting and stopping is the test's. Each takes a while, so that
# members get between them, as between the copies of a larger site.
DOCKER = """#!/bin/sh
case "$*" in
    stop*|start*|"compose build"|"compose stop"*|"compose up"*) exit ;;
    "compose run --rm migrate") set -- site python manage.py migrate ;;
esac
while [ "$1" != likeness ] && [ "$1" != site ] && [ "$1" != db ]; do shift; done
shift
sleep "$PAUSE"
cd "$ROOT"
exec "$@"
"""
# Older ones have no `python -m sqlite3`.
PYTHON = """#!/bin/sh
[ "$1 $2" = "-m sqlite3" ] || exec "$PYTHON" "$@"
exec "$PYTHON" -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute(sys.argv[2])' "$3" "$4"
"""
# Killed between the two steps, each leaves its entry.
UPLOAD_AND_DIE = """
from io import BytesIO
from profiles.models import Profile
from profiles.pictures import cell, store
import os, signal
avatar = cell.make_avatar(BytesIO({picture!r}))
write = store.AvatarStore.write
def write_and_die(*arguments):
    write(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
store.AvatarStore.write = write_and_die
Profile.objects.get(user__username={name!r}).avatar.replace(avatar)
"""
REMOVE_AND_DIE = """
from profiles.models import Profile
from profiles.pictures.store import AvatarStore
import os, signal
AvatarStore.delete = lambda *arguments, **options: os.kill(os.getpid(), signal.SIGKILL)
Profile.objects.get(user__username={name!r}).avatar.replace(None)
"""
# As if the site were restored on the next day.
NEXT_DAY = {
    "SQLite": "UPDATE pictures_journalentry SET due = datetime(due, '-1 day'),"
    " written_until = datetime(written_until, '-1 day')",
    "PostgreSQL": "UPDATE pictures_journalentry SET due = due - interval '1 day',"
    " written_until = written_until - interval '1 day'",
}


@dataclass
class Operator:
    """Somebody with a shell, the manual, and a folder for backups."""

    folder: Path
    database: str

    @property
    def headings(self) -> tuple[str, str]:
        """The parts of the manual about backing up and restoring."""
        if self.database == "SQLite":
            return "Backup", "Restore the container"
        return "Back up the composition", "Restore the composition"

    def read(self, heading: str) -> list[str]:
        """Return the manual's commands, without the brackets around them."""
        script = read_documented(heading).replace("\\\n", " ")
        return script.strip().strip("()").strip().splitlines()

    def run(self, site: Site, commands: list[str], pause: float = 0) -> str:
        """Run commands of the manual; return what they print."""
        programs = self.folder / "programs"
        programs.mkdir(exist_ok=True)
        for name, script in (("docker", DOCKER), ("python", PYTHON)):
            (programs / name).write_text(script)
            (programs / name).chmod(0o755)
        port = re.search(r":(\d+)/", site.url)
        variables = {
            "PATH": f"{programs}:{BIN}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": port[1] if port else "",
            "PYTHON": sys.executable,
            "ROOT": str(ROOT),
            "PAUSE": str(pause),
        }
        # Without bash's `pipefail`: tar reports files that vanish while it reads.
        done = subprocess.run(
            ["sh", "-ec", "\n".join(commands).replace("/data", str(site.folder))],
            cwd=self.folder,
            env=site.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def back_up(self, site: Site) -> None:
        self.run(site, self.read(self.headings[0]), pause=0.5)

    def restore(self, site: Site) -> str:
        """Restore the backup, with a journal in it, on the next day; return what is printed."""
        commands = self.read(self.headings[1])
        [at] = [at for at, command in enumerate(commands) if "migrate" in command]
        self.run(site, commands[:at])
        assert site.sql("SELECT id FROM pictures_journalentry") != []
        site.sql(NEXT_DAY[self.database])
        return self.run(site, commands[at:])


@contextmanager
def run_site(database: str, folder: Path, prepared: Path) -> Iterator[Site]:
    """Give a site without members, on a database with the name and the owner of the manual's."""
    if database == "SQLite":
        with prepare_site(database, folder, prepared) as site:
            yield site
        return
    with run_postgres() as postgres:
        site = make_site(folder, postgres.make_owned("likeness"), prepared)
        Site(folder, postgres.url).sql("ALTER ROLE likeness SUPERUSER")
        site.manage("migrate")
        yield site


def make_site(folder: Path, url: str, prepared: Path) -> Site:
    """Make the folder of a new machine, with the static files of the image."""
    shutil.copytree(prepared / "staticfiles", folder / "staticfiles")
    (folder / "tmp").mkdir()
    return Site(folder, url if url.startswith("postgres:") else f"sqlite:///{folder}/db.sqlite3")


@contextmanager
def crowd(port: int, members: list[Member]) -> Iterator[list[Answer]]:
    """Let members change their pictures at random until the block ends; give their answers."""
    over = threading.Event()
    answers: list[Answer] = []

    def act(member: Member) -> None:
        chance = random.Random(member.name)
        acts, weights = ["upload", "public", "private", "remove"], [2, 3, 3, 1]
        # Most pictures stay for a part of the backup: that is what its order is about.
        while not over.wait(chance.uniform(0, 4)):
            [act] = chance.choices(acts, weights)
            if act == "upload":
                answers.append(member.upload(port, PICTURE))
            elif act == "remove":
                answers.append(member.remove(port))
            else:
                answers.append(member.show_to(port, act))

    with ThreadPoolExecutor(len(members)) as pool:
        tasks = [pool.submit(act, member) for member in members]
        try:
            yield answers
        finally:
            over.set()
    for task in tasks:
        task.result()


def die_half_way(site: Site) -> None:
    """Let Grace upload a picture, and Linus remove his, by processes that kill themselves."""
    codes = (
        UPLOAD_AND_DIE.format(name="grace", picture=PICTURE),
        REMOVE_AND_DIE.format(name="linus"),
    )
    processes = [site.start("shell", "--no-imports", "-c", code) for code in codes]
    assert [process.wait(120) for process in processes] == [-9, -9], site.log.read_text()


def check_restored(site: Site, kept: set[str], printed: str) -> None:
    """Fail unless the restored site is consistent.

    Only a picture that is not `kept`, which was not there before the backup and not after it, may
    be missing, and then the audit reports it.
    """
    references = site.list_references()
    safe = [each for each in references if each.name in kept]
    assert safe
    site.check_whole(safe)
    assert [each for each in references if not each.is_in_place] == []
    assert site.list_files() <= list_files(references)
    assert site.sql("SELECT id FROM pictures_journalentry") == []
    bad = set(re.findall("(?:missing|damaged) +(.+)", printed))
    assert bad <= list_files(references) - list_files(safe)
    complaints = re.findall("Error: (.+)", printed)
    assert len(complaints) == bool(bad)
    for complaint in complaints:
        assert re.fullmatch(r"(\d+ files are (missing|damaged)(, |\.))+", complaint)


def list_files(references: list[Reference]) -> set[str]:
    return {name for each in references for name in each.files}


@pytest.mark.parametrize("database", DATABASES)
def test_a_backup_of_a_busy_site_restores_a_consistent_one(
    database: str, prepared: Path, tmp_path: Path
) -> None:
    operator = Operator(tmp_path, database)
    with run_site(database, tmp_path / "site", prepared) as site:
        members = site.add_members("grace", "linus", *(f"member-{n}" for n in range(10)))
        with site.log.open("a") as log, serve(site.environment, *GUNICORN, output=log) as port:
            for member in members:
                assert member.upload(port, PICTURE).status == 201
            with crowd(port, members[2:]) as answers:
                die_half_way(site)
                kept = site.list_references()
                operator.back_up(site)
                kept += site.list_references()
        assert [each for each in answers if not each.is_good] == []
        restored = make_site(tmp_path / "restored", site.url, prepared)
        printed = operator.restore(restored)
        check_restored(restored, {each.name for each in kept}, printed)


def test_only_a_picture_that_came_and_went_during_the_backup_is_missing(
    prepared: Path, tmp_path: Path
) -> None:
    operator = Operator(tmp_path, "SQLite")
    with run_site("SQLite", tmp_path / "site", prepared) as site:
        members = ada, grace, mary, _ = site.add_members("ada", "grace", "mary", "linus")
        with site.log.open("a") as log, serve(site.environment, *GUNICORN, output=log) as port:
            for member in members:
                assert member.upload(port, PICTURE).status == 201
            die_half_way(site)
            commands = operator.read("Backup")
            first, *_, second = [at for at, line in enumerate(commands) if "tar c" in line]
            operator.run(site, commands[: first + 1])
            for member in (ada, grace):
                assert member.upload(port, PICTURE).status == 201
            operator.run(site, commands[first + 1 : second])
            for member in (ada, mary):
                assert member.remove(port).status == 302
            operator.run(site, commands[second:])
        restored = make_site(tmp_path / "restored", site.url, prepared)
        printed = operator.restore(restored)
        [lost] = restored.list_references(ada.key)
        assert set(re.findall("missing +(.+)", printed)) == set(lost.files)
        others = restored.list_references(grace.key, mary.key)
        assert len(others) == 2
        restored.check_whole(others)
        with site.log.open("a") as log, serve(restored.environment, *GUNICORN, output=log) as port:
            assert ada.get(port, "/profiles/ada/").status == 200
            assert ada.get(port, f"/media/{lost.name}").status == 404
            assert ada.upload(port, PICTURE).status == 201
        restored.check_tidy()
        assert "0 orphans" in restored.manage("audit_media", "--older-than", "0")
