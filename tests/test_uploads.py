"""Uploads over HTTP: the limit on the size of a file, and that its name is ignored."""

import gc
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from profiles.models import User
from profiles.pictures.limits import MAX_BYTES
from profiles.pictures.uploads import LimitUploadHandler

from .conftest import list_media
from .helpers.pictures import draw_jpeg, draw_noise, encode

MADE_NAME = re.compile(
    r"(avatars|protected)/([0-9a-f]{2})/\2[0-9a-f]{30}(?:-pixels)?-((512|256|128|64)\.webp|256\.jpg)"
)


@pytest.fixture
def temp(settings: LazySettings, tmp_path: Path) -> Path:
    """The test's folder for files that are too large for memory."""
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "temp"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
    return tmp_path / "temp"


def upload(client: Client, *contents: bytes, json: bool = True, **fields: str) -> Any:
    files = [SimpleUploadedFile("photo.jpg", content) for content in contents]
    headers = {"accept": "application/json" if json else "text/html"}
    return client.post("/profile/avatar/", {"avatar": files, **fields}, headers=headers)


def upload_named(client: Client, name: str, content: bytes) -> Any:
    """Upload a file under a name that a browser, or Django's client, would not send as it is."""
    body = b"\r\n".join(
        [
            b"--cut",
            b'Content-Disposition: form-data; name="avatar"; filename="%s"'
            % name.encode("utf-8", "surrogatepass"),
            b"Content-Type: text/html",
            b"",
            content,
            b"--cut--",
            b"",
        ]
    )
    kind = "multipart/form-data; boundary=cut"
    return client.post("/profile/avatar/", body, kind, headers={"accept": "application/json"})


def test_a_file_that_is_too_large_does_not_lose_what_was_typed(as_ada: Client) -> None:
    response = upload(as_ada, b"\xff" * 22_500_000, json=False, description="Ada in a hat")
    page = response.content.decode()
    assert response.status_code == 413
    assert "This photo is 23 MB; the limit is 20 MB." in page
    assert 'value="Ada in a hat"' in page


def test_a_script_gets_an_error_if_a_file_is_too_large(as_ada: Client) -> None:
    response = upload(as_ada, b"\xff" * 21_000_000)
    assert response.status_code == 413
    assert "the limit is 20 MB" in response.json()["errors"]["avatar"][0]


@pytest.mark.parametrize(("size", "status"), [(MAX_BYTES, 400), (MAX_BYTES + 1, 413)])
def test_the_limit_itself_is_allowed(as_ada: Client, size: int, status: int) -> None:
    response = upload(as_ada, b"\xff" * size)
    assert response.status_code == status
    assert ("not a picture" in response.json()["errors"]["avatar"][0]) == (status == 400)


def test_bytes_over_the_limit_are_discarded_while_they_arrive() -> None:
    handler = LimitUploadHandler()
    handler.new_file("avatar", "photo.jpg", "image/jpeg", None)
    kept = [handler.receive_data_chunk(b"\xff" * 5_000_000, 0) for _ in range(6)]
    assert [chunk is None for chunk in kept] == [False] * 4 + [True] * 2
    handler.new_file("avatar", "other.jpg", "image/jpeg", None)
    assert handler.receive_data_chunk(b"\xff", 0) == b"\xff"


def test_a_picture_of_the_largest_size_is_accepted(as_ada: Client) -> None:
    picture = draw_jpeg().ljust(MAX_BYTES, b"\0")
    assert upload(as_ada, picture).json()["receipt"]["arrived"]["bytes"] == MAX_BYTES


@pytest.mark.parametrize("content", [b"\xff" * 21_000_000, b"\xff" * 3_000_000, b"\xff", b""])
def test_a_refused_file_leaves_nothing_behind(
    as_ada: Client, settings: LazySettings, temp: Path, content: bytes
) -> None:
    before = list_media(settings)
    upload(as_ada, content).close()
    gc.collect()
    assert list_media(settings) == before
    assert list(temp.iterdir()) == []


def test_a_large_photo_leaves_nothing_but_the_picture(
    as_ada: Client, settings: LazySettings, temp: Path
) -> None:
    photo = encode(draw_noise(1200), "PNG")
    assert len(photo) > settings.FILE_UPLOAD_MAX_MEMORY_SIZE
    before = list_media(settings)
    assert upload(as_ada, photo).status_code == 201
    gc.collect()
    assert len(set(list_media(settings)) - set(before)) == 5
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize("sizes", [(64, 99), (None, 99), (99, None), (None, None)])
def test_two_files_at_once_are_refused_and_leave_nothing_behind(
    as_ada: Client, settings: LazySettings, temp: Path, sizes: tuple[int | None, ...]
) -> None:
    before = list_media(settings)
    contents = [draw_jpeg(n, n) if n else b"\xff" * 21_000_000 for n in sizes]
    assert upload(as_ada, *contents).status_code == 400
    gc.collect()
    assert list_media(settings) == before
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "../../x.png",
        "..\\..\\x.png",
        "/etc/passwd",
        "C:\\autoexec.bat",
        "x.php",
        "x.svg",
        ".htaccess",
        "index.html\0.jpg",
        "a\r\nX: 1.png",
        'x" onerror="alert(1).png',
        "x" * 300 + ".jpg",
        "x" * 100_000,
        "CON",
        "~",
        "\u202egpj.exe",
        "e\u0301\ud800.jpg",
        "${jndi:ldap:x}.jpg",
        " ",
    ],
    ids=ascii,
)
def test_the_name_of_a_file_means_nothing(
    as_ada: Client, settings: LazySettings, tmp_path: Path, name: str
) -> None:
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert upload_named(as_ada, name, draw_jpeg(64, 64)).status_code < 500
    assert all(MADE_NAME.fullmatch(made) for made in list_media(settings))
    after = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert all(path.is_relative_to(settings.MEDIA_ROOT) for path in after - before)


def test_a_file_is_judged_by_its_content(as_ada: Client, ada: User) -> None:
    old = ada.profile.avatar.url
    receipt = upload_named(as_ada, "letter.txt", draw_jpeg(64, 64)).json()["receipt"]
    assert receipt["arrived"] == {
        "format": "JPEG",
        "width": 64,
        "height": 64,
        "bytes": len(draw_jpeg(64, 64)),
    }
    ada.profile.refresh_from_db()
    assert ada.profile.avatar.url != old


def test_a_text_with_a_photos_name_is_refused(as_ada: Client) -> None:
    response = upload_named(as_ada, "photo.jpg", b"Dear Charles")
    assert response.status_code == 400
    assert "not a picture" in response.json()["errors"]["avatar"][0]


def test_a_file_for_which_there_is_no_room_is_refused_with_a_sentence(
    as_ada: Client, settings: LazySettings, tmp_path: Path
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "not-there"
    photo = encode(draw_noise(1400), "PNG")
    assert len(photo) > settings.FILE_UPLOAD_MAX_MEMORY_SIZE
    before = list_media(settings)
    response = upload(as_ada, photo, description="Ada in a hat")
    assert response.status_code == 503
    assert "We have no room for a picture of this size" in response.json()["errors"]["avatar"][0]
    assert list_media(settings) == before
    assert upload(as_ada, draw_jpeg()).status_code == 201
