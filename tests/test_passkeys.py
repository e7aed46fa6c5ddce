"""Passkeys: setting one up, signing in by it, and answers that no browser gives."""

import json
import random
from io import BytesIO
from zipfile import ZipFile

import pytest
from django.conf import LazySettings
from django.core import mail
from django.test import Client

from profiles.models import Passkey, User

from .conftest import sign_in
from .helpers.accounts import read
from .helpers.authenticator import Authenticator
from .helpers.factors import OPTIONS, add, ask, enter

pytestmark = pytest.mark.django_db(transaction=True)
REFUSED = "This passkey does not open an account here."


@pytest.fixture
def phone(as_ada: Client) -> Authenticator:
    """The phone that holds Ada's passkey."""
    phone = Authenticator()
    add(as_ada, phone)
    return phone


def test_a_passkey_alone_signs_in(phone: Authenticator) -> None:
    client = Client()
    page = read(client, "/accounts/login/?next=/profile/edit/")
    assert "Sign in with a passkey" in page
    fields = {"credential": phone.get(ask(client)), "next": "/profile/edit/"}
    response = client.post("/accounts/login/passkey/", fields)
    assert response.headers["Location"] == "/profile/edit/"
    assert client.get("/profile/").headers["Location"] == "/profiles/ada/"


def test_nobody_is_named_before_signing_in(phone: Authenticator, client: Client) -> None:
    assert ask(client).get("allowCredentials", []) == []
    assert client.post("/accounts/again/options/").status_code == 404


def test_a_passkey_is_the_second_step_after_the_password(phone: Authenticator) -> None:
    client = Client()
    fields = {"username": "ada", "password": "pass phrase"}
    assert client.post("/accounts/login/", fields).headers["Location"] == "/accounts/login/second/"
    options = ask(client, "/accounts/again/options/")
    [allowed] = options["allowCredentials"]
    credential = phone.get(options)
    assert allowed["id"] == json.loads(credential)["id"]
    response = client.post("/accounts/login/second/", {"credential": credential})
    assert response.headers["Location"] == "/profile/"


def test_the_passkey_of_another_is_no_second_step(phone: Authenticator, grace: User) -> None:
    other = Authenticator()
    add(sign_in(grace), other)
    client = Client()
    client.post("/accounts/login/", {"username": "ada", "password": "pass phrase"})
    credential = other.get(ask(client, "/accounts/again/options/"))
    response = client.post("/accounts/login/second/", {"credential": credential})
    assert response.status_code == 400
    assert REFUSED in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_the_first_passkey_comes_with_recovery_codes(as_ada: Client) -> None:
    page = add(as_ada, Authenticator())
    assert page.count("<li><code>") == 10
    add(as_ada, Authenticator(), 302)
    page = read(as_ada, "/accounts/")
    assert page.count("Passkey “<bdi>My phone</bdi>”") == 2
    assert [notice.to for notice in mail.outbox] == [["ada@example.org"]] * 2
    assert "A passkey is set up." in mail.outbox[0].body


def test_a_passkey_is_removed(as_ada: Client, phone: Authenticator) -> None:
    path = f"/accounts/passkeys/{Passkey.objects.get().pk}/remove/"
    assert "“<bdi>My phone</bdi>” will no longer open your account." in read(as_ada, path)
    as_ada.post(path)
    assert not enter(phone)
    client = Client()
    client.post("/accounts/login/", {"username": "ada", "password": "pass phrase"})
    assert "_auth_user_id" in client.session


def test_the_passkey_of_another_is_not_removed(phone: Authenticator, as_grace: Client) -> None:
    path = f"/accounts/passkeys/{Passkey.objects.get().pk}/remove/"
    assert as_grace.get(path).status_code == as_grace.post(path).status_code == 404


@pytest.mark.parametrize("name", ["", " ", "\u200b", "x" * 61, "a\0b"])
def test_a_passkey_needs_a_name(name: str, as_ada: Client) -> None:
    options = ask(as_ada, "/accounts/passkeys/add/options/")
    fields = {"name": name, "credential": Authenticator().create(options)}
    response = as_ada.post("/accounts/passkeys/add/", fields)
    assert response.status_code == 400
    assert 'id="id_name_error"' in response.content.decode()


def test_without_a_script_the_page_says_so(as_ada: Client) -> None:
    assert "with JavaScript only" in read(as_ada, "/accounts/passkeys/add/")
    response = as_ada.post("/accounts/passkeys/add/", {"name": "My phone", "credential": ""})
    assert response.status_code == 400
    assert "has made no passkey" in response.content.decode()


def test_by_a_number_there_are_no_passkeys(as_ada: Client) -> None:
    """Browsers tie passkeys to a name."""
    number = {"Host": "127.0.0.1:8000"}
    page = as_ada.get("/accounts/", headers=number).content.decode()
    assert "A passkey needs the name of the site." in page
    assert "passkeys/add" not in page
    assert as_ada.get("/accounts/passkeys/add/", headers=number).status_code == 404
    for path in (OPTIONS, "/accounts/passkeys/add/options/", "/accounts/again/options/"):
        assert as_ada.post(path, headers=number).status_code == 404
    assert "passkey" not in Client().get("/accounts/login/", headers=number).content.decode()


# What no browser sends


