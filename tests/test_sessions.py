"""Where somebody is signed in, until when, and signing out from afar."""

import json
import re
from datetime import datetime, timedelta
from importlib import import_module
from io import BytesIO, StringIO
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session as OldSession
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from profiles.models import Session, User

from .conftest import sign_in
from .helpers.accounts import PASSWORD, find_link, read

pytestmark = pytest.mark.django_db(transaction=True)

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
CHROME = ") AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36"
FIREFOX = f"{WINDOWS}; rv:145.0) Gecko/20100101 Firefox/145.0"
SAFARI = f"{IPHONE} Gecko) Version/26.0 Mobile/15E148 Safari/604.1"
BROWSERS = {
    FIREFOX: "Firefox on Windows",
    f"{WINDOWS}{CHROME}": "Chrome on Windows",
    f"{WINDOWS}{CHROME} Edg/143.0.0.0": "Edge on Windows",
    f"{WINDOWS}{CHROME} OPR/124.0.0.0": "Opera on Windows",
    f"Mozilla/5.0 (X11; Linux x86_64{CHROME}": "Chrome on Linux",
    f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0{CHROME}": "Chrome on ChromeOS",
    f"{ANDROID} Chrome/143.0.0.0 Mobile Safari/537.36": "Chrome on Android",
    f"{ANDROID} SamsungBrowser/29.0 Chrome/136.0.0.0 Safari/537.36": "Samsung Internet on Android",
    SAFARI: "Safari on iPhone",
    f"{IPHONE} Gecko) CriOS/143.0 Mobile/15E148 Safari/604.1": "Chrome on iPhone",
    f"{IPHONE} Gecko) FxiOS/145.0 Mobile/15E148 Safari/605.1.15": "Firefox on iPhone",
    f"{MAC} Version/26.0 Safari/605.1.15": "Safari on Mac",
    "Firefox/145.0": "Firefox",
    "curl/8.14.1": "",
    "Firefox" * 100_000: "",
    "": "",
}


def sign_in_from(agent: str, address: str = "203.0.113.77", name: str = "ada") -> Client:
    """Return a browser in which somebody has signed in by the form."""
    client = Client(headers={"User-Agent": agent}, REMOTE_ADDR=address)
    client.post("/accounts/login/", {"username": name, "password": "pass phrase"})
    assert "_auth_user_id" in client.session
    return client


def find_end(page: str, label: str) -> str:
    """Return where the button leads that signs out a browser."""
    row = next(row for row in page.split("<li>") if label in row)
    link = re.search(r'href="(/accounts/sessions/\w+/end/)"', row)
    assert link
    return link[1]


def pass_time(**duration: float) -> None:
    """Let all sessions be older."""
    ago = timedelta(**duration)
    for session in Session.objects.all():
        data = session.get_decoded()
        if "sign_in" in data:
            begun = datetime.fromisoformat(data["sign_in"]["begun"]) - ago
            data["sign_in"]["begun"] = begun.isoformat()
        Session.objects.filter(pk=session.pk).update(
            begun=session.begun - ago,
            seen=session.seen - ago,
            expire_date=session.expire_date - ago,
            session_data=Session.objects.encode(data),
        )


def is_signed_in(client: Client) -> bool:
    return client.get("/accounts/sessions/").status_code == 200


@pytest.mark.parametrize(("agent", "name"), BROWSERS.items())
def test_a_browser_has_a_name_that_people_know(agent: str, name: str, ada: User) -> None:
    page = read(sign_in_from(agent), "/accounts/sessions/")
    assert f"<bdi>{name or 'Unknown browser'}</bdi>" in page
    assert Session.objects.get().browser == name


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
    ],
)
def test_of_an_address_only_the_network_is_stored(address: str, network: str, ada: User) -> None:
    page = read(sign_in_from("", address), "/accounts/sessions/")
    assert f'Network <bdi dir="ltr">{network}</bdi>' in page
    session = Session.objects.values().get()
    assert address not in str(session) + str(Session.objects.get().get_decoded())


