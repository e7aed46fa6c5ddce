import html
import re
from pathlib import Path

import django
import pytest
from django.conf import LazySettings
from django.test import Client

from profiles.lesson.stations import SNIPPETS
from profiles.models import User

from .helpers.servers import ROOT

BUCKET = {
    "BACKEND": "storages.backends.s3.S3Storage",
    "OPTIONS": {
        "access_key": "key",
        "secret_key": "secret",
        "bucket_name": "our-own-bucket",
        "endpoint_url": "https://storage.hidden.example",
        "region_name": "here",
        "querystring_auth": False,
    },
}


def read(client: Client) -> str:
    """Return what the lesson says, without the code it quotes."""
    page = client.get("/how-it-works/").content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    main = re.sub(r"<figure.*?</figure>", " ", main, flags=re.S)
    main = re.sub(r'<div class="step" hidden>.*?</div>', " ", main, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_is_cut_from_the_source_and_short(name: str) -> None:
    snippet = SNIPPETS[name]
    lines = snippet.lines.splitlines()
    source = (ROOT / "examples/smallest" / snippet.file).read_text()
    assert 1 <= len(lines) <= 12
    assert all(line.strip() in source for line in lines)
    assert not lines[0].startswith(" ")


def test_the_snippets_say_what_the_lesson_says_of_them() -> None:
    wanted = {
        "stylesheet": "max-width",
        "form": 'enctype="multipart/form-data"',
        "files": "request.FILES",
        "static_folders": "STATIC_ROOT =",
        "media_folder": "MEDIA_ROOT =",
        "field": "avatar = models.ImageField(",
        "link": '{% static "people/style.css" %}',
        "picture": "{{ user.profile.avatar.url }}",
        "app": "django.contrib.staticfiles",
        "route": "static(settings.MEDIA_URL",
        "hashes": "ManifestStaticFilesStorage",
        "save": "form.save()",
    }
    assert {name: text for name, text in wanted.items() if text not in SNIPPETS[name].lines} == {}
    assert set(wanted) == set(SNIPPETS)


def test_every_snippet_is_on_the_page(ada: User, client: Client) -> None:
    page = html.unescape(client.get("/how-it-works/").content.decode())
    assert [name for name, snippet in SNIPPETS.items() if snippet.lines not in page] == []


def test_without_the_example_the_lesson_works(
    ada: User, client: Client, settings: LazySettings, tmp_path: Path
) -> None:
    settings.BASE_DIR = tmp_path
    assert "<figure" not in client.get("/how-it-works/").content.decode()
    assert "Two kinds of file" in read(client)


def read_stations(client: Client) -> dict[str, str]:
    """Return the HTML of each station, without the code it quotes."""
    page = client.get("/how-it-works/").content.decode()
    page = re.sub(r"<figure.*?</figure>", " ", page, flags=re.S)
    parts = re.findall(
        r'<section class="station" aria-labelledby="(\w+)">(.*?)</section>', page, re.S
    )
    return dict(parts)


def test_it_is_read_in_five_minutes(ada: User, client: Client) -> None:
    assert len(read(client).split()) <= 1200
    stations = read_stations(client)
    assert list(stations) == ["who", "where", "name", "handover", "change"]
    for name, station in stations.items():
        assert station.count("What goes wrong") == station.count("The smallest example") == 2
        says = " ".join(re.findall(r'<p(?: class="intro")?>(.*?)</p>', station, re.S))
        assert len(re.sub(r"<[^>]+>", " ", says).split()) <= 120, name


def test_what_goes_wrong_is_explained_on_the_page_of_symptoms(ada: User, client: Client) -> None:
    page = client.get("/how-it-works/").content.decode()
    symptoms = client.get("/how-it-works/symptoms/").content.decode()
    named = re.findall(r'href="/how-it-works/symptoms/#([\w-]+)"', page)
    assert len(named) >= 15
    assert [slug for slug in named if f'id="{slug}"' not in symptoms] == []


def test_it_shows_the_viewers_own_picture_else_the_newest_public_one(
    ada: User, grace: User, as_grace: Client, client: Client
) -> None:
    assert grace.profile.avatar.name in read(as_grace)
    text = read(client)
    assert ada.profile.avatar.name in text
    assert ada.profile.avatar.url in text
    assert grace.profile.avatar.name not in text


def test_without_any_picture_it_says_so(db: None, client: Client) -> None:
    assert "once somebody has uploaded one" in read(client)


def test_it_names_no_folder_and_no_version(
    ada: User, client: Client, settings: LazySettings
) -> None:
    page = client.get("/how-it-works/").content.decode()
    for secret in (str(ROOT), str(settings.MEDIA_ROOT), str(settings.STATIC_ROOT)):
        assert secret not in page
    assert django.__version__ not in page


def running(client: Client) -> list[str]:
    page = client.get("/how-it-works/").content.decode()
    return re.findall(r'<li class="running"><b>([^<]+)', page)


def test_it_marks_the_stage_that_is_running(
    ada: User, client: Client, settings: LazySettings
) -> None:
    assert running(client) == ["One machine", "One machine"]
    settings.STATIC_HOST = "https://cdn.example"
    assert running(client) == ["Many machines", "One machine"]
    settings.STATIC_HOST, settings.DEBUG = "", True
    assert running(client) == ["Development", "Development"]


def test_a_bucket_is_mentioned_but_not_named(
    ada: User, client: Client, settings: LazySettings
) -> None:
    settings.STORAGES = settings.STORAGES | {"default": BUCKET}
    assert running(client) == ["One machine", "Many machines"]
    page = re.sub(r"<img[^>]+>", "", client.get("/how-it-works/").content.decode())
    assert f"https://…/{ada.profile.avatar.name}" in page
    assert "our-own-bucket" not in page
    assert "storage.hidden.example" not in page


def test_curl_needs_a_cookie_for_a_protected_picture(
    ada: User, grace: User, as_grace: Client, client: Client
) -> None:
    url = "http://testserver/media"
    assert f"curl -I {url}/avatars/" in read(client)
    assert f'curl -I --cookie "sessionid=…" {url}/protected/' in read(as_grace)


def test_a_person_may_be_called_anything(ada: User, client: Client) -> None:
    ada.profile.display_name = "<script>alert(1)</script>"
    ada.profile.save()
    assert "<script>alert" not in client.get("/how-it-works/").content.decode()
