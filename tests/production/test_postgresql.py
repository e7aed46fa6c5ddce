"""The site on a real PostgreSQL, which is restarted under it.

The other tests run on PostgreSQL as well, where DATABASE_URL names one.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from tests.servers import GUNICORN, find, find_port, get, make_environment, manage, serve

from .visitors import PASSWORD, Visitor, draw_photo

BINARIES = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), Path("/usr/local/bin")]
BIN = next((folder for folder in reversed(BINARIES) if (folder / "initdb").exists()), None)
pytestmark = pytest.mark.skipif(not BIN, reason="Install postgresql.")
THREADS = 2 * 4  # gunicorn's workers, and the threads of each


@dataclass
class Database:
    """A PostgreSQL of the test's own."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, command: str, *arguments: str) -> None:
        """Run one of PostgreSQL's own programs, which refuse to be root."""
        program = [str((BIN or Path()) / command), f"--pgdata={self.folder}/data", *arguments]
        user = "postgres" if os.geteuid() == 0 else None
        subprocess.run(program, cwd="/", user=user, check=True, stdout=subprocess.DEVNULL)

    def control(self, verb: str) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        start = [f"--options={options}", f"--log={self.folder}/log"] if verb != "stop" else []
        self.run("pg_ctl", verb, "--wait", "--silent", "--mode=fast", *start)

    def list_connections(self) -> set[int]:
        """Return the process ids of the server that others than this test are connected to."""
        sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        with psycopg.connect(self.url) as connection:
            pids = {pid for (pid,) in connection.execute(sql)}
            return pids - {connection.info.backend_pid}


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    # Not pytest's folder, which is closed to the user postgres.
    with TemporaryDirectory() as name:
        database = Database(Path(name), find_port())
        if os.geteuid() == 0:
            shutil.chown(name, "postgres")
        database.run(
            "initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"
        )
        database.control("start")
        yield database
        database.control("stop")


@pytest.fixture(scope="module")
def port(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a site that runs on the database."""
    environment = make_environment(tmp_path_factory.mktemp("site"), DATABASE_URL=database.url)
    for command in (["migrate"], ["collectstatic", "--noinput"]):
        done = manage(environment, *command)
        assert done.returncode == 0, done.stderr
    with serve(environment, *GUNICORN) as port:
        yield port


def ask_often(port: int) -> list[int]:
    """Ask for a page forty times, eight at a time; return the statuses of the answers."""
    with ThreadPoolExecutor(THREADS) as visitors:
        return list(visitors.map(lambda _: get(port, "/profiles/")[0].status, range(40)))


def test_a_visitor_puts_up_a_picture_and_is_found(port: int) -> None:
    ada = Visitor(f"http://127.0.0.1:{port}")
    account = {"username": "ada", "email": "ada@example.com"}
    ada.send("/accounts/signup/", **account, password1=PASSWORD, password2=PASSWORD)
    ada.upload("/profile/avatar/", "avatar", draw_photo())
    assert "/media/protected/" in ada.page("/profiles/?q=ada")


def test_connections_are_kept_and_no_more_than_there_are_threads(
    port: int, database: Database
) -> None:
    assert set(ask_often(port)) == {200}
    before = database.list_connections()
    assert set(ask_often(port)) == {200}
    after = database.list_connections()
    assert 0 < len(before | after) <= THREADS
    assert before & after


def test_a_restart_of_the_database_breaks_no_later_request(port: int, database: Database) -> None:
    ask_often(port)
    database.control("restart")
    assert set(ask_often(port)) == {200}


def test_while_the_database_is_down_the_site_says_so_and_serves_files(
    port: int, database: Database
) -> None:
    page = get(port, "/profiles/")[1].decode()
    stylesheet = find(r"/static/css/site\.[0-9a-f]+\.css", page)
    database.control("stop")
    try:
        response, body = get(port, "/healthz")
        assert (response.status, body) == (503, b"The database does not answer.")
        assert set(ask_often(port)) == {500}
        assert get(port, stylesheet)[0].status == 200
    finally:
        database.control("start")
    assert get(port, "/healthz")[0].status == 200
    assert set(ask_often(port)) == {200}