def test_who_comes_over_a_socket_is_in_an_unknown_network(ada: User) -> None:
    assert "Unknown network" in read(sign_in_from("", ""), "/accounts/sessions/")


def test_a_member_sees_where_and_when_and_which_browser_is_this(ada: User, grace: User) -> None:
    for other in list(BROWSERS)[1:3]:
        sign_in_from(other)
    sign_in_from(SAFARI, name="grace")
    page = read(sign_in_from(FIREFOX), "/accounts/sessions/")
    rows = page.split("<li>")
    assert len([row for row in rows if "Signed in since" in row]) == 3
    assert [row for row in rows if "This browser" in row and "Firefox on Windows" in row]
    assert page.count("This browser") == 1
    assert page.count("Last seen") == 2
    assert page.index("This browser") < page.index("Last seen")
    assert "iPhone" not in page


def test_no_key_of_a_session_is_on_the_page_or_in_its_addresses(ada: User) -> None:
    there, here = sign_in(ada), sign_in(ada)
    page = read(here, "/accounts/sessions/")
    for client in (here, there):
        assert str(client.session.session_key) not in page
    assert str(here.session.session_key) not in str(Session.objects.first())


def test_dates_are_written_as_in_the_visitors_language(ada: User) -> None:
    client = sign_in(ada)
    sign_in(ada)
    page = client.get("/accounts/sessions/", headers={"accept-language": "de"}).text
    assert re.search(r"<bdi>\d+\. \w+ 20\d\d \d\d:\d\d</bdi>", page)


def test_a_browser_is_signed_out_from_afar_with_the_password(ada: User) -> None:
    phone, here = sign_in_from(SAFARI), sign_in(ada)
    url = find_end(read(here, "/accounts/sessions/"), "Safari on iPhone")
    assert "Safari on iPhone" in read(here, url)
    assert is_signed_in(phone)
    page = here.post(url, {"password": "pass phrase"}, follow=True)
    assert page.redirect_chain == [("/accounts/sessions/", 302)]
    assert "1 browser is signed out." in page.content.decode()
    assert "Safari on iPhone" not in page.content.decode()
    assert not is_signed_in(phone)
    assert is_signed_in(here)


@pytest.mark.parametrize("name", ["others", "all"])
def test_a_stolen_session_signs_nobody_out_without_the_password(name: str, ada: User) -> None:
    there, here = sign_in(ada), sign_in(ada)
    response = here.post(f"/accounts/sessions/{name}/end/", {"password": "wrong"})
    assert response.status_code == 400
    assert is_signed_in(there)
    assert is_signed_in(here)


def test_all_other_browsers_are_signed_out_at_once(ada: User, grace: User) -> None:
    there, elsewhere, here, other = sign_in(ada), sign_in(ada), sign_in(ada), sign_in(grace)
    assert "/accounts/sessions/others/end/" in read(here, "/accounts/sessions/")
    page = here.post("/accounts/sessions/others/end/", {"password": "pass phrase"}, follow=True)
    assert "2 browsers are signed out." in page.content.decode()
    assert [is_signed_in(client) for client in (there, elsewhere)] == [False, False]
    assert [is_signed_in(client) for client in (here, other)] == [True, True]
    assert not re.search("/(others|all)/end/", read(here, "/accounts/sessions/"))


def test_signing_out_everywhere_includes_this_browser(ada: User, grace: User) -> None:
    there, here, other = sign_in(ada), sign_in(ada), sign_in(grace)
    assert "/accounts/sessions/all/end/" in read(here, "/accounts/sessions/")
    response = here.post("/accounts/sessions/all/end/", {"password": "pass phrase"})
    assert response.headers["Location"] == "/"
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert not response.cookies["sessionid"].value
    assert "2 browsers are signed out." in read(here, "/")
    assert [is_signed_in(client) for client in (there, here, other)] == [False, False, True]
    assert not Session.objects.filter(user=ada).exists()


