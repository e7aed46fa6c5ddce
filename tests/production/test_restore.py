"""Back up a site that members use meanwhile, by deploy/backup.sh, and restore it elsewhere."""

import os
import random
import re
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.pictures import draw_jpeg
from tests.helpers.servers import GUNICORN, ROOT, serve, wait_until

from .crowd import DATABASES, Reference, Site, prepare_site
from .databases import BIN, run_postgres
from .members import Answer, Member

pytestmark = pytest.mark.slow
PICTURE = draw_jpeg()
# Waits before and after it copies, so that members get between the steps, as in a larger site.
RSYNC = """#!/bin/bash
stop() {
    echo >"$STOPS/$1"
    while [ -e "$STOPS" ] && [ ! -e "$STOPS/$1.passed" ]; do sleep 0.1; done
}
number=$(find "$STOPS" -name '*before' | wc -l)
stop "$number-before"
PATH=${PATH#*:} rsync "$@" || failed=$?
stop "$number-after"
exit ${failed:-0}
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
    """Somebody with a shell and a folder for backups."""

    folder: Path

    def start(self, site: Site, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start the script as the site's user would."""
        (self.folder / "backups").mkdir(exist_ok=True)
        own = {"BACKUP_DIR": str(self.folder / "backups"), "PATH": f"{BIN}:{os.environ['PATH']}"}
        return subprocess.Popen(
            ["deploy/backup.sh", *arguments],
            cwd=ROOT,
            env=site.environment | own | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, site: Site, *arguments: str, **variables: str) -> str:
        """Run the script, which must succeed; return what it prints."""
        process = self.start(site, *arguments, **variables)
        printed, _ = process.communicate("yes\n", timeout=300)
        assert process.returncode == 0, printed
        return printed

    @contextmanager
    def stop_between(self, site: Site) -> Iterator[Callable[[str], None]]:
        """Back up with a stop before and after each copy of pictures; give how to get to one."""
        stops, programs = self.folder / "stops", self.folder / "programs"
        stops.mkdir()
        programs.mkdir()
        (programs / "rsync").write_text(RSYNC)
        (programs / "rsync").chmod(0o755)
        path = f"{programs}:{BIN}:{os.environ['PATH']}"
        process = self.start(site, PATH=path, STOPS=str(stops))

        def go_to(stop: str) -> None:
            def has_arrived() -> bool:
                for each in {path.name for path in stops.iterdir()} - {stop}:
                    if not each.endswith(".passed"):
                        (stops / f"{each}.passed").touch()
                return (stops / stop).exists() or process.poll() is not None

            wait_until(has_arrived)

        try:
            yield go_to
        finally:
            shutil.rmtree(stops)
            printed, _ = process.communicate(timeout=300)
        assert process.returncode == 0, printed

    def restore(self, site: Site) -> str:
        """Restore the backup, with a journal in it, and wait until the next day."""
        printed = self.run(site, "--restore")
        site.sql(NEXT_DAY[find_database(site)])
        site.manage("tidy")
        return printed

    def has_journal(self) -> bool:
        """Return whether the backup has entries of files that were arriving or leaving."""
        [backup] = (self.folder / "backups").glob("2*")
        table = "pictures_journalentry"
        if (backup / "db.sqlite3").exists():
            with closing(sqlite3.connect(backup / "db.sqlite3")) as database:
                return bool(database.execute(f"SELECT id FROM {table}").fetchall())
        command = ["pg_restore", "--data-only", f"--table={table}", "--file=-", "likeness.dump"]
        rows = subprocess.run(command, cwd=backup, capture_output=True, text=True).stdout
        return bool(re.search(r"COPY .*;\n\d", rows))


@contextmanager
def run_site(database: str, folder: Path, prepared: Path) -> Iterator[Site]:
    """Give a site without members, on a database with the name and the owner of the manual's."""
    if database == "SQLite":
        with prepare_site(database, folder, prepared) as site:
            yield site
        return
    with run_postgres() as postgres:
        site = make_site(folder, postgres.make_owned("likeness"), prepared)
        Site(folder, postgres.url).sql("ALTER ROLE likeness CREATEDB")
        site.manage("migrate")
        yield site


def find_database(site: Site) -> str:
    return "PostgreSQL" if site.url.startswith("postgres:") else "SQLite"


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


def wait_for_more(answers: list[Answer]) -> None:
    """Wait until members have done something else."""
    count = len(answers)
    wait_until(lambda: len(answers) > count + 2)


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
    media = site.folder / "media"
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in [media, *media.rglob("*")]}
    assert modes == {True: 0o755, False: 0o644}  # nginx reads them as another user.
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
    operator = Operator(tmp_path)
    with run_site(database, tmp_path / "site", prepared) as site:
        members = site.add_members("grace", "linus", *(f"member-{n}" for n in range(10)))
        with site.log.open("a") as log, serve(site.environment, *GUNICORN, output=log) as port:
            for member in members:
                assert member.upload(port, PICTURE).status == 201
            with crowd(port, members[2:]) as answers:
                die_half_way(site)
                kept = site.list_references()
                with operator.stop_between(site) as go_to:
                    for stop in ("0-before", "0-after", "1-before", "1-after"):
                        go_to(stop)
                        wait_for_more(answers)
                kept += site.list_references()
        assert [each for each in answers if not each.is_good] == []
        assert operator.has_journal()
        restored = make_site(tmp_path / "restored", site.url, prepared)
        printed = operator.restore(restored)
        check_restored(restored, {each.name for each in kept}, printed)
        process = operator.start(site, "--verify")
        said, _ = process.communicate(timeout=300)
        assert (process.returncode == 0) == ("Pictures are missing" not in printed), said


def test_only_a_picture_that_came_and_went_during_the_backup_is_missing(
    prepared: Path, tmp_path: Path
) -> None:
    operator = Operator(tmp_path)
    with run_site("SQLite", tmp_path / "site", prepared) as site:
        members = ada, grace, mary, _ = site.add_members("ada", "grace", "mary", "linus")
        with site.log.open("a") as log, serve(site.environment, *GUNICORN, output=log) as port:
            for member in members:
                assert member.upload(port, PICTURE).status == 201
            die_half_way(site)
            with operator.stop_between(site) as go_to:
                go_to("0-after")
                for member in (ada, grace):
                    assert member.upload(port, PICTURE).status == 201
                go_to("1-before")
                for member in (ada, mary):
                    assert member.remove(port).status == 302
        restored = make_site(tmp_path / "restored", site.url, prepared)
        printed = operator.restore(restored)
        [lost] = restored.list_references(ada.key)
        process = operator.start(site, "--verify")
        assert "The pictures of 2" in process.communicate(timeout=300)[0]
        assert process.returncode == 1
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
