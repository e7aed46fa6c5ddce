"""The log: one line of JSON for each request, upload and error."""

import json
import logging
import re
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.template.loader import render_to_string
from django.test import Client

from config.logs import Formatter
from profiles.models import User

from .helpers.mails import run_mail_server, use_mail_server
from .helpers.pictures import draw, draw_jpeg, encode, make_exif
from .helpers.servers import GUNICORN, find, get, make_environment, manage, serve

Lines = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """The log as production formats it, by the logger's name."""
    formatter = Formatter()

    def read(logger: str = "") -> list[dict[str, Any]]:
        texts = [formatter.format(record) for record in caplog.records]
        assert not any("\n" in text for text in texts)
        return [line for line in map(json.loads, texts) if line["logger"].startswith(logger)]

    caplog.set_level(logging.INFO)
    return read


def break_off(*args: object) -> None:
    """Fail as a database does that was stopped."""
    raise OperationalError("server closed the connection unexpectedly")


def test_each_request_is_a_line(ada: User, as_ada: Client, lines: Lines) -> None:
    response = as_ada.get("/profiles/ada/?receipt=1", headers={"x-request-id": "of-the-proxy"})
    [line] = lines("likeness.access")
    assert line.pop("milliseconds") > 0
    assert line.pop("time")
    line.pop("request_id")  # The filter of the site's own handler; see below.
    assert line == {
        "level": "INFO",
        "logger": "likeness.access",
        "message": "GET /profiles/ada/ 200",
        "client_ip": "127.0.0.1",
        "method": "GET",
        "path": "/profiles/ada/",
        "status": 200,
        "bytes": len(response.content),
        "user": ada.pk,
    }


@pytest.mark.parametrize("url", ["/", "/healthz", "/nowhere/"])
def test_a_stranger_has_no_user_in_the_log(
    url: str, db: None, client: Client, lines: Lines
) -> None:
    client.get(url)
    assert [(line["path"], line["user"]) for line in lines("likeness.access")] == [(url, None)]


def test_a_picture_is_counted_with_its_bytes(ada: User, client: Client, lines: Lines) -> None:
    body = client.get(ada.profile.avatar.url).getvalue()
    assert lines("likeness.access")[0]["bytes"] == len(body)


def test_a_refused_host_is_in_the_log_too(db: None, client: Client, lines: Lines) -> None:
    client.get("/", headers={"host": "evil.example"})
    assert lines("likeness.access")[0]["status"] == 400


def test_search_terms_are_not_in_the_log(db: None, client: Client, lines: Lines) -> None:
    client.get("/profiles/?q=somebody-dear")
    client.get("/nowhere/?q=somebody-dear")
    assert len(lines()) == 3
    assert "somebody-dear" not in str(lines())


def test_no_mailed_link_is_in_the_log(ada: User, as_ada: Client, lines: Lines) -> None:
    as_ada.post("/accounts/email/", {"email": "new@example.org", "password": "pass phrase"})
    ada.email = "ada@example.org"
    ada.save()
    Client().post("/accounts/password_reset/", {"email": ada.email})
    links = [find(r"/accounts/(confirm|reset)/\S+/", str(message.body)) for message in mail.outbox]
    assert len(links) == 2
    for link in links:
        for url in (link, link + "further/", link.replace("accounts", "%61ccounts")):
            as_ada.get(url)
        assert not any(part in str(lines()) for part in link.split("/") if len(part) > 12)


@pytest.mark.parametrize("refused", ["MAIL", "RCPT", "DATA"])
def test_no_address_is_in_the_log_of_a_mail_that_was_refused(
    refused: str, as_ada: Client, settings: LazySettings, lines: Lines
) -> None:
    account = {"username": "mary", "password1": "engine no 1", "password2": "engine no 1"}
    with run_mail_server(settings, refused):
        as_ada.post("/accounts/email/", {"email": "new@secret.example", "password": "pass phrase"})
        Client().post("/accounts/password_reset/", {"email": "ada@example.org"})
        Client().post("/accounts/password_reset/", {"email": "eve@secret.example"})
        Client().post("/accounts/signup/", account | {"email": "mary@secret.example"})
    errors = [line["message"] for line in lines("profiles")]
    name = {"MAIL": "SMTPSenderRefused", "RCPT": "SMTPRecipientsRefused", "DATA": "SMTPDataError"}
    assert errors == [f"A mail could not be sent: {name[refused]} 550"] * 4
    assert not re.search("@|%40|secret|Traceback", str(lines()))


