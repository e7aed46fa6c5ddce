"""The page where people upload, describe and remove their picture."""

import os
import re
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from profiles.models import Profile, User
from profiles.pictures.limits import MAX_BYTES

from .conftest import list_media
from .helpers.cells import hold_all_places
from .helpers.pictures import QUARTERS, draw, draw_jpeg, encode, make_exif

pytestmark = pytest.mark.django_db(transaction=True)

JSON = {"Accept": "application/json"}
ENDINGS = ["128.webp", "256.jpg", "256.webp", "512.webp", "64.webp"]
CROP = {"crop_x": 0, "crop_y": 0, "crop_size": 240}


@pytest.fixture
def as_mary(db: None) -> Client:
    """A browser with Mary signed in, who has no picture yet."""
    client = Client()
    client.force_login(User.objects.create_user("mary", password="pass phrase"))
    return client


def photo(data: bytes | None = None, name: str = "photo.jpg") -> SimpleUploadedFile:
    """Return a file as a browser sends it."""
    return SimpleUploadedFile(name, draw_jpeg() if data is None else data, "image/jpeg")


def upload(client: Client, status: int = 302, **fields: Any) -> str:
    """Send the form; return where it leads, or the page that it shows."""
    response = client.post("/profile/avatar/", fields)
    assert response.status_code == status
    return response.headers.get("Location") or response.content.decode()


def ask(client: Client, status: int = 201, **fields: Any) -> dict[str, Any]:
    """Send the form as a script does; return what it answers."""
    response = client.post("/profile/avatar/", fields, headers=JSON)
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/json"
    return response.json()


def read(name: str = "ada") -> Profile:
    """Return somebody's profile as it is stored."""
    return Profile.objects.get(user__username=name)


def look(settings: LazySettings, name: str = "ada") -> list[int]:
    """Return which of the drawn quarters are in the corners of somebody's picture."""
    with Image.open(settings.MEDIA_ROOT / read(name).avatar.name) as im:
        corners = [(4, 4), (im.width - 5, 4), (4, im.height - 5), (im.width - 5, im.height - 5)]
        colours = [im.convert("RGB").getpixel(corner) for corner in corners]
    return [find_nearest(colour) for colour in colours]  # type: ignore[arg-type]


def find_nearest(colour: tuple[int, int, int]) -> int:
    """Return the number of the quarter whose colour comes nearest."""
    distances = [
        sum(abs(a - b) for a, b in zip(colour, quarter, strict=True)) for quarter in QUARTERS
    ]
    return distances.index(min(distances))


def test_the_first_picture_is_uploaded(as_mary: Client, settings: LazySettings) -> None:
    assert upload(as_mary, avatar=photo()) == "/profiles/mary/"
    assert read("mary").avatar.name in list_media(settings)
    assert read("mary").avatar.url in as_mary.get("/profiles/mary/").content.decode()


def test_a_picture_has_exactly_five_files(as_mary: Client, settings: LazySettings) -> None:
    upload(as_mary, avatar=photo())
    stem = read("mary").avatar.name.removesuffix("512.webp")
    assert list_media(settings) == [stem + ending for ending in ENDINGS]


def test_a_new_picture_replaces_the_old_one(as_ada: Client, settings: LazySettings) -> None:
    before = list_media(settings)
    upload(as_ada, avatar=photo())
    after = list_media(settings)
    assert len(after) == 5
    assert set(after).isdisjoint(before)
    assert read().avatar.name in after


def test_the_same_picture_gets_another_name(as_ada: Client) -> None:
    names = []
    for _ in range(2):
        upload(as_ada, avatar=photo())
        names.append(read().avatar.name)
    assert names[0] != names[1]


def test_the_picture_of_a_hidden_profile_is_protected(
    as_grace: Client, settings: LazySettings
) -> None:
    upload(as_grace, avatar=photo())
    assert {Path(name).parts[0] for name in list_media(settings)} == {"protected"}


def test_the_senders_name_and_type_are_ignored(as_ada: Client, settings: LazySettings) -> None:
    upload(as_ada, avatar=photo(encode(draw(), "PNG"), "../../evil.php"))
    assert "evil" not in str(list_media(settings))
    assert len(list_media(settings)) == 5


def test_the_page_shows_a_receipt_once_and_only_once(as_ada: Client) -> None:
    upload(as_ada, avatar=photo())
    first = as_ada.get("/profiles/ada/").content.decode()
    assert "Your picture is saved" in first
    assert "JPEG, 640 × 480 pixels" in first
    assert "Your picture is saved" not in as_ada.get("/profiles/ada/").content.decode()


