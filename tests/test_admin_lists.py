"""The admin's lists: they end, are searched as the site is, and cost the same however many join."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client

from profiles.admin.lists import LONGEST
from profiles.models import Profile, User

from .conftest import make_person, sign_in

pytestmark = pytest.mark.django_db
LISTS = ["/admin/profiles/user/", "/admin/profiles/profile/"]


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "root@example.org", "pass phrase")


@pytest.fixture
def as_root(root: User) -> Client:
    """A browser with a superuser signed in, who has opened the admin."""
    client = sign_in(root)
    client.get("/admin/")
    return client


def crowd(number: int) -> None:
    """Let many more people join."""
    first = User.objects.count()
    users = User.objects.bulk_create(
        User(username=f"member{first + i}", email=f"m{first + i}@example.org")
        for i in range(number)
    )
    Profile.objects.bulk_create(
        Profile(
            user=user, display_name=f"Mary {user.username}", folded_name=f"mary {user.username}"
        )
        for user in users
    )


def list_names(page: str) -> list[str]:
    """Return the user names that a list shows, in its order."""
    return re.findall(r'class="field-user\w*[^>]*><a [^>]*>([^<]+)</a>', page)


def follow(client: Client, url: str, text: str) -> str:
    """Return the page that the first link with a text leads to."""
    link = re.search(rf'<a href="(\?[^"]*)">{text}</a>', client.get(url).content.decode())
    assert link
    return client.get(url.partition("?")[0] + unescape(link[1])).content.decode()


def list_pages(client: Client, url: str) -> list[str]:
    """Return the names on all pages of a list."""
    numbers = range(1, LONGEST // 100 + 1)
    between = "&" if "?" in url else "?"
    pages = [client.get(f"{url}{between}p={number}") for number in numbers]
    return [name for page in pages for name in list_names(page.content.decode())]


@pytest.mark.parametrize("url", LISTS)
def test_a_list_has_the_newest_and_a_link_to_the_others(url: str, as_root: Client) -> None:
    crowd(LONGEST + 20)
    page = as_root.get(url).content.decode()
    newest = list_pages(as_root, url)
    assert newest == [f"member{number}" for number in range(LONGEST + 20, 20, -1)]
    assert f"The list ends after {LONGEST}" in page
    assert f"{LONGEST} {'users' if 'user/' in url else 'profiles'}" in page
    older = follow(as_root, url, "Older")
    assert list_names(older) == [*(f"member{number}" for number in range(20, 0, -1)), "root"]
    assert "The list ends" not in older
    assert ">Older</a>" not in older
    assert ">Newest</a>" in older


@pytest.mark.parametrize("url", LISTS)
def test_a_short_list_says_nothing_of_older_ones(url: str, as_root: Client, ada: User) -> None:
    page = as_root.get(url).content.decode()
    assert list_names(page) == ["ada", "root"]
    for text in ("The list ends", "Older", "Newest", "Show all"):
        assert text not in page


@pytest.mark.parametrize("url", LISTS)
def test_filters_and_searches_begin_with_the_newest_again(url: str, as_root: Client) -> None:
    crowd(30)
    older = f"{url}?id__lt={User.objects.get(username='member9').pk}"
    if "profile/" in url:
        older = f"{url}?id__lt={Profile.objects.get(user__username='member9').pk}"
    page = as_root.get(older).content.decode()
    assert list_names(page)[0] == "member8"
    assert 'name="id__lt"' not in page
    for link in ("Newest", "Yes" if "user/" in url else "Members only"):
        assert list_names(follow(as_root, older, link))[0] == "member30"


@pytest.mark.parametrize("url", LISTS)
@pytest.mark.parametrize("value", ["", "x", "9" * 30, "9" * 5000])
def test_a_wrong_link_to_older_ones_leads_to_a_list(value: str, url: str, as_root: Client) -> None:
    response = as_root.get(f"{url}?id__lt={value}", follow=True)
    assert response.status_code == 200
    assert list_names(response.content.decode()) == ["root"]


@pytest.mark.parametrize("url", LISTS)
@pytest.mark.parametrize(
    "query", ["jose", "JOSÉ nuñez", "@pepe", "Pepe@Example.ORG", " pepe@example.org "]
)
def test_staff_find_people_as_members_do_and_by_address(
    query: str, url: str, as_root: Client
) -> None:
    make_person("pepe", "José Núñez", "private")
    make_person("maria", "María Núñez", "public")
    assert list_names(as_root.get(url, {"q": query}).content.decode()) == ["pepe"]


@pytest.mark.parametrize("url", LISTS)
@pytest.mark.parametrize(
    ("query", "found"), [("🦕", ["dino"]), ("🦖", []), ("example.org", []), (" ", ["dino", "root"])]
)
def test_odd_searches_are_answered(query: str, found: list[str], url: str, as_root: Client) -> None:
    make_person("dino", "🦕", "public")
    assert list_names(as_root.get(url, {"q": query}).content.decode()) == found


@pytest.mark.parametrize("url", LISTS)
def test_a_search_keeps_to_the_filters(url: str, as_root: Client, grace: User) -> None:
    make_person("wallace", "Alfred Wallace", "public")
    User.objects.filter(pk=grace.pk).update(is_active=False)
    query = {"is_active__exact": "0"} if "user/" in url else {"visibility__exact": "members"}
    page = as_root.get(url, {"q": "ace"} | query).content.decode()
    assert list_names(page) == ["grace"]


def test_a_list_is_sorted_by_any_column(as_root: Client, ada: User, grace: User) -> None:
    page = as_root.get("/admin/profiles/user/?o=1").content.decode()
    assert list_names(page) == ["ada", "grace", "root"]
    page = as_root.get("/admin/profiles/profile/?o=-3").content.decode()
    assert list_names(page) == ["grace", "ada", "root"]


@pytest.mark.parametrize("url", LISTS)
def test_nobody_is_counted_for_the_filters(url: str, as_root: Client) -> None:
    page = as_root.get(f"{url}?_facets=True", follow=True).content.decode()
    assert "Show counts" not in page
    assert "(1)" not in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("url", LISTS)
def test_all_of_a_list_are_deleted_at_once_and_nobody_else(url: str, as_root: Client) -> None:
    crowd(LONGEST + 2)
    key = User.objects.latest("pk").pk if "user/" in url else Profile.objects.latest("pk").pk
    fields = {"action": "delete_selected", "index": 0, "select_across": 1}
    page = as_root.post(url, fields | {"_selected_action": key}).content.decode()
    keys = re.findall(r'name="_selected_action" value="(\d+)"', page)
    assert len(keys) == LONGEST
    fields = {"action": "delete_selected", "post": "yes", "_selected_action": keys}
    assert as_root.post(url, fields).status_code == 302
    assert sorted(User.objects.values_list("username", flat=True)) == ["member1", "member2", "root"]


def measure(client: Client, url: str) -> int:
    """Return how many rows the database reads for a page; on SQLite, its steps."""
    if connection.vendor == "sqlite":
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 1

        connection.connection.set_progress_handler(count, 10)
        response = client.get(url)
        connection.connection.set_progress_handler(None, 0)
    else:
        steps = -count_rows()
        response = client.get(url)
        steps += count_rows()
    assert response.status_code == 200
    return steps


def count_rows() -> int:
    """Return how many rows have been read in this transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)) "
            "FROM pg_stat_xact_user_tables"
        )
        return int(cursor.fetchone()[0])