def test_what_keeps_the_site_from_its_mail_server_is_in_the_log(
    ada: User, settings: LazySettings, lines: Lines
) -> None:
    use_mail_server(settings, 9)
    Client().post("/accounts/password_reset/", {"email": "ada@example.org"})
    [line] = lines("profiles")
    assert line["message"].startswith("A mail could not be sent: ConnectionRefusedError [Errno")


def test_an_error_is_one_line_with_its_traceback(db: None, lines: Lines) -> None:
    with connection.execute_wrapper(break_off):
        Client(raise_request_exception=False).get("/")
    [line] = lines("django.request")
    assert line["level"] == "ERROR"
    assert "OperationalError: server closed" in line["traceback"]
    assert lines("likeness.access")[0]["status"] == 500


@pytest.mark.parametrize("status", [400, 403, 500])
def test_the_page_of_an_error_shows_the_number_of_its_line(status: int, db: None) -> None:
    client = Client(raise_request_exception=False, enforce_csrf_checks=status == 403)
    headers = {"x-request-id": "number-of-this-request"}
    if status == 400:
        response = client.get("/", headers=headers | {"host": "evil.example"})
    elif status == 403:
        response = client.post("/accounts/login/", headers=headers)
    else:
        with connection.execute_wrapper(break_off):
            response = client.get("/", headers=headers)
    assert response.status_code == status
    assert "<code>number-of-this-request</code>" in response.content.decode()


def test_a_forbidden_page_shows_its_number(db: None, client: Client) -> None:
    page = render_to_string("403.html", request=client.get("/").wsgi_request)
    assert "send this number to the people who run the site" in page


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"origin": "https://testserver:8443"}, "https://testserver:8443"),
        ({"origin": "null"}, "null"),
        ({"origin": "https://ada:secret@evil.example"}, "nowhere"),
        ({"origin": "https://evil.example\x1b[2J" + 5000 * "secret"}, "nowhere"),
        ({"referer": "https://evil.example/profiles/?q=secret#secret"}, "https://evil.example"),
        ({}, "nowhere"),
    ],
)
def test_a_form_of_another_address_is_refused_in_words_and_both_are_logged(
    headers: dict[str, str], named: str, db: None, lines: Lines
) -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.post("/accounts/login/", headers=headers, secure=True)
    assert page.status_code == 403
    assert "this form comes from another site" in page.content.decode()
    assert "expired" not in page.content.decode()
    [line] = lines("config.views")
    expected = f"is from {named}, but this site is https://testserver."
    assert line["message"].startswith(f"A form was refused: the browser says that it {expected}")
    assert "secret" not in str(lines())


def test_a_form_without_its_token_is_logged_as_such(db: None, lines: Lines) -> None:
    Client(enforce_csrf_checks=True).post("/accounts/login/")
    [line] = lines("config.views")
    assert line["message"] == "A form was refused: CSRF cookie not set."


STEPS = {"read", "wait", "decode", "encode", "store"}


def upload(client: Client, data: bytes, json: bool = False, **fields: Any) -> Any:
    """Upload a picture with private data in its name and metadata."""
    photo = SimpleUploadedFile("our-secret-garden.jpg", data, "image/jpeg")
    headers = {"accept": "application/json"} if json else {}
    return client.post("/profile/avatar/", {"avatar": photo, **fields}, headers=headers)


def list_steps(response: Any) -> set[str]:
    """Return the steps that a response's Server-Timing lists."""
    timings = response.headers["Server-Timing"].split(", ")
    assert all(re.fullmatch(r"[a-z]+;dur=\d+\.\d", timing) for timing in timings)
    return {timing.partition(";")[0] for timing in timings}


