import re

import pytest
from django.test import Client

from profiles.models import User


def test_the_newest_people_with_pictures_are_on_the_home_page(ada: User, client: Client) -> None:
    page = client.get("/").content.decode()
    assert "Ada Lovelace" in page
    assert ada.profile.avatar.url_for("256.webp") in page


def test_strangers_read_what_they_get_and_members_do_not(client: Client, as_ada: Client) -> None:
    assert "You choose who sees you" in client.get("/").content.decode()
    assert "You choose who sees you" not in as_ada.get("/").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/", []),
        ("/profiles/", ["page People"]),
        ("/profiles/?q=x", ["page People"]),
        ("/how-it-works/", ["page How it works"]),
        ("/how-it-works/symptoms/", ["true How it works"]),
        ("/accounts/login/", ["page Sign in"]),
        ("/accounts/signup/", ["page Join"]),
    ],
)
def test_the_header_says_where_one_is(path: str, current: list[str], client: Client) -> None:
    assert find_current(client.get(path).content.decode()) == current


def test_the_header_says_that_a_page_is_ones_own(as_ada: Client) -> None:
    assert find_current(as_ada.get("/profiles/ada/").content.decode()) == ["page Your page"]


def find_current(page: str) -> list[str]:
    """Return the links of the header that are marked as the page, or the part of the site."""
    header = page[: page.index("</header>")]
    return [" ".join(found) for found in re.findall(r'aria-current="(\w+)">([^<]+)<', header)]
