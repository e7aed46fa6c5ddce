"""How an e-mail address is confirmed, changed, and taken back."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import make_password
from django.core import mail, signing
from django.test import Client
from django.utils import timezone

from profiles.models import AddressChange, User

from .conftest import sign_in
from .helpers.accounts import JOINING, PASSWORD, emails, find_link, join, may_sign_in, read
from .helpers.mails import run_mail_server, use_mail_server
from .helpers.servers import find, make_environment, manage

pytestmark = pytest.mark.django_db(transaction=True)

FOUR_DAYS = 4 * 24 * 60 * 60


def test_who_joins_gets_a_link_by_mail(client: Client) -> None:
    join(client)
    assert mail.outbox[0].to == ["mary@example.org"]
    assert mail.outbox[0].subject == "Likeness: Confirm your address"
    assert find_link().startswith("/accounts/confirm/")


def test_an_address_is_nobodys_until_the_link_is_followed(client: Client) -> None:
    join(client)
    assert emails() == {}
    assert "mary@example.org" in read(client, find_link())
    assert emails() == {}
    client.post(find_link())
    assert emails() == {"mary": "mary@example.org"}


def test_following_the_link_says_what_it_did(client: Client) -> None:
    join(client)
    page = client.post(find_link(), follow=True).content.decode()
    assert "Your address is confirmed." in page


def test_a_link_that_another_site_posts_to_confirms_nothing(client: Client) -> None:
    join(client)
    assert Client(enforce_csrf_checks=True).post(find_link()).status_code == 403
    assert emails() == {}


@pytest.mark.parametrize("email", ["victım@github.example", "victim@gıthub.example"])
def test_an_address_that_looks_alike_is_another(email: str, client: Client, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(email="victim@github.example")
    page = client.post("/accounts/signup/", JOINING | {"email": email}, follow=True)
    assert page.status_code in (200, 400)  # The first is no address at all.
    client.post("/accounts/password_reset/", {"email": email})
    assert not re.search(r"\bada\b", "".join(str(message.body) for message in mail.outbox))


def test_a_mail_holds_text_as_it_was_typed(client: Client) -> None:
    join(client, email="o'hara&co@example.org")
    assert mail.outbox[0].to == ["o'hara&co@example.org"]
    assert "&amp;" not in mail.outbox[0].body
    client.post(find_link())
    assert emails() == {"mary": "o'hara&co@example.org"}


@pytest.mark.parametrize(
    "email", ["", "mary", "mary@", "mary@example.org\nBcc: x@example.org", "m" * 250 + "@x.org"]
)
def test_a_wrong_address_is_refused(email: str, client: Client) -> None:
    assert 'id="id_email_error"' in join(client, 400, email=email)
    assert not User.objects.exists()


@pytest.mark.parametrize("token", ["x", "a:b:c", "%00", "é", "x" * 3000])
def test_a_broken_link_is_refused(token: str, as_ada: Client) -> None:
    for kind in ("confirm", "undo"):
        assert "This link does not work" in read(as_ada, f"/accounts/{kind}/{token}/", 400)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_link_of_four_days_ago_is_refused(
    method: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    join(client)
    later = time.time() + FOUR_DAYS
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    response = getattr(client, method)(find_link())
    assert response.status_code == 400
    assert "older than three days" in response.content.decode()
    assert emails() == {}


def test_two_people_cannot_confirm_one_address(client: Client) -> None:
    join(client)
    anna = Client()
    join(anna, username="anna", email="MARY@EXAMPLE.ORG")
    first, second = find_link(0), find_link(1)
    assert client.post(first).status_code == 302
    response = anna.post(second)
    assert response.status_code == 400
    assert "This address belongs to another account by now." in response.content.decode()
    assert emails() == {"mary": "mary@example.org"}


def ask_for_address(client: Client, email: str, password: str = "pass phrase") -> Any:
    """Send the form for a new address."""
    return client.post("/accounts/email/", {"email": email, "password": password})


def test_a_new_address_counts_once_its_link_is_followed(as_ada: Client) -> None:
    ask_for_address(as_ada, "new@example.org")
    page = read(as_ada, "/profile/edit/")
    assert "We sent a mail to new@example.org." in page
    assert emails() == {"ada": "ada@example.org"}
    as_ada.post(find_link())
    assert emails() == {"ada": "new@example.org"}


@pytest.mark.parametrize("password", ["", "Pass phrase"])
def test_whoever_found_a_browser_signed_in_does_not_take_the_account(
    password: str, as_ada: Client
) -> None:
    response = ask_for_address(as_ada, "thief@example.org", password)
    assert response.status_code == 400
    page = response.content.decode()
    assert 'id="id_password_error"' in page
    assert 'value="thief@example.org"' in page
    assert mail.outbox == []


def test_somebody_elses_address_is_not_given_away(as_ada: Client, grace: User) -> None:
    response = ask_for_address(as_ada, "Grace@example.org")
    assert response.headers["Location"] == "/accounts/"
    assert "Hello grace," in mail.outbox[0].body
    assert find_link() == "/accounts/login/"


@pytest.mark.parametrize("email", ["", "new", "m" * 250 + "@x.org", "a\0b@x.org"])
def test_a_wrong_new_address_is_refused(email: str, as_ada: Client) -> None:
    response = ask_for_address(as_ada, email)
    assert response.status_code == 400
    assert 'id="id_email_error"' in response.content.decode()
    assert mail.outbox == []


def test_an_earlier_link_does_not_take_the_address_back(as_ada: Client) -> None:
    for name in ("old", "new"):
        ask_for_address(as_ada, f"{name}@example.org")
    assert as_ada.post(find_link(1)).status_code == 302
    assert as_ada.post(find_link(0)).status_code == 400
    assert User.objects.get(username="ada").email == "new@example.org"


@pytest.fixture
def no_mail_server(settings: LazySettings) -> None:
    """A mail server that does not answer."""
    use_mail_server(settings, 9)


def test_the_mail_server_is_the_one_of_the_address(tmp_path: Path) -> None:
    address = "smtp+tls://ada:secret@mail.example:2525"
    code = """