@pytest.mark.parametrize("json", [True, False])
def test_a_saved_upload_is_counted_and_timed(json: bool, as_ada: Client, lines: Lines) -> None:
    data = draw_jpeg(exif=make_exif())
    assert list_steps(upload(as_ada, data, json)) == STEPS
    [line] = lines("likeness.uploads")
    assert line["milliseconds"].keys() == STEPS
    figures = {key: line[key] for key in ("outcome", "format", "width", "height", "bytes")}
    assert figures == {
        "outcome": "saved",
        "format": "JPEG",
        "width": 640,
        "height": 480,
        "bytes": len(data),
    }


@pytest.mark.parametrize(
    ("data", "outcome", "steps"),
    [
        (b"no picture", "unreadable", {"read", "wait"}),
        (b"", "empty", {"read"}),
        (bytes(20_000_001), "bytes", {"read"}),
        (encode(draw().resize((20, 20)), "PNG"), "small", {"read", "wait"}),
    ],
)
@pytest.mark.parametrize("json", [True, False])
def test_a_refusal_is_counted_and_its_steps_are_timed(
    data: bytes, outcome: str, steps: set[str], json: bool, as_ada: Client, lines: Lines
) -> None:
    assert list_steps(upload(as_ada, data, json)) == steps
    [line] = lines("likeness.uploads")
    assert (line["outcome"], line["bytes"]) == (outcome, len(data))
    assert line["milliseconds"].keys() == steps


def test_a_mistake_in_another_field_is_counted(as_ada: Client, lines: Lines) -> None:
    upload(as_ada, draw_jpeg(), description="dear " * 60)
    assert [line["outcome"] for line in lines("likeness.uploads")] == ["invalid"]


def test_the_log_of_an_upload_contains_nothing_private(as_ada: Client, lines: Lines) -> None:
    upload(as_ada, draw_jpeg(exif=make_exif()), description="In the garden")
    upload(as_ada, draw_jpeg(exif=make_exif()), description="dear " * 60)
    upload(as_ada, b"no picture", description="In the garden")
    assert len(lines("likeness.uploads")) == 3
    for secret in ("garden", "Fotofabrik", "dear"):
        assert secret not in str(lines())


def test_a_form_without_an_upload_is_not_counted(as_ada: Client, lines: Lines) -> None:
    for fields in ({"description": "In the garden"}, {"other": BytesIO(b"file")}):
        response = as_ada.post("/profile/avatar/", fields)
        assert "Server-Timing" not in response.headers
    assert lines("likeness.uploads") == []


def test_a_developer_reads_plain_lines(tmp_path: Path) -> None:
    environment = make_environment(tmp_path, DJANGO_DEBUG="on")
    said = "import logging; logging.getLogger('likeness.uploads').info('A line.')"
    error = manage(environment, "shell", "--no-imports", "-c", said).stderr
    assert find(r"\d INFO likeness.uploads \[-\] A line\.", error)


@pytest.fixture
def server_log(prepared: Path, tmp_path: Path) -> list[dict[str, Any]]:
    """What gunicorn and the site write from start to stop, with a page asked for in between.

    And with questions for the headers alone: of a page, a picture and a static file.
    """
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    environment = make_environment(tmp_path)
    assert manage(environment, "demo", "--profiles=1").returncode == 0
    with (tmp_path / "log").open("w") as log, serve(environment, *GUNICORN, output=log) as port:
        _, page = get(port, "/profiles/", X_Request_ID="number-of-the-proxy")
        picture = find(r"/media/avatars/[^ \"]*-256\.webp", page.decode())
        stylesheet = find(r"/static/css/site[^\"]*", page.decode())
        for path in ("/profiles/", picture, stylesheet):
            response, body = get(port, path, "HEAD")
            assert (response.status, body) == (200, b"")
            assert int(response.getheader("Content-Length", 0)) > 0
    text = (tmp_path / "log").read_text()
    # Except the checks' output when gunicorn starts, which is for a person.
    return [json.loads(line) for line in text.splitlines() if "System check" not in line]


@pytest.mark.slow
def test_the_whole_log_of_production_is_json(server_log: list[dict[str, Any]]) -> None:
    assert {line["logger"] for line in server_log} >= {"gunicorn.error", "likeness.access"}
    assert {line["level"] for line in server_log} == {"INFO"}
    line = next(line for line in server_log if line.get("path") == "/profiles/")
    assert line["request_id"] == "number-of-the-proxy"
    assert line["client_ip"] == "127.0.0.1"
