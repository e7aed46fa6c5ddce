"""The site as it runs: `runserver` from the source, gunicorn from what was collected."""

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from .helpers.servers import GUNICORN, RUNSERVER, find, get, make_environment, manage, serve
from .test_delivery import TWISTED

pytestmark = pytest.mark.slow

Site = tuple[int, bool, str]
ADD_PRIVATE = """
from django.core.files.base import ContentFile
from profiles.models import User
from tests.helpers.pictures import draw_jpeg
profile = User.objects.create_user("linus").profile
profile.avatar.save("x.jpg", ContentFile(draw_jpeg()))
print(profile.avatar.name)
"""


@pytest.fixture(scope="module", params=["production", "development"])
def site(
    request: pytest.FixtureRequest, prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A running site with a public and a members-only picture: its port, mode, protected name."""
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    developing = request.param == "development"
    environment = make_environment(folder, **({"DJANGO_DEBUG": "on"} if developing else {}))
    assert manage(environment, "demo", "--profiles", "2").returncode == 0
    name = manage(environment, "shell", "--no-imports", "-c", ADD_PRIVATE).stdout.strip()
    with serve(environment, *(RUNSERVER if developing else GUNICORN)) as port:
        yield port, developing, name.removeprefix("protected/")


def test_a_page_names_a_stylesheet_that_is_there(site: Site) -> None:
    port, developing, _ = site
    _, page = get(port, "/profiles/demo-00001/")
    url = find(r"/static/css/site[^\"]*", page.decode())
    response, _ = get(port, url, Accept_Encoding="br")
    assert response.status == 200
    assert response.getheader("Content-Type", "").startswith("text/css")
    assert ("immutable" in response.getheader("Cache-Control", "")) != developing
    assert (response.getheader("Content-Encoding") == "br") != developing
    assert bool(re.search(r"site\.[0-9a-f]{12}\.css", url)) != developing


def test_a_page_shows_a_picture_that_is_there(site: Site) -> None:
    port, _, _ = site
    _, page = get(port, "/profiles/demo-00001/")
    response, body = get(port, find(r"/media/avatars/[^\" ]*-256\.webp", page.decode()))
    assert (response.status, response.getheader("Content-Type")) == (200, "image/webp")
    assert body.startswith(b"RIFF")


def test_a_picture_does_not_tell_when_it_was_uploaded(site: Site) -> None:
    port, developing, _ = site
    _, page = get(port, "/profiles/demo-00001/")
    path = find(r"/media/avatars/[^\" ]*-256\.webp", page.decode())
    first, _ = get(port, path)
    date = first.getheader("Last-Modified", "")
    assert date == ("Sat, 01 Jan 2000 00:00:00 GMT" if developing else "")
    etag = first.getheader("ETag", "")
    known = {"If_Modified_Since": date} if developing else {"If_None_Match": etag}
    assert etag in ("", f'"{Path(path).name}"')
    assert get(port, path, **known)[0].status == 304


@pytest.mark.parametrize(("name", "value"), [("SCRIPT_NAME", "/evil"), ("PATH_INFO", "/admin/")])
def test_no_header_changes_where_the_site_is(name: str, value: str, site: Site) -> None:
    port, _, _ = site
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/how-it-works/", headers={name: value})
        response = connection.getresponse()
        page = response.read().decode()
    assert response.status == 200
    assert 'href="/profiles/"' in page
    assert "evil" not in page


@pytest.mark.parametrize("charset", ["base64", "utf-7", "undefined", "UTF-8", "x"])
def test_a_request_in_any_encoding_is_answered(charset: str, site: Site) -> None:
    port, _, _ = site
    content_type = f"text/plain; Charset = {charset}"
    response, page = get(port, "/profiles/?q=%2B2AA-", Content_Type=content_type)
    assert response.status == 200
    assert "“+2AA-”" in page.decode()


@pytest.mark.parametrize("path", ["/media/protected/{}", *TWISTED])
def test_no_path_leads_a_stranger_to_a_protected_picture(path: str, site: Site) -> None:
    port, _, name = site
    response, body = get(port, path.format(name))
    assert response.status in (301, 400, 404)
    assert b"RIFF" not in body


def test_gunicorn_does_not_start_without_a_manifest(tmp_path: Path) -> None:
    environment = make_environment(tmp_path)
    with pytest.raises(AssertionError, match="The server ended"), serve(environment, *GUNICORN):
        pass


def test_gunicorn_does_not_start_below_a_path(
    prepared: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    environment = make_environment(prepared, SCRIPT_NAME="/people")
    with pytest.raises(AssertionError, match="The server ended"), serve(environment, *GUNICORN):
        pass
    errors = capfd.readouterr().err
    assert "profiles.E015" in errors
    assert "a host name of its own" in errors


@pytest.mark.parametrize("command", ["migrate", "collectstatic"])
def test_a_missing_manifest_does_not_stop_the_commands_that_lead_to_one(
    command: str, tmp_path: Path
) -> None:
    assert manage(make_environment(tmp_path), command, "--noinput").returncode == 0


def test_the_site_does_not_start_without_a_secret_key(tmp_path: Path) -> None:
    result = manage(make_environment(tmp_path, DJANGO_SECRET_KEY=""), "check")
    assert result.returncode == 1
    assert "DJANGO_SECRET_KEY is not set" in result.stderr


def test_the_database_waits_for_its_lock_and_keeps_readers_going(tmp_path: Path) -> None:
    code = "from django.db import connection as c; c.ensure_connection(); "
    code += "print(c.cursor().execute('PRAGMA journal_mode').fetchone()[0], "
    code += "c.cursor().execute('PRAGMA busy_timeout').fetchone()[0], c.transaction_mode)"
    result = manage(make_environment(tmp_path), "shell", "--no-imports", "-c", code)
    assert result.stdout.split() == ["wal", "20000", "IMMEDIATE"], result.stderr
