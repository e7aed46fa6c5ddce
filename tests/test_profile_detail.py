"""A person's page: who sees it, and what is on it."""

import re

import pytest
from django.test import Client

from profiles.models import Profile, User

from .conftest import sign_in

OWNERS_LINES = {
    "public": "Everyone can see this page.",
    "members": "Only members can see this page.",
    "private": "Only you can see this page.",
}
OWNERS_LINKS = ["/profile/avatar/", "/profile/edit/", "/profile/avatar/delete/"]


def read(client: Client, url: str, status: int = 200) -> str:
    """Return a page, whose CSRF tokens differ each time, without them."""
    response = client.get(url)
    assert response.status_code == status
    return re.sub(r'value="\w{64}"', "", response.content.decode())


def change(user: User, **changes: str) -> None:
    """Change what somebody's profile says."""
    for name, value in changes.items():
        setattr(user.profile, name, value)
    user.profile.save()


def test_a_stranger_sees_a_public_profile(ada: User, client: Client) -> None:
    assert "<h1><bdi>Ada Lovelace</bdi></h1>" in read(client, "/profiles/ada/")


def test_a_stranger_does_not_find_a_member_only_profile(grace: User, client: Client) -> None:
    read(client, "/profiles/grace/", 404)


def test_a_stranger_does_not_find_a_private_profile(linus: User, client: Client) -> None:
    read(client, "/profiles/linus/", 404)


def test_a_member_sees_public_and_member_only_profiles(as_grace: Client, ada: User) -> None:
    assert "Ada Lovelace" in read(as_grace, "/profiles/ada/")
    assert "Grace Hopper" in read(sign_in(ada), "/profiles/grace/")


def test_a_member_does_not_find_a_private_profile(as_ada: Client, linus: User) -> None:
    read(as_ada, "/profiles/linus/", 404)


def test_owners_see_their_private_profile(linus: User) -> None:
    assert "Linus Pauling" in read(sign_in(linus), "/profiles/linus/")


def test_nobody_finds_the_profile_of_a_closed_account(ada: User, as_grace: Client) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)
    read(as_grace, "/profiles/ada/", 404)
    read(Client(), "/profiles/ada/", 404)


def test_members_whose_account_is_closed_are_strangers(as_ada: Client, grace: User) -> None:
    User.objects.filter(username="ada").update(is_active=False)
    read(as_ada, "/profiles/grace/", 404)


def test_a_stranger_cannot_tell_the_hidden_from_the_missing(
    grace: User, linus: User, client: Client
) -> None:
    missing = read(client, "/profiles/iiiii/", 404)
    for name in ("grace", "linus"):  # Each page has its own path in the link to sign in.
        assert read(client, f"/profiles/{name}/", 404).replace(name, "iiiii") == missing
    assert "Page not found" in missing


def test_who_signs_in_on_a_missing_page_comes_back_to_it(ada: User, grace: User) -> None:
    client = Client()
    page = read(client, "/profiles/grace/", 404)
    assert 'href="/accounts/login/?next=/profiles/grace/"' in page
    form = "/accounts/login/?next=/profiles/grace/"
    fields = {"username": "ada", "password": "pass phrase", "next": "/profiles/grace/"}
    assert client.post(form, fields).headers["Location"] == "/profiles/grace/"
    assert "Grace" in read(client, "/profiles/grace/")


def test_a_member_cannot_tell_the_hidden_from_the_missing(as_ada: Client, linus: User) -> None:
    assert read(as_ada, "/profiles/linus/", 404) == read(as_ada, "/profiles/nobody/", 404)


def test_the_answers_for_the_hidden_and_the_missing_have_the_same_headers(
    linus: User, client: Client
) -> None:
    hidden, missing = client.get("/profiles/linus/"), client.get("/profiles/nolus/")
    names = {"X-Request-ID"}
    assert {key: hidden[key] for key in hidden.headers if key not in names} == {
        key: missing[key] for key in missing.headers if key not in names
    }


