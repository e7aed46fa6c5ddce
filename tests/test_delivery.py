from http import HTTPStatus
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client

from profiles.models import Profile, User
from profiles.pictures.names import list_names

from .conftest import sign_in
from .helpers.pictures import draw, encode
from .test_uploads import upload_named

# Not in one transaction: whoever closes an answer with a file closes the connection.
pytestmark = pytest.mark.django_db(transaction=True)
PUBLIC = "public, max-age=31536000, s-maxage=3600, immutable"


def get(client: Client, profile: Profile, ending: str = "256.webp") -> int:
    response = client.get(profile.avatar.url_for(ending))
    response.close()
    return response.status_code


def test_every_file_of_a_public_picture_is_handed_out(ada: User, client: Client) -> None:
    for name in list_names(ada.profile.avatar.name):
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
    assert "Content-Length" not in response.headers  # It would be taken for the picture's.
    assert response["Cache-Control"] == PUBLIC


def read_etag(client: Client, url: str) -> str:
    response = client.get(url)
    response.close()
    return response["ETag"]


RANGES = {
    "bytes=0-9": (0, 10),
    "bytes=5-5": (5, 6),
    "Bytes=10-": (10, None),
    "bytes=-7": (-7, None),
    "bytes=0-999999999": (0, None),
    "bytes=-999999999": (0, None),
}


@pytest.mark.parametrize("asked", RANGES)
def test_a_broken_download_goes_on_where_it_broke(asked: str, ada: User, client: Client) -> None:
    url = ada.profile.avatar.url
    data = client.get(url).getvalue()
    response = client.get(url, headers={"Range": asked})
    part = data[slice(*RANGES[asked])]
    assert (response.status_code, response.content) == (206, part)
    first = data.index(part)
    assert response["Content-Range"] == f"bytes {first}-{first + len(part) - 1}/{len(data)}"
    assert response["Content-Length"] == str(len(part))
    assert (response["Content-Type"], response["Cache-Control"]) == ("image/webp", PUBLIC)


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=999999998-999999999", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_and_not_kept(
    asked: str, ada: User, client: Client
) -> None:
    url = ada.profile.avatar.url
    size = len(client.get(url).getvalue())
    response = client.get(url, headers={"Range": asked})
    assert (response.status_code, response.content) == (416, b"")
    assert response["Content-Range"] == f"bytes */{size}"
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "asked",
    ["bytes=9-5", "bytes=-", "bytes=a-b", "lines=0-9", "bytes=0-1,4-5", "bytes=0-" + "9" * 99],
)
def test_a_range_that_is_none_brings_the_whole_picture(
    asked: str, ada: User, client: Client
) -> None:
    response = client.get(ada.profile.avatar.url, headers={"Range": asked})
    assert response.status_code == HTTPStatus.OK
    assert len(response.getvalue()) == int(response["Content-Length"])
    assert response["Accept-Ranges"] == "bytes"


def test_a_range_is_of_the_picture_that_the_browser_has_begun(ada: User, client: Client) -> None:
    url = ada.profile.avatar.url
    etag = read_etag(client, url)
    statuses = []
    for known in (etag, f"W/{etag}", '"another"', "Mon, 23 Nov 2026 00:00:00 GMT"):
        response = client.get(url, headers={"Range": "bytes=1-2", "If-Range": known})
        response.close()
        statuses.append(response.status_code)
    assert statuses == [206, 200, 200, 200]


def test_what_the_browser_has_comes_before_the_range_it_asks_for(ada: User, client: Client) -> None:
    url = ada.profile.avatar.url
    etag = read_etag(client, url)
    asked = {"Range": "bytes=1-2"}
    assert client.get(url, headers=asked | {"If-None-Match": etag}).status_code == 304
    assert client.get(url, headers=asked | {"If-None-Match": '"another"'}).status_code == 206
    changed = client.get(url, headers=asked | {"If-Match": '"another"'})
    assert (changed.status_code, changed["Cache-Control"]) == (412, "no-store")


def test_the_head_of_a_picture_is_that_of_the_whole(ada: User, client: Client) -> None:
    url = ada.profile.avatar.url
    response = client.head(url, headers={"Range": "bytes=0-9"})
    response.close()
    assert response.status_code == HTTPStatus.OK
    assert int(response["Content-Length"]) == len(client.get(url).getvalue())


def test_a_part_of_a_protected_picture_is_for_those_who_may_see_it(
    grace: User, as_ada: Client, client: Client
) -> None:
    asked = {"Range": "bytes=0-3"}
    part = as_ada.get(grace.profile.avatar.url, headers=asked)
    assert (part.content, part["Cache-Control"]) == (b"RIFF", "private, max-age=3600")
    assert client.get(grace.profile.avatar.url, headers=asked).status_code == HTTPStatus.NOT_FOUND


def test_a_picture_that_is_not_there_is_not_found(ada: User, client: Client) -> None:
    url = "/media/avatars/00/" + 32 * "0" + "-512.webp"
    assert client.get(url).status_code == HTTPStatus.NOT_FOUND
    assert client.post(ada.profile.avatar.url).status_code == HTTPStatus.METHOD_NOT_ALLOWED


def test_nginx_is_told_to_hand_out_a_protected_picture(
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
def test_a_twisted_path_does_not_reach_a_protected_picture(
    path: str, linus: User, client: Client, settings: LazySettings
) -> None:
    url = path.format(linus.profile.avatar.name.removeprefix("protected/"))
    assert (Path(settings.MEDIA_ROOT) / linus.profile.avatar.name).exists()
    assert client.get(url).status_code == HTTPStatus.NOT_FOUND