def test_a_closed_account_is_not_opened(phone: Authenticator) -> None:
    User.objects.update(is_active=False)
    assert not enter(phone)


def test_an_imitation_of_the_site_gets_nothing(phone: Authenticator) -> None:
    phone.origin = "https://testserver.evil.example"
    assert not enter(phone)
    phone.origin, phone.host = "http://testserver", "evil.example"
    assert not enter(phone)
    phone.host = "testserver"
    assert enter(phone)


def test_an_origin_that_the_operator_names_is_right(
    phone: Authenticator, settings: LazySettings
) -> None:
    """Behind TLS that Django does not know of."""
    phone.origin = "https://testserver"
    assert not enter(phone)
    settings.CSRF_TRUSTED_ORIGINS = ["https://testserver"]
    assert enter(phone)


def test_an_answer_works_once(phone: Authenticator) -> None:
    client = Client()
    credential = phone.get(ask(client))
    for path in ("/accounts/login/passkey/", "/accounts/logout/", "/accounts/login/passkey/"):
        client.post(path, {"credential": credential})
    assert "_auth_user_id" not in client.session
    assert enter(phone)


def test_an_answer_to_another_visitors_question_is_refused(phone: Authenticator) -> None:
    theirs, mine = Client(), Client()
    credential = phone.get(ask(theirs))
    ask(mine)
    mine.post("/accounts/login/passkey/", {"credential": credential})
    assert "_auth_user_id" not in mine.session


def test_a_copy_of_a_passkey_is_noticed(phone: Authenticator) -> None:
    assert enter(phone)
    assert enter(phone)
    phone.count = 0
    assert not enter(phone)


def test_a_passkey_without_finger_face_or_pin_is_refused(phone: Authenticator) -> None:
    phone.flags = 0x01
    assert not enter(phone)


def test_the_signature_counts(phone: Authenticator) -> None:
    assert not enter(phone, signature=phone.get(ask(Client()))[:60])


def test_a_passkey_belongs_to_one_account(phone: Authenticator, grace: User) -> None:
    page = add(sign_in(grace), phone, 400)
    assert "The passkey could not be set up." in page
    assert Passkey.objects.get().user.username == "ada"


def test_certificates_of_a_device_are_not_read(as_ada: Client) -> None:
    hostile = {"alg": -7, "sig": bytes(8), "x5c": [b"\x30\x84\xff\xff\xff\xff"]}
    add(as_ada, Authenticator(), fmt="packed", attStmt=hostile)
    assert Passkey.objects.count() == 1


ODD = [
    "",
    "null",
    "[]",
    "{}",
    "1",
    '"x"',
    "[" * 10_000,
    '{"id": 1}',
    '{"id": "\\u0000"}',
    '{"id": "\\ud800"}',
    '{"id": "x", "rawId": "x", "type": "public-key", "response": null}',
    "x" * 20_000,
    "\0",
]


@pytest.mark.parametrize("credential", ODD)
def test_what_no_browser_answers_is_refused_in_words(credential: str, as_ada: Client) -> None:
    client = Client()
    ask(client)
    fields = {"credential": credential, "name": "My phone"}
    page = client.post("/accounts/login/passkey/", fields, follow=True).content.decode()
    assert REFUSED in page
    ask(as_ada, "/accounts/passkeys/add/options/")
    assert as_ada.post("/accounts/passkeys/add/", fields).status_code == 400
    assert as_ada.post("/accounts/again/", fields).status_code == 400


@pytest.mark.slow
def test_a_damaged_answer_never_breaks_the_site(
    phone: Authenticator, as_ada: Client, settings: LazySettings
) -> None:
    settings.THROTTLES = settings.THROTTLES | {"sign_in": 0, "mail": 0}
    chance = random.Random(1)
    for _ in range(150):
        client = Client()
        for path, to in (
            (OPTIONS, "/accounts/login/passkey/"),
            ("/accounts/passkeys/add/options/", "/accounts/passkeys/add/"),
        ):
            browser = client if path == OPTIONS else as_ada
            options = ask(browser, path)
            text = list(phone.get(options) if path == OPTIONS else Authenticator().create(options))
            for _ in range(chance.randrange(1, 4)):
                text[chance.randrange(len(text))] = chance.choice('"{}[]:,0aZ_-\\')
            response = browser.post(to, {"credential": "".join(text), "name": "My phone"})
            assert response.status_code in (200, 302, 400)


def test_without_a_question_there_is_no_answer(phone: Authenticator) -> None:
    client = Client()
    credential = phone.get({"challenge": "AAAA"})
    client.post("/accounts/login/passkey/", {"credential": credential})
    assert "_auth_user_id" not in client.session


def test_questions_are_limited(client: Client, settings: LazySettings) -> None:
    settings.THROTTLES = settings.THROTTLES | {"sign_in": 2}
    assert [client.post(OPTIONS).status_code for _ in range(3)] == [200, 200, 429]


def test_what_a_passkey_is_called_is_taken_away_but_not_the_key(
    as_ada: Client, phone: Authenticator
) -> None:
    with ZipFile(BytesIO(as_ada.get("/accounts/export/").getvalue())) as archive:
        account = json.loads(archive.read("likeness.json"))["account"]
    assert [passkey["name"] for passkey in account["passkeys"]] == ["My phone"]
    assert "public_key" not in json.dumps(account)
    assert account["recovery_codes"] == 10
