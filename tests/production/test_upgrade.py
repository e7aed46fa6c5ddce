"""Versions side by side without a container: deploy/upgrade.sh, config/serve.py and reload.py."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

from tests.helpers.cells import find_children
from tests.helpers.servers import ROOT, find, get, make_environment, wait_for, wait_until

SOURCE = ("config", "deploy", "examples", "locale", "profiles", "static", "templates")
PAGES = ("/", "/profiles/", "/how-it-works/", "/accounts/login/", "/accounts/signup/")
VISITORS = 6
VERSION = r"version-\d"
# Only a worker imports wsgi.py.
WAITING = """
import pathlib, time
gate = pathlib.Path("{folder}")
(gate / "is-starting").touch()
while not (gate / "may-start").exists():
    time.sleep(0.05)
"""


@dataclass
class Installation:
    """A site in a folder as /srv/likeness, and people who look at its pages all the time."""

    folder: Path
    environment: dict[str, str]
    port: int = 0
    server: int = 0
    is_over: Event = field(default_factory=Event)
    answers: list[tuple[int, str]] = field(default_factory=list)

    def release(self, version: str, changes: dict[str, Callable[[str], str]]) -> None:
        """Tag a version of the source in which files are changed."""
        source = self.folder / "source"
        for name, change in changes.items():
            path = source / name
            path.write_text(change(path.read_text("utf-8")), "utf-8")
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        for command in (("add", "--all"), ("commit", "--quiet", "-m", version), ("tag", version)):
            subprocess.run(["git", *identity, *command], cwd=source, check=True)

    def upgrade(self, version: str, reload: str = "") -> subprocess.CompletedProcess[str]:
        script = self.folder / "current/deploy/upgrade.sh"
        if not script.exists():
            script = self.folder / "first/deploy/upgrade.sh"
        script_of_reload = self.folder / "reload"  # A command has no path with a space in it.
        script_of_reload.write_text(
            f'exec "{sys.executable}" {self.folder}/current/config/reload.py {self.server}\n'
        )
        reload = reload or f"sh {script_of_reload}"
        return subprocess.run(
            ["bash", str(script), version],
            env=self.environment | {"LIKENESS_RELOAD": reload},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def read_versions(self) -> set[str]:
        """Return which versions answer: each worker is likely to be asked."""
        return {find(VERSION, get(self.port, "/")[1].decode()) for _ in range(8)}

    def visit(self) -> None:
        """Look at page after page, each with the stylesheet that it names."""
        while not self.is_over.is_set():
            for path in PAGES:
                response, page = get(self.port, path)
                self.answers.append((response.status, find(VERSION, page.decode())))
                style = find(r"/static/css/site\.[0-9a-f]{12}\.css", page.decode())
                self.answers.append((get(self.port, style)[0].status, ""))
                self.is_over.wait(0.2)

    @contextmanager
    def visited(self) -> Iterator[None]:
        """Have visitors look at the pages until the block ends; none may see an error."""
        self.is_over.clear()
        self.answers.clear()
        with ThreadPoolExecutor(VISITORS) as pool:
            visits = [pool.submit(self.visit) for _ in range(VISITORS)]
            try:
                yield
            finally:
                self.is_over.set()
        for visit in visits:
            visit.result()
        assert {status for status, _ in self.answers} == {200}

    def wait_for_answers(self, count: int) -> None:
        """Wait until visitors have got some more pages."""
        before = len(self.answers)
        wait_until(lambda: len(self.answers) >= before + count)


def mark(version: int) -> Callable[[str], str]:
    """Return a change of the frame of all pages."""
    return lambda text: re.sub(
        "(<p>version-.</p>)?</body>", f"<p>version-{version}</p></body>", text
    )


def has_processes(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The first version, installed by the script and started as by systemd."""
    folder = tmp_path_factory.mktemp("srv")
    for name in SOURCE:
        ignored = shutil.ignore_patterns("__pycache__", ".venv")
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=ignored)
    for name in ("manage.py", "requirements.txt"):
        shutil.copy(ROOT / name, folder / "source")
    subprocess.run(["git", "init", "--quiet", folder / "source"], check=True)
    # In place of a new environment for each version, the one that runs this test.
    stand_in = folder / "bin/python3"
    stand_in.parent.mkdir()
    stand_in.write_text(f'#!/bin/sh\nln -s "{sys.prefix}" "$3"\n')
    stand_in.chmod(0o755)
    environment = make_environment(folder)
    del environment["STATIC_ROOT"]
    (folder / "site.env").touch()
    installation = Installation(
        folder,
        environment
        | {
            "LIKENESS_ROOT": str(folder),
            "LIKENESS_USER": subprocess.check_output(["id", "-un"], text=True).strip(),
            "LIKENESS_VARIABLES": str(folder / "site.env"),
            "PATH": f"{stand_in.parent}:{os.environ['PATH']}",
            "PIP_NO_INDEX": "1",
        },
    )
    installation.release("v1", {"templates/base.html": mark(1)})
    # A clone of a clone, which does not get the tags that are made later.
    for names in (("source", "clone"), ("clone", "first")):
        subprocess.run(["git", "clone", "--quiet", *names], cwd=folder, check=True)
    done = installation.upgrade("v1")
    assert done.returncode == 0, done.stderr
    with socket.create_server(("127.0.0.1", 0)) as listener:
        installation.port = listener.getsockname()[1]
        current = folder / "current"
        activate = f"exec 3<&{listener.fileno()}; LISTEN_FDS=1 LISTEN_PID=$$ exec "
        process = subprocess.Popen(
            ["bash", "-c", f"{activate} {current}/.venv/bin/python {current}/config/serve.py"],
            env=environment | {"DJANGO_DOTENV": ""},
            pass_fds=[listener.fileno()],
        )
        installation.server = process.pid
        try:
            wait_for(process, installation.port)
            yield installation
        finally:
            process.terminate()
            assert process.wait(60) == 0


