"""What is said to browsers so that nobody harms a visitor, and what nobody learns of members."""

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from unittest import mock

import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from profiles.models import Attempts, User

from .helpers.accounts import JOINING
from .helpers.servers import GUNICORN, find, get, make_environment, manage, serve

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ["/", "/profiles/", "/accounts/login/", "/accounts/signup/", "/admin/login/", "/nowhere/"]


@pytest.mark.parametrize("url", PAGES)
def test_a_page_runs_nothing_but_the_sites_own_files(url: str, db: None, client: Client) -> None:
    policy = client.get(url).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"\*|https?:|data:", policy)


@pytest.mark.parametrize("url", PAGES)
def test_a_page_keeps_itself_to_itself(url: str, db: None, client: Client) -> None:
    headers = client.get(url).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def list_addresses(patterns: list[URLPattern | URLResolver], space: str = "") -> Iterator[str]:
    """Yield the address of each page that needs no argument."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{pattern.namespace}:" if pattern.namespace else ""
            yield from list_addresses(pattern.url_patterns, space + inner)
        elif pattern.name:
            with suppress(NoReverseMatch):
                yield reverse(space + pattern.name)


def test_only_the_picture_page_may_ask_for_the_camera(as_ada: Client) -> None:
    addresses = {*list_addresses(get_resolver().url_patterns), "/profiles/ada/", "/nowhere/"}
    policies = {url: as_ada.get(url).headers["Permissions-Policy"] for url in addresses}
    assert len(policies) > 20
    assert [url for url in policies if "camera=()" not in policies[url]] == ["/profile/avatar/"]
    assert "camera=(self)" in policies["/profile/avatar/"]
    assert "microphone=()" in policies["/profile/avatar/"]


def test_pictures_of_everyone_may_be_shown_elsewhere_and_others_not(
    ada: User, grace: User, as_grace: Client
) -> None:
    for user, policy in ((ada, "cross-origin"), (grace, "same-origin")):
        response = as_grace.get(user.profile.avatar.url)
        assert response.getvalue()
        assert response.headers["Cross-Origin-Resource-Policy"] == policy


@pytest.mark.parametrize("url", ["/", "/profile/edit/", "/profiles/ada/", "/nowhere/", "/admin/"])
def test_a_members_pages_are_kept_nowhere(url: str, as_ada: Client) -> None:
    control = as_ada.get(url).headers["Cache-Control"]
    assert {"private", "no-store"} <= set(control.split(", "))


def test_a_strangers_pages_are_kept_by_their_browser_alone(db: None, client: Client) -> None:
    assert client.get("/").headers["Cache-Control"] == "private"
    assert "private" in client.get("/accounts/signup/").headers["Cache-Control"]


def test_an_error_page_is_guarded_like_any_other_while_the_database_is_down(as_ada: Client) -> None:
    as_ada.raise_request_exception = False
    with connection.execute_wrapper(mock.Mock(side_effect=OperationalError)):
        response = as_ada.get("/profile/edit/")
    assert response.status_code == 500
    assert "no-store" in response.headers["Cache-Control"]
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "testserver@evil"])
def test_another_host_is_not_answered(host: str, db: None, client: Client) -> None:
    assert client.get("/", headers={"host": host}).status_code == 400


MAILED_HOSTS = [
    ("testserver", "testserver"),
    ("testserver:8443", "testserver"),
    ("TESTSERVER.:8443", "testserver"),
    ("likeness.example:8443", "likeness.example:8443"),
    ("likeness.example:9000", "likeness.example:8443"),
    ("likeness.example", "likeness.example:8443"),
    ("two.example:9000", "two.example:9000"),
    ("two.example:8000", "two.example"),
    ("a.three.example:9000", "a.three.example"),
    ("a.three.example:8443", "a.three.example:8443"),
    ("[2001:db8::1]:8443", "[2001:db8::1]"),
    ("localhost:8000", "localhost:8000"),
    ("127.0.0.1:8000", "127.0.0.1:8000"),
    ("[::1]:8000", "[::1]:8000"),
]


@pytest.mark.parametrize(("asked", "mailed"), MAILED_HOSTS)
def test_a_mailed_link_has_no_port_but_one_of_the_settings(
    asked: str, mailed: str, ada: User, as_ada: Client, settings: LazySettings
) -> None:
    two, three = [["two.example"], ["two.example", "9000"]], [[".three.example"]]
    settings.HOSTS = [["likeness.example", "8443"], *two, *three, [".three.example", "8443"]]
    settings.ALLOWED_HOSTS = ["*"]
    headers = {"host": asked}
    fields = {"email": "new@example.org", "password": "pass phrase"}
    Client().post("/accounts/password_reset/", {"email": "ada@example.org"}, headers=headers)
    as_ada.post("/accounts/email/", fields, headers=headers)
    as_ada.post(find(r"/accounts/confirm/\S+", str(mail.outbox[1].body)), headers=headers)
    as_ada.post("/accounts/email/", fields | {"email": "newer@example.org"}, headers=headers)
    Client().post("/accounts/signup/", JOINING | {"email": "new@example.org"}, headers=headers)
    links = [re.findall(r"http://([^/]+)", str(message.body)) for message in mail.outbox]
    assert links == [[mailed], [mailed], [mailed], [mailed], [mailed, mailed]]


@pytest.mark.parametrize("place", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_no_form_leads_off_the_site(place: str, ada: User, client: Client) -> None:
    answers = [
        client.post("/i18n/setlang/", {"language": "de", "next": place}),
        client.post(f"/preferences/?next={place}", {"theme": "dark", "next": place}),
        client.post("/accounts/login/", {"username": "x", "password": "x", "next": place}),
        client.post("/accounts/logout/", {"next": place}),
    ]
    assert not [answer for answer in answers if "evil" in answer.headers.get("Location", "")]


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> Iterator[mock.Mock]:
    """Counts how many passwords are hashed: what takes the time in which one could tell."""
    encode = mock.Mock(wraps=MD5PasswordHasher().encode)
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda self, *args: encode(*args))
    return encode


def measure(hashed: mock.Mock, url: str, **fields: str) -> tuple[object, ...]:
    """Send a form as a stranger; return all that could tell whom it was about."""
    hashed.reset_mock()
    Attempts.objects.all().delete()  # How often one tried oneself makes a difference.
    mail.outbox.clear()
    with CaptureQueriesContext(connection) as queries:
        response = Client().post(url, fields)
    page = re.sub(r'value="[^"]*"', "", response.content.decode())
    place = response.headers.get("Location")
    numbers = (hashed.call_count, len(mail.outbox), len(queries))
    return response.status_code, place, page, *numbers


def test_signing_in_costs_the_same_for_members_and_others(
    ada: User, linus: User, hashed: mock.Mock
) -> None:
    User.objects.filter(pk=linus.pk).update(is_active=False)
    answers = {
        measure(hashed, "/accounts/login/", username=name, password=password)
        for name, password in [
            ("ada", "wrong"),
            ("eve", "wrong"),
            ("linus", "wrong"),
            ("linus", "pass phrase"),
            ("ada@example.org", "wrong"),
            ("eve@example.org", "wrong"),
            ("linus@example.org", "pass phrase"),
        ]
    }
    assert len(answers) == 1
    assert answers.pop()[3] == 1


def test_joining_costs_the_same_for_a_known_address(ada: User, hashed: mock.Mock) -> None:
    words = {"password1": "correct horse battery", "password2": "correct horse battery"}
    answers = {
        measure(hashed, "/accounts/signup/", username=name, email=f"{email}@example.org", **words)
        for name, email in [("mary", "ada"), ("anna", "anna")]
    }
    assert len(answers) == 1
    assert answers.pop()[3:5] == (1, 1)


def test_a_reset_costs_the_same_for_members_and_others(
    ada: User, linus: User, hashed: mock.Mock
) -> None:
    User.objects.filter(pk=linus.pk).update(is_active=False)
    answers = {
        measure(hashed, "/accounts/password_reset/", email=f"{name}@example.org")
        for name in ("ada", "eve", "linus")
    }
    assert len(answers) == 1
    assert answers.pop()[3:5] == (0, 1)


def test_a_variable_that_was_left_empty_turns_nothing_off(tmp_path: Path) -> None:
    names = ["DJANGO_HTTPS", "DJANGO_TRUSTED_PROXIES", "EMAIL_URL", "MEDIA_ROOT"]
    environment = make_environment(tmp_path, **dict.fromkeys(names, ""), DJANGO_DEBUG="")
    code = "from django.conf import settings as s; print(s.HTTPS, s.MEDIA_ROOT.name, s.HAS_MAIL)"
    done = manage(environment, "shell", "--no-imports", "-c", code)
    assert done.stdout == "True media False\n", done.stderr


@pytest.mark.slow
def test_over_https_cookies_are_the_hosts_own_and_https_stays(
    prepared: Path, tmp_path: Path
) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    environment = make_environment(tmp_path, DJANGO_HTTPS="on", FORWARDED_ALLOW_IPS="*")
    with serve(environment, *GUNICORN) as port:
        response, _ = get(port, "/accounts/login/", X_Forwarded_Proto="https")
        redirect, _ = get(port, "/accounts/login/")
    cookie = response.getheader("Set-Cookie", "")
    assert cookie.startswith("__Host-csrftoken=")
    assert all(find(word, cookie) for word in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"))
    assert response.getheader("Strict-Transport-Security") == "max-age=31536000"
    assert redirect.status == 301
