"""Names and websites that pretend to be something else."""

from typing import Any

import pytest
from django.test import Client

from profiles.models import Profile, User

from .conftest import sign_in

pytestmark = pytest.mark.django_db(transaction=True)
ADDRESSES = ["/profile/edit/", "/profile/edit/?welcome"]


def edit(client: Client, status: int = 302, url: str = "/profile/edit/", **changes: str) -> str:
    """Send the form with changes; return the page that it shows."""
    fields = {"display_name": "Ada", "visibility": "public"} | changes
    response = client.post(url, fields)
    assert response.status_code == status
    return response.content.decode()


@pytest.mark.parametrize("url", ADDRESSES)
@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("\u202eecarG", "ecarG"),
        ("\u2066Grace\u2069", "Grace"),
        ("Gr\u200bace", "Grace"),
        ("Grace\u2028Hopper", "GraceHopper"),
        ("\ufeffGrace\u00ad", "Grace"),
        (" \u200b Grace \u200b ", "Grace"),
    ],
)
def test_characters_that_nobody_sees_are_left_out(
    typed: str, stored: str, url: str, as_ada: Client
) -> None:
    edit(as_ada, url=url, display_name=typed)
    assert Profile.objects.get().display_name == stored


@pytest.mark.parametrize(
    "name",
    [
        "می\u200cخواهم",  # Persian needs the non-joiner.
        "👩\u200d🚀 Sally",
        "Nguyễn Thị Ánh",
        "שָׁלוֹם",
        "ความรู้",
        "मुख्यमंत्री",
        "O'Hara & Co.",
        "grace@hopper",
    ],
)
def test_names_of_all_languages_stay_as_they_were_typed(name: str, as_ada: Client) -> None:
    edit(as_ada, display_name=name)
    assert Profile.objects.get().display_name == name


@pytest.mark.parametrize("name", ["@grace", " @grace", "＠grace", "\u200b@grace"])
def test_a_name_does_not_look_like_a_user_name(name: str, as_ada: Client) -> None:
    assert "Leave out the @" in edit(as_ada, 400, display_name=name)


@pytest.mark.parametrize("name", ["\u3164", "\u2800\u2800", "\u115f\u1160", "\u200b\u3164 "])
def test_a_name_of_nothing_is_refused(name: str, as_ada: Client) -> None:
    assert "Nothing of this name can be seen." in edit(as_ada, 400, display_name=name)


def test_a_name_does_not_run_into_the_lines_around_it(as_ada: Client) -> None:
    assert "too many accents" in edit(as_ada, 400, display_name="A" + "\u0301" * 50 + "da")


@pytest.mark.parametrize("field", ["location", "bio"])
def test_nor_does_a_place_or_a_text(field: str, as_ada: Client) -> None:
    plain: dict[str, Any] = {field: "Nguyễn Thị Ánh"}
    edit(as_ada, **plain)
    heaped: dict[str, Any] = {field: "A" + "\u0301" * 50 + "da"}
    assert "too many accents" in edit(as_ada, 400, **heaped)


@pytest.mark.parametrize("place", ["@grace", "＠grace", "\u200b@grace"])
def test_a_place_does_not_look_like_a_user_name(place: str, as_ada: Client) -> None:
    assert "Leave out the @" in edit(as_ada, 400, location=place)


@pytest.mark.parametrize("text", ["\u200b", "\u2800\u2800", "\u202e\u202c", "\u3164"])
def test_a_description_of_nothing_is_none(text: str, as_ada: Client) -> None:
    as_ada.post("/profile/avatar/", {"description": text})
    assert 'alt="Picture of Ada Lovelace"' in as_ada.get("/profiles/ada/").content.decode()


@pytest.mark.parametrize("website", ["https://bank.example:p@evil.example", "https://a@b.example/"])
def test_a_website_does_not_pretend_to_be_another(website: str, as_ada: Client) -> None:
    assert "Leave out what is before the @" in edit(as_ada, 400, website=website)


def test_a_website_may_have_an_at_sign_in_its_path(as_ada: Client) -> None:
    edit(as_ada, website="https://social.example/@ada")
    assert Profile.objects.get().website == "https://social.example/@ada"


def test_staff_give_no_such_names_either(ada: User, admin_user: User) -> None:
    admin_client = sign_in(admin_user)
    address = f"/admin/profiles/profile/{ada.profile.pk}/change/"
    fields = {"visibility": "public", "display_name": "\u202eecarG"}
    assert admin_client.post(address, fields).status_code == 302
    assert Profile.objects.get(user=ada).display_name == "ecarG"
    response = admin_client.post(address, fields | {"display_name": "@grace"})
    assert "Leave out the @" in response.content.decode()
