"""What machines look for at fixed addresses, and what pages say to search engines."""

import json
import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.robotparser import RobotFileParser

import pytest
from django.conf import LazySettings
from django.core.checks import run_checks
from django.db import connection
from django.test import Client
from PIL import Image

from profiles.models import User

from .conftest import sign_in
from .test_middleware import break_off
from .test_profile_list import find_link, join

CANONICAL = '<link rel="canonical" href="http://testserver{path}">'
STRUCTURED = r'<script type="application/ld\+json">(.*?)</script>'


def read(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def find_person(page: str) -> dict[str, Any]:
    """Return the person that the structured data of a page describe."""
    [script] = re.findall(STRUCTURED, page, re.S)
    data = json.loads(script)
    assert (data["@context"], data["@type"]) == ("https://schema.org", "ProfilePage")
    person: dict[str, Any] = data["mainEntity"]
    assert person["@type"] == "Person"
    return person


def test_robots_may_read_people_but_no_forms_and_no_members_pages(client: Client) -> None:
    response = client.get("/robots.txt")
    assert response["Content-Type"].startswith("text/plain")
    robots = RobotFileParser()
    robots.parse(b"".join(response).decode().splitlines())
    for path in ("/", "/profiles/", "/profiles/ada/", "/how-it-works/", "/static/css/site.css"):
        assert robots.can_fetch("*", path)
    for path in ("/accounts/login/", "/profile/edit/", "/profile/", "/admin/", "/preferences/"):
        assert not robots.can_fetch("*", path)


def test_the_icon_is_where_browsers_and_feed_readers_ask_for_it(client: Client) -> None:
    response = client.get("/favicon.ico")
    icon = Image.open(BytesIO(b"".join(response)))
    assert (icon.format, icon.info["sizes"]) == ("ICO", {(16, 16), (32, 32), (48, 48)})
    assert not response.has_header("Vary")
    assert client.head("/favicon.ico")["Content-Length"] == response["Content-Length"]


def test_a_password_manager_finds_where_a_password_is_changed(as_ada: Client) -> None:
    response = as_ada.get("/.well-known/change-password")
    assert (response.status_code, response["Location"]) == (302, "/accounts/password_change/")
    assert as_ada.get(response["Location"]).status_code == 200
    # Only because of this, a password manager believes the answer above.
    probe = "resource-that-should-not-exist-whose-status-code-should-not-be-200"
    assert as_ada.get(f"/.well-known/{probe}").status_code == 404


def test_who_finds_a_vulnerability_reads_whom_to_tell(
    client: Client, settings: LazySettings
) -> None:
    assert client.get("/.well-known/security.txt").status_code == 404
    settings.SECURITY_CONTACT = "mailto:security@likeness.example"
    response = client.get("/.well-known/security.txt")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in response.content.decode().splitlines())
    expires = datetime.strptime(fields.pop("Expires"), "%Y-%m-%dT%H:%M:%S%z") - datetime.now(UTC)
    assert timedelta(30) < expires < timedelta(365)
    assert fields == {
        "Contact": "mailto:security@likeness.example",
        "Preferred-Languages": "en",
        "Canonical": "https://testserver/.well-known/security.txt",
    }


@pytest.mark.parametrize(
    ("name", "value", "is_right"),
    [
        ("SECURITY_CONTACT", "mailto:security@likeness.example", True),
        ("SECURITY_CONTACT", "https://likeness.example/security", True),
        ("SECURITY_CONTACT", "tel:+49-30-1234", True),
        ("SECURITY_CONTACT", "security@likeness.example", False),
        ("SECURITY_CONTACT", "http://likeness.example/security", False),
        ("SECURITY_CONTACT", "mailto:a@b.example\nExpires: never", False),
        ("IMPRINT_URL", "https://likeness.example/impressum", True),
        ("IMPRINT_URL", "/imprint", True),
        ("IMPRINT_URL", "likeness.example/imprint", False),
        ("IMPRINT_URL", "//likeness.example/imprint", False),
        ("IMPRINT_URL", "javascript:alert(1)", False),
    ],
)
def test_a_contact_or_imprint_that_leads_nowhere_is_an_error(
    name: str, value: str, is_right: bool, settings: LazySettings
) -> None:
    setattr(settings, name, value)
    wrong = [message for message in run_checks(None, None, True) if name in message.msg]
    expected = "profiles.E016" if name == "SECURITY_CONTACT" else "profiles.E017"
    assert [message.id for message in wrong] == ([] if is_right else [expected])


