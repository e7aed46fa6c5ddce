"""Signing in with a second factor, and setting one up: codes from an app, and recovery codes."""

import re
import time
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from unittest import mock
from urllib.parse import unquote

import pyotp
import pytest
from django.conf import LazySettings
from django.core import mail
from django.test import Client

from profiles.accounts import factors
from profiles.models import Attempts, CodeApp, RecoveryCode, User

from .conftest import sign_in
from .helpers.accounts import read
from .helpers.factors import give_code, give_password, is_in, make_new_codes, set_up_app
from .helpers.servers import ROOT

pytestmark = pytest.mark.django_db(transaction=True)
Later = Callable[[float], None]


@pytest.fixture
def app(as_ada: Client) -> pyotp.TOTP:
    """Ada's app."""
    app = set_up_app(as_ada)[0]
    mail.outbox.clear()
    return app


def test_the_password_alone_opens_nothing(app: pyotp.TOTP) -> None:
    client = Client()
    assert give_password(client) == "/accounts/login/second/"
    assert not is_in(client)
    for path in ("/profile/edit/", "/accounts/", "/accounts/app/", "/accounts/export/"):
        assert client.get(path).headers["Location"].startswith("/accounts/login/?next=")


def test_a_code_from_the_app_is_the_second_step(app: pyotp.TOTP) -> None:
    client = Client()
    give_password(client, to="/profile/edit/")
    page = read(client, "/accounts/login/second/")
    assert 'autocomplete="one-time-code"' in page
    code = app.now()
    response = client.post("/accounts/login/second/", {"code": f" {code[:3]} {code[3:]} "})
    assert response.headers["Location"] == "/profile/edit/"
    assert is_in(client)


def test_without_a_second_factor_signing_in_is_one_step(ada: User) -> None:
    client = Client()
    assert give_password(client) == "/profile/"
    assert is_in(client)


def test_a_wrong_password_does_not_tell_of_the_second_factor(app: pyotp.TOTP) -> None:
    client = Client()
    assert give_password(client, "wrong") == ""
    assert client.get("/accounts/login/second/").headers["Location"] == "/accounts/login/"


@pytest.mark.parametrize(
    "code", ["", "000000", "12345", "1234567", "abc", "\0", "１２３４５６", "x" * 99]
)
def test_a_wrong_code_opens_nothing(code: str, app: pyotp.TOTP) -> None:
    client = Client()
    give_password(client)
    response = client.post("/accounts/login/second/", {"code": code})
    assert response.status_code == 400
    assert 'id="id_code_error"' in response.content.decode()
    assert not is_in(client)


def test_a_code_works_once(app: pyotp.TOTP) -> None:
    code = app.now()
    statuses = []
    for _ in range(2):
        client = Client()
        give_password(client)
        statuses.append(give_code(client, code))
    assert statuses == [302, 400]


def test_of_one_code_given_twice_at_once_one_is_taken(app: pyotp.TOTP) -> None:
    clients = [Client(), Client()]
    for client in clients:
        give_password(client)
    code, statuses = app.now(), []
    real = factors.find_step

    def find_meanwhile(key: str, code: str) -> int | None:
        with mock.patch.object(factors, "find_step", real):
            statuses.append(give_code(clients[1], code))
        return real(key, code)

    with mock.patch.object(factors, "find_step", find_meanwhile):
        statuses.append(give_code(clients[0], code))
    assert statuses == [302, 400]


def test_a_code_is_taken_half_a_minute_early_or_late_but_not_more(app: pyotp.TOTP) -> None:
    CodeApp.objects.update(last_step=0)
    statuses = []
    for seconds in (-90, -30, 0, 30, 90):
        client = Client()
        give_password(client)
        statuses.append(give_code(client, app.at(time.time() + seconds)))
    assert statuses == [400, 302, 302, 302, 400]