def test_the_receipt_lists_kinds_of_metadata_but_not_their_content(as_ada: Client) -> None:
    upload(as_ada, avatar=photo(draw_jpeg(exif=make_exif())))
    page = as_ada.get("/profiles/ada/").content.decode()
    assert "<dd>place, camera, date, author, everything outside the square</dd>" in page
    assert "Fotofabrik" not in page


def test_nobody_else_sees_the_receipt(as_ada: Client, as_grace: Client) -> None:
    upload(as_ada, avatar=photo())
    assert "Your picture is saved" not in as_ada.get("/profiles/grace/").content.decode()
    assert "Your picture is saved" not in as_grace.get("/profiles/ada/").content.decode()
    assert "Your picture is saved" in as_ada.get("/profiles/ada/").content.decode()


def test_a_script_gets_the_address_and_the_receipt(as_ada: Client) -> None:
    picture = photo(draw_jpeg(exif=make_exif()))
    answer = ask(as_ada, avatar=picture)
    assert answer["url"] == read().avatar.url
    assert answer["receipt"]["arrived"] == {
        "format": "JPEG",
        "width": 640,
        "height": 480,
        "bytes": picture.size,
    }
    assert answer["receipt"]["thrown_away"] == ["place", "camera", "date", "author"]


def test_the_receipt_counts_the_bytes_that_are_kept(as_ada: Client, settings: LazySettings) -> None:
    kept = ask(as_ada, avatar=photo())["receipt"]["kept"]
    sizes = {
        name.rpartition("-")[2]: (settings.MEDIA_ROOT / name).stat().st_size
        for name in list_media(settings)
    }
    assert kept == {"side": 480, "files": sizes, "bytes": sum(sizes.values())}


def test_a_receipt_sent_to_a_script_is_not_shown_again(as_ada: Client) -> None:
    ask(as_ada, avatar=photo())
    assert "Your picture is saved" not in as_ada.get("/profiles/ada/").content.decode()


def test_the_receipt_has_the_upright_sides_of_a_photo(as_ada: Client) -> None:
    answer = ask(as_ada, avatar=photo(draw_jpeg(exif=make_exif(6))))
    assert answer["receipt"]["arrived"].items() >= {"width": 480, "height": 640}.items()


def test_without_a_file_the_description_alone_changes(
    as_ada: Client, settings: LazySettings
) -> None:
    before = list_media(settings)
    assert upload(as_ada, description="At her desk") == "/profiles/ada/"
    assert read().description == "At her desk"
    assert list_media(settings) == before
    page = as_ada.get("/profiles/ada/").content.decode()
    assert "Saved." in page
    assert "Your picture is saved" not in page


def test_a_script_that_changes_the_description_alone_gets_no_receipt(as_ada: Client) -> None:
    answer = ask(as_ada, description="At her desk")
    assert answer == {"url": read().avatar.url, "receipt": None}


def test_without_a_file_and_a_picture_one_is_asked_for(as_mary: Client) -> None:
    page = upload(as_mary, status=400, description="At her desk")
    assert "Choose a picture first." in page
    assert 'value="At her desk"' in page
    assert read("mary").description == ""


def test_a_script_gets_an_error_if_the_file_is_missing(as_mary: Client) -> None:
    assert ask(as_mary, 400) == {"errors": {"avatar": ["Choose a picture first."]}}


def test_a_new_picture_empties_the_old_description(as_ada: Client) -> None:
    upload(as_ada, description="At her desk")
    upload(as_ada, avatar=photo())
    assert read().description == ""


def test_a_new_picture_comes_with_its_description(as_ada: Client) -> None:
    upload(as_ada, avatar=photo(), description="On a boat")
    assert read().description == "On a boat"
    assert 'alt="On a boat"' in as_ada.get("/profiles/ada/").content.decode()


def test_the_form_shows_the_description_as_it_is(as_ada: Client) -> None:
    upload(as_ada, description='A "portrait"')
    assert 'value="A &quot;portrait&quot;"' in as_ada.get("/profile/avatar/").content.decode()


@pytest.mark.parametrize("description", ["x" * 251, "a\0b"])
def test_a_wrong_description_changes_nothing(
    description: str, as_ada: Client, settings: LazySettings
) -> None:
    before = list_media(settings)
    page = upload(as_ada, status=400, avatar=photo(), description=description)
    assert 'id="id_description_error"' in page
    assert (list_media(settings), read().description) == (before, "")


