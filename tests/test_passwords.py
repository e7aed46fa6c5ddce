"""Signing in and out, and changing or resetting a password."""

import re

import pytest
from django.conf import LazySettings
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from profiles.models import User

from .conftest import sign_in
from .helpers.accounts import PASSWORD, find_link, join, may_sign_in, read

pytestmark = pytest.mark.django_db(transaction=True)
END = re.compile(r"[^\n]\n\n-- \nLikeness, testserver\s*\Z")  # Of each mail.


@pytest.mark.parametrize("name", ["ada", "ADA", " aDa ", "ada@example.org", " ADA@Example.org"])
def test_a_member_signs_in_by_name_or_address_in_any_case(name: str, ada: User) -> None:
    assert may_sign_in(name, "pass phrase")


@pytest.mark.parametrize("name", ["grace", "grace@example.org", "ada@", "@", "a\0da", ""])
def test_nobody_else_signs_in(name: str, ada: User) -> None:
    assert not may_sign_in(name, "pass phrase")


def test_an_address_that_is_not_confirmed_signs_nobody_in(client: Client) -> None:
    join(client)
    assert not may_sign_in("mary@example.org", PASSWORD)
    client.post(find_link())
    assert may_sign_in("mary@example.org", PASSWORD)


def test_the_address_of_another_account_is_not_found_by_ones_own(ada: User, client: Client) -> None:
    join(client, email="ada@example.org")
    assert not may_sign_in("ada@example.org", PASSWORD)
    assert may_sign_in("ada@example.org", "pass phrase")


@pytest.mark.parametrize("names", [("ada", "eve"), ("ada@example.org", "eve@example.org")])
def test_the_sign_in_does_not_tell_who_is_a_member(
    names: tuple[str, str], ada: User, client: Client
) -> None:
    pages = []
    for name in names:
        page = client.post("/accounts/login/", {"username": name, "password": "wrong"})
        pages.append(re.sub(r'value="[\w@.]+"', "", page.content.decode()))
    assert pages[0] == pages[1]
    assert "This name or address and this password do not match." in pages[0]


def test_a_closed_account_does_not_sign_in(ada: User) -> None:
    User.objects.update(is_active=False)
    assert not may_sign_in("ada", "pass phrase")


@pytest.mark.parametrize(
    ("place", "target"),
    [
        ("/profile/edit/", "/profile/edit/"),
        ("", "/profile/"),
        ("https://evil.example", "/profile/"),
        ("//evil.example", "/profile/"),
        ("/\\evil.example", "/profile/"),
        ("javascript:alert(1)", "/profile/"),
        ("http://testserver.evil.example/", "/profile/"),
    ],
)
def test_signing_in_leads_back_and_never_off_the_site(
    place: str, target: str, ada: User, client: Client
) -> None:
    fields = {"username": "ada", "password": "pass phrase", "next": place}
    response = client.post(f"/accounts/login/?next={place}", fields)
    assert response.headers["Location"] == target


def test_who_is_signed_in_is_not_led_off_the_site_either(as_ada: Client) -> None:
    response = as_ada.get("/accounts/login/?next=https://evil.example")
    assert response.headers["Location"] == "/profile/"


def test_the_sign_in_form_carries_on_where_one_wanted_to_go(client: Client) -> None:
    page = read(client, "/accounts/login/?next=/profile/avatar/")
    assert '<input type="hidden" name="next" value="/profile/avatar/">' in page


def test_a_member_signs_out(as_ada: Client) -> None:
    assert as_ada.post("/accounts/logout/").headers["Location"] == "/"
    page = read(as_ada, "/")
    assert "You are signed out." in page
    assert "Sign in" in page


def test_a_guest_is_not_told_to_be_signed_out(client: Client) -> None:
    client.post("/accounts/logout/")
    assert "You are signed out." not in read(client, "/")


def test_a_mere_link_signs_nobody_out(as_ada: Client) -> None:
    read(as_ada, "/accounts/logout/", 405)
    assert "Sign out" in read(as_ada, "/")


