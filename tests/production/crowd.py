"""A site on either database, and what must be true of its files.

What is stored is read past the site: with SQL, and from the disk.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from PIL import Image

from profiles.pictures.names import Sizes
from tests.helpers.servers import ROOT, make_environment, manage

from .databases import BIN, run_postgres
from .members import Member
from .visitors import PASSWORD

DATABASES = [
    "SQLite",
    pytest.param("PostgreSQL", marks=pytest.mark.skipif(not BIN, reason="Install postgresql.")),
]
MEMBERS = """
from django.contrib.auth.hashers import make_password
from profiles.models import User
from tests.conftest import sign_in
password = make_password({password!r})  # Once: it takes long.
for name in {names!r}:
    user = User(username=name, password=password)
    user.is_staff = user.is_superuser = name.startswith("admin")
    user.save()
    client = sign_in(user, for_hours=24)
    print(user.pk, client.cookies["sessionid"].value)
"""
SIGN_IN = """
from profiles.models import User
from tests.conftest import sign_in
for name in {names!r}:
    user = User.objects.filter(username=name).first()
    print(sign_in(user, for_hours=24).cookies["sessionid"].value if user else "-")
"""


class Reference(NamedTuple):
    """What a row of a profile names, and who may see it."""

    name: str
    visibility: str
    is_active: bool

    @property
    def is_in_place(self) -> bool:
        is_public = self.visibility == "public" and self.is_active
        return self.name.startswith("avatars/" if is_public else "protected/")

    @property
    def files(self) -> list[str]:
        stem = self.name.removesuffix(Sizes().endings[0])
        return [stem + ending for ending in Sizes().endings]


@dataclass
class Site:
    """A site, whether it runs or not."""

    folder: Path
    url: str

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def read_log(self) -> str:
        """Return the end of what servers and commands have printed."""
        return self.log.read_text()[-5000:]

    @property
    def environment(self) -> dict[str, str]:
        return make_environment(self.folder, DATABASE_URL=self.url, TMPDIR=str(self.folder / "tmp"))

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement in a transaction of its own; return the rows, if it has any."""
        if self.url.startswith("postgres:"):
            with psycopg.connect(self.url) as postgres:
                done = postgres.execute(statement.replace("?", "%s").encode(), values or None)
                return done.fetchall() if done.description else []
        with closing(sqlite3.connect(self.folder / "db.sqlite3", timeout=60)) as sqlite, sqlite:
            return sqlite.execute(statement, values).fetchall()

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command of manage.py beside the site; what it prints goes to a file."""
        command = [sys.executable, "-W", "error", "manage.py", *arguments]
        with self.log.open("a") as log:
            return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)

    def manage(self, *arguments: str) -> str:
        """Run a command of manage.py, which must succeed; return what it prints."""
        done = manage(self.environment, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_members(self, *names: str) -> list[Member]:
        """Make accounts that have signed in; those called "admin…" may do everything."""
        code = MEMBERS.format(names=names, password=PASSWORD)
        words = self.manage("shell", "--no-imports", "-c", code).split()
        keys, sessions = map(int, words[::2]), words[1::2]
        return [Member(*facts) for facts in zip(names, keys, sessions, strict=True)]

    def sign_in(self, members: list[Member]) -> None:
        """Give members a new session each; those who have left get none."""
        code = SIGN_IN.format(names=[member.name for member in members])
        sessions = self.manage("shell", "--no-imports", "-c", code).split()
        for member, session in zip(members, sessions, strict=True):
            member.session = session.removeprefix("-")

    def list_references(self, *keys: int) -> list[Reference]:
        """Return what the profiles of some accounts, or of all, name."""
        rows = self.sql(
            "SELECT user_id, avatar, visibility, is_active FROM profiles_profile"
            " JOIN profiles_user ON profiles_user.id = user_id WHERE avatar <> ''"
        )
        return [
            Reference(name, visibility, bool(is_active))
            for key, name, visibility, is_active in rows
            if not keys or key in keys
        ]

    def drop_pictures(self) -> None:
        """Forget all pictures, so that the next test has only its own."""
        self.sql("UPDATE profiles_profile SET avatar = ''")
        self.sql("DELETE FROM pictures_journalentry")
        shutil.rmtree(self.folder / "media")

    def list_files(self) -> set[str]:
        media = self.folder / "media"
        return {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}

    def check_whole(self, references: list[Reference]) -> None:
        """Fail unless each reference resolves to pictures of all sizes that can be decoded."""
        for reference in references:
            for name in reference.files:
                with Image.open(BytesIO((self.folder / "media" / name).read_bytes())) as picture:
                    picture.load()

    def check_tidy(self) -> None:
        """Tidy once; fail unless there are then exactly the files that rows name, in place."""
        self.manage("tidy", "--now")
        references = self.list_references()
        self.check_whole(references)
        assert [each for each in references if not each.is_in_place] == []
        assert self.list_files() == {name for each in references for name in each.files}
        assert os.listdir(self.folder / "tmp") == []


@contextmanager
def prepare_site(database: str, folder: Path, prepared: Path) -> Iterator[Site]:
    """Give a site without members, on a database of its own."""
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    (folder / "tmp").mkdir()
    if database == "SQLite":
        yield Site(folder, f"sqlite:///{folder}/db.sqlite3")
        return
    with run_postgres() as postgres:
        site = Site(folder, postgres.url)
        site.manage("migrate")
        yield site
