"""config/serve.py and reload.py with a site of a few lines, which starts, waits or fails."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.helpers.cells import find_children
from tests.helpers.servers import ROOT, find_port, get, wait_for, wait_until

# In place of the checks, which run before a worker does, and of the site.
CHECKS = """
import pathlib, sys, time
folder = pathlib.Path(__file__).resolve().parent
while (folder / "checks-wait").exists():
    time.sleep(0.05)
sys.exit((folder / "checks-fail").exists())
"""
APPLICATION = """
import pathlib, time
folder = pathlib.Path(__file__).resolve().parent.parent
text = (folder / "version").read_bytes()
while (folder / "import-waits").exists():
    time.sleep(0.05)


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]
"""
RELOAD = (sys.executable, str(ROOT / "config/reload.py"))
# With a file where the first socket would be, and from another folder.
START = 'exec 3> "$0"; cd /; exec "$1/.venv/bin/python" "$1/config/serve.py"'


@dataclass
class Site:
    """A folder as /srv/likeness, in which `current` leads to the one version, and its server."""

    folder: Path
    port: int = field(default_factory=find_port)
    server: int = 0

    def __post_init__(self) -> None:
        self.release = self.folder / "release"
        self.log = self.folder / "log"
        (self.release / "config").mkdir(parents=True)
        for name in ("env.py", "gunicorn.conf.py", "reload.py", "serve.py"):
            shutil.copy(ROOT / "config" / name, self.release / "config")
        (self.release / "manage.py").write_text(CHECKS, "ascii")
        (self.release / "config/wsgi.py").write_text(APPLICATION, "ascii")
        (self.release / ".venv").symlink_to(sys.prefix)
        self.change("version", "1")
        self.current = self.folder / "current"
        self.current.symlink_to("release")

    def change(self, name: str, text: str) -> None:
        (self.release / name).write_text(text, "ascii")

    def limit_slow_starts(self) -> None:
        """Have the server give up a start that is to be slow after 3 s, and no other."""
        path = self.release / "config/serve.py"
        text = path.read_text("utf-8")
        changed = text.replace(
            "monotonic() + MAX_START_SECONDS",
            "monotonic() + (3 if Path('import-waits').exists() else 120)",
        )
        assert changed != text
        path.write_text(changed, "utf-8")

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start config/serve.py; end what is left of it."""
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                ["bash", "-c", START, self.folder / "inherited", self.current],
                env=os.environ | {"PORT": str(self.port), "WEB_CONCURRENCY": "1"},
                stderr=log,
            )
        self.server = process.pid
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)
            print(self.log.read_text("utf-8"))

    @contextmanager
    def served(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.started() as process:
            wait_for(process, self.port)
            wait_until(lambda: self.read_state() == "serving 1")
            yield process

    def read_state(self) -> str:
        return Path(f"/proc/{self.server}/comm").read_text("ascii").strip()

    def wait_for_state(self, state: str) -> None:
        wait_until(lambda: self.read_state() == state)

    def reload(self) -> subprocess.CompletedProcess[str]:
        return run_reload(str(self.server))

    def read_version(self) -> str:
        return get(self.port, "/")[1].decode()


def run_reload(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RELOAD, *arguments], capture_output=True, text=True, timeout=60)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def check_that_a_reload_fails(site: Site) -> None:
    """And that the version before serves."""
    done = site.reload()
    assert done.returncode == 1
    assert "did not start: the one before still serves" in done.stderr
    assert site.read_version() == "1"


def check_that_a_reload_succeeds(site: Site) -> None:
    site.change("version", "2")
    done = site.reload()
    assert done.returncode == 0, done.stderr
    assert len(find_children(site.server)) == 1
    assert site.read_version() == "2"


def test_versions_that_cannot_start_leave_the_one_before(site: Site) -> None:
    """A folder that is missing, a version that ends at once, and checks that fail."""
    with site.served():
        site.current.unlink()
        check_that_a_reload_fails(site)
        site.current.symlink_to("release")
        (site.release / ".venv").unlink()
        check_that_a_reload_fails(site)
        (site.release / ".venv").symlink_to(sys.prefix)
        site.change("checks-fail", "")
        check_that_a_reload_fails(site)
        (site.release / "checks-fail").unlink()
        check_that_a_reload_succeeds(site)