def test_a_member_changes_the_password_and_stays_signed_in(as_ada: Client) -> None:
    fields = {"old_password": "pass phrase", "new_password1": PASSWORD, "new_password2": PASSWORD}
    page = as_ada.post("/accounts/password_change/", fields, follow=True).content.decode()
    assert "Password changed" in page
    assert may_sign_in("ada", PASSWORD)
    assert not may_sign_in("ada", "pass phrase")


def test_a_changed_password_signs_other_browsers_out(ada: User) -> None:
    here, there = sign_in(ada), sign_in(ada)
    fields = {"old_password": "pass phrase", "new_password1": PASSWORD, "new_password2": PASSWORD}
    here.post("/accounts/password_change/", fields)
    read(here, "/profile/edit/")
    read(there, "/profile/edit/", 302)


def test_the_old_password_is_asked_for_a_new_one(as_ada: Client) -> None:
    fields = {"old_password": "wrong", "new_password1": PASSWORD, "new_password2": PASSWORD}
    page = as_ada.post("/accounts/password_change/", fields).content.decode()
    assert 'id="id_old_password_error"' in page
    assert may_sign_in("ada", "pass phrase")


def test_what_is_wrong_with_a_new_password_is_said_together(as_ada: Client) -> None:
    wrong = {"old_password": "wrong", "new_password1": "short", "new_password2": "differs"}
    response = as_ada.post("/accounts/password_change/", wrong)
    assert response.status_code == 400
    page = response.content.decode()
    assert all(f'id="id_{name}_error"' in page for name in wrong)
    wrong |= NEW
    page = as_ada.post("/accounts/password_change/", wrong).content.decode()
    assert page.count("This field was emptied. Type it once more.") == 2


def test_a_link_of_a_mail_takes_no_weak_password(ada: User, client: Client) -> None:
    client.post("/accounts/password_reset/", {"email": "ada@example.org"})
    form = client.get(find_link()).headers["Location"]
    response = client.post(form, {"new_password1": "short", "new_password2": "differs"})
    assert response.status_code == 400
    assert 'id="id_new_password1_error"' in response.content.decode()
    assert client.post(form, NEW).status_code == 302


@pytest.mark.parametrize("email", ["ada@example.org", "ADA@Example.org"])
def test_a_forgotten_password_is_reset_by_mail(email: str, ada: User, client: Client) -> None:
    client.post("/accounts/password_reset/", {"email": email})
    assert mail.outbox[0].to == ["ada@example.org"]
    form = client.get(find_link()).headers["Location"]
    fields = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    page = client.post(form, fields, follow=True).content.decode()
    assert "Your password is set" in page
    assert may_sign_in("ada", PASSWORD)


def test_the_link_of_a_reset_works_once(ada: User, client: Client) -> None:
    client.post("/accounts/password_reset/", {"email": "ada@example.org"})
    form = client.get(find_link()).headers["Location"]
    client.post(form, {"new_password1": PASSWORD, "new_password2": PASSWORD})
    assert "This link has been used or is too old" in read(Client(), find_link(0))


def test_a_reset_goes_to_confirmed_addresses_alone(client: Client) -> None:
    join(client)
    client.post("/accounts/password_reset/", {"email": "mary@example.org"})
    assert "No account has this address" in mail.outbox[1].body
    assert "http" not in mail.outbox[1].body
    client.post(find_link(0))
    client.post("/accounts/password_reset/", {"email": "mary@example.org"})
    assert mail.outbox[-1].subject == "Likeness: Set a new password"
    assert find_link().startswith("/accounts/reset/")


def test_a_reset_does_not_tell_who_is_a_member(ada: User) -> None:
    answers = []
    for email in ("ada@example.org", "eve@example.org"):
        with CaptureQueriesContext(connection) as queries:
            page = Client().post("/accounts/password_reset/", {"email": email}, follow=True)
        answers.append((page.redirect_chain, page.content, len(queries)))
    assert answers[0] == answers[1]
    assert [message.to for message in mail.outbox] == [["ada@example.org"], ["eve@example.org"]]
    assert mail.outbox[0].subject == mail.outbox[1].subject
    assert all(END.search(str(each.body)) for each in mail.outbox)