def test_a_square_is_cut_where_the_visitor_put_it(as_ada: Client, settings: LazySettings) -> None:
    answer = ask(as_ada, avatar=photo(), crop_x=400, crop_y=240, crop_size=200)
    assert answer["receipt"]["kept"]["side"] == 200
    assert look(settings) == [3, 3, 3, 3]


def test_a_square_is_measured_on_the_upright_picture(
    as_ada: Client, settings: LazySettings
) -> None:
    turned = photo(draw_jpeg(exif=make_exif(6)))
    upload(as_ada, avatar=turned, crop_x=0, crop_y=0, crop_size=200)
    assert look(settings) == [2, 2, 2, 2]  # Turned to the right, the bottom left comes to the top.


@pytest.mark.parametrize(
    ("degrees", "corners"),
    [(0, [0, 1, 2, 3]), (90, [2, 0, 3, 1]), (180, [3, 2, 1, 0]), (270, [1, 3, 0, 2])],
)
def test_a_picture_is_turned_to_the_right_after_it_is_upright_and_cut(
    degrees: int, corners: list[int], as_ada: Client, settings: LazySettings
) -> None:
    upload(as_ada, avatar=photo(draw_jpeg(800, 300)), turn=degrees)
    assert look(settings) == corners
    cut = {"crop_x": 0, "crop_y": 0, "crop_size": 100}
    upload(as_ada, avatar=photo(draw_jpeg(exif=make_exif(6))), turn=degrees, **cut)
    assert look(settings) == [2, 2, 2, 2]


@pytest.mark.parametrize("degrees", ["45", "-90", "360", "x", "9" * 5000])
def test_a_turn_has_quarters(degrees: str, as_ada: Client, settings: LazySettings) -> None:
    before = list_media(settings)
    page = upload(as_ada, status=400, avatar=photo(), turn=degrees)
    assert "A turn has 0, 90, 180 or 270 degrees." in page
    assert list_media(settings) == before


@pytest.mark.parametrize("keep", ["start", "middle", "end"])
def test_a_square_photo_is_kept_whole(keep: str, as_ada: Client, settings: LazySettings) -> None:
    upload(as_ada, avatar=photo(draw_jpeg(300, 300)), crop_keep=keep)
    assert look(settings) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("keep", "corners"),
    [("start", [0, 0, 2, 2]), ("middle", [0, 1, 2, 3]), ("end", [1, 1, 3, 3]), ("", [0, 1, 2, 3])],
)
def test_a_part_of_a_wide_photo_can_be_kept(
    keep: str, corners: list[int], as_ada: Client, settings: LazySettings
) -> None:
    upload(as_ada, avatar=photo(draw_jpeg(800, 300)), crop_keep=keep)
    assert look(settings) == corners


@pytest.mark.parametrize(
    ("square", "side"),
    [
        ({"crop_x": 10**30, "crop_y": 10**30, "crop_size": 10**30}, 480),
        ({"crop_x": -5, "crop_y": -5, "crop_size": 100}, 100),
        ({"crop_x": 700, "crop_y": 500, "crop_size": 100}, 100),
        ({"crop_x": 0, "crop_y": 0, "crop_size": 0}, 32),
        ({"crop_x": 0, "crop_y": 0, "crop_size": -1}, 32),
    ],
)
def test_a_square_beyond_the_picture_is_moved_into_it(
    square: dict[str, int], side: int, as_ada: Client
) -> None:
    assert ask(as_ada, avatar=photo(), **square)["receipt"]["kept"]["side"] == side


@pytest.mark.parametrize("missing", [{"crop_x"}, {"crop_size"}, {"crop_y", "crop_size"}])
def test_a_square_has_three_numbers(
    missing: set[str], as_ada: Client, settings: LazySettings
) -> None:
    before = list_media(settings)
    square = {name: value for name, value in CROP.items() if name not in missing}
    page = upload(as_ada, status=400, avatar=photo(), **square)
    assert "A square has three numbers" in page
    assert list_media(settings) == before


@pytest.mark.parametrize("number", ["x", "1.5", "1e3", "NaN", "9" * 5000, "1\0"])
def test_a_square_is_made_of_whole_numbers(
    number: str, as_ada: Client, settings: LazySettings
) -> None:
    before = list_media(settings)
    errors = ask(as_ada, 400, avatar=photo(), **CROP | {"crop_x": number})["errors"]
    assert "crop_x" in errors
    assert list_media(settings) == before


def test_a_square_of_nonsense_is_answered_with_a_sentence(as_ada: Client) -> None:
    page = upload(as_ada, status=400, avatar=photo(), crop_x="x", crop_y="y", crop_size="z")
    assert '<div class="errors"' in page


