"""The drawing of the lesson: which places a file passes here, in development and in production."""

import html
import re

import pytest
from django.conf import LazySettings
from django.test import Client

from profiles.models import User

from .test_lesson import BUCKET


def read_road(client: Client, state: str, kind: str) -> list[str]:
    """Return the places of a road in a state, each as its label and its name."""
    page = client.get("/how-it-works/").content.decode()
    part = page[page.index(f'<div class="map {state}"') :]
    part = part[part.index(f'<div class="road road-{kind}"') :]
    part = part[: part.index("</ol>")].replace("<wbr>", "")
    places = re.findall(r"<b>([^<]+)</b> <code[^>]*>([^<]+)</code>", part)
    return [html.unescape(" ".join(place)) for place in places]


def shorten(name: str) -> str:
    """Return a picture's name as the drawing shows it, with the first digits of its token."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file[:4]}…{file[32:]}"


def find_chosen(client: Client) -> list[str]:
    page = client.get("/how-it-works/").content.decode()
    return re.findall(r'name="state" value="(\w+)" checked', page)


def test_nothing_is_collected_in_development(ada: User, client: Client) -> None:
    assert read_road(client, "development", "static") == [
        "Source css/site.css",
        "runserver /static/css/site.css",
        "Browser /static/css/site.css",
    ]


def test_a_stylesheet_is_collected_in_production(ada: User, client: Client) -> None:
    labels = [place.split()[0] for place in read_road(client, "production", "static")]
    assert labels == ["Source", "collectstatic", "STATIC_ROOT", "WhiteNoise", "Browser"]


def test_a_picture_passes_the_row_and_the_folder(ada: User, client: Client) -> None:
    name = shorten(ada.profile.avatar.name)
    assert read_road(client, "production", "media") == [
        "Form request.FILES",
        f"Model and database {name}",
        f"MEDIA_ROOT {name}",
        f"View /media/{name}",
        f"Browser /media/{name}",
    ]
    assert read_road(client, "development", "media")[3].startswith("static() /media/")


@pytest.mark.parametrize("debug", [True, False])
def test_the_state_that_is_running_is_shown_first(
    ada: User, client: Client, settings: LazySettings, debug: bool
) -> None:
    settings.DEBUG = debug
    assert find_chosen(client) == ["development" if debug else "production"]
    page = client.get("/how-it-works/").content.decode()
    [running] = re.findall(r"checked> ([\w ]+) <em>running now", page)
    assert running == ("While you develop" if debug else "In production")


def test_the_servers_of_this_installation_are_named(
    ada: User, client: Client, settings: LazySettings
) -> None:
    settings.MEDIA_DELIVERY, settings.STATIC_HOST = "nginx", "https://cdn.example"
    assert read_road(client, "production", "media")[3].startswith("nginx /media/")
    assert read_road(client, "production", "static")[3].startswith("CDN, WhiteNoise ")


def test_a_bucket_is_a_place_without_a_name(
    ada: User, client: Client, settings: LazySettings
) -> None:
    settings.STORAGES = settings.STORAGES | {"default": BUCKET}
    name = shorten(ada.profile.avatar.name)
    assert read_road(client, "production", "media")[2:4] == [
        f"Bucket {name}",
        f"Bucket https://…/{name}",
    ]


def test_without_any_picture_the_road_is_drawn_too(db: None, client: Client) -> None:
    assert len(read_road(client, "production", "media")) == 5


def test_each_place_leads_to_a_station_of_the_page(ada: User, client: Client) -> None:
    page = client.get("/how-it-works/").content.decode()
    maps = page[page.index('<div class="map') : page.index('<div class="walk"')]
    stations = set(re.findall(r'<a href="#([\w-]+)"', maps))
    assert {"who", "where", "name", "handover"} <= stations
    assert [station for station in stations if f'id="{station}"' not in page] == []