@pytest.mark.parametrize("name", ["ADA", "Ada", "aDa"])
def test_the_case_of_a_user_name_does_not_matter(name: str, ada: User, client: Client) -> None:
    assert read(client, f"/profiles/{name}/") == read(client, "/profiles/ada/")


@pytest.mark.parametrize("name", ["a%00da", "%C3%A9", "a" * 300, "..", "a b"])
def test_an_odd_user_name_is_not_found(name: str, ada: User, client: Client) -> None:
    assert client.get(f"/profiles/{name}/").status_code == 404


def test_a_public_profile_may_be_indexed_and_shows_its_picture_in_links(
    ada: User, client: Client
) -> None:
    page = read(client, "/profiles/ada/")
    picture = "http://testserver" + ada.profile.avatar.url_for("256.jpg")
    assert '<meta property="og:title" content="Ada Lovelace">' in page
    assert f'<meta property="og:image" content="{picture}">' in page
    assert '<meta property="og:url" content="http://testserver/profiles/ada/">' in page
    assert '<meta name="description" content="Ada Lovelace on Likeness">' in page
    assert "<title>Ada Lovelace · Likeness</title>" in page
    assert "noindex" not in page


def test_a_public_profile_without_a_picture_shows_none_in_links(ada: User, client: Client) -> None:
    ada.profile.avatar.delete()
    page = read(client, "/profiles/ada/")
    assert "og:title" in page
    assert "og:image" not in page


@pytest.mark.parametrize("name", ["grace", "linus"])
def test_hidden_profiles_are_not_indexed_and_not_shown_in_links(
    name: str, grace: User, linus: User
) -> None:
    page = read(sign_in(User.objects.get(username=name)), f"/profiles/{name}/")
    assert '<meta name="robots" content="noindex">' in page
    assert "og:" not in page


@pytest.mark.parametrize("name", ["ada", "grace", "linus"])
def test_owners_read_who_sees_their_page(name: str, ada: User, grace: User, linus: User) -> None:
    owner = User.objects.get(username=name)
    page = read(sign_in(owner), f"/profiles/{name}/")
    shown = [visibility for visibility, line in OWNERS_LINES.items() if line in page]
    assert shown == [owner.profile.visibility]


def test_owners_can_change_their_page(as_ada: Client) -> None:
    page = read(as_ada, "/profiles/ada/")
    assert [link for link in OWNERS_LINKS if f'href="{link}"' in page] == OWNERS_LINKS


def test_owners_without_a_picture_are_not_asked_to_remove_it(as_ada: Client, ada: User) -> None:
    ada.profile.avatar.delete()
    page = read(as_ada, "/profiles/ada/")
    assert "Add your picture" in page
    assert "/profile/avatar/delete/" not in page


def test_others_do_not_see_the_owners_part(ada: User, as_grace: Client, client: Client) -> None:
    for page in (read(client, "/profiles/ada/"), read(as_grace, "/profiles/ada/")):
        assert not any(link in page for link in OWNERS_LINKS)
        assert not any(line in page for line in OWNERS_LINES.values())
        assert ada.email not in page


def test_a_page_without_a_name_shows_the_user_name(ada: User, client: Client) -> None:
    change(ada, display_name="")
    assert "<h1><bdi>ada</bdi></h1>" in read(client, "/profiles/ada/")


@pytest.mark.parametrize("name", ["محمد بن موسى الخوارزمي", "W" * 60, "x" * 59 + "\u202e"])
def test_a_long_or_right_to_left_name_keeps_to_itself(name: str, ada: User, client: Client) -> None:
    change(ada, display_name=name)
    assert f"<h1><bdi>{name}</bdi></h1>" in read(client, "/profiles/ada/")
    assert f"<b><bdi>{name}</bdi></b>" in read(client, "/profiles/")
    assert f"<b><bdi>{name}</bdi></b>" in read(client, "/")