def test_codes_cannot_be_tried_out(app: pyotp.TOTP, settings: LazySettings) -> None:
    settings.THROTTLES = settings.THROTTLES | {"code": 3}
    statuses = []
    for _ in range(4):  # From anywhere: who is here knows the password.
        client = Client()
        give_password(client)
        statuses.append(give_code(client, "000000"))
    assert statuses == [400, 400, 400, 429]
    response = client.post("/accounts/login/second/", {"code": app.now()})
    assert response.status_code == 429
    assert 86_000 < int(response.headers["Retry-After"]) <= 86_400
    assert "Use a passkey or a recovery code" in response.content.decode()


def test_who_used_up_the_codes_gets_in_by_a_recovery_code(
    as_ada: Client, settings: LazySettings
) -> None:
    settings.THROTTLES = settings.THROTTLES | {"code": 1}
    codes = set_up_app(as_ada)[1]
    client = Client()
    give_password(client)
    assert [give_code(client, "000000") for _ in range(2)] == [400, 429]
    assert give_code(client, codes[0]) == 302


def test_right_codes_are_not_counted(app: pyotp.TOTP, settings: LazySettings) -> None:
    settings.THROTTLES = settings.THROTTLES | {"code": 1}
    for _ in range(3):
        CodeApp.objects.update(last_step=0)
        client = Client()
        give_password(client)
        assert give_code(client, app.now()) == 302


def test_a_recovery_code_works_once_however_it_is_typed(as_ada: Client) -> None:
    codes = set_up_app(as_ada)[1]
    assert len(set(codes)) == 10
    for typed, status in [
        (codes[0], 302),
        (codes[0], 400),
        (codes[1].upper().replace("-", " "), 302),
        (codes[2].replace("-", ""), 302),
    ]:
        client = Client()
        give_password(client)
        assert give_code(client, typed) == status
    assert "7 recovery codes are left" in read(as_ada, "/accounts/")


def test_a_recovery_code_of_another_opens_nothing(app: pyotp.TOTP, as_grace: Client) -> None:
    codes = set_up_app(as_grace)[1]
    client = Client()
    give_password(client)
    assert give_code(client, codes[0]) == 400


def test_a_stolen_database_holds_no_code(as_ada: Client) -> None:
    app, codes = set_up_app(as_ada)
    stored = str([*CodeApp.objects.values(), *RecoveryCode.objects.values()])
    assert app.secret not in stored
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)


def test_the_app_works_while_the_secret_key_is_replaced(
    app: pyotp.TOTP, settings: LazySettings
) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another " * 9
    client = Client()
    give_password(client)
    assert give_code(client, app.now()) == 302
    settings.SECRET_KEY_FALLBACKS = []  # Whoever has signed in meanwhile needs it no more.
    client = Client()
    give_password(client)
    assert give_code(client, app.at(time.time() + 30)) == 302


def test_a_lost_secret_key_refuses_codes_and_breaks_nothing(
    app: pyotp.TOTP, settings: LazySettings
) -> None:
    settings.SECRET_KEY = "another " * 9
    client = Client()
    give_password(client)
    assert give_code(client, app.now()) == 400


@pytest.mark.parametrize("cause", ["slow", "password", "closed", "gone"])
def test_a_sign_in_does_not_wait_for_ever(
    cause: str, app: pyotp.TOTP, ada: User, later: Later
) -> None:
    client = Client()
    give_password(client)
    code = app.now()
    if cause == "slow":
        later(601)
    elif cause == "password":
        ada.set_password("another phrase")
        ada.save()
    elif cause == "closed":
        User.objects.update(is_active=False)
    else:
        ada.delete()
    response = client.post("/accounts/login/second/", {"code": code}, follow=True)
    assert "Start again." in unescape(response.content.decode())
    assert "_auth_user_id" not in client.session


def test_the_page_that_was_wanted_is_one_of_this_site(app: pyotp.TOTP) -> None:
    client = Client()
    give_password(client, to="https://evil.example")
    response = client.post("/accounts/login/second/", {"code": app.now()})
    assert response.headers["Location"] == "/profile/"


