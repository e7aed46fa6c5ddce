from http import HTTPStatus
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client

from profiles.models import Profile, User

from .conftest import sign_in
from .helpers.pictures import draw, encode
from .test_uploads import upload_named

# Without a transaction around each test: closing a response with a file closes the connection.
pytestmark = pytest.mark.django_db(transaction=True)
PUBLIC = "public, max-age=31536000, s-maxage=3600, immutable"


def get(client: Client, profile: Profile, ending: str = "256.webp") -> int:
    response = client.get(profile.avatar.url_for(ending))
    response.close()
    return response.status_code


def test_every_file_of_a_public_picture_is_served(ada: User, client: Client) -> None:
    for name in ada.profile.avatar.field.store.list_names(ada.profile.avatar.name):
        response = client.get(f"/media/{name}")
        kind = "image/jpeg" if name.endswith("jpg") else "image/webp"
        assert (response.status_code, response["Content-Type"]) == (200, kind)
        assert b"".join(response)[:4] in (b"RIFF", b"\xff\xd8\xff\xe0")


@pytest.mark.parametrize("visibility", ["public", "members"])
def test_a_small_drawing_is_served_by_its_own_name(visibility: str, as_ada: Client) -> None:
    Profile.objects.get(user__username="ada").avatar.replace(visibility=visibility)
    answer = upload_named(as_ada, "sprite.png", encode(draw(48, 48), "PNG"))
    assert "-pixels-" in answer.json()["url"]
    response = as_ada.get(answer.json()["url"])
    assert b"".join(response)[:4] == b"RIFF"


def test_a_public_picture_is_cached_for_a_year_and_can_do_nothing(
    ada: User, client: Client
) -> None:
    response = client.get(ada.profile.avatar.url)
    response.close()
    assert response["Cache-Control"] == PUBLIC
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert not response.has_header("Vary")
    assert not response.has_header("Set-Cookie")


def test_a_member_sees_the_picture_of_a_member_and_a_stranger_does_not(
    grace: User, as_ada: Client, client: Client
) -> None:
    assert get(as_ada, grace.profile) == HTTPStatus.OK
    assert get(client, grace.profile) == HTTPStatus.NOT_FOUND


def test_only_the_owner_sees_a_private_picture(linus: User, as_ada: Client, client: Client) -> None:
    assert get(sign_in(linus), linus.profile) == HTTPStatus.OK
    assert get(as_ada, linus.profile) == HTTPStatus.NOT_FOUND
    assert get(client, linus.profile) == HTTPStatus.NOT_FOUND


def test_a_protected_picture_is_not_kept_by_shared_caches(grace: User, as_ada: Client) -> None:
    response = as_ada.get(grace.profile.avatar.url)
    response.close()
    assert response["Cache-Control"].startswith("private")
    assert "Cookie" in response["Vary"]


def test_the_picture_of_an_inactive_member_is_gone_for_all(grace: User, as_ada: Client) -> None:
    User.objects.filter(pk=grace.pk).update(is_active=False)
    assert get(as_ada, grace.profile) == HTTPStatus.NOT_FOUND


def test_the_public_picture_of_a_deactivated_member_is_gone(ada: User, client: Client) -> None:
    url = ada.profile.avatar.url
    ada.is_active = False
    ada.save()
    assert client.get(url.replace("avatars", "protected")).status_code == HTTPStatus.NOT_FOUND
    assert get(client, Profile.objects.get(user=ada)) == HTTPStatus.NOT_FOUND
    assert Profile.objects.get(user=ada).avatar.name.startswith("protected/")
    ada.is_active = True
    ada.save()
    assert get(client, Profile.objects.get(user=ada)) == HTTPStatus.OK


def test_a_hidden_picture_is_gone_from_its_public_address(ada: User, as_grace: Client) -> None:
    url = ada.profile.avatar.url
    ada.profile.visibility = Profile.Visibility.PRIVATE
    ada.profile.save()
    protected = url.replace("avatars", "protected")
    assert as_grace.get(protected).status_code == HTTPStatus.NOT_FOUND
    assert get(as_grace, ada.profile) == HTTPStatus.NOT_FOUND


def test_a_browser_that_has_the_picture_is_not_sent_it_again(ada: User, client: Client) -> None:
    first = client.get(ada.profile.avatar.url)
    first.close()
    response = client.get(ada.profile.avatar.url, headers={"If-None-Match": first["ETag"]})
    assert (response.status_code, response.content) == (304, b"")
    assert "Content-Length" not in response.headers  # It would mean the picture's length.
    assert response["Cache-Control"] == PUBLIC


def read_etag(client: Client, url: str) -> str:
    response = client.get(url)
    response.close()
    return response["ETag"]


@pytest.mark.parametrize("visibility", ["public", "members"])
def test_no_file_tells_when_it_was_uploaded_hidden_or_shown(
    visibility: str, ada: User, settings: LazySettings
) -> None:
    ada.profile.change(visibility=visibility)
    times = {path.stat().st_mtime for path in settings.MEDIA_ROOT.rglob("*.*")}
    assert times == {946_684_800}  # 1 January 2000


def test_a_part_of_a_picture_is_answered_with_the_whole(ada: User, client: Client) -> None:
    response = client.get(ada.profile.avatar.url, headers={"Range": "bytes=0-9"})
    assert response.status_code == HTTPStatus.OK
    assert len(response.getvalue()) == int(response["Content-Length"]) > 10


def test_a_picture_that_the_browser_has_in_another_version_is_not_kept(
    ada: User, client: Client
) -> None:
    changed = client.get(ada.profile.avatar.url, headers={"If-Match": '"another"'})
    assert (changed.status_code, changed["Cache-Control"]) == (412, "no-store")


def test_the_head_of_a_picture_is_that_of_the_whole(ada: User, client: Client) -> None:
    url = ada.profile.avatar.url
    response = client.head(url)
    response.close()
    assert response.status_code == HTTPStatus.OK
    assert int(response["Content-Length"]) == len(client.get(url).getvalue())


def test_a_picture_that_is_not_there_is_not_found(ada: User, client: Client) -> None:
    url = "/media/avatars/00/" + 32 * "0" + "-512.webp"
    assert client.get(url).status_code == HTTPStatus.NOT_FOUND
    assert client.post(ada.profile.avatar.url).status_code == HTTPStatus.METHOD_NOT_ALLOWED


def test_nginx_serves_a_protected_picture_after_the_check(
    grace: User, as_ada: Client, client: Client, settings: LazySettings
) -> None:
    settings.MEDIA_DELIVERY = "nginx"
    response = as_ada.get(grace.profile.avatar.url)
    assert response["X-Accel-Redirect"] == f"/{grace.profile.avatar.name}"
    assert response.content == b""
    assert get(client, grace.profile) == HTTPStatus.NOT_FOUND


TWISTED = [
    "/media/avatars/../protected/{}",
    "/media/avatars/%2e%2e/protected/{}",
    "/media/avatars/..%2fprotected/{}",
    "/media//protected/{}",
    "/media/protected//{}",
    "/media/./protected/{}",
    "//media/protected/{}",
    "/media/avatars/..\\protected\\{}",
    "/media/{}",
]


@pytest.mark.parametrize("path", TWISTED)
def test_a_manipulated_path_does_not_reach_a_protected_picture(
    path: str, linus: User, client: Client, settings: LazySettings
) -> None:
    url = path.format(linus.profile.avatar.name.removeprefix("protected/"))
    assert (Path(settings.MEDIA_ROOT) / linus.profile.avatar.name).exists()
    assert client.get(url).status_code == HTTPStatus.NOT_FOUND
