"""The form in which people say who they are and who may see them."""

import re
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client

from profiles.models import Profile, User

from .conftest import list_media, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

SAID = {
    "display_name": "Ada King",
    "location": "London",
    "website": "https://ada.example/",
    "bio": "Writes programs.\nFor no machine.",
    "visibility": "public",
}


def edit(client: Client, url: str = "/profile/edit/", status: int = 302, **changes: str) -> str:
    """Send the form with changes; return where it leads, or the page that it shows."""
    response = client.post(url, SAID | changes)
    assert response.status_code == status
    return response.headers.get("Location") or response.content.decode()


def read(name: str) -> Profile:
    """Return somebody's profile as it is stored."""
    return Profile.objects.get(user__username=name)


def describe(profile: Profile) -> dict[str, str]:
    """Return what the form asks for, as it is stored."""
    return {name: getattr(profile, name) for name in SAID}


def test_everything_that_was_typed_is_saved(as_ada: Client) -> None:
    assert edit(as_ada, bio="One line.") == "/profiles/ada/"
    assert describe(read("ada")) == SAID | {"bio": "One line."}


def test_the_page_says_that_it_was_saved(as_ada: Client) -> None:
    page = as_ada.post("/profile/edit/", SAID, follow=True).content.decode()
    assert "Saved." in page
    assert "Ada King" in page
    assert "Saved." not in as_ada.get("/profiles/ada/").content.decode()


def test_the_form_shows_what_is_saved(as_ada: Client) -> None:
    edit(as_ada)
    page = as_ada.get("/profile/edit/").content.decode()
    assert 'value="Ada King"' in page
    assert "Writes programs.\nFor no machine.</textarea>" in page
    assert 'value="public" required id="id_visibility_0" checked' in page


def test_everything_but_who_may_see_it_can_be_left_empty(as_ada: Client) -> None:
    edit(as_ada, display_name="", location="", website="", bio="")
    assert str(read("ada")) == "ada"
    page = edit(as_ada, visibility="", status=400)
    assert "Fill this in." in page


def test_nobody_elses_profile_changes(as_ada: Client, grace: User) -> None:
    edit(as_ada, user=str(grace.pk), username="grace")
    assert read("ada").display_name == "Ada King"
    assert read("grace").display_name == "Grace Hopper"


def test_a_picture_cannot_be_changed_by_name(as_ada: Client, grace: User) -> None:
    edit(as_ada, avatar=grace.profile.avatar.name, description="?", avatar_clear="on")
    assert read("ada").avatar.name != grace.profile.avatar.name
    assert read("ada").description == ""


def test_a_website_without_a_scheme_gets_the_safe_one(as_ada: Client) -> None:
    edit(as_ada, website="ada.example")
    assert read("ada").website == "https://ada.example"


@pytest.mark.parametrize(
    "website",
    [
        "javascript:alert(1)",
        "JavaScript://x.example/%0aalert(1)",
        "data:text/html,x",
        "ftp://ada.example/",
        "http://",
        "ada",
        "https://a b.example/",
        "https://ada.example/" + "x" * 200,
    ],
)
def test_a_wrong_website_is_refused(website: str, as_ada: Client) -> None:
    page = edit(as_ada, website=website, status=400)
    assert 'id="id_website_error"' in page
    assert read("ada").website == ""


def test_what_was_typed_stays_when_a_website_is_refused(as_ada: Client) -> None:
    page = edit(as_ada, website="ftp://ada.example/", status=400)
    assert 'value="ftp://ada.example/"' in page
    assert "Writes programs." in page
    assert 'value="London"' in page


def test_a_name_that_was_not_saved_stands_in_its_field_alone(as_ada: Client) -> None:
    page = edit(as_ada, website="ftp://ada.example/", status=400)
    assert page.count("Ada King") == page.count('value="Ada King"') == 1
    assert read("ada").display_name == "Ada Lovelace"


@pytest.mark.parametrize(
    ("name", "limit"), [("display_name", 60), ("location", 60), ("bio", 600), ("website", 200)]
)
def test_each_text_has_a_limit(name: str, limit: int, as_ada: Client) -> None:
    longest = "https://ada.example/".ljust(limit, "x")
    edit(as_ada, status=302, **{name: longest})
    edit(as_ada, **{name: longest + "x"}, status=400)
    assert getattr(read("ada"), name) == longest


@pytest.mark.parametrize("name", SAID)
def test_null_bytes_are_refused(name: str, as_ada: Client) -> None:
    before = describe(read("ada"))
    edit(as_ada, **{name: "a\0b"}, status=400)
    assert describe(read("ada")) == before


def test_a_line_break_counts_as_one_letter_as_it_does_in_the_browser(as_ada: Client) -> None:
    edit(as_ada, bio="x\r\n" * 299 + "xx")
    assert read("ada").bio.splitlines() == ["x"] * 299 + ["xx"]


@pytest.mark.parametrize("visibility", ["everyone", "PUBLIC", "public "])
def test_an_audience_that_is_not_offered_is_refused(visibility: str, as_grace: Client) -> None:
    edit(as_grace, visibility=visibility, status=400)
    assert read("grace").visibility == "members"


@pytest.mark.parametrize("visibility", ["members", "private"])
def test_the_picture_of_a_profile_that_hides_moves_out_of_sight(
    visibility: str, as_ada: Client, settings: LazySettings
) -> None:
    before = list_media(settings)
    edit(as_ada, visibility=visibility)
    after = list_media(settings)
    assert len(after) == len(before) == 5
    assert {Path(name).parts[0] for name in after} == {"protected"}
    assert {Path(name).name for name in after}.isdisjoint(Path(name).name for name in before)
    assert read("ada").avatar.name in after


