"""Thieves who had a member's password or browser for a while, and owners who take it all back."""

import re
import time
from collections.abc import Callable
from unittest import mock

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.management import call_command
from django.test import Client

from profiles.models import Attempts, CodeApp, Passkey, RecoveryCode, User
from profiles.throttles import make_key

from .conftest import sign_in
from .helpers.accounts import find_link
from .helpers.authenticator import Authenticator
from .helpers.factors import (
    add,
    enter,
    give_code,
    give_password,
    is_in,
    make_new_codes,
    set_up_app,
)

pytestmark = pytest.mark.django_db(transaction=True)
THIEF = "thief@example.org"
NEW = "a rather new phrase"
Later = Callable[[float], None]


def move(browser: Client, email: str, password: str = "pass phrase") -> str:
    """Change the address, and follow the link in the mail; return the link in the last mail."""
    browser.post("/accounts/email/", {"email": email, "password": password})
    assert browser.post(find_link()).status_code == 302
    return find_link()


def take_back(path: str, password: str = NEW) -> Client:
    """Follow a link that undoes a change, choose a password, and sign in as far as it leads."""
    browser = Client()
    page = browser.post(path)
    assert page.status_code == 302, page.content.decode()
    place = browser.get(page.headers["Location"]).headers["Location"]
    browser.post(place, {"new_password1": password, "new_password2": password})
    give_password(browser, password)
    return browser


def read_email() -> str:
    return User.objects.get(username="ada").email


def test_a_thiefs_own_links_are_void_once_the_owner_is_back(ada: User) -> None:
    thief = sign_in(ada)
    way_back = move(thief, THIEF)
    links = []
    for _ in range(2):
        set_up_app(thief)
        links.append(find_link())
        thief.post("/accounts/app/remove/")
    assert mail.outbox[-1].to == [THIEF]
    owner = take_back(way_back)
    add(owner, Authenticator())
    assert [Client().post(link).status_code for link in links] == [400, 400]
    assert read_email() == "ada@example.org"
    assert Passkey.objects.count() == 1
    assert is_in(owner)


@pytest.mark.parametrize("helper", ["command", "admin"])
def test_a_thiefs_link_is_void_once_staff_have_put_it_right(helper: str, ada: User) -> None:
    thief = sign_in(ada)
    move(thief, THIEF)
    link = move(thief, "second@example.org")
    assert mail.outbox[-1].to == [THIEF]
    if helper == "command":
        call_command("remove_factors", "ada", verbosity=0)
    root = User.objects.create_superuser("boss", "boss@example.org")
    fields = {"username": "ada", "email": "ada@example.org", "is_active": "on"}
    fields |= {"date_joined_0": "2026-01-02", "date_joined_1": "03:04:05"}
    page = f"/admin/profiles/user/{ada.pk}/change/"
    assert sign_in(root).post(page, fields).status_code == 302
    assert read_email() == "ada@example.org"
    assert Client().post(link).status_code == 400


def test_an_owner_who_changes_the_address_back_gives_the_thief_no_link(ada: User) -> None:
    thief, owner = sign_in(ada), sign_in(ada)
    move(thief, THIEF)
    mail.outbox.clear()
    move(owner, "ada@example.org")
    assert [notice.to for notice in mail.outbox] == [["ada@example.org"]]


def test_undoing_a_factor_gives_the_address_back_as_well(ada: User) -> None:
    thief = sign_in(ada)
    set_up_app(thief)
    way_back = find_link()
    move(thief, THIEF)
    take_back(way_back)
    assert read_email() == "ada@example.org"
    assert not CodeApp.objects.exists()


def test_a_factor_from_before_the_address_is_undone_by_its_own_link(ada: User) -> None:
    """The change of the address was asked for first, and confirmed last."""
    thief = sign_in(ada)
    thief.post("/accounts/email/", {"email": THIEF, "password": "pass phrase"})
    confirm = find_link()
    set_up_app(thief)
    undo_factor = find_link()
    thief.post(confirm)
    owner = take_back(find_link())
    assert not is_in(owner)
    assert is_in(take_back(undo_factor))


def test_an_app_that_replaces_the_owners_is_undone(ada: User) -> None:
    set_up_app(sign_in(ada))
    thief = sign_in(ada)
    way_back = move(thief, THIEF)
    thief.post("/accounts/app/remove/")
    set_up_app(thief)
    assert is_in(take_back(way_back))
    assert not CodeApp.objects.exists()
    assert not RecoveryCode.objects.exists()


