"""The middleware: the health check and the request id."""

import re
import shutil
import signal
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.conf import LazySettings
from django.core.files.storage import Storage
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.test.utils import CaptureQueriesContext

from config import logs
from profiles.models import User

from .conftest import list_media
from .helpers.servers import make_environment, manage


class Clock:
    """A clock that does not move until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The test's clock."""
    clock = Clock()
    monkeypatch.setattr("config.health.time.monotonic", clock)
    return clock


MEGABYTE, GIGABYTE = 1_000_000, 1_000_000_000
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def disks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Usage]:
    """The sizes of disks, by a folder; those that no test has set have room."""
    sizes: dict[str, Usage] = {}

    def find_usage(folder: str) -> Usage:
        return sizes.get(str(folder), Usage(GIGABYTE, 0, GIGABYTE))

    monkeypatch.setattr(shutil, "disk_usage", find_usage)
    return sizes


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The log, with the request ids."""
    numbers = logs.RequestIdFilter()
    caplog.handler.addFilter(numbers)
    yield caplog
    caplog.handler.removeFilter(numbers)


def ask(client: Client, url: str = "/healthz") -> tuple[int, str]:
    """Return the status and the text of the health check."""
    response = client.get(url)
    return response.status_code, response.content.decode()


def test_a_healthy_site_says_ok(db: None, client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_the_health_can_only_be_read(method: str, db: None, client: Client) -> None:
    response = client.generic(method, "/healthz")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert client.head("/healthz").status_code == 200


def test_the_health_is_found_out_once_a_second(db: None, client: Client, clock: Clock) -> None:
    assert ask(client) == (200, "ok")
    MigrationRecorder.Migration.objects.filter(app="profiles").delete()
    clock.now += 0.9
    with CaptureQueriesContext(connection) as queries:
        assert ask(client) == (200, "ok")
    assert len(queries) == 0
    assert ask(client, "/healthz?media=1") == (503, "A migration is missing.")
    clock.now += 0.1
    assert ask(client) == (503, "A migration is missing.")


@pytest.mark.parametrize("host", ["10.0.0.7:8000", "evil.example", "localhost", "[::1]", "a b"])
def test_the_health_does_not_depend_on_the_host(
    host: str, db: None, client: Client, settings: LazySettings
) -> None:
    settings.ALLOWED_HOSTS = ["likeness.example"]
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz", headers={"host": host}).status_code == 200
    assert client.get("/", headers={"host": host}).status_code in (301, 400)


def test_the_health_check_uses_no_session(db: None, as_ada: Client) -> None:
    response = as_ada.get("/healthz")
    assert not response.cookies
    assert "Vary" not in response.headers


def test_the_health_check_has_only_one_address(db: None, client: Client) -> None:
    assert client.get("/healthz/").status_code == 404
    assert client.get("/healthzz").status_code == 404


@pytest.mark.parametrize("app", ["profiles", "sessions"])
def test_a_missing_migration_is_reported(app: str, db: None, client: Client) -> None:
    MigrationRecorder.Migration.objects.filter(app=app).delete()
    assert ask(client) == (503, "A migration is missing.")


def test_an_empty_database_is_reported(db: None, client: Client) -> None:
    MigrationRecorder.Migration.objects.all().delete()
    assert ask(client) == (503, "A migration is missing.")


def test_a_database_that_does_not_answer_is_reported(db: None, client: Client) -> None:
    with connection.execute_wrapper(break_off):
        assert ask(client) == (503, "The database does not answer.")


def break_off(*args: object) -> None:
    """Fail as a database does that was stopped."""
    raise OperationalError("server closed the connection unexpectedly")


def test_the_media_can_be_written_and_nothing_is_left(
    db: None, client: Client, clock: Clock, settings: LazySettings
) -> None:
    assert ask(client, "/healthz?media=1") == (200, "ok")
    assert settings.MEDIA_ROOT.is_dir()
    assert list_media(settings) == []


class Bucket(Storage):
    """A bucket, which refuses a name that is taken."""

    names: ClassVar[set[str]] = set()

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        if name in self.names:
            raise FileExistsError(name)
        self.names.add(str(name))
        return str(name)

    def delete(self, name: str) -> None:
        self.names.discard(name)


def test_what_a_killed_check_left_in_a_bucket_is_deleted_by_the_next(
    db: None, client: Client, settings: LazySettings
) -> None:
    bucket = {"BACKEND": "tests.test_middleware.Bucket"}
    settings.STORAGES = settings.STORAGES | {"protected": bucket}
    Bucket.names.add("healthz")
    assert ask(client, "/healthz?media=1") == (200, "ok")
    assert not Bucket.names


def test_a_check_that_is_killed_leaves_no_file(tmp_path: Path) -> None:
    code = """
