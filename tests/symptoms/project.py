"""A copy of the smallest example: it is broken, looked at, and fixed."""

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

from ..helpers.pictures import draw_jpeg
from ..helpers.servers import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EXAMPLE = ROOT / "examples/smallest"
COMMAND = ROOT / "profiles/management/commands/why.py"
TEMPLATE = "templates/profile.html"


def find(pattern: str, name: str) -> str:
    """Return what a pattern finds in a file of the example, so that the variants follow it."""
    match = re.search(pattern, (EXAMPLE / name).read_text("utf-8"))
    assert match, f"{pattern} is not in {name}."
    return match[0]


LINK = find(r"{% static ['\"][\w/]+\.css['\"] %}", TEMPLATE)
LOAD = find(r"  {% load static %}\n|{% load static %}", TEMPLATE)
STYLE = re.split("['\"]", LINK)[1]
SOURCE = next(str(path.relative_to(EXAMPLE)) for path in EXAMPLE.rglob(f"static/{STYLE}"))
FIELD = find(r"models\.ImageField\(.+", "people/models.py")
PICTURE = "avatars/me.jpg"
# Root as well is refused what the rights of a file do not allow.
AS_OTHERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] * (os.geteuid() == 0)

# As the page shows it: where the site is, and what is different each time.
FOLDER, HOME, ADDRESS = "/srv/site", "/home/ada", "127.0.0.1:8000"
ERROR_LOG = "/var/log/nginx/error.log"
CHANGING = {
    r"0x[0-9a-f]+": "0x7f3a5c",
    r"_[A-Za-z0-9]{7}(?=\.jpg)": "_x8Fk2Qd",
    r"\b(AWSAccessKeyId|Signature|Expires)=[^&\s]+": r"\1=…",
}
SHOWN = {".py", ".html", ".css", ".js", ".conf", ".sh", ""}
GENERATED = {"nginx", "home", "staticfiles", "media", "management", "__pycache__", "packages"}
SIGN_IN = """
import django; django.setup()
from django.contrib.auth.models import User
from django.test import Client
ada = User.objects.create_superuser("ada", password="difference")
User.objects.create_user("grace")
client = Client()
client.force_login(ada)
print(client.session.session_key)
"""


@dataclass
class Project:
    """The copy, and what it is looked at with."""

    folder: Path
    browser: "Browser | None" = None
    address: str = ADDRESS  # Of the server that runs now.
    python: list[str] = field(default_factory=lambda: [sys.executable])
    prefix: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)  # What stands for a text on the page.

    @property
    def log(self) -> Path:
        """Where the server writes."""
        return self.folder / "server.txt"

    @property
    def session(self) -> str:
        """Ada's session."""
        return (self.folder / "session.txt").read_text("utf-8").strip()

    @property
    def environment(self) -> dict[str, str]:
        """The environment without what would point the example at the outer project."""
        outer = ("DJANGO_", "PYTHONPATH")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(outer)}
        return kept | {"LC_ALL": "C.UTF-8", "DJANGO_SETTINGS_MODULE": "settings"} | self.variables

    def read(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")

    def write(self, name: str, text: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)

    def change(self, name: str, old: str, new: str) -> None:
        """Replace a text, which has to be there."""
        text = self.read(name)
        assert old in text, f"{old} is not in {name}."
        self.write(name, text.replace(old, new))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.prefix, *command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )

    def execute(self, code: str) -> str:
        """Run Python code with this project; return what it prints, its traceback included."""
        return self.run(*self.python, "-W", "error", "-c", code).stdout

    def tell(self, command: str) -> str:
        """Run a command as the page shows it; return what it prints.

        Of `why` only the last two lines, and of a traceback, which each Python writes in its own
        way, the last.
        """
        line = re.sub("^manage.py", "python manage.py", command).replace(ADDRESS, self.address)
        line = re.sub("^python ", lambda _: f"{shlex.join(self.python)} ", line)
        line = line.replace(FOLDER, str(self.folder)).replace(HOME, f"{self.folder}{HOME}")
        line = line.replace(ERROR_LOG, "nginx/error.txt")
        for real, shown in self.shown.items():
            line = line.replace(f" {shown} ", f" {real} ")
        lines = self.run("sh", "-c", line).stdout.strip().splitlines()
        if "manage.py why" in command and "|" not in command:
            lines = lines[-2:]
        elif lines and lines[0].startswith("Traceback"):
            lines = lines[-1:]
        return self.simplify("\n".join(lines))

    def simplify(self, text: str) -> str:
        """Return a text without what is different on each machine and in each run."""
        text = text.replace(f"{self.folder}{HOME}", HOME).replace(str(self.folder), FOLDER)
        text = text.replace(self.address, ADDRESS)
        for real, shown in self.shown.items():
            text = text.replace(real, shown)
        for pattern, shown in CHANGING.items():
            text = re.sub(pattern, shown, text)
        return text.strip()

    def add_picture(self, name: str = PICTURE, user: int = 1) -> None:
        """Add a picture as it is stored after an upload."""
        with closing(sqlite3.connect(self.folder / "db.sqlite3")) as database, database:
            row = "INSERT INTO people_profile (user_id, avatar) VALUES (?, ?)"
            database.execute(row, (user, name))
        self.write(f"media/{name}", draw_jpeg())

    def remove_pictures(self) -> None:
        with closing(sqlite3.connect(self.folder / "db.sqlite3")) as database, database:
            database.execute("DELETE FROM people_profile")
        shutil.rmtree(self.folder / "media/avatars", ignore_errors=True)

    def read_source(self) -> dict[str, str]:
        """Return the text of each file of the source, by its name."""
        names = [path.relative_to(self.folder) for path in self.folder.rglob("*")]
        return {
            str(name): self.read(str(name))
            for name in sorted(names)
            if name.suffix in SHOWN and not GENERATED & set(name.parts)
            if (self.folder / name).is_file()
        }

    def restore(self, source: dict[str, str]) -> None:
        for name in self.read_source().keys() - source.keys():
            (self.folder / name).unlink()
        for name, text in source.items():
            self.write(name, text)

    def diff(self, before: dict[str, str]) -> str:
        """Return what has changed in the source since."""
        return self.simplify("\n".join(list_differences(before, self.read_source())))


def list_differences(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    """Yield the lines of a diff, as git writes it."""
    moved = {
        old: new
        for old in before.keys() - after.keys()
        for new in after.keys() - before.keys()
        if before[old] == after[new]
    }
    for old, new in moved.items():
        yield from (f"rename from {old}", f"rename to {new}")
    for name in sorted((before.keys() | after.keys()) - moved.keys() - set(moved.values())):
        old, new = before.get(name, ""), after.get(name, "")
        names = f"a/{name}" if old else "/dev/null", f"b/{name}" if new else "/dev/null"
        yield from unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="", n=2)


def prepare(folder: Path) -> None:
    """Make the project that is copied for each variant: Ada has signed in, Grace is there."""
    ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3", "media", "staticfiles", ".venv")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=ignored)
    shutil.copytree(COMMAND.parent, folder / "people/management/commands", ignore=leave_only_why)
    project = Project(folder)
    done = project.run(sys.executable, "manage.py", "migrate", "--run-syncdb", "--verbosity=0")
    assert done.returncode == 0, done.stdout
    project.write("session.txt", project.execute(SIGN_IN))
    (folder / "media").mkdir()


def leave_only_why(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name != COMMAND.name]
