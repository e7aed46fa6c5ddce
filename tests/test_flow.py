"""One visitor's whole story, from joining to leaving."""

import json
from io import BytesIO
from zipfile import ZipFile

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from .conftest import list_media
from .helpers.pictures import draw_jpeg, make_exif
from .helpers.servers import find


@pytest.mark.django_db(transaction=True)
def test_a_visitor_joins_uploads_a_picture_and_leaves(
    client: Client, settings: LazySettings, mailoutbox: list
) -> None:
    stranger = Client()

    # Ada joins; first she is asked who can see her, then she continues to her picture.
    account = {"username": "Ada", "email": "ada@example.org"}
    passwords = {"password1": "engine no 1", "password2": "engine no 1"}
    page = client.post("/accounts/signup/", account | passwords, follow=True)
    assert "Your name, and who can see you" in page.content.decode()
    asked = {"display_name": "Ada Lovelace", "visibility": "members"}
    page = client.post("/profile/edit/?welcome", asked, follow=True)
    assert "Skip for now" in page.content.decode()

    # She follows the link in her mail.
    link = find(r"/accounts/confirm/\S+", mailoutbox[0].body)
    assert "ada@example.org" in client.get(link).content.decode()
    assert "confirmed" in client.post(link, follow=True).content.decode()

    # A photo from her phone: stored sideways, with the place where it was taken.
    photo = draw_jpeg(800, 600, exif=make_exif(6))
    upload = SimpleUploadedFile("IMG_1.JPG", photo, "image/jpeg")
    text = client.post("/profile/avatar/", {"avatar": upload}, follow=True).content.decode()
    assert "600 × 800 pixels" in text
    removed = find(r"<dt>Removed</dt>\s*<dd>.*</dd>", text)
    for kind in ("place", "camera", "date"):
        assert f"{kind}, " in removed
    assert "Your picture is saved" not in client.get("/profiles/ada/").content.decode()

    # Members see it upright; strangers find nothing of her.
    url = find(r"/media/protected/\S+-512.webp", text)
    assert get_colour(client, url)[2] > 180  # Blue, which was bottom left, is top left.
    assert stranger.get(url).status_code == 404
    assert stranger.get("/profiles/ada/").status_code == 404
    assert "Ada" not in stranger.get("/profiles/?q=ada").content.decode()

    # She shows herself to everyone: they find her, and her picture under another name.
    everything = asked | {"visibility": "public", "bio": "Countess", "website": "example.org"}
    client.post("/profile/edit/", everything)
    text = stranger.get("/profiles/?q=LOVE").content.decode()
    assert "Ada Lovelace" in text
    assert "/media/avatars/" in text
    assert client.get(url).status_code == 404
    assert len(list_media(settings)) == 5

    # She downloads her data and deletes her account; nothing of her is left.
    archive = ZipFile(BytesIO(b"".join(client.get("/accounts/export/"))))
    assert json.loads(archive.read("likeness.json"))["account"]["email"] == "ada@example.org"
    assert len(archive.namelist()) == 6
    client.post("/accounts/delete/", {"password": "engine no 1"})
    assert stranger.get("/profiles/ada/").status_code == 404
    assert list_media(settings) == []
    assert client.get("/profile/edit/").status_code == 302


def test_one_part_of_the_picture_or_another_is_kept(as_ada: Client) -> None:
    colours = set()
    for keep in ("start", "end"):
        upload = SimpleUploadedFile("wide.jpg", draw_jpeg(900, 300))
        as_ada.post("/profile/avatar/", {"avatar": upload, "crop_keep": keep})
        page = as_ada.get("/profiles/ada/").content.decode()
        url = find(r"/media/avatars/\S+-64.webp", page)
        red, green, _ = get_colour(as_ada, url)
        colours.add("red" if red > green else "green")
    assert colours == {"red", "green"}


def get_colour(client: Client, url: str) -> tuple[int, ...]:
    """Return the colour of a picture's corner, a few pixels in."""
    im = Image.open(BytesIO(b"".join(client.get(url)))).convert("RGB")
    return tuple(im.crop((8, 8, 9, 9)).tobytes())
