"""Who is listed and found, in what order and page by page, and at what cost."""

import re
from base64 import b64decode
from html import unescape
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from profiles.models import Profile, User

from .conftest import sign_in

VISITED = ["/", "/profiles/", "/profiles/?q=ada", "/profiles/ada/", "/how-it-works/"]
CROWDED = ["/", "/profiles/", "/profiles/?q=member"]


def join(count: int, prefix: str = "member") -> list[str]:
    """Let members with public pictures join; return their user names, the newest first."""
    names = [f"{prefix}{number:03}" for number in range(count)]
    for name in names:
        User.objects.create_user(name)
    avatar = f"avatars/ab/{'ab' * 16}-512.webp"
    Profile.objects.filter(user__username__in=names).update(visibility="public", avatar=avatar)
    return names[::-1]


def list_names(page: str) -> list[str]:
    """Return the user names of the people on a page, from top to bottom."""
    return re.findall(r'href="/profiles/([\w-]+)/">\s*<figure>', page)


def visit(client: Client, query: str = "") -> list[str]:
    """Return the user names of the people whom a visitor finds."""
    response = client.get(f"/profiles/{query}")
    assert response.status_code == 200
    return list_names(response.content.decode())


def find_link(page: str, rel: str) -> str:
    """Return the query of a page's link to its neighbour; nothing where there is none."""
    link = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    return unescape(link[1]) if link else ""


def walk(client: Client, rel: str, query: str = "") -> tuple[list[list[str]], str]:
    """Follow the links of a kind to the end; return each page's people, and the last query."""
    pages = []
    for _ in range(9):
        page = client.get(f"/profiles/{query}").content.decode()
        pages.append(list_names(page))
        if not (link := find_link(page, rel)):
            return pages, query
        query = link
    raise AssertionError(f"The links lead round in a circle: {pages}")


def count_queries(client: Client, url: str) -> int:
    """Return how many queries a page takes, without the limit of a search's time."""
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return sum(" FROM " in query["sql"] for query in queries)


def test_a_stranger_finds_public_people(ada: User, grace: User, linus: User) -> None:
    assert visit(Client()) == ["ada"]


def test_a_member_finds_people_who_show_themselves_to_members(
    as_ada: Client, grace: User, linus: User
) -> None:
    assert visit(as_ada) == ["grace", "ada"]


def test_people_who_hide_find_themselves(ada: User, linus: User) -> None:
    assert visit(sign_in(linus)) == ["linus", "ada"]


def test_nobody_finds_people_whose_account_is_closed(ada: User, as_grace: Client) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert visit(Client()) == []
    assert visit(as_grace) == ["grace"]
    assert visit(as_grace, "?q=ada") == []


def test_hidden_people_are_not_on_the_home_page(ada: User, grace: User, linus: User) -> None:
    assert list_names(Client().get("/").content.decode()) == ["ada"]
    assert list_names(sign_in(ada).get("/").content.decode()) == ["grace", "ada"]


def test_the_newest_come_first(db: None, client: Client) -> None:
    names = join(3)
    assert visit(client) == names


def test_24_people_fill_a_page(db: None, client: Client) -> None:
    names = join(24)
    assert walk(client, "next") == ([names], "")
    assert walk(client, "prev") == ([names], "")


def test_the_25th_is_on_a_second_page(db: None, client: Client) -> None:
    names = join(25)
    assert walk(client, "next")[0] == [names[:24], names[24:]]


def test_the_links_lead_through_everybody_and_back(db: None, client: Client) -> None:
    names = join(60)
    there, last = walk(client, "next")
    assert there == [names[:24], names[24:48], names[48:]]
    back, _ = walk(client, "prev", last)
    assert back == [names[48:], names[24:48], names[:24]]


def test_the_links_of_a_search_stay_within_it(ada: User, client: Client) -> None:
    names = join(30)
    join(1, "another")
    there, last = walk(client, "next", "?q=mem+ber")
    assert there == [names[:24], names[24:]]
    assert walk(client, "prev", last)[0] == there[::-1]


def test_nobody_is_lost_or_repeated_when_others_join_meanwhile(db: None, client: Client) -> None:
    names = join(30)
    link = find_link(client.get("/profiles/").content.decode(), "next")
    join(3, "newcomer")
    assert visit(client, link) == names[24:]


def test_the_links_do_not_tell_how_many_are_hidden(db: None, client: Client) -> None:
    names = join(26)
    cursors = []
    for hidden in (0, 1):
        Profile.objects.filter(user__username__in=names[:hidden]).update(visibility="private")
        link = find_link(client.get("/profiles/").content.decode(), "next")
        cursors.append(b64decode(link.partition("=")[2] + "==", b"-_"))
    # Of neighbours in the table, nearly every byte differs, as in those of strangers.
    assert sum(one == other for one, other in zip(*cursors, strict=True)) < 6


@pytest.mark.parametrize("name", ["after", "before"])
@pytest.mark.parametrize(
    "cursor",
    ["", "!!!!", "zzz", "A", "AAAA", "-1", "1", "%00", "%F0%9F%A6%8A", "%FF", "_" * 11, "9" * 5000],
)
def test_a_broken_cursor_shows_the_first_page(
    name: str, cursor: str, ada: User, client: Client
) -> None:
    page = client.get(f"/profiles/?{name}={cursor}")
    assert page.content == client.get("/profiles/").content