def test_a_key_from_before_the_sign_in_is_worth_nothing_after_it(ada: User) -> None:
    client = Client()
    client.post("/accounts/password_reset/", {"email": "ada@example.org"})
    client.get(find_link())
    before = client.session.session_key
    client.post("/accounts/login/", {"username": "ada", "password": "pass phrase"})
    assert is_signed_in(client)
    assert before
    assert Session.objects.get().pk != before


def test_no_other_site_signs_anybody_in(ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    account = {"username": "ada", "password": "pass phrase"}
    assert client.post("/accounts/login/", account).status_code == 403
    assert not Session.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_ends_the_sessions_of_others(method: str, as_ada: Client, as_grace: Client) -> None:
    session = Session.objects.get(user__username="grace")
    for name in (session.handle, str(session.pk), "x"):
        send = getattr(as_ada, method)
        url = f"/accounts/sessions/{name}/end/"
        assert send(url, {"password": "pass phrase"}).status_code == 404
    assert is_signed_in(as_grace)


def test_the_page_of_a_member_leads_to_the_list(as_ada: Client) -> None:
    assert 'href="/accounts/sessions/"' in read(as_ada, "/accounts/")


@pytest.mark.parametrize("url", ["/accounts/sessions/", "/accounts/sessions/all/end/"])
def test_who_is_not_signed_in_is_asked_to(url: str, client: Client) -> None:
    assert client.get(url).headers["Location"] == f"/accounts/login/?next={url}"


@pytest.mark.parametrize("url", ["/accounts/logout/", "/admin/logout/"])
def test_signing_out_leaves_nothing_in_the_browser(url: str, as_ada: Client) -> None:
    response = as_ada.post(url)
    assert response.headers["Location"] == "/"
    # Not "cookies", which takes language, colours, and those of other sites on the same domain.
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert not Session.objects.exists()


def test_leaving_leaves_nothing_in_the_browser_and_no_session(ada: User) -> None:
    there, here = sign_in(ada), sign_in(ada)
    response = here.post("/accounts/delete/", {"password": "pass phrase"})
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert not is_signed_in(there)
    assert not Session.objects.exists()


def test_a_changed_password_ends_all_other_sessions(ada: User) -> None:
    there, here = sign_in(ada), sign_in_from(FIREFOX)
    begun = Session.objects.get(pk=here.session.session_key).begun
    fields = {"old_password": "pass phrase", "new_password1": PASSWORD, "new_password2": PASSWORD}
    here.post("/accounts/password_change/", fields)
    assert is_signed_in(here)
    assert not is_signed_in(there)
    session = Session.objects.get()
    assert (session.browser, session.begun) == ("Firefox on Windows", begun)


def test_a_disabled_account_loses_its_sessions_for_good(as_ada: Client, ada: User) -> None:
    ada.is_active = False
    ada.save()
    assert not Session.objects.exists()
    ada.is_active = True
    ada.save()
    assert not is_signed_in(as_ada)


def test_sessions_that_ended_are_not_listed(ada: User, settings: LazySettings) -> None:
    sign_in(ada)
    pass_time(days=15)
    assert read(sign_in(ada), "/accounts/sessions/").count("Signed in since") == 1
    User.objects.update(password="other")  # As Django writes a better hash when somebody signs in.
    ada.refresh_from_db()
    assert read(sign_in(ada), "/accounts/sessions/").count("Signed in since") == 1


def test_who_comes_back_stays_signed_in(as_ada: Client) -> None:
    for _ in range(2):
        pass_time(days=13)
        assert is_signed_in(as_ada)


def test_two_weeks_without_a_visit_end_a_session(as_ada: Client) -> None:
    pass_time(days=14, minutes=6)
    assert not is_signed_in(as_ada)


def test_thirty_days_after_signing_in_a_session_ends(as_ada: Client) -> None:
    for _ in range(3):
        assert is_signed_in(as_ada)
        pass_time(days=10, minutes=6)
    assert not is_signed_in(as_ada)


def test_the_cookie_lasts_as_long_as_the_session_can(ada: User, client: Client) -> None:
    account = {"username": "ada", "password": "pass phrase"}
    cookie = client.post("/accounts/login/", account).cookies["sessionid"]
    assert cookie["max-age"] == 30 * 24 * 60 * 60


def count_writes(client: Client) -> int:
    with CaptureQueriesContext(connection) as queries:
        client.get("/profiles/")
    return len([query for query in queries if query["sql"].startswith("UPDATE")])


def test_a_visit_is_stored_once_in_five_minutes(as_ada: Client) -> None:
    assert count_writes(as_ada) == 0
    pass_time(minutes=4)
    assert count_writes(as_ada) == 0
    pass_time(minutes=2)
    assert [count_writes(as_ada) for _ in range(2)] == [1, 0]
    assert timezone.now() - Session.objects.get().seen < timedelta(minutes=1)


def test_a_visit_that_cannot_be_stored_shows_the_page(as_ada: Client) -> None:
    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith("UPDATE"):
            raise DatabaseError("attempt to write a readonly database")
        return execute(sql, *rest)

    pass_time(hours=1)
    with connection.execute_wrapper(fail):
        assert is_signed_in(as_ada)


def test_a_member_takes_the_list_along_without_keys(as_ada: Client) -> None:
    with ZipFile(BytesIO(as_ada.get("/accounts/export/").getvalue())) as archive:
        text = archive.read("likeness.json").decode()
    assert list(json.loads(text)["account"]["sessions"][0]) == [
        "browser",
        "network",
        "begun",
        "seen",
    ]
    assert str(as_ada.session.session_key) not in text


def test_fifty_sessions_are_listed_in_as_many_queries_as_one(ada: User, as_ada: Client) -> None:
    with CaptureQueriesContext(connection) as few:
        read(as_ada, "/accounts/sessions/")
    for _ in range(49):
        sign_in(ada)
    with CaptureQueriesContext(connection) as many:
        assert read(as_ada, "/accounts/sessions/").count("Signed in since") == 50
    assert len(many) == len(few)


def test_ended_sessions_are_deleted_by_the_command(ada: User) -> None:
    sign_in(ada)
    old = db.SessionStore()
    old["what"] = "an earlier release stored"
    old.save()
    pass_time(days=15)
    OldSession.objects.update(expire_date=timezone.now() - timedelta(days=1))
    here = sign_in(ada)
    call_command("clearsessions", stdout=StringIO())
    assert Session.objects.get().pk == here.session.session_key
    assert not OldSession.objects.exists()


def test_any_number_of_ended_sessions_is_deleted(ada: User) -> None:
    ended = timezone.now() - timedelta(days=1)
    keys = [f"{number:032}" for number in range(2001)]
    Session.objects.bulk_create(Session(session_key=key, expire_date=ended) for key in keys)
    here = sign_in(ada)
    with CaptureQueriesContext(connection) as captured:
        call_command("clearsessions", stdout=StringIO())
    assert Session.objects.get().pk == here.session.session_key
    # Each is short, as SQLite cannot be written by others meanwhile.
    assert [query["sql"].startswith("DELETE") for query in captured].count(True) == 3


def sign_in_before(user: User, digest: str) -> Client:
    """Return a browser in which somebody has signed in with the release before."""
    old = db.SessionStore()
    old[SESSION_KEY], old[HASH_SESSION_KEY] = str(user.pk), digest
    old[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    old.set_expiry(timedelta(days=14))
    old.save()
    client = Client()
    client.cookies["sessionid"] = str(old.session_key)
    return client


def test_who_was_signed_in_before_an_upgrade_still_is(ada: User) -> None:
    here = sign_in_before(ada, ada.get_session_auth_hash())
    sign_in_before(ada, "of an older password")
    sign_in_before(User(pk=12345), "of an account that is gone")
    db.SessionStore().save()  # Nobody's.
    migration = import_module("profiles.migrations.0007_copy_sessions")
    migration.copy(apps, SimpleNamespace(connection=connection))
    page = read(here, "/accounts/sessions/")
    assert page.count("Signed in since") == 1
    assert "Unknown browser" in page
    assert Session.objects.get().user == ada