def test_a_closed_account_gets_the_mail_of_a_stranger(ada: User, client: Client) -> None:
    User.objects.update(is_active=False)
    client.post("/accounts/password_reset/", {"email": "ada@example.org"})
    assert "No account has this address" in mail.outbox[0].body


def test_where_no_mail_is_sent_no_reset_is_offered(client: Client, settings: LazySettings) -> None:
    assert "/accounts/password_reset/" in read(client, "/accounts/login/")
    settings.HAS_MAIL = False
    assert "/accounts/password_reset/" not in read(client, "/accounts/login/")
    read(client, "/accounts/password_reset/", 404)
    assert client.post("/accounts/password_reset/", {"email": "x@y.org"}).status_code == 404


NEW = {"new_password1": PASSWORD, "new_password2": PASSWORD}
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"


def test_a_changed_password_is_mailed_to_its_owner(as_ada: Client) -> None:
    fields = {"old_password": "pass phrase"} | NEW
    agent = {"user-agent": FIREFOX}
    as_ada.post("/accounts/password_change/", fields, headers=agent, REMOTE_ADDR="203.0.113.77")
    message = mail.outbox[0]
    assert message.to == ["ada@example.org"]
    assert message.subject == "Likeness: Your password was changed"
    assert "Hello ada," in message.body
    assert re.search(r"When: \w.* UTC\nBrowser: Firefox on Windows\n", str(message.body))
    assert "Network: 203.0.113.0/24\n" in message.body
    assert END.search(str(message.body))
    assert find_link() == "/accounts/password_reset/"


def test_the_mail_does_not_invent_what_is_unknown(as_ada: Client) -> None:
    fields = {"old_password": "pass phrase"} | NEW
    as_ada.post("/accounts/password_change/", fields, REMOTE_ADDR="")
    assert "Browser: unknown\nNetwork: unknown\n" in mail.outbox[0].body


def test_a_wrong_old_password_sends_no_mail(as_ada: Client) -> None:
    as_ada.post("/accounts/password_change/", {"old_password": "wrong"} | NEW)
    assert mail.outbox == []


def test_without_a_confirmed_address_no_mail_is_sent(as_ada: Client) -> None:
    User.objects.update(email="")
    as_ada.post("/accounts/password_change/", {"old_password": "pass phrase"} | NEW)
    assert mail.outbox == []
    assert may_sign_in("ada", PASSWORD)


def test_a_mail_that_cannot_be_sent_does_not_keep_the_old_password(
    as_ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("profiles.accounts.mails.send_mail", fail)
    fields = {"old_password": "pass phrase"} | NEW
    page = as_ada.post("/accounts/password_change/", fields, follow=True).content.decode()
    assert "Password changed" in page
    assert may_sign_in("ada", PASSWORD)


@pytest.mark.parametrize("is_here", [True, False])
def test_a_reset_password_is_mailed_and_signs_everybody_out(is_here: bool, ada: User) -> None:
    there, here = sign_in(ada), sign_in(ada)
    browser = here if is_here else Client()
    browser.post("/accounts/password_reset/", {"email": "ada@example.org"})
    form = browser.get(find_link()).headers["Location"]
    page = browser.post(form, NEW, follow=True)
    assert "Your password is set" in page.content.decode()
    assert mail.outbox[-1].subject == "Likeness: Your password was changed"
    assert not ada.sessions.exists()
    for client in (there, here):
        read(client, "/profile/edit/", 302)


def test_a_reset_in_the_browser_of_another_leaves_that_one_signed_in(
    ada: User, as_grace: Client
) -> None:
    as_grace.post("/accounts/password_reset/", {"email": "ada@example.org"})
    form = as_grace.get(find_link()).headers["Location"]
    as_grace.post(form, NEW)
    assert may_sign_in("ada", PASSWORD)
    read(as_grace, "/profile/edit/")