def test_nobody_sees_an_error_during_an_upgrade_and_the_way_back(site: Installation) -> None:
    """Nor waits: while the new version starts, the old one answers."""
    site.release(
        "v2",
        {
            "templates/base.html": mark(2),
            "static/css/site.css": lambda text: text + "/* Of the next version. */\n",
            "config/wsgi.py": lambda text: WAITING.format(folder=site.folder) + text,
        },
    )
    (old,) = find_children(site.server)
    with site.visited(), ThreadPoolExecutor(1) as pool:
        upgrade = pool.submit(site.upgrade, "v2")
        try:
            while not ((site.folder / "is-starting").exists() or upgrade.done()):
                time.sleep(0.1)
            site.wait_for_answers(4 * VISITORS)
            assert {version for _, version in site.answers} == {"version-1", ""}
        finally:
            (site.folder / "may-start").touch()
        done = upgrade.result()
        assert done.returncode == 0, done.stderr
        assert site.read_versions() == {"version-2"}
        # Neither the old gunicorn nor a process that opens pictures for it.
        wait_until(lambda: not has_processes(old))
    with site.visited():
        done = site.upgrade("v1")
        assert done.returncode == 0, done.stderr
        assert site.read_versions() == {"version-1"}


def test_a_version_that_does_not_start_changes_nothing(site: Installation) -> None:
    before = (site.folder / "current").readlink()
    versions = site.read_versions()
    site.release("v3", {"config/wsgi.py": lambda text: "A mistake\n" + text})
    with site.visited():
        done = site.upgrade("v3")
        assert done.returncode == 1
        assert f"v3 does not serve. The link leads to {before}, as before." in done.stderr
        site.wait_for_answers(VISITORS)
    assert {version for _, version in site.answers} == versions | {""}
    assert (site.folder / "current").readlink() == before


@pytest.mark.parametrize("name", ["", ".", "..", "-q", ".new", "v1/", "v 1", "../releases"])
def test_what_is_no_name_of_a_version_deletes_nothing(site: Installation, name: str) -> None:
    done = site.upgrade(name)
    assert done.returncode == 1
    assert done.stderr.startswith(f"'{name}' is not the name of a version.")
    assert (site.folder / "releases/v1/.installed").exists()


def test_only_tags_are_installed_and_a_folder_stays_until_there_is_another(
    site: Installation,
) -> None:
    subprocess.run(["git", "branch", "next"], cwd=site.folder / "source", check=True)
    mine = site.folder / "releases/next/mine"
    mine.parent.mkdir()
    mine.touch()
    done = site.upgrade("next")
    assert done.returncode != 0
    assert "refs/tags/next" in done.stderr
    assert mine.exists()


def test_the_folder_that_serves_is_never_deleted(site: Installation) -> None:
    release = (site.folder / "current").resolve()
    (release / ".installed").rename(release / "mark")
    done = site.upgrade(release.name)
    (release / "mark").rename(release / ".installed")
    assert done.returncode == 1
    assert f"leads to {release}, which this script has not made" in done.stderr
    assert (release / "manage.py").exists()


def test_a_version_gets_old_static_files_of_the_one_before_alone(site: Installation) -> None:
    styles = {path.name for path in (site.folder / "current/staticfiles/css").glob("site.*.css")}
    (site.folder / "current/staticfiles/css/older.css").touch()
    changes = {
        "config/wsgi.py": lambda text: text.removeprefix("A mistake\n"),
        "static/css/site.css": lambda text: text + "/* Changed. */\n",
    }
    site.release("v4", changes)
    done = site.upgrade("v4", reload="true")
    assert done.returncode == 0, done.stderr
    found = {path.name for path in (site.folder / "releases/v4/staticfiles/css").iterdir()}
    assert styles & found
    assert "older.css" not in found


def test_an_upgrade_repairs_a_link_that_leads_nowhere(site: Installation) -> None:
    current = site.folder / "current"
    current.unlink()
    current.symlink_to("releases/gone")
    done = site.upgrade("v1", reload="false")
    assert done.returncode == 1
    assert done.stderr == "v1 is installed, but does not serve.\n"
    assert current.readlink() == Path("releases/v1")
