"""What Prometheus reads at /metrics, and what `manage.py wellbeing` says."""

import shutil
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from config import health
from profiles.models import User

from .helpers.pictures import draw_jpeg
from .helpers.servers import ROOT, make_environment, manage

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "4sHq0Yw2-of-the-tests"


@pytest.fixture(autouse=True)
def token(settings: LazySettings) -> None:
    """A site that Prometheus reads."""
    settings.METRICS_TOKEN = TOKEN


def ask(method: str = "GET", authorization: str = f"Bearer {TOKEN}", **headers: str) -> Any:
    """Ask for the metrics in a browser of one's own."""
    headers |= {"Authorization": authorization} if authorization else {}
    return Client().generic(method, "/metrics", headers=headers)


def read() -> dict[str, float]:
    """Return each metric by its name and its label, without "likeness_"."""
    response = ask()
    assert response.status_code == 200
    return {
        " ".join([sample.name.removeprefix("likeness_"), *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def say(monkeypatch: pytest.MonkeyPatch, hours: float = 0) -> tuple[str, str, int]:
    """Run the command some hours later; return what is well, what is not, and the exit status."""
    well, unwell, status = StringIO(), StringIO(), 0
    then = timezone.now() + timedelta(hours=hours)
    with monkeypatch.context() as patch:
        patch.setattr("django.utils.timezone.now", lambda: then)
        try:
            call_command("wellbeing", stdout=well, stderr=unwell)
        except CommandError as error:
            unwell.write(str(error))
            status = error.returncode
    return well.getvalue(), unwell.getvalue(), status


def photo() -> SimpleUploadedFile:
    return SimpleUploadedFile("me.jpg", draw_jpeg(), "image/jpeg")


def audit(*arguments: str) -> None:
    """Run an audit, whatever it finds."""
    with suppress(CommandError):
        call_command("audit_media", *arguments, stdout=StringIO(), stderr=StringIO())


def test_without_a_token_there_are_no_metrics(settings: LazySettings) -> None:
    settings.METRICS_TOKEN = ""
    for authorization in ("", "Bearer ", f"Bearer {TOKEN}"):
        assert ask(authorization=authorization).status_code == 404


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer ü"]
)
def test_a_stranger_reads_nothing(authorization: str) -> None:
    response = ask(authorization=authorization)
    assert (response.status_code, response.content) == (401, b"Send METRICS_TOKEN.")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="metrics"'
    assert response.headers["Cache-Control"] == "no-store"


def test_the_metrics_can_only_be_read_and_are_not_kept() -> None:
    response = ask()
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not response.cookies
    assert ask("HEAD").status_code == 200
    assert ask("POST").status_code == 405


@pytest.mark.parametrize("host", ["site:8000", "10.0.0.7", "a b"])
def test_prometheus_may_use_any_name_of_the_site(host: str, settings: LazySettings) -> None:
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["likeness.example"], True
    assert ask(host=host).status_code == 200


@pytest.mark.django_db  # In a transaction, which restores the migration.
def test_a_site_without_its_tables_says_only_that(tmp_path: Path) -> None:
    MigrationRecorder.Migration.objects.filter(app="pictures").delete()
    assert (ask().status_code, ask().content) == (503, b"A migration is missing.")
    done = manage(make_environment(tmp_path), "wellbeing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("! A migration is missing.\nCommandError: 1 of 1 need")


def test_people_and_pictures_are_counted_as_they_come_and_go(ada: User, as_grace: Client) -> None:
    before = read()
    assert (before["people active"], before["people inactive"]) == (2, 0)
    assert (before["pictures public"], before["pictures protected"]) == (1, 1)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert before[f"info {project['version']}"] == before["media_writable"] == 1
    password = "correct horse battery"
    fields = {"username": "mary", "email": "m@example.org", "password1": password}
    mary = Client()
    mary.post("/accounts/signup/", fields | {"password2": password})
    mary.post("/profile/avatar/", {"avatar": SimpleUploadedFile("me.jpg", draw_jpeg())})
    as_grace.post("/profile/edit/", {"display_name": "Grace", "visibility": "public"})
    ada.is_active = False
    ada.save()
    after = read()
    assert (after["people active"], after["people inactive"]) == (2, 1)
    assert (after["pictures public"], after["pictures protected"]) == (1, 2)


def test_who_is_locked_out_is_counted_until_they_may_try_again(
    ada: User, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"username": "ada", "password": "not this one"}
    for attempts in range(settings.LOCK_OUT_FAILURES):
        assert read()["attempts_locked"] == 0, attempts
        Client().post("/accounts/login/", fields)
    assert read()["attempts_locked"] == 1
    assert "1 visitors or accounts have to wait" in say(monkeypatch)[0]
    assert "0 visitors or accounts have to wait" in say(monkeypatch, hours=1)[0]


def test_members_who_upload_a_lot_are_not_counted_as_locked_out(
    as_ada: Client, settings: LazySettings
) -> None:
    settings.THROTTLES = settings.THROTTLES | {"upload": 1}
    for status in (302, 429):
        response = as_ada.post("/profile/avatar/", {"avatar": photo()})
        assert response.status_code == status
    assert read()["attempts_locked"] == 0


@pytest.mark.django_db(transaction=False)
def test_a_table_that_cannot_be_read_is_a_sentence_and_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE pictures_lastrun RENAME TO gone")
    response = ask()
    assert (response.status_code, b"The database has failed" in response.content) == (503, True)
    well, unwell, status = say(monkeypatch)
    assert (well, unwell[:14], status) == ("", "! The database", 1)


def test_a_picture_that_waits_to_be_deleted_is_reported_until_tidy_has_done_it(
    as_ada: Client, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "journal_oldest_timestamp_seconds"
    assert name not in read()
    stores, stuck = settings.STORAGES, {"BACKEND": "tests.helpers.storages.StuckStorage"}
    settings.STORAGES = stores | {"default": stuck}
    as_ada.post("/profile/avatar/delete/")
    first = read()
    assert first["journal_entries"] == 1
    assert abs(first[name] - timezone.now().timestamp()) < 60
    # A try that fails makes it no younger.
    with pytest.raises(CommandError):
        call_command("tidy", "--now", stderr=StringIO())
    assert read()[name] == first[name]
    assert "1 avatars wait to be stored or deleted, the first for 0" in say(monkeypatch)[0]
    assert (
        "the first for 1 hour, 6 minutes. Does `manage.py tidy` run"
        in say(monkeypatch, hours=1.11)[1]
    )
    settings.STORAGES = stores
    call_command("tidy", "--now")
    assert read()["journal_entries"] == 0
    assert "0 avatars wait to be stored or deleted." in say(monkeypatch, hours=1.1)[0]


def test_what_an_audit_found_is_reported_until_the_next(
    ada: User, grace: User, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read()["audit_timestamp_seconds"] == 0
    assert "! There was no audit yet. Run" in say(monkeypatch)[1]
    [first, second, *_] = [
        path for path in Path(settings.MEDIA_ROOT).glob("avatars/*/*") if path.suffix == ".webp"
    ]
    first.unlink()
    second.write_bytes(b"RIFF")
    User.objects.filter(username="ada").update(is_active=False)
    audit()
    found = read()
    assert abs(found["audit_timestamp_seconds"] - timezone.now().timestamp()) < 60
    kinds = ("missing", "damaged", "misplaced")
    assert [found[f"audit_found {kind}"] for kind in kinds] == [1, 1, 1]
    unwell = say(monkeypatch)[1]
    assert "! The last audit found 1 files missing, 1 damaged and 1 pictures misplaced." in unwell
    assert "There was no audit" not in unwell
    # Without opening files, nobody knows whether they are damaged.
    User.objects.filter(username="ada").update(is_active=True)
    audit("--names")
    assert [read()[f"audit_found {kind}"] for kind in kinds] == [1, 1, 0]
    ada.profile.avatar.delete()
    User.objects.filter(username="grace").update(is_active=False)
    audit("--fix")
    assert [read()[f"audit_found {kind}"] for kind in kinds] == [0, 0, 0]
    assert "The last audit was 1 week ago." in say(monkeypatch, hours=24 * 7)[0]
    assert "! The last audit was 1 week, 1 day ago." in say(monkeypatch, hours=24 * 8.5)[1]


def test_a_backup_is_due_every_day(monkeypatch: pytest.MonkeyPatch) -> None:
    audit()
    assert read()["backup_timestamp_seconds"] == 0
    _, unwell, status = say(monkeypatch)
    assert unwell.startswith("! There was no backup yet. Make one every day;")
    assert unwell.count("\n") == 1
    assert " need attention." in unwell
    assert status == 1
    for _ in range(2):
        call_command("record_backup")
    assert abs(read()["backup_timestamp_seconds"] - timezone.now().timestamp()) < 60
    well, unwell, status = say(monkeypatch, hours=25)
    assert "The last backup was 1 day, 1 hour ago." in well
    assert (unwell, status) == ("", 0)
    assert "! The last backup was 1 day, 3 hours ago." in say(monkeypatch, hours=27)[1]


def test_a_storage_that_cannot_be_written_is_reported_beside_everything_else(
    ada: User, settings: LazySettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert read()["disk_size_bytes media"] > read()["disk_free_bytes media"] > 0
    settings.MEDIA_ROOT = tmp_path / "file"
    settings.MEDIA_ROOT.write_text("in place of the folder")
    health._media_checked.clear()  # That it could be written is known for 30 seconds.
    assert read()["media_writable"] == 0
    assert read()["people active"] == 1
    assert "! The media storage cannot be written. Nobody can upload" in say(monkeypatch)[1]


def test_a_disk_that_does_not_answer_holds_one_thread_and_no_more(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage
    others: list[Any] = []

    def ask_in_a_thread(folder: str) -> Any:
        """Ask for the metrics while this request waits for the disk."""
        if not others:
            with ThreadPoolExecutor(2) as threads:
                others.extend(threads.map(lambda _: ask(), range(2)))
        return real(folder)

    monkeypatch.setattr(shutil, "disk_usage", ask_in_a_thread)
    assert ask().status_code == 200
    assert [(answer.status_code, answer.content) for answer in others] == [
        (503, b"A disk does not answer.")
    ] * 2
    assert ask().status_code == 200


def test_an_audit_says_what_it_found_though_the_database_cannot_be_written(ada: User) -> None:
    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        if "pictures_lastrun" in sql:
            raise OperationalError("database or disk is full")
        return execute(sql, *rest)

    output = StringIO()
    with connection.execute_wrapper(fail):
        call_command("audit_media", stdout=output, stderr=output)
    assert "could not be stored: database or disk is full" in output.getvalue()
    assert "5 files, 0 orphans found." in output.getvalue()