def test_a_thief_who_replaces_the_owners_passkey_is_thrown_out(ada: User) -> None:
    owner, phone = sign_in(ada), Authenticator()
    add(owner, phone)
    mine = Passkey.objects.get().pk
    thief, copy = sign_in(ada), Authenticator()
    add(thief, copy, 302)
    way_back = find_link()
    thief.post(f"/accounts/passkeys/{mine}/remove/")
    make_new_codes(thief)
    assert is_in(take_back(way_back))
    assert not enter(copy)


def test_codes_that_a_thief_has_made_are_undone(ada: User) -> None:
    add(sign_in(ada), Authenticator())
    thief = sign_in(ada)
    way_back = move(thief, THIEF)
    codes = re.findall(r"<code>([\w-]{29})</code>", make_new_codes(thief).content.decode())
    browser = take_back(way_back)
    assert not is_in(browser)
    assert give_code(browser, codes[0]) == 400


def test_a_factor_is_not_added_after_the_owner_has_taken_the_account_back(ada: User) -> None:
    thief = sign_in(ada)
    way_back = move(thief, THIEF)
    options = thief.post("/accounts/passkeys/add/options/").json()
    fields = {"name": "Mine", "credential": Authenticator().create(options)}

    def undo_first(*args: object, **kwargs: object) -> bool:
        Client().post(way_back)
        return False

    with mock.patch("profiles.accounts.security.PasskeyForm.throttle", undo_first):
        assert thief.post("/accounts/passkeys/add/", fields).status_code == 403
    assert not Passkey.objects.exists()


def test_a_key_that_was_looked_at_is_not_set_up_later(as_ada: Client) -> None:
    """Somebody else could have photographed it."""
    keys = [
        re.findall(
            r'<code dir="ltr">([A-Z2-7 ]+)</code>', as_ada.get("/accounts/app/").content.decode()
        )
        for _ in range(2)
    ]
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/accounts/again/", "password"),
        ("/accounts/delete/", "password"),
        ("/accounts/sessions/all/end/", "password"),
        ("/accounts/password_change/", "old_password"),
    ],
)
def test_a_browser_left_open_guesses_no_password_from_many_networks(
    path: str, field: str, as_ada: Client, settings: LazySettings
) -> None:
    settings.THROTTLES = settings.THROTTLES | {"again": 3}
    statuses = [
        as_ada.post(path, {field: "wrong"}, REMOTE_ADDR=f"2001:db8:{n}::1").status_code
        for n in range(5)
    ]
    assert statuses[3:] == [429, 429]
    assert 429 not in statuses[:3]
    assert may_still_sign_in()


def may_still_sign_in() -> bool:
    """Return whether the owner is let in elsewhere meanwhile."""
    browser = Client()
    give_password(browser)
    return is_in(browser)


def test_the_pause_for_an_account_never_breaks_the_sign_in(ada: User) -> None:
    browser = Client(REMOTE_ADDR="203.0.113.9")
    browser.post("/accounts/login/", {"username": "ada", "password": "wrong"})
    Attempts.objects.filter(key=make_key("guess", "ada")).update(number=10_000)
    fields = {"username": "ada", "password": "pass phrase"}
    response = Client(REMOTE_ADDR="198.51.100.7").post("/accounts/login/", fields)
    assert response.status_code == 429
    assert int(response.headers["Retry-After"]) <= 15 * 60
    Client().post("/accounts/password_reset/", {"email": "ada@example.org"})
    place = Client()
    page = place.get(find_link()).headers["Location"]
    place.post(page, {"new_password1": NEW, "new_password2": NEW})
    assert give_password(Client(REMOTE_ADDR="198.51.100.7"), NEW) == "/profile/"


def test_a_browser_that_knew_the_old_password_is_not_known_by_the_new(ada: User) -> None:
    thief = Client()
    give_password(thief)
    thief.post("/accounts/logout/")
    user = User.objects.get()
    user.set_password(NEW)
    user.save()
    thief.post("/accounts/login/", {"username": "ada", "password": "wrong"})
    Attempts.objects.filter(key=make_key("guess", "ada")).update(number=20)
    response = thief.post("/accounts/login/", {"username": "ada", "password": "wrong"})
    assert response.status_code == 429


def test_an_owner_undoes_the_factors_that_a_thief_has_set_up(as_ada: Client) -> None:
    """The thief sets up two, so that one is left when the first is removed."""
    thief = as_ada
    set_up_app(thief)
    phone = Authenticator()
    options = thief.post("/accounts/passkeys/add/options/").json()
    fields = {"name": "Mine", "credential": phone.create(options)}
    thief.post("/accounts/passkeys/add/", fields)
    thief.post("/accounts/app/remove/")
    take_back(find_link(0))
    assert not Passkey.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert not is_in(thief)