def test_a_part_that_is_not_offered_is_refused(as_ada: Client, settings: LazySettings) -> None:
    before = list_media(settings)
    assert "crop_keep" in ask(as_ada, 400, avatar=photo(), crop_keep="top")["errors"]
    assert list_media(settings) == before


REFUSED = {
    "text": (b"<html><script>alert(1)</script></html>", 400, "This file is not a picture"),
    "nothing": (b"", 400, "This file is empty. Choose another."),
    "half": (draw_jpeg()[:3000], 400, "This file breaks off part-way."),
    "small": (draw_jpeg(31, 100), 400, "This picture is 31 × 100 pixels"),
    "large": (encode(Image.new("1", (5001, 5000)), "PNG"), 400, "the limit is 25"),
    "heavy": (
        draw_jpeg() + bytes(MAX_BYTES),
        413,
        "This photo is 21 MB; the limit is 20 MB.",
    ),
    "bitmap": (encode(draw(), "BMP"), 400, "This file is not a picture we can read"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refused_file_leaves_everything_as_it_was(
    kind: str, as_ada: Client, settings: LazySettings
) -> None:
    upload(as_ada, description="At her desk")
    before = list_media(settings), read().avatar.name
    data, status, sentence = REFUSED[kind]
    page = upload(as_ada, status=status, avatar=photo(data), description="On a boat")
    assert sentence in page
    assert 'value="On a boat"' in page
    assert (list_media(settings), read().avatar.name) == before
    assert read().description == "At her desk"


@pytest.mark.parametrize("kind", REFUSED)
def test_a_script_gets_the_reason_of_a_refusal(kind: str, as_mary: Client) -> None:
    data, status, sentence = REFUSED[kind]
    errors = ask(as_mary, status, avatar=photo(data))["errors"]
    assert list(errors) == ["avatar"]
    assert sentence in errors["avatar"][0]


def test_during_many_uploads_a_visitor_is_asked_to_try_again(
    as_ada: Client, settings: LazySettings
) -> None:
    before = list_media(settings)
    with hold_all_places():
        response = as_ada.post("/profile/avatar/", {"avatar": photo()})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert "try again in a minute" in response.content.decode()
    assert list_media(settings) == before


def test_during_many_uploads_a_missing_size_loses_no_picture(
    as_ada: Client, ada: User, settings: LazySettings
) -> None:
    # Before `rebuild_avatars` has run, moving a picture makes a new size.
    storages["default"].delete(ada.profile.avatar.name.replace("-512.", "-64."))
    before = list_media(settings)
    fields = {"display_name": "Ada Lovelace", "visibility": "members"}
    with hold_all_places():
        response = as_ada.post("/profile/edit/", fields)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "60")
    assert "your old picture is still there" in response.content.decode()
    assert list_media(settings) == before
    assert as_ada.post("/profile/edit/", fields).status_code == 302
    assert len(list_media(settings)) == 5


def test_a_refused_file_is_read_out_beside_its_field(as_ada: Client) -> None:
    page = upload(as_ada, status=400, avatar=photo(b"text"))
    assert '<div class="errors" id="id_avatar_error" role="alert">' in page
    assert 'aria-invalid="true"' in page
    assert "Change picture" in as_ada.get("/profiles/ada/").content.decode()


def test_a_picture_under_another_name_than_avatar_is_not_one(as_mary: Client) -> None:
    assert "Choose a picture first." in upload(as_mary, status=400, picture=photo())


def test_a_copy_read_before_an_upload_does_not_put_the_old_name_back(
    as_ada: Client, settings: LazySettings
) -> None:
    stale = read()
    old = stale.avatar.name
    upload(as_ada, avatar=photo())
    stale.bio = "Written meanwhile"
    stale.save()
    assert read().bio == "Written meanwhile"
    assert read().avatar.name != old
    assert read().avatar.name in list_media(settings)


def test_a_copy_read_before_an_upload_does_not_put_the_old_description_back(
    as_ada: Client,
) -> None:
    upload(as_ada, description="At her desk")
    stale = read()
    upload(as_ada, avatar=photo(), description="On a boat")
    stale.change(bio="Written meanwhile")
    assert (read().bio, read().description) == ("Written meanwhile", "On a boat")


def test_a_copy_read_before_the_profile_hid_does_not_show_it_again(as_ada: Client) -> None:
    stale = read()
    as_ada.post("/profile/edit/", {"visibility": "private"})
    stale.change(bio="Written meanwhile")
    assert read().visibility == "private"
    assert read().avatar.name.startswith("protected/")


def test_a_form_opened_before_an_upload_keeps_the_new_picture(
    as_ada: Client, settings: LazySettings
) -> None:
    assert as_ada.get("/profile/edit/").status_code == 200
    upload(as_ada, avatar=photo(), description="On a boat")
    name = read().avatar.name
    as_ada.post("/profile/edit/", {"display_name": "Ada King", "visibility": "public"})
    assert (read().display_name, read().description) == ("Ada King", "On a boat")
    assert read().avatar.name == name
    assert name in list_media(settings)


def test_a_stranger_is_asked_to_sign_in(client: Client, settings: LazySettings) -> None:
    assert upload(client, avatar=photo()) == "/accounts/login/?next=/profile/avatar/"
    assert list_media(settings) == []


def test_a_form_without_its_token_is_refused(ada: User, settings: LazySettings) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    before = list_media(settings)
    assert "expired" in upload(client, status=403, avatar=photo())
    assert list_media(settings) == before


def test_the_form_shows_the_current_picture(as_ada: Client, ada: User) -> None:
    page = as_ada.get("/profile/avatar/").content.decode()
    assert ada.profile.avatar.url_for("128.webp") in page
    assert 'enctype="multipart/form-data"' in page


def test_a_new_member_may_skip_the_picture(as_mary: Client) -> None:
    page = as_mary.get("/profile/avatar/?welcome").content.decode()
    assert re.search(r'<a [^>]*href="/profiles/mary/"[^>]*>Skip for now</a>', page)
    assert "Skip for now" not in as_mary.get("/profile/avatar/").content.decode()


@pytest.mark.parametrize("url", ["/profile/avatar/", "/profile/avatar/delete/"])
def test_only_reading_and_sending_are_allowed(url: str, as_ada: Client) -> None:
    assert as_ada.head(url).status_code == 200
    assert as_ada.put(url).status_code == 405
    assert as_ada.delete(url).status_code == 405
    assert read().avatar


def test_removing_a_picture_needs_confirmation(as_ada: Client, settings: LazySettings) -> None:
    before = list_media(settings)
    page = as_ada.get("/profile/avatar/delete/").content.decode()
    assert "Remove your picture?" in page
    assert list_media(settings) == before
    assert read().avatar


def test_a_removed_picture_is_gone_with_its_files_and_description(
    as_ada: Client, settings: LazySettings
) -> None:
    upload(as_ada, description="At her desk")
    page = as_ada.post("/profile/avatar/delete/", follow=True).content.decode()
    assert "Your picture has been removed." in page
    assert list_media(settings) == []
    assert (bool(read().avatar), read().description) == (False, "")


def test_the_address_of_a_removed_picture_is_gone(as_ada: Client, ada: User) -> None:
    as_ada.post("/profile/avatar/delete/")
    assert as_ada.get(ada.profile.avatar.url).status_code == 404


def test_removing_no_picture_does_no_harm(as_mary: Client) -> None:
    assert as_mary.get("/profile/avatar/delete/").status_code == 200
    assert as_mary.post("/profile/avatar/delete/").status_code == 302


def test_a_stranger_removes_nothing(ada: User, client: Client, settings: LazySettings) -> None:
    response = client.post("/profile/avatar/delete/")
    assert response.headers["Location"] == "/accounts/login/?next=/profile/avatar/delete/"
    assert len(list_media(settings)) == 5


def test_a_script_gets_an_error_if_its_session_has_ended(client: Client, db: None) -> None:
    headers = {"Accept": "application/json"}
    response = client.post("/profile/avatar/", {"avatar": photo()}, headers=headers)
    assert response.status_code == 401
    assert response.json() == {"errors": {"__all__": ["You are not signed in any more."]}}


def test_folders_can_be_read_by_others_whatever_the_umask(
    as_ada: Client, settings: LazySettings
) -> None:
    shutil.rmtree(settings.MEDIA_ROOT)
    (settings.MEDIA_ROOT / "avatars").mkdir(0o750, parents=True)  # The operator's own choice.
    umask = os.umask(0o077)
    try:
        upload(as_ada, avatar=photo())
        as_ada.post("/profile/edit/", {"display_name": "Ada", "visibility": "members"})
    finally:
        os.umask(umask)
    modes = {
        str(path.relative_to(settings.MEDIA_ROOT)): stat.S_IMODE(path.stat().st_mode)
        for path in settings.MEDIA_ROOT.rglob("*")
        if path.is_dir()
    }
    assert modes.pop("avatars") == 0o750
    assert len(modes) == 3
    assert set(modes.values()) == {0o755}