def test_a_new_password_by_mail_does_not_replace_the_second_factor(
    app: pyotp.TOTP, client: Client
) -> None:
    client.post("/accounts/password_reset/", {"email": "ada@example.org"})
    link = re.search(r"http://testserver(/\S+)", str(mail.outbox[0].body))
    assert link
    place = client.get(link[1]).headers["Location"]
    new = "a rather new phrase"
    client.post(place, {"new_password1": new, "new_password2": new})
    assert give_password(client, new) == "/accounts/login/second/"
    assert not is_in(client)


# Setting up


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/app/",
        "/accounts/app/remove/",
        "/accounts/codes/",
        "/accounts/passkeys/add/",
        "/accounts/passkeys/1/remove/",
    ],
)
def test_a_browser_left_open_does_not_change_how_one_signs_in(
    path: str, as_ada: Client, later: Later
) -> None:
    later(601)
    for response in (as_ada.get(path), as_ada.post(path)):
        assert unquote(response.headers["Location"]) == f"/accounts/again/?next={path}"


def test_who_proves_it_again_goes_on(as_ada: Client, later: Later) -> None:
    later(601)
    old = as_ada.session.session_key
    page = read(as_ada, "/accounts/again/?next=/accounts/app/")
    assert 'name="password"' in page
    fields = {"password": "wrong", "next": "/accounts/app/"}
    assert as_ada.post("/accounts/again/", fields).status_code == 400
    assert as_ada.get("/accounts/app/").status_code == 302
    response = as_ada.post("/accounts/again/", fields | {"password": "pass phrase"})
    assert response.headers["Location"] == "/accounts/app/"
    read(as_ada, "/accounts/app/")
    assert as_ada.session.session_key != old


def test_who_has_an_app_proves_it_by_the_app(as_ada: Client, app: pyotp.TOTP, later: Later) -> None:
    later(601)
    page = read(as_ada, "/accounts/again/?next=/accounts/codes/")
    assert 'name="code"' in page
    assert 'name="password"' not in page
    assert as_ada.post("/accounts/again/", {"password": "pass phrase"}).status_code == 400
    assert as_ada.post("/accounts/again/", {"code": app.now()}).status_code == 302
    read(as_ada, "/accounts/codes/")


def test_asking_again_leads_to_this_site_alone(as_ada: Client) -> None:
    fields = {"password": "pass phrase", "next": "//evil.example/"}
    assert as_ada.post("/accounts/again/", fields).headers["Location"] == "/profile/"


def test_guesses_at_who_one_is_are_limited(as_ada: Client, settings: LazySettings) -> None:
    settings.THROTTLES = settings.THROTTLES | {"sign_in": 2}
    statuses = [as_ada.post("/accounts/again/", {"password": "no"}).status_code for _ in range(3)]
    assert statuses == [400, 400, 429]


def test_an_app_is_set_up_only_with_a_right_code(as_ada: Client) -> None:
    page = read(as_ada, "/accounts/app/")
    assert "<svg" in page
    assert "otpauth://totp/Likeness:ada?secret=" in page
    response = as_ada.post("/accounts/app/", {"code": "000000"})
    assert response.status_code == 400
    key = re.compile(r'<code dir="ltr">([A-Z2-7 ]+)</code>')
    assert key.findall(page) == key.findall(response.content.decode())  # It may be scanned already.
    assert not CodeApp.objects.exists()
    assert mail.outbox == []


def test_codes_are_shown_once(as_ada: Client) -> None:
    codes = set_up_app(as_ada)[1]
    page = read(as_ada, "/accounts/codes/")
    assert "10 codes are left" in page
    assert not any(code in page for code in codes)


def test_new_recovery_codes_replace_the_old_ones(as_ada: Client) -> None:
    old = set_up_app(as_ada)[1]
    page = make_new_codes(as_ada).content.decode()
    new = re.findall(r"<code>([\w-]{29})</code>", page)
    assert len(new) == 10
    for code, status in [(old[0], 400), (new[0], 302)]:
        client = Client()
        give_password(client)
        assert give_code(client, code) == status


