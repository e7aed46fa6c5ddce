"""Taking everything away, and leaving."""

import json
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from django.conf import LazySettings
from django.test import Client
from PIL import Image

from profiles.models import Profile, User

from .conftest import list_media, sign_in
from .helpers.accounts import may_sign_in, read
from .helpers.plans import find_scans

pytestmark = pytest.mark.django_db(transaction=True)


def test_deleting_an_account_asks_for_the_password(as_ada: Client) -> None:
    page = read(as_ada, "/accounts/delete/")
    assert "It cannot be undone." in page
    assert 'type="password"' in page
    assert User.objects.exists()


@pytest.mark.parametrize("fields", [{}, {"password": ""}, {"password": "Pass phrase"}])
def test_a_wrong_password_deletes_nothing(
    fields: dict[str, str], as_ada: Client, settings: LazySettings
) -> None:
    before = list_media(settings)
    response = as_ada.post("/accounts/delete/", fields)
    assert response.status_code == 400
    assert 'id="id_password_error"' in response.content.decode()
    assert User.objects.filter(username="ada").exists()
    assert list_media(settings) == before
    read(as_ada, "/profile/edit/")


def test_a_deleted_account_is_gone_with_everything_in_it(
    as_ada: Client, settings: LazySettings
) -> None:
    response = as_ada.post("/accounts/delete/", {"password": "pass phrase"})
    assert response.headers["Location"] == "/"
    assert not User.objects.exists()
    assert not Profile.objects.exists()
    assert list_media(settings) == []


def test_an_account_is_deleted_by_indexes(ada: User, as_ada: Client) -> None:
    with find_scans() as found:
        as_ada.post("/accounts/delete/", {"password": "pass phrase"})
    assert not User.objects.exists()
    assert [each for each in found if "pictures_journalentry" not in each] == []  # It is short.


def test_staff_delete_an_account_by_indexes(ada: User) -> None:
    root = sign_in(User.objects.create_superuser("root", "root@example.org", "pass phrase"))
    with find_scans() as found:
        root.post(f"/admin/profiles/user/{ada.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=ada.pk).exists()
    assert [each for each in found if "pictures_journalentry" not in each] == []


def test_who_deletes_an_account_is_signed_out_and_told(as_ada: Client) -> None:
    page = as_ada.post("/accounts/delete/", {"password": "pass phrase"}, follow=True)
    assert "Your account and everything in it are deleted." in page.content.decode()
    assert "Sign out" not in page.content.decode()
    assert "_auth_user_id" not in as_ada.session
    assert not may_sign_in("ada", "pass phrase")


def test_the_accounts_of_others_stay(as_ada: Client, grace: User, settings: LazySettings) -> None:
    as_ada.post("/accounts/delete/", {"password": "pass phrase"})
    assert User.objects.get() == grace
    assert len(list_media(settings)) == 5


def take_away(client: Client) -> ZipFile:
    """Return the archive with what is kept about somebody."""
    response = client.get("/accounts/export/")
    assert response.headers["Content-Type"] == "application/zip"
    return ZipFile(BytesIO(response.getvalue()))


def test_everything_can_be_taken_away(as_grace: Client, grace: User) -> None:
    with take_away(as_grace) as archive:
        text = archive.read("likeness.json").decode()
    data: dict[str, Any] = json.loads(text)
    assert data["account"]["username"] == "grace"
    assert data["account"]["email"] == "grace@example.org"
    assert data["profile"]["display_name"] == "Grace Hopper"
    assert data["profile"]["visibility"] == "members"
    assert grace.password not in text


def test_the_pictures_can_be_taken_away(as_grace: Client) -> None:
    with take_away(as_grace) as archive:
        names = [name for name in archive.namelist() if name != "likeness.json"]
        sizes = {name: Image.open(BytesIO(archive.read(name))).size for name in names}
    assert sorted(names) == [
        f"picture-{ending}" for ending in ("128.webp", "256.jpg", "256.webp", "512.webp", "64.webp")
    ]
    assert sizes["picture-512.webp"] == (480, 480)


def test_the_archive_has_a_name(as_grace: Client) -> None:
    response = as_grace.get("/accounts/export/")
    assert response.headers["Content-Disposition"] == 'attachment; filename="likeness-grace.zip"'
    assert response.getvalue()


def test_who_has_no_picture_takes_the_text_away(as_ada: Client) -> None:
    as_ada.post("/profile/avatar/delete/")
    with take_away(as_ada) as archive:
        assert archive.namelist() == ["likeness.json"]


@pytest.mark.parametrize("name", ["delete", "export", "email", "password_change"])
def test_a_stranger_is_asked_to_sign_in(name: str, client: Client) -> None:
    response = client.get(f"/accounts/{name}/")
    assert response.headers["Location"] == f"/accounts/login/?next=/accounts/{name}/"