def test_a_link_to_older_people_who_have_gone_shows_the_first_page(
    db: None, client: Client
) -> None:
    names = join(25)
    link = find_link(client.get("/profiles/").content.decode(), "next")
    Profile.objects.filter(user__username=names[24]).update(visibility="private")
    assert visit(client, link) == names[:24]


def test_a_link_to_newer_people_who_have_gone_shows_the_first_page(
    db: None, client: Client
) -> None:
    names = join(25)
    link = find_link(client.get(f"/profiles/{walk(client, 'next')[1]}").content.decode(), "prev")
    Profile.objects.exclude(user__username=names[24]).update(visibility="private")
    assert visit(client, link) == names[24:]


@pytest.mark.parametrize(
    "query",
    ["ada", "ADA", "ad", "a", "love", "vela", "ada love", "LOVELACE ada", "  ada  ", "a   l"],
)
def test_any_part_of_a_name_finds_a_person(query: str, ada: User, client: Client) -> None:
    join(1)
    assert visit(client, f"?q={quote(query)}") == ["ada"]


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("Antonín Dvořák", "dvorak"),
        ("Antonin Dvorak", "Dvořák"),
        ("émile", "ÉMILE"),
        ("ÉMILE", "émile"),
        ("E\u0301mile", "\u00c9mile"),
        ("Straße", "STRASSE"),
        ("İpek", "ipek"),
        ("Ольга", "ОЛЬГА"),
        ("Ｍｉｋｉ", "miki"),
        ("𝓐𝓭𝓪", "ada l"),
    ],
)
def test_case_and_accents_do_not_matter(name: str, query: str, grace: User, client: Client) -> None:
    grace.profile.display_name = f"{name} L."
    grace.profile.visibility = "public"
    grace.profile.save()
    assert visit(client, f"?q={quote(query)}") == ["grace"]


@pytest.mark.parametrize("query", ["grace", "hopper", "linus", "pauling", "a"])
def test_hidden_people_are_not_found_by_a_search(
    query: str, ada: User, grace: User, linus: User, client: Client
) -> None:
    assert set(visit(client, f"?q={query}")) <= {"ada"}


def test_words_that_are_in_two_people_find_neither(ada: User, as_grace: Client) -> None:
    assert visit(as_grace, "?q=ada+hopper") == []


@pytest.mark.parametrize("query", ["%", "a%a", "_", "a_a", "%25", "\\", "a*"])
def test_nothing_is_a_wildcard(query: str, ada: User, client: Client) -> None:
    assert visit(client, f"?q={quote(query)}") == []


def test_an_underscore_finds_an_underscore(ada: User, as_grace: Client) -> None:
    User.objects.create_user("knuth_d")
    assert visit(as_grace, "?q=h_d") == ["knuth_d"]


@pytest.mark.parametrize("query", ["a\0d", "'", '"', "' OR 1=1 --", "<script>", "🦊", "ﷺ" * 100])
def test_odd_letters_in_a_search_do_no_harm(query: str, ada: User, client: Client) -> None:
    page = client.get("/profiles/", {"q": query})
    assert page.status_code == 200
    assert "<script>" not in page.content.decode()
    assert list_names(page.content.decode()) == (["ada"] if "\0" in query else [])


def test_bytes_that_are_no_text_do_no_harm(ada: User, client: Client) -> None:
    assert visit(client, "?q=%FF%FE") == []


def test_what_was_searched_stays_in_the_box(ada: User, client: Client) -> None:
    page = client.get("/profiles/?q=%22love%22").content.decode()
    assert 'value="&quot;love&quot;"' in page


def test_a_search_of_spaces_shows_everyone(ada: User, client: Client) -> None:
    assert visit(client, "?q=+++") == ["ada"]
    assert "People called" not in client.get("/profiles/?q=+++").content.decode()


def test_an_empty_directory_says_so(db: None, client: Client) -> None:
    assert "Nobody has added a picture yet" in client.get("/").content.decode()
    assert "Nobody here yet" in client.get("/profiles/").content.decode()


def test_a_search_in_vain_says_so(ada: User, client: Client) -> None:
    page = strip_tags(client.get("/profiles/?q=xyz").content.decode())
    assert "Nobody called “xyz”" in page
    assert "Nobody here yet" not in page


@pytest.mark.parametrize("url", CROWDED)
def test_24_people_cost_a_stranger_the_queries_of_2(url: str, db: None, client: Client) -> None:
    # A search asks first for those with exactly this name, then for the others.
    number = 2 if "?q=" in url else 1
    join(2)
    assert count_queries(client, url) == number
    join(22, "another-member")
    assert count_queries(client, url) == number


@pytest.mark.parametrize("url", CROWDED)
def test_24_people_cost_a_member_the_queries_of_2(url: str, as_ada: Client) -> None:
    join(2)
    few = count_queries(as_ada, url)
    join(22, "another-member")
    assert count_queries(as_ada, url) == few


@pytest.mark.parametrize("url", VISITED)
def test_a_stranger_gets_no_cookie_and_writes_nothing(url: str, ada: User, client: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        response = client.get(url)
    assert response.status_code == 200
    assert not response.cookies
    reads = ("SELECT", "SAVEPOINT", "RELEASE", "SET LOCAL")  # All but the first limit the time.
    assert [query["sql"] for query in queries if not query["sql"].startswith(reads)] == []
    assert "profiles_session" not in str(queries.captured_queries)


def test_the_list_cannot_be_posted_to(db: None, client: Client) -> None:
    assert client.post("/profiles/").status_code == 405