def test_the_imprint_is_at_the_foot_of_each_page(ada: User, settings: LazySettings) -> None:
    assert "Legal notice" not in read(Client(), "/")
    settings.IMPRINT_URL = "https://likeness.example/imprint?a=1&b=2"
    link = '<a href="https://likeness.example/imprint?a=1&amp;b=2">Legal notice</a>'
    for path in ("/", "/profiles/ada/", "/accounts/login/", "/profiles/nobody/"):
        assert link in read(Client(), path)


def test_the_imprint_is_on_the_page_of_an_error_too(db: None, settings: LazySettings) -> None:
    settings.IMPRINT_URL = "/imprint"
    with connection.execute_wrapper(break_off):
        response = Client(raise_request_exception=False).get("/")
    assert response.status_code == 500
    assert '<a href="/imprint">Legal notice</a>' in response.content.decode()


@pytest.mark.parametrize(
    "path", ["/", "/profiles/", "/profiles/ada/", "/how-it-works/", "/how-it-works/symptoms/"]
)
def test_a_page_has_one_address_whatever_is_added_to_it(
    path: str, ada: User, client: Client
) -> None:
    page = read(client, f"{path}?utm_source=mail")
    assert page.count('rel="canonical"') == 1
    assert CANONICAL.format(path=path) in page
    assert '<meta property="og:site_name" content="Likeness">' in page
    assert "noindex" not in page


def test_searches_and_later_pages_of_the_list_are_not_indexed(ada: User, client: Client) -> None:
    join(25)
    second = find_link(read(client, "/profiles/"), "next")
    for link in (second, "?q=ada"):
        page = read(client, f"/profiles/{link}")
        assert '<meta name="robots" content="noindex">' in page
        assert "canonical" not in page
    first = find_link(read(client, f"/profiles/{second}"), "prev")
    assert CANONICAL.format(path="/profiles/") in read(client, f"/profiles/{first}")


def test_a_page_has_one_address_in_whatever_case_a_name_is_asked_for(
    ada: User, client: Client
) -> None:
    assert CANONICAL.format(path="/profiles/ada/") in read(client, "/profiles/ADA/")


def test_a_public_page_says_to_search_engines_what_it_shows(ada: User, client: Client) -> None:
    ada.profile.change(bio="Writes notes.\nAnd programs.")
    person = find_person(read(client, "/profiles/ada/"))
    assert person == {
        "@type": "Person",
        "name": "Ada Lovelace",
        "alternateName": "ada",
        "url": "http://testserver/profiles/ada/",
        "description": "Writes notes.\nAnd programs.",
        "image": "http://testserver" + ada.profile.avatar.url_for("256.jpg"),
    }


def test_a_text_of_a_person_does_not_end_the_structured_data(ada: User, client: Client) -> None:
    bio = '</script><script src="/x.js"></script><!-- & "quoted" \\ \u2028'
    ada.profile.change(bio=bio, display_name="")
    ada.profile.avatar.delete()
    page = read(client, "/profiles/ada/")
    person = find_person(page)
    assert (person["description"], person["name"]) == (bio, "ada")
    assert "image" not in person
    assert '<script src="/x.js">' not in page


def test_only_public_people_are_described_to_search_engines(grace: User) -> None:
    page = read(sign_in(grace), "/profiles/grace/")
    assert "ld+json" not in page
    assert "canonical" not in page