@pytest.mark.parametrize("name", ["display_name", "bio", "location", "description", "website"])
def test_html_in_a_profile_is_shown_as_text(name: str, ada: User, client: Client) -> None:
    change(ada, **{name: '"><script>alert(1)</script>'})
    for url in ("/profiles/ada/", "/profiles/", "/", "/how-it-works/"):
        assert "<script>" not in read(client, url)
    assert "&quot;&gt;&lt;script&gt;" in read(client, "/profiles/ada/")


def test_paragraphs_of_a_bio_stay_paragraphs(ada: User, client: Client) -> None:
    change(ada, bio="First.\n\nSecond,\nbroken.")
    page = read(client, "/profiles/ada/")
    assert "<p>First.</p>\n\n<p>Second,<br>broken.</p>" in page


def test_a_website_is_named_without_its_scheme_and_gets_no_credit(
    ada: User, client: Client
) -> None:
    change(ada, website="https://ada.example/notes")
    page = read(client, "/profiles/ada/")
    link = '<a class="website" href="https://ada.example/notes" rel="me nofollow noopener">'
    assert f'{link}<bdi dir="ltr">ada.example<span>/notes</span></bdi></a>' in page


@pytest.mark.parametrize(
    ("website", "host", "rest"),
    [
        ("http://ada.example", "ada.example", ""),
        ("https://ada.example/", "ada.example", ""),
        ("https://ADA.example:8443/A/", "ada.example:8443", "/A/"),
        ("https://ada.example/?x=https://bank.example", "ada.example", "/?x=https://bank.example"),
        ("https://ada.example?https://", "ada.example", "?https://"),
        ("https://ada.example#@bank.example", "ada.example", "#@bank.example"),
        ("https://bank.example@ada.example/", "ada.example", ""),
        ("https://bank.example:p@x@ada.example/@ada", "ada.example", "/@ada"),
        ("https://ada.example\\@bank.example/", "ada.example", "%5C@bank.example/"),
        ("https:\\\\ada.example\\", "ada.example", ""),
        ("https:////ada.example//bank.example", "ada.example", "//bank.example"),
        ("HTTPS://ada.exa\nmple/", "ada.example", ""),
        ("https://ada.example/\u202emoc.knab", "ada.example", "/%E2%80%AEmoc.knab"),
        ("https://ada.example/عدا", "ada.example", "/%D8%B9%D8%AF%D8%A7"),
        ("https://bаnk.example/", "xn--bnk-6cd.example", ""),  # With a Cyrillic letter.
        ("https://straße.example/", "xn--strae-oqa.example", ""),
        ("https://BÜCHER.example/", "xn--bcher-kva.example", ""),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", ""),
        ("https://ａｄａ。example/", "ada.example", ""),
        ("https://[::1]:8000/x", "[::1]:8000", "/x"),
        ("https://[", "[", ""),
        ("no address", "", "no%20address"),
    ],
)
def test_a_website_is_named_by_the_host_that_a_browser_asks(
    website: str, host: str, rest: str, ada: User, client: Client
) -> None:
    Profile.objects.filter(user=ada).update(website=website)
    page = read(client, "/profiles/ada/")
    assert f'<bdi dir="ltr">{host}<span>{rest}</span></bdi>' in page


def test_the_picture_is_described_to_those_who_do_not_see_it(ada: User, client: Client) -> None:
    change(ada, description="At her desk, laughing")
    assert 'alt="At her desk, laughing"' in read(client, "/profiles/ada/")


def test_the_link_to_ones_own_page_leads_there(as_ada: Client) -> None:
    assert as_ada.get("/profile/").headers["Location"] == "/profiles/ada/"


def test_a_strangers_own_page_is_the_sign_in(db: None, client: Client) -> None:
    assert client.get("/profile/").headers["Location"] == "/accounts/login/?next=/profile/"


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_a_page_can_only_be_read(method: str, ada: User, client: Client) -> None:
    assert getattr(client, method)("/profiles/ada/").status_code == 405