def test_a_version_that_starts_too_slowly_leaves_the_one_before(site: Site) -> None:
    """Even if its worker is ready just after the server has given it up."""
    site.limit_slow_starts()
    with site.served(), ThreadPoolExecutor(1) as pool:
        (old,) = find_children(site.server)
        site.change("import-waits", "")
        reload = pool.submit(check_that_a_reload_fails, site)
        wait_until(lambda: "did not serve within" in site.log.read_text("utf-8"))
        (site.release / "import-waits").unlink()
        reload.result()
        wait_until(lambda: find_children(site.server) == [old])
        assert site.read_state() == "failed 2"
        assert site.read_version() == "1"
        check_that_a_reload_succeeds(site)


def test_a_reload_during_a_start_is_done_after_it(site: Site) -> None:
    with site.served():
        site.change("version", "2")
        site.change("import-waits", "")
        os.kill(site.server, signal.SIGHUP)
        site.wait_for_state("starting 2")
        os.kill(site.server, signal.SIGHUP)
        wait_until(lambda: len(find_children(site.server)) == 2)
        assert site.read_version() == "1"
        site.change("version", "3")
        (site.release / "import-waits").unlink()
        site.wait_for_state("serving 3")
        assert site.read_version() == "3"


def test_a_reload_during_a_first_start_that_fails_ends(site: Site) -> None:
    site.change("checks-wait", "")
    site.change("checks-fail", "")
    with site.started() as process:
        site.wait_for_state("starting 1")
        os.kill(site.server, signal.SIGHUP)
        (site.release / "checks-wait").unlink()
        assert process.wait(60) == 1


@pytest.mark.parametrize("gate", ["checks-wait", "import-waits"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_an_end_that_was_asked_for_during_a_start_is_no_failure(
    site: Site, gate: str, number: int
) -> None:
    site.change(gate, "")
    with site.started() as process:
        site.wait_for_state("starting 1")
        wait_until(lambda: find_children(find_children(site.server)[0]) != [])
        os.kill(site.server, number)
        (site.release / gate).unlink()
        assert process.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGTERM])
def test_the_site_ends_when_it_is_asked_to(site: Site, number: int) -> None:
    with site.served() as process:
        os.kill(site.server, number)
        assert process.wait(60) == 0
    done = site.reload()
    assert done.stderr == (
        f"'{site.server}' is not a config/serve.py. Usage: python config/reload.py PID\n"
    )


def test_the_status_says_that_gunicorn_was_killed(site: Site) -> None:
    with site.served() as process:
        (gunicorn,) = find_children(site.server)
        os.killpg(gunicorn, signal.SIGKILL)
        assert process.wait(60) == 128 + signal.SIGKILL


def test_a_reload_says_that_nothing_serves(site: Site) -> None:
    with site.served() as process:
        site.change("checks-wait", "")
        reload = subprocess.Popen([*RELOAD, str(site.server)], stderr=subprocess.PIPE, text=True)
        site.wait_for_state("starting 2")
        process.terminate()
        process.wait(60)
        assert reload.communicate(timeout=60)[1] == (
            "config/serve.py has ended: nothing serves. The log says why.\n"
        )
        assert reload.returncode == 1
        (site.release / "checks-wait").unlink()


def test_gunicorn_serves_on_after_a_kill_of_its_server(site: Site) -> None:
    """Its new workers start, and report to nobody."""
    with site.served() as process:
        (gunicorn,) = find_children(site.server)
        try:
            process.kill()
            process.wait(60)
            (worker,) = find_children(gunicorn)
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda: find_children(gunicorn) not in ([], [worker]))
            assert site.read_version() == "1"
        finally:
            os.killpg(gunicorn, signal.SIGTERM)


def test_a_file_that_is_open_already_stays_what_it_is(site: Site) -> None:
    with site.served():
        check_that_a_reload_succeeds(site)
        folder = Path(f"/proc/{site.server}/fd")
        assert (folder / "3").readlink() == site.folder / "inherited"
        opened = [str(path.readlink()) for path in folder.iterdir()]
        assert len([name for name in opened if name.startswith("socket:")]) == 1


@pytest.mark.parametrize("arguments", [(), ("",), ("x",), (str(os.getpid()),), ("999999999",)])
def test_a_wrong_process_id_is_named_in_one_line(arguments: tuple[str, ...]) -> None:
    done = run_reload(*arguments)
    assert done.returncode == 1
    assert done.stderr == (
        f"'{''.join(arguments)}' is not a config/serve.py. Usage: python config/reload.py PID\n"
    )