def test_the_owners_own_factors_outlast_an_undone_address(as_ada: Client) -> None:
    set_up_app(as_ada)
    as_ada.post("/accounts/email/", {"email": "evil@example.org", "password": "pass phrase"})
    confirm = re.search(r"http://testserver(/accounts/confirm/\S+)", str(mail.outbox[1].body))
    assert confirm
    as_ada.post(confirm[1])
    assert Client().post(find_link()).status_code == 302
    assert CodeApp.objects.exists()


def test_a_way_back_works_once_and_for_two_weeks(as_ada: Client, later: Later) -> None:
    set_up_app(as_ada)
    path = find_link()
    owner = take_back(path)
    for response in (owner.get(path), owner.post(path)):
        assert response.status_code == 400
        assert "It was used already" in response.content.decode()
    mail.outbox.clear()
    set_up_app(owner)
    path = find_link()
    later(14 * 86_400 + 1)
    assert Client().get(path).status_code == 400


# Staff


@pytest.fixture
def clerk(db: None) -> Client:
    """Staff who may only look at accounts."""
    user = User.objects.create_user("clerk", "clerk@example.org", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "view_profile"]))
    return sign_in(user)


@pytest.mark.parametrize("kind", ["user/?", "profile/?user__"])
@pytest.mark.parametrize(
    "lookup",
    [
        "sessions__session_key__startswith",
        "sessions__pk__gte",
        "sessions__in",
        "password__startswith",
    ],
)
def test_staff_find_out_no_session_by_the_filters_of_a_list(
    kind: str, lookup: str, clerk: Client, as_ada: Client
) -> None:
    assert clerk.get(f"/admin/profiles/{kind}{lookup}=a").status_code == 400
    assert clerk.get("/admin/profiles/user/?is_active__exact=1").status_code == 200


def test_a_superusers_open_admin_does_not_give_the_account_away(ada: User) -> None:
    root = User.objects.create_superuser("boss", "boss@example.org", "pass phrase")
    browser = sign_in(root)
    browser.get("/admin/")
    own, other = (f"/admin/profiles/user/{user.pk}/password/" for user in (root, ada))
    assert browser.get(own).headers["Location"] == "/accounts/password_change/"
    fields = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    later = time.time() + 50 * 60
    with mock.patch("time.time", side_effect=lambda: later):
        assert browser.get("/admin/").status_code == 200
        assert browser.post(other, fields).headers["Location"].startswith("/accounts/again/")
        action = {"action": "remove_factors", "_selected_action": [root.pk]}
        response = browser.post("/admin/profiles/user/", action)
        assert response.headers["Location"].startswith("/accounts/again/")
    assert User.objects.get(pk=ada.pk).check_password("pass phrase")


def test_the_owner_is_told_that_staff_have_changed_the_address(ada: User) -> None:
    root = User.objects.create_superuser("boss", "boss@example.org", "pass phrase")
    fields = {"username": "ada", "email": "other@example.org", "is_active": "on"}
    fields |= {"date_joined_0": "2026-01-02", "date_joined_1": "03:04:05"}
    sign_in(root).post(f"/admin/profiles/user/{ada.pk}/change/", fields)
    [notice] = mail.outbox
    assert notice.to == ["ada@example.org"]
    assert "have changed the e-mail address" in notice.body
    assert "other@example.org" not in notice.body


# Where a sign-in leads


@pytest.mark.parametrize(
    "place", ["foo", "account", "?x", "#x", "/accounts/login/", "/accounts/login/?next=x"]
)
def test_a_strange_place_to_go_on_to_leads_to_ones_page(place: str, ada: User) -> None:
    codes = set_up_app(sign_in(ada))[1]
    client = Client()
    give_password(client, to=place)
    response = client.post("/accounts/login/second/", {"code": codes[0]})
    assert response.headers["Location"] == "/profile/"
    assert client.get("/accounts/login/", {"next": place}).headers["Location"] == "/profile/"
    again = client.post("/accounts/again/", {"code": codes[1], "next": place})
    assert again.headers["Location"] == "/profile/"


def test_there_is_a_limit_on_passkeys(as_ada: Client, ada: User) -> None:
    for number in range(20):
        Passkey.objects.create(user=ada, name="x", credential_id=f"{number:04}")
    assert "You have 20 passkeys" in add(as_ada, Authenticator(), 400)


def test_the_pages_of_a_half_done_sign_in_are_not_kept(ada: User) -> None:
    set_up_app(sign_in(ada))
    client = Client()
    give_password(client)
    for response in (
        client.get("/accounts/login/second/"),
        client.post("/accounts/again/options/"),
        client.post("/accounts/login/passkey/options/"),
    ):
        assert "no-store" in response.headers["Cache-Control"]