@pytest.mark.parametrize("name", ["grace", "linus"])
def test_the_picture_of_a_profile_that_shows_itself_moves_into_sight(
    name: str, grace: User, linus: User, settings: LazySettings
) -> None:
    before = list_media(settings)
    edit(sign_in(User.objects.get(username=name)), visibility="public")
    public = [path for path in list_media(settings) if path.startswith("avatars/")]
    assert len(public) == 5
    assert read(name).avatar.name in public
    assert {Path(path).name for path in public}.isdisjoint(Path(path).name for path in before)
    assert len(list_media(settings)) == len(before)


def test_a_picture_that_moves_stays_the_same_picture(
    as_ada: Client, ada: User, settings: LazySettings
) -> None:
    before = (settings.MEDIA_ROOT / ada.profile.avatar.name).read_bytes()
    edit(as_ada, visibility="private")
    assert (settings.MEDIA_ROOT / read("ada").avatar.name).read_bytes() == before


def test_the_old_address_of_a_picture_is_gone_once_its_profile_hides(
    as_ada: Client, ada: User, client: Client
) -> None:
    url = ada.profile.avatar.url
    assert client.get(url).getvalue()
    edit(as_ada, visibility="members")
    assert client.get(url).status_code == 404
    assert client.get(read("ada").avatar.url).status_code == 404
    assert as_ada.get(read("ada").avatar.url).getvalue()


def test_a_picture_stays_where_it_is_between_two_hidden_audiences(
    as_grace: Client, settings: LazySettings
) -> None:
    before = list_media(settings)
    edit(as_grace, visibility="private")
    assert read("grace").visibility == "private"
    assert list_media(settings) == before


def test_a_profile_without_a_picture_changes_its_audience(as_ada: Client, ada: User) -> None:
    ada.profile.avatar.delete()
    edit(as_ada, visibility="private")
    assert (read("ada").visibility, read("ada").avatar.name) == ("private", "")


def test_a_profile_whose_picture_was_lost_can_hide(
    as_ada: Client, ada: User, settings: LazySettings
) -> None:
    for name in list_media(settings):
        (settings.MEDIA_ROOT / name).unlink()
    edit(as_ada, visibility="private")
    assert (read("ada").visibility, read("ada").avatar.name) == ("private", "")


def test_the_description_of_the_picture_survives_the_form(as_ada: Client) -> None:
    as_ada.post("/profile/avatar/", {"description": "At her desk"})
    edit(as_ada, visibility="private")
    assert read("ada").description == "At her desk"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_stranger_is_asked_to_sign_in(method: str, client: Client) -> None:
    response = getattr(client, method)("/profile/edit/?welcome")
    assert response.status_code == 302
    assert response.headers["Location"] == "/accounts/login/?next=/profile/edit/%3Fwelcome"


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(method: str, as_ada: Client) -> None:
    assert getattr(as_ada, method)("/profile/edit/").status_code == 405


def test_a_new_member_is_asked_the_least(as_ada: Client) -> None:
    page = as_ada.get("/profile/edit/?welcome").content.decode()
    assert "Your name, and who can see you" in page
    assert 'name="display_name"' in page
    assert 'name="visibility"' in page
    assert 'name="bio"' not in page
    assert "Delete account" not in page


def test_a_new_member_may_skip_the_questions(as_ada: Client) -> None:
    page = as_ada.get("/profile/edit/?welcome").content.decode()
    assert '<a class="button quiet" href="/profile/avatar/?welcome">Skip for now</a>' in page


def test_a_new_member_goes_on_to_the_picture(as_ada: Client) -> None:
    assert edit(as_ada, "/profile/edit/?welcome") == "/profile/avatar/?welcome"
    assert "Skip for now" in as_ada.get("/profile/avatar/?welcome").content.decode()


def test_what_a_new_member_is_not_asked_stays_as_it_is(as_ada: Client) -> None:
    edit(as_ada)
    as_ada.post("/profile/edit/?welcome", {"display_name": "Ada", "visibility": "private"})
    assert describe(read("ada")) == SAID | {
        "bio": "Writes programs.\nFor no machine.",
        "display_name": "Ada",
        "visibility": "private",
    }


def test_a_mistake_of_a_new_member_is_pointed_out(as_ada: Client) -> None:
    page = edit(as_ada, "/profile/edit/?welcome", status=400, display_name="x" * 61)
    assert 'id="id_display_name_error"' in page
    assert "Your name, and who can see you" in page


def test_the_account_says_whether_an_address_is_confirmed(as_ada: Client) -> None:
    assert "<bdi>ada@example.org</bdi>" in as_ada.get("/accounts/").content.decode()
    User.objects.update(email="")
    assert "No confirmed address." in as_ada.get("/accounts/").content.decode()


def test_a_refused_form_leads_to_its_errors(as_ada: Client) -> None:
    fields = {"website": "javascript:alert(1)", "display_name": "Ada", "visibility": "public"}
    page = as_ada.post("/profile/edit/", fields).content.decode()
    assert "<title>Error: Edit profile" in page
    [focused] = re.findall(r"<input[^>]* autofocus[^>]*>", page)
    assert 'name="website"' in focused
    assert "<title>Edit profile" in as_ada.get("/profile/edit/").content.decode()
