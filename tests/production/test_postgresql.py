"""The site on a real PostgreSQL, which is restarted meanwhile.

The other tests run on PostgreSQL as well, where DATABASE_URL names one.
"""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.helpers.servers import GUNICORN, find, get, make_environment, manage, serve, wait_until

from .databases import BIN, Database, run_postgres
from .visitors import PASSWORD, Visitor, draw_photo

pytestmark = pytest.mark.skipif(not BIN, reason="Install postgresql.")
JOIN = """
INSERT INTO profiles_user
    (username, password, email, is_superuser, is_staff, is_active, date_joined)
VALUES (%s, '', '', false, false, true, now()) RETURNING id
"""
ADD_PROFILE = """
INSERT INTO profiles_profile
    (user_id, display_name, folded_name, bio, location, website, visibility, avatar, description)
VALUES (%s, '', E'\\n', '', '', '', 'public', '', '')
"""
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


def migrate(folder: Path, url: str) -> "subprocess.CompletedProcess[str]":
    return manage(make_environment(folder, DATABASE_URL=url), "migrate", "--verbosity=0")


def run(url: str, *statements: str) -> None:
    """Run statements as the administrator of PostgreSQL."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def test_the_owner_of_a_database_makes_all_that_the_search_needs(
    database: Database, tmp_path: Path
) -> None:
    done = migrate(tmp_path, database.make_owned("owner"))
    assert (done.returncode, done.stderr) == (0, "")


def test_who_may_not_create_the_extension_is_told_what_to_run(
    database: Database, tmp_path: Path
) -> None:
    run(database.url, "CREATE ROLE guest LOGIN", "CREATE DATABASE guest")
    as_admin = database.url.removesuffix("postgres") + "guest"
    run(as_admin, "GRANT ALL ON SCHEMA public TO guest")
    as_guest = as_admin.replace("//postgres@", "//guest@")
    done = migrate(tmp_path, as_guest)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    command = "psql --dbname guest --command 'CREATE EXTENSION pg_trgm'"
    assert command in done.stderr
    run(as_admin, "CREATE EXTENSION pg_trgm")
    done = migrate(tmp_path, as_guest)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_database_that_knows_the_letters_of_ascii_alone_is_warned_of(
    database: Database, tmp_path: Path
) -> None:
    run(database.url, "CREATE DATABASE ascii TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    done = migrate(tmp_path, database.url.removesuffix("postgres") + "ascii")
    assert done.returncode == 0
    assert "profiles.W010" in done.stderr


def test_an_index_that_a_kill_left_unfinished_is_made_again(
    database: Database, tmp_path: Path
) -> None:
    url = database.make_owned("killed")
    assert migrate(tmp_path, url).returncode == 0
    # As CREATE INDEX CONCURRENTLY leaves it.
    spoil = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'profiles_names'::regclass"
    run(database.url.removesuffix("postgres") + "killed", spoil)
    check = "from django.db import connection; from profiles.search import index; "
    ask = f"{check}print(index.is_complete(connection))"
    environment = make_environment(tmp_path, DATABASE_URL=url)
    assert manage(environment, "shell", "--command", ask).stdout.split()[-1] == "False"
    assert migrate(tmp_path, url).returncode == 0
    assert manage(environment, "shell", "--command", ask).stdout.split()[-1] == "True"


def join(url: str, first: int, over: threading.Event) -> int:
    """Sign up people one after the other, as the site writes them; return how many."""
    count = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while not over.is_set():
            count += 1
            with connection.transaction():
                (pk,) = connection.execute(JOIN, [f"person-{first + count}"]).fetchone() or ()
                connection.execute(ADD_PROFILE, [pk])
    return count


def test_people_join_while_the_index_is_created(database: Database, tmp_path: Path) -> None:
    url = database.make_owned("crowded")
    assert migrate(tmp_path, url).returncode == 0
    over = threading.Event()
    with ThreadPoolExecutor(4) as people:
        joined = [people.submit(join, url, number * 100_000, over) for number in range(4)]
        try:
            for trigger in ("names ON profiles_profile", "username ON profiles_user"):
                run(url, f"DROP TRIGGER profiles_search_{trigger}")
                with ThreadPoolExecutor(2) as operators:  # Two at the same time.
                    done = list(operators.map(partial(migrate, tmp_path), [url] * 2))
                assert [each.returncode for each in done] == [0, 0], done[0].stderr
        finally:
            over.set()
        assert sum(each.result() for each in joined) > 0
    with psycopg.connect(url) as connection:
        missing = "SELECT count(*) FROM profiles_profile WHERE names NOT LIKE '%  person-%'"
        assert connection.execute(missing).fetchone() == (0,)