from django.core import mail
server = mail.mailers.default if hasattr(mail, "mailers") else mail.get_connection()
print(server.username, server.password, server.host, server.port, server.use_tls, server.timeout)
"""
    environment = make_environment(tmp_path, EMAIL_URL=address)
    result = manage(environment, "shell", "--no-imports", "-c", code)
    assert result.stdout.split() == ["ada", "secret", "mail.example", "2525", "True", "10"]


UNSENT = "We could not send the mail. Check the address, or try again in a few minutes."
EMAILS = ["new@example.org", "grace@example.org", "x@" + "ü" * 60 + ".example"]


@pytest.mark.usefixtures("no_mail_server", "grace")
@pytest.mark.parametrize("email", EMAILS)
def test_who_gets_no_mail_is_told_and_nothing_has_changed(email: str, as_ada: Client) -> None:
    answers = [
        ask_for_address(as_ada, email),
        Client().post("/accounts/password_reset/", {"email": email}),
    ]
    for answer in answers:
        page = answer.content.decode()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert UNSENT in page
        assert f'value="{email}"' in page
    assert not AddressChange.objects.exists()
    assert emails() == {"ada": "ada@example.org", "grace": "grace@example.org"}


@pytest.mark.usefixtures("ada")
def test_while_the_mail_server_is_down_nothing_tells_who_is_a_member(
    client: Client, settings: LazySettings
) -> None:
    use_mail_server(settings, 9)
    pages = []
    for email in ("ada@example.org", "eve@example.org"):
        page = client.post("/accounts/password_reset/", {"email": email}).content.decode()
        pages.append(re.sub(r'value="[^"]*"', "", page))
    for name, email in (("anna", "ada@example.org"), ("mary", "eve@example.org")):
        member = Client()
        join(member, username=name, email=email)
        pages.append(read(member, "/profile/edit/").replace(name, "mary"))
    assert pages[0] == pages[1]
    assert pages[2] == pages[3]


def test_a_mail_that_was_not_sent_does_not_count_against_the_mailbox(
    as_ada: Client, settings: LazySettings
) -> None:
    settings.THROTTLES = settings.THROTTLES | {"recipient": 1, "reset": 1}
    with run_mail_server(settings, "RCPT") as server:
        for _ in range(2):
            assert ask_for_address(as_ada, "new@example.org").status_code == 503
            answer = Client().post("/accounts/password_reset/", {"email": "ada@example.org"})
            assert answer.status_code == 503
        server.refused = ""
        assert ask_for_address(as_ada, "new@example.org").status_code == 302
        answer = Client().post("/accounts/password_reset/", {"email": "ada@example.org"})
        assert (answer.status_code, server.count) == (302, 2)


def test_a_link_still_works_if_the_next_could_not_be_sent(
    as_ada: Client, settings: LazySettings
) -> None:
    ask_for_address(as_ada, "new@example.org")
    use_mail_server(settings, 9)
    assert ask_for_address(as_ada, "newer@example.org").status_code == 503
    as_ada.post(find_link())
    assert emails() == {"ada": "new@example.org"}


@pytest.mark.usefixtures("no_mail_server")
@pytest.mark.parametrize("email", EMAILS)
def test_joining_works_while_the_mail_server_is_down(email: str, client: Client) -> None:
    assert join(client, email=email) == "/profile/edit/?welcome"
    assert User.objects.get().username == "mary"
    page = read(client, "/profile/edit/?welcome")
    assert "We could not send the mail that confirms your address." in page
    assert "We sent a mail" not in page
    assert "We sent a link" not in read(client, "/accounts/")


def test_where_no_mail_is_sent_no_address_is_stored(client: Client, settings: LazySettings) -> None:
    settings.HAS_MAIL = False
    join(client)
    assert not AddressChange.objects.exists()


def test_a_link_that_was_followed_says_that_the_address_is_confirmed(client: Client) -> None:
    join(client)
    links = [find_link()]
    answers = [client.post(links[0]), client.post(links[0]), client.get(links[0])]
    assert [answer.status_code for answer in answers] == [302] * 3
    assert "Your address is confirmed." in read(client, "/profiles/mary/")
    assert AddressChange.objects.count() == 1


def test_a_link_works_once(client: Client) -> None:
    join(client)
    link = find_link()
    client.post(link)
    ask_for_address(client, "new@example.org", PASSWORD)
    client.post(find_link())
    assert client.post(link).status_code == 400
    assert "It was used, cancelled or replaced" in read(client, link, 400)
    assert emails() == {"mary": "new@example.org"}


def test_in_another_browser_one_signs_in_before_the_link_works(client: Client) -> None:
    join(client)
    other = Client()
    form = other.get(find_link()).headers["Location"]
    assert form == f"/accounts/login/?next={quote(find_link())}"
    account = {"username": "mary", "password": PASSWORD, "next": find_link()}
    page = other.post(form, account, follow=True).content.decode()
    assert "mary@example.org" in page
    other.post(find_link())
    assert emails() == {"mary": "mary@example.org"}


def test_the_link_of_another_member_is_refused_with_a_sentence(
    client: Client, as_ada: Client
) -> None:
    join(client)
    response = as_ada.post(find_link())
    assert response.status_code == 400
    assert "belongs to another account than @ada" in response.content.decode()
    assert emails() == {"ada": "ada@example.org"}


@pytest.mark.parametrize("password", ["pass phrase", "another one"])
def test_a_forged_link_is_refused(password: str, as_ada: Client, ada: User) -> None:
    ask_for_address(as_ada, "evil@example.org")
    key = AddressChange.objects.get().pk
    salt = f"profiles.confirm {make_password(password)}"
    for token in (signing.dumps(key, salt=salt), signing.dumps(key, salt="profiles.undo")):
        assert as_ada.post(f"/accounts/confirm/{token}/").status_code == 400
        assert Client().post(f"/accounts/undo/{token}/").status_code == 400
    assert emails() == {"ada": "ada@example.org"}


def change_password(client: Client) -> None:
    """Change the password in the form."""
    new = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    response = client.post("/accounts/password_change/", {"old_password": "pass phrase", **new})
    assert response.status_code == 302


def reset_password(client: Client) -> None:
    """Reset the password by mail."""
    Client().post("/accounts/password_reset/", {"email": "ada@example.org"})
    form = client.get(find_link()).headers["Location"]
    client.post(form, {"new_password1": PASSWORD, "new_password2": PASSWORD})


@pytest.mark.parametrize("change", [change_password, reset_password])
def test_a_thief_who_asked_for_an_address_gets_nothing_once_the_password_has_changed(
    change: Callable[[Client], None], ada: User, as_ada: Client
) -> None:
    thief = sign_in(ada)
    ask_for_address(thief, "thief@example.org")
    link = find_link()
    change(as_ada)
    assert may_sign_in("ada", PASSWORD)
    for browser in (thief, Client()):
        assert browser.post(link).headers["Location"].startswith("/accounts/login/")
    # Nor does the member take it for theirs.
    member = sign_in(User.objects.get())
    assert member.post(link).status_code == 400
    assert "thief@example.org" not in read(member, "/profile/edit/")
    Client().post("/accounts/password_reset/", {"email": "thief@example.org"})
    assert "No account has this address" in mail.outbox[-1].body
    assert emails() == {"ada": "ada@example.org"}


def test_a_change_that_waits_is_shown_and_can_be_cancelled(as_ada: Client) -> None:
    ask_for_address(as_ada, "new@example.org")
    read(as_ada, "/accounts/")  # After the message, which names the address as well.
    assert "We sent a link to <bdi>new@example.org</bdi>." in read(as_ada, "/accounts/")
    page = as_ada.post("/accounts/email/cancel/", follow=True).content.decode()
    assert "The link no longer works." in page
    assert "new@example.org" not in page
    assert as_ada.post(find_link()).status_code == 400
    assert emails() == {"ada": "ada@example.org"}


def test_the_old_address_gets_a_way_back(as_ada: Client) -> None:
    ask_for_address(as_ada, "new@example.org")
    link = find_link()
    as_ada.post(link)
    [_, notice] = mail.outbox
    assert (notice.to, notice.subject) == (
        ["ada@example.org"],
        "Likeness: Your address was changed",
    )
    assert "Hello ada," in notice.body
    assert "new@example.org" not in notice.body
    assert find_link().startswith("/accounts/undo/")


def test_who_lost_an_account_takes_it_back_from_the_old_address(ada: User) -> None:
    thief = sign_in(ada)
    ask_for_address(thief, "thief@example.org")
    stolen = find_link()
    thief.post(stolen)
    change_password(thief)
    way_back = find_link(1)
    # Further changes by the thief do not spoil it.
    ask_for_address(thief, "second@example.org", PASSWORD)
    thief.post(find_link())
    assert emails() == {"ada": "second@example.org"}

    member = Client()
    assert "<bdi>ada@example.org</bdi>" in read(member, way_back)
    form = member.get(member.post(way_back).headers["Location"]).headers["Location"]
    assert emails() == {"ada": "ada@example.org"}
    assert not may_sign_in("ada", PASSWORD)
    read(thief, "/profile/edit/", 302)
    word = "a word of my own"
    page = member.post(form, {"new_password1": word, "new_password2": word}, follow=True)
    assert "Your password is set" in page.content.decode()
    assert may_sign_in("ada", word)

    # Neither link works again, and none that the thief has got.
    member = sign_in(User.objects.get())
    assert [member.post(link).status_code for link in (stolen, way_back)] == [400, 400]
    for message in mail.outbox[2:]:
        link = find(r"/accounts/\S+", str(message.body))
        assert member.post(link).status_code == 400
    assert emails() == {"ada": "ada@example.org"}


def test_a_link_that_undoes_a_change_is_not_followed_by_a_mail_program(as_ada: Client) -> None:
    ask_for_address(as_ada, "new@example.org")
    as_ada.post(find_link())
    assert "Take it back" in read(Client(), find_link())
    assert emails() == {"ada": "new@example.org"}


def test_an_address_that_another_account_has_by_now_is_not_taken_back(as_ada: Client) -> None:
    ask_for_address(as_ada, "new@example.org")
    as_ada.post(find_link())
    way_back = find_link()
    User.objects.create_user("grace", "ada@example.org")
    response = Client().post(way_back)
    assert response.status_code == 400
    assert "This address belongs to another account by now." in response.content.decode()
    assert may_sign_in("ada", "pass phrase")


def test_changes_that_are_over_are_forgotten(as_ada: Client) -> None:
    ask_for_address(as_ada, "new@example.org")
    AddressChange.objects.update(ends=timezone.now())
    read(as_ada, "/profile/edit/")  # After the message, which names the address as well.
    assert "new@example.org" not in read(as_ada, "/accounts/")
    ask_for_address(as_ada, "newer@example.org")
    assert AddressChange.objects.get().new == "newer@example.org"


def test_the_address_that_one_has_is_not_asked_for_again(as_ada: Client) -> None:
    fields = {"email": "ada@example.org", "password": "pass phrase"}
    page = as_ada.post("/accounts/email/", fields).content.decode()
    assert "This is your address already." in page
    assert mail.outbox == []


def test_another_link_is_asked_for_with_the_address_filled_in(as_ada: Client) -> None:
    ask_for_address(as_ada, "new@example.org")
    assert 'value="new@example.org"' in read(as_ada, "/accounts/email/")