def settle() -> None:
    """Let PostgreSQL count the rows, and read them by indexes, as it does where there are more."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
            for way in ("seqscan", "hashjoin", "mergejoin"):
                cursor.execute(f"SET LOCAL enable_{way} = off")


def assert_same_cost(client: Client, urls: list[str], grow: Callable[[], None]) -> None:
    """Assert that pages cost hardly more when the tables have grown."""
    settle()
    before = {url: measure(client, url) for url in urls}
    grow()
    settle()
    after = {url: measure(client, url) for url in urls}
    more = {url: (before[url], after[url]) for url in urls if after[url] > 1.3 * before[url] + 50}
    assert not more


def test_the_lists_cost_the_same_however_many_join(as_root: Client, root: User) -> None:
    crowd(2 * LONGEST)
    users, profiles = LISTS
    queries = [
        f"{users}?is_{what}__exact={value}" for what in ("active", "staff") for value in "01"
    ]
    queries += [f"{users}?is_active__exact=0&is_staff__exact=1", f"{users}?q=m5@example.org"]
    queries += [f"{profiles}?visibility__exact={value}" for value in Profile.Visibility.values]
    queries += [f"{url}{query}" for url in LISTS for query in ("", "?p=5", "?o=-3")]
    if connection.vendor == "sqlite":  # PostgreSQL looks names up where there are more people.
        queries += [f"{url}?q=root" for url in LISTS]
    for url, key in ((users, root.pk), (profiles, root.profile.pk)):
        queries += [f"{url}{key}/{page}/" for page in ("change", "history", "delete")]
    assert_same_cost(as_root, queries, lambda: crowd(8 * LONGEST))


def test_a_long_log_costs_nothing(as_root: Client, root: User, ada: User) -> None:
    kind = ContentType.objects.get_for_model(User)

    def log(number: int = 9000) -> None:
        LogEntry.objects.bulk_create(
            LogEntry(user=root, content_type=kind, object_id=str(i), object_repr="#", action_flag=2)
            for i in range(10**6, 10**6 + number)
        )

    log(1000)
    history = f"/admin/profiles/user/{ada.pk}/history/"
    assert_same_cost(as_root, ["/admin/", history], log)