def test_a_reload_of_new_codes_leaves_them_as_they_were_shown(as_ada: Client) -> None:
    set_up_app(as_ada)
    newest = RecoveryCode.objects.latest("pk").pk
    page = as_ada.post("/accounts/codes/", {"replaces": newest}).content.decode()
    code = re.findall(r"<code>([\w-]{29})</code>", page)[0]
    again = as_ada.post("/accounts/codes/", {"replaces": newest}).content.decode()
    assert "Recovery codes are shown only once." in again
    assert "<code>" not in again
    client = Client()
    give_password(client)
    assert give_code(client, code) == 302


def test_a_reload_of_the_first_codes_leads_to_the_account(as_ada: Client) -> None:
    app, codes = set_up_app(as_ada)
    response = as_ada.post("/accounts/app/", {"code": app.now()})
    assert response.headers["Location"] == "/accounts/"
    assert "Codes from an app are on." in read(as_ada, "/accounts/")
    client = Client()
    give_password(client)
    assert give_code(client, codes[0]) == 302


def test_a_new_factor_signs_all_other_browsers_out(as_ada: Client, ada: User) -> None:
    other = sign_in(ada)
    set_up_app(as_ada)
    assert is_in(as_ada)
    assert not is_in(other)


def test_a_mailbox_is_not_filled_by_new_codes(as_ada: Client, settings: LazySettings) -> None:
    set_up_app(as_ada)
    settings.THROTTLES = settings.THROTTLES | {"mail": 3}
    assert [make_new_codes(as_ada).status_code for _ in range(3)] == [200, 200, 429]


def test_recovery_codes_are_for_who_has_something_to_lose(as_ada: Client) -> None:
    assert as_ada.get("/accounts/codes/").status_code == 404
    assert as_ada.post("/accounts/codes/").status_code == 404


def test_an_app_is_switched_off(as_ada: Client, app: pyotp.TOTP) -> None:
    page = read(as_ada, "/accounts/app/remove/")
    assert "your password alone is enough" in page
    assert as_ada.post("/accounts/app/remove/").headers["Location"] == "/accounts/"
    assert not RecoveryCode.objects.exists()
    client = Client()
    assert give_password(client) == "/profile/"
    assert as_ada.get("/accounts/app/remove/").status_code == 404


def test_a_mail_tells_of_each_change(as_ada: Client) -> None:
    set_up_app(as_ada)
    make_new_codes(as_ada)
    as_ada.post("/accounts/app/remove/")
    bodies = [str(each.body) for each in mail.outbox]
    assert [each.to for each in mail.outbox] == [["ada@example.org"]] * 3
    sentences = [
        "Codes from an app are set up.",
        "Your new recovery codes are ready.",
        "switched off.",
    ]
    assert all(map(str.__contains__, bodies, sentences))
    reset = "http://testserver/accounts/password_reset/"
    assert [reset in body for body in bodies] == [False, True, True]


def test_there_is_one_way_to_sign_in() -> None:
    """So that no view signs anybody in past the second factor."""
    calls = {
        str(path.relative_to(ROOT))
        for path in [*ROOT.glob("profiles/**/*.py"), *ROOT.glob("config/**/*.py")]
        if re.search(r"(?<![\w.])login\(|post_reset_login", path.read_text())
        and "def login(" not in path.read_text()
    }
    assert calls == {"profiles/accounts/factors.py"}


def test_a_day_of_codes_ends(app: pyotp.TOTP, settings: LazySettings) -> None:
    settings.THROTTLES = settings.THROTTLES | {"code": 1}
    client = Client()
    give_password(client)
    assert [give_code(client, "000000") for _ in range(2)] == [400, 429]
    for row in Attempts.objects.all():
        row.ends -= timedelta(days=1)
        row.save()
    assert give_code(client, app.now()) == 302
