"""The site on a real PostgreSQL, which is restarted meanwhile.

The other tests run on PostgreSQL as well, where DATABASE_URL names one.
"""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.helpers.servers import GUNICORN, find, get, make_environment, manage, serve, wait_until

from .databases import BIN, Database, run_postgres
from .visitors import PASSWORD, Visitor, draw_photo

pytestmark = pytest.mark.skipif(not BIN, reason="Install postgresql.")
THREADS = 2 * 4  # gunicorn's workers, and the threads of each


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with run_postgres() as database:
        yield database


@pytest.fixture(scope="module")
def port(
    database: Database, tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> Iterator[int]:
    """The port of a site that runs on the database."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    environment = make_environment(folder, DATABASE_URL=database.url)
    done = manage(environment, "migrate")
    assert done.returncode == 0, done.stderr
    with serve(environment, *GUNICORN) as port:
        yield port


def ask_often(port: int) -> list[int]:
    """Ask for a page forty times, eight at a time; return the statuses of the answers."""
    with ThreadPoolExecutor(THREADS) as visitors:
        return list(visitors.map(lambda _: get(port, "/profiles/")[0].status, range(40)))


def test_a_visitor_uploads_a_picture_and_is_found(port: int) -> None:
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
        # The health is up to a second old.
        wait_until(lambda: get(port, "/healthz")[0].status == 503)
        assert get(port, "/healthz")[1] == b"The database does not answer."
        assert set(ask_often(port)) == {500}
        assert get(port, stylesheet)[0].status == 200
    finally:
        database.control("start")
    wait_until(lambda: get(port, "/healthz")[0].status == 200)
    assert set(ask_often(port)) == {200}