import os, signal, tempfile
from config import health
make = tempfile.TemporaryFile
def kill(**options):
    file = make(**options)
    file.write(b"ok")
    os.kill(os.getpid(), signal.SIGKILL)
tempfile.TemporaryFile = kill
health.can_write_media()
"""
    done = manage(make_environment(tmp_path), "shell", "--no-imports", "-c", code)
    assert done.returncode == -signal.SIGKILL
    assert list((tmp_path / "media").iterdir()) == []


def test_by_default_the_media_are_not_checked(
    db: None, client: Client, clock: Clock, settings: LazySettings
) -> None:
    settings.MEDIA_ROOT.write_text("a file in its place")
    assert ask(client) == (200, "ok")


def test_media_that_cannot_be_written_are_reported(
    db: None, client: Client, clock: Clock, settings: LazySettings
) -> None:
    settings.MEDIA_ROOT.write_text("a file in its place")
    assert ask(client, "/healthz?media=1") == (503, "The media storage cannot be written.")


def test_the_media_are_written_every_30_seconds_at_most(
    db: None, client: Client, clock: Clock, settings: LazySettings
) -> None:
    assert ask(client, "/healthz?media=1")[0] == 200
    settings.MEDIA_ROOT.rmdir()
    clock.now += 29
    assert ask(client, "/healthz?media=1")[0] == 200
    assert not settings.MEDIA_ROOT.exists()
    clock.now += 1
    assert ask(client, "/healthz?media=1")[0] == 200
    assert settings.MEDIA_ROOT.exists()


def test_a_fault_of_the_media_is_reported_until_it_is_fixed(
    db: None, client: Client, clock: Clock, settings: LazySettings
) -> None:
    settings.MEDIA_ROOT.write_text("a file in its place")
    statuses = [ask(client, "/healthz?media=1")[0]]
    settings.MEDIA_ROOT.unlink()
    for seconds in (29, 1):
        clock.now += seconds
        statuses.append(ask(client, "/healthz?media=1")[0])
    assert statuses == [503, 503, 200]


def test_all_faults_are_reported_together(
    db: None, client: Client, clock: Clock, settings: LazySettings
) -> None:
    settings.MEDIA_ROOT.write_text("a file in its place")
    MigrationRecorder.Migration.objects.filter(app="profiles").delete()
    assert ask(client, "/healthz?media=1")[1].splitlines() == [
        "A migration is missing.",
        "The media storage cannot be written.",
    ]


@pytest.mark.parametrize(
    ("total", "free", "is_small"),
    [
        (2 * GIGABYTE, 99 * MEGABYTE, True),
        (2 * GIGABYTE, 101 * MEGABYTE, False),
        (10 * GIGABYTE, 499 * MEGABYTE, True),
        (10 * GIGABYTE, 501 * MEGABYTE, False),
        # A small one, such as a /tmp in memory, has enough with 5 %.
        (64 * MEGABYTE, 3 * MEGABYTE, True),
        (64 * MEGABYTE, 4 * MEGABYTE, False),
    ],
)
def test_a_disk_that_is_nearly_full_is_named_while_the_site_still_serves(
    total: int,
    free: int,
    is_small: bool,
    db: None,
    client: Client,
    disks: dict[str, Usage],
    settings: LazySettings,
) -> None:
    disks[str(settings.MEDIA_ROOT)] = Usage(total, total - free, free)
    warning = f"\nThe disk of the media has only {free // MEGABYTE} MB left."
    assert ask(client, "/healthz?media=1") == (200, "ok" + warning * is_small)


def test_each_disk_that_is_nearly_full_is_named(
    db: None, client: Client, disks: dict[str, Usage], settings: LazySettings, tmp_path: Path
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    folders = [str(settings.MEDIA_ROOT), str(tmp_path)]
    disks |= dict.fromkeys(folders, Usage(2 * GIGABYTE, 2 * GIGABYTE, 0))
    assert ask(client, "/healthz?media=1")[1].splitlines() == [
        "ok",
        "The disk of the media has only 0 MB left.",
        "The disk of temporary files has only 0 MB left.",
    ]


def test_by_default_no_disk_of_the_media_is_asked_which_may_never_answer(
    db: None, client: Client, disks: dict[str, Usage], settings: LazySettings
) -> None:
    disks[str(settings.MEDIA_ROOT)] = Usage(2 * GIGABYTE, 2 * GIGABYTE, 0)
    assert ask(client) == (200, "ok")


def test_a_full_disk_of_temporary_files_does_not_break_the_check(
    db: None, client: Client, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    settings.FILE_UPLOAD_TEMP_DIR = None
    monkeypatch.setattr("config.health.tempfile.gettempdir", find_none)
    assert ask(client) == (200, "ok")


@pytest.mark.django_db(transaction=True)
def test_a_member_reads_that_nothing_can_be_saved_while_the_database_is_read_only(
    as_ada: Client,
) -> None:
    as_ada.raise_request_exception = False
    name, value = {
        "sqlite": ("PRAGMA query_only", "TRUE"),
        "postgresql": ("SET default_transaction_read_only", "ON"),
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(f"{name} = {value}")
    try:
        response = as_ada.post("/profile/avatar/delete/")
        page = as_ada.get("/profile/edit/")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"{name} = {'FALSE' if value == 'TRUE' else 'OFF'}")
    assert (response.status_code, page.status_code) == (503, 200)
    assert "Our disk cannot be written." in response.text
    assert response.headers["Retry-After"] == "60"


def test_a_sign_in_that_the_database_could_not_store_is_no_success(ada: User) -> None:
    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "profiles_session"'):
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, *rest)

    client = Client(raise_request_exception=False)
    with connection.execute_wrapper(fail):
        account = {"username": "ada", "password": "pass phrase"}
        response = client.post("/accounts/login/", account)
    assert response.status_code == 500


def test_somebody_who_signs_out_during_another_request_is_told(as_ada: Client) -> None:
    def sign_out(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('UPDATE "profiles_session"'):
            execute("DELETE FROM profiles_session", [], *rest[1:])
        return execute(sql, *rest)

    with connection.execute_wrapper(sign_out):
        new = {"new_password1": "an even longer one", "new_password2": "an even longer one"}
        old = {"old_password": "pass phrase"}
        assert as_ada.post("/accounts/password_change/", old | new).status_code == 400


@pytest.mark.parametrize("number", ["f" * 32, "01234567", "a-b_c-d9", "x" * 64])
def test_a_proxys_request_id_is_kept(number: str, db: None, client: Client) -> None:
    response = client.get("/", headers={"x-request-id": number})
    assert response.headers["X-Request-ID"] == number


@pytest.mark.parametrize(
    "number", ["", "short", "x" * 65, "two words", "line\nbreak", "<script>", "ÄÖÜäöüßß", "٣" * 8]
)
def test_an_invalid_request_id_is_replaced(number: str, db: None, client: Client) -> None:
    given = client.get("/", headers={"x-request-id": number}).headers["X-Request-ID"]
    assert given != number
    assert re.fullmatch(r"[0-9a-f]{16}", given)


def test_each_request_has_its_own_id(db: None, client: Client) -> None:
    assert client.get("/")["X-Request-ID"] != client.get("/")["X-Request-ID"]


def test_a_response_without_a_page_has_an_id(db: None, client: Client) -> None:
    assert "X-Request-ID" in client.get("/nowhere/").headers
    assert "X-Request-ID" in client.get("/", headers={"host": "evil.example"}).headers


def test_the_request_id_is_in_the_log(
    db: None, client: Client, log: pytest.LogCaptureFixture
) -> None:
    client.get("/nowhere/", headers={"x-request-id": "number-of-the-proxy"})
    lines = [record for record in log.records if "/nowhere/" in record.getMessage()]
    assert {vars(line)["request_id"] for line in lines} == {"number-of-the-proxy"}


def test_an_error_page_has_the_request_id_of_its_line_in_the_log(
    db: None, log: pytest.LogCaptureFixture
) -> None:
    with connection.execute_wrapper(break_off):
        response = Client(raise_request_exception=False).get("/")
    line = next(record for record in log.records if record.levelname == "ERROR")
    assert response.status_code == 500
    assert vars(line)["request_id"] == response.headers["X-Request-ID"]


@pytest.mark.parametrize("url", ["/nowhere/", "/healthz"])
def test_no_line_has_the_id_of_an_earlier_request(
    url: str, db: None, client: Client, log: pytest.LogCaptureFixture
) -> None:
    MigrationRecorder.Migration.objects.filter(app="profiles").delete()
    client.get("/", headers={"x-request-id": "number-of-the-earlier"})
    client.get(url)
    lines = [record for record in log.records if url in record.getMessage()]
    assert lines
    assert "number-of-the-earlier" not in {vars(line)["request_id"] for line in lines}


def test_pages_differ_by_language_and_pictures_do_not(ada: User, client: Client) -> None:
    assert "Accept-Language" in client.get("/").headers["Vary"]
    picture = client.get(ada.profile.avatar.url)
    assert picture.getvalue()
    assert "Vary" not in picture.headers
