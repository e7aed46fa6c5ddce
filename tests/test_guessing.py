"""How often a password may be guessed, and that a lock-out tells nobody who is a member."""

import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import LazySettings
from django.core import mail, signing
from django.db import connection
from django.test import Client

from profiles.models import Attempts, User
from profiles.throttles import PAUSES_AFTER

from .helpers.servers import make_environment, manage
from .helpers.throttles import WORD, Forward, assert_says_when

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("few")]


def knock(name: str, password: str = "wrong", address: str = "127.0.0.1") -> Any:
    """Try to sign in."""
    fields = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post("/accounts/login/", fields)


@pytest.fixture
def patient(settings: LazySettings) -> None:
    """Let each address try as many names as it likes, but lock out after the third failure."""
    settings.THROTTLES = settings.THROTTLES | {"sign_in": 0}
    settings.LOCK_OUT_FAILURES = 3


@pytest.mark.parametrize("name", ["ada", "eve", "linus"])
def test_a_name_is_locked_out_alike_whether_there_is_such_a_member(
    name: str, ada: User, linus: User, patient: None
) -> None:
    User.objects.filter(pk=linus.pk).update(is_active=False)
    assert [knock(name).status_code for _ in range(3)] == [200, 200, 429]
    response = knock(name, "pass phrase")
    assert_says_when(response, r"You can try again in 15 minutes\.")
    assert 840 < int(response.headers["Retry-After"]) <= 900
    assert "Wait a little" in response.content.decode()


def test_who_waits_gets_in_again(ada: User, patient: None, forward: Forward) -> None:
    assert [knock("ada").status_code for _ in range(3)] == [200, 200, 429]
    forward(15.5)
    assert knock("ada", "pass phrase").status_code == 302


def test_knocking_on_does_not_make_the_wait_longer(ada: User, patient: None) -> None:
    waits = [int(knock("ada").headers.get("Retry-After", "0")) for _ in range(6)]
    assert waits[:2] == [0, 0]
    assert waits[2:] == sorted(waits[2:], reverse=True)
    assert set(Attempts.objects.values_list("number", flat=True)) == {3}


def test_the_rule_of_the_lock_out_is_in_one_place(
    ada: User, patient: None, settings: LazySettings
) -> None:
    settings.LOCK_OUT_FAILURES, settings.LOCK_OUT_PERIOD = 1, timedelta(minutes=40)
    for response in (knock("ada"), knock("ada", "pass phrase")):
        assert_says_when(response, r"You can try again in 40 minutes\.")


def test_failures_far_apart_lock_nobody_out(ada: User, patient: None, forward: Forward) -> None:
    for minutes in (0, 16, 32):
        forward(minutes)
        assert [knock("ada").status_code for _ in range(2)] == [200, 200]


def test_the_lock_out_begins_with_the_last_failure(
    ada: User, patient: None, forward: Forward
) -> None:
    assert [knock("ada").status_code for _ in range(2)] == [200, 200]
    forward(14)
    assert_says_when(knock("ada"), r"You can try again in 15 minutes\.")
    forward(24)
    assert_says_when(knock("ada", "pass phrase"), r"You can try again in 5 minutes\.")
    forward(29.1)
    assert knock("ada", "pass phrase").status_code == 302


def test_a_form_without_a_password_counts_nothing_and_clears_nothing(
    ada: User, patient: None
) -> None:
    passwords = ["wrong", "", "", "wrong", "", "wrong"]
    statuses = [knock("ada", password).status_code for password in passwords]
    assert statuses == [200] * 5 + [429]
    assert knock("", "wrong").status_code == 200


def test_who_is_signed_in_already_does_not_clear_the_failures_of_another(
    ada: User, as_grace: Client, patient: None
) -> None:
    assert [knock("ada").status_code for _ in range(2)] == [200, 200]
    as_grace.post("/accounts/login/", {"username": "ada", "password": "wrong"})
    assert knock("ada").status_code == 429


def test_failures_that_are_over_are_cleared_away_and_name_nobody(
    ada: User, patient: None, forward: Forward
) -> None:
    knock("ada")
    forward(16)
    knock("eve")
    # Those of each account stay for a day.
    keys = Attempts.objects.values_list("key", flat=True)
    assert len(keys) == 6
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys)


def test_a_sign_in_by_code_is_not_locked_out(ada: User, patient: None) -> None:
    assert [knock("ada").status_code for _ in range(3)] == [200, 200, 429]
    assert Client().login(username="ada", password="pass phrase")


def knock_at_once() -> tuple[int, set[int]]:
    """Try twenty wrong passwords in eight threads; return how many were checked, and the statuses.

    To check one takes a while, as it does with a real hash.
    """
    User.objects.create_user("ada")

    def knock_once(_: int) -> int:
        try:
            return int(knock("ada").status_code)
        finally:
            connection.close()

    with mock.patch.object(User, "check_password", side_effect=lambda _: time.sleep(0.3)) as check:
        with ThreadPoolExecutor(8) as pool:
            statuses = set(pool.map(knock_once, range(20)))
        return check.call_count, statuses


@pytest.mark.slow
def test_of_many_guesses_at_once_only_five_are_checked(
    prepared: Path, tmp_path: Path, settings: LazySettings
) -> None:
    if connection.vendor == "postgresql":
        settings.THROTTLES = settings.THROTTLES | {"sign_in": 0}
        assert knock_at_once()[0] == 5
        return
    shutil.copy(prepared / "db.sqlite3", tmp_path)
    environment = make_environment(tmp_path, DJANGO_DEBUG="on")  # Without collected static files.
    code = "from tests.test_guessing import knock_at_once; print(*knock_at_once())"
    done = manage(environment, "shell", "--no-imports", "-c", code)
    assert re.fullmatch(r"5 \{(200, )?429(, 200)?\}", done.stdout.strip()), done.stderr


def test_nobody_is_locked_out_by_somebody_elsewhere(ada: User, patient: None) -> None:
    assert [knock("ada", address="192.0.2.1").status_code for _ in range(3)] == [200, 200, 429]
    assert knock("ada", "pass phrase", "192.0.2.2").status_code == 302


def test_a_name_in_another_case_is_the_same_name(ada: User, patient: None) -> None:
    assert [knock(name).status_code for name in ("ADA", " Ada ", "ａｄａ")] == [200, 200, 429]


def test_a_household_is_locked_out_as_one(ada: User, patient: None) -> None:
    statuses = [knock("ada", address=f"2001:db8::{n}").status_code for n in range(3)]
    assert statuses == [200, 200, 429]


def test_who_gets_in_starts_anew(ada: User, patient: None) -> None:
    for _ in range(2):
        assert [knock("ada").status_code for _ in range(2)] == [200, 200]
        assert knock("ada", "pass phrase").status_code == 302


def test_many_names_from_one_address_are_stopped(ada: User) -> None:
    statuses = [knock(name).status_code for name in ("eve", "mallory")]
    assert statuses == [200, 200]
    assert_says_when(knock("ada", "pass phrase"), "You can try again in 60 minutes.")
    assert knock("ada", "pass phrase", "192.0.2.2").status_code == 302


@pytest.mark.parametrize(
    "path", ["/accounts/delete/", "/accounts/password_change/", "/accounts/email/"]
)
def test_whoever_found_a_browser_signed_in_guesses_no_password(
    path: str, as_ada: Client, settings: LazySettings
) -> None:
    settings.THROTTLES = settings.THROTTLES | {"sign_in": 1}
    guess = {"password": "guess", "old_password": "guess"}
    assert as_ada.post(path, guess).status_code != 429
    assert_says_when(as_ada.post(path, guess), "You can try again in 60 minutes.")


def test_behind_a_proxy_each_visitor_is_counted_apart(ada: User, settings: LazySettings) -> None:
    settings.TRUSTED_PROXIES = 1
    fields = {"username": "eve", "password": "wrong"}
    statuses = [
        Client(REMOTE_ADDR="")
        .post("/accounts/login/", fields, headers={"x-forwarded-for": f"10.9.9.9, {visitor}"})
        .status_code
        for visitor in ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"]
    ]
    assert statuses == [200, 200, 429, 200]


def test_a_customer_guesses_no_password_from_many_households(
    ada: User, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiles.throttles.PAUSES_AFTER", 100)
    networks = [f"2001:db8:1:{n:x}::1" for n in range(16)]
    for network in networks[:15]:
        assert [knock("ada", address=network).status_code for _ in range(2)] == [200, 200]
    assert knock("ada", "pass phrase", networks[15]).status_code == 429
    assert knock("ada", "pass phrase", "2001:db8:2::1").status_code == 302


ADDRESS = "ada@example.org"
WRONG = "This name or address and this password do not match."


def test_an_address_is_locked_out_alike_whether_it_is_a_members(ada: User, patient: None) -> None:
    for email in (ADDRESS, "eve@example.org"):
        assert [knock(email).status_code for _ in range(3)] == [200, 200, 429]
        assert_says_when(knock(email.upper(), "pass phrase"), r"You can try again in 15 minutes\.")


@pytest.mark.parametrize(("first", "second"), [("ada", ADDRESS), (ADDRESS, "ada")])
def test_an_address_gives_no_further_guesses_of_the_same_password(
    first: str, second: str, ada: User, patient: None, forward: Forward
) -> None:
    forward(0)
    assert [knock(first).status_code for _ in range(2)] == [200, 200]
    assert knock(second).status_code == 200
    # Three were checked. The right one is refused as a wrong one is.
    refused = knock(second, "pass phrase")
    assert refused.status_code == 200
    assert WRONG in refused.content.decode()
    assert knock(second, "pass phrase", "192.0.2.2").status_code == 302
    forward(15.5)
    assert knock(second, "pass phrase").status_code == 302


@pytest.mark.parametrize("email", [ADDRESS, "eve@example.org"])
@pytest.mark.parametrize("is_name_first", [True, False])
def test_no_lock_out_tells_which_address_belongs_to_a_name(
    is_name_first: bool, email: str, ada: User, patient: None
) -> None:
    first, second = ("ada", email) if is_name_first else (email, "ada")
    assert [knock(first).status_code for _ in range(2)] == [200, 200]
    assert [knock(second).status_code for _ in range(3)] == [200, 200, 429]


def test_the_pause_for_an_account_counts_its_address_too(
    ada: User, settings: LazySettings, forward: Forward
) -> None:
    forward(0)
    settings.THROTTLES = settings.THROTTLES | {"sign_in": 0}
    for number in range(PAUSES_AFTER + 1):
        name = ADDRESS if number % 2 else "ada"
        assert knock(name, address=f"192.0.2.{number}").status_code == 200
    refused = knock("ada", "pass phrase", "198.51.100.1")
    assert refused.status_code == 200
    assert WRONG in refused.content.decode()
    forward(0.05)
    assert knock("ada", "pass phrase", "198.51.100.2").status_code == 302


def test_who_has_set_a_new_password_signs_in_at_once(ada: User, patient: None) -> None:
    assert [knock("ada").status_code for _ in range(2)] == [200, 200]
    assert [knock(ADDRESS).status_code for _ in range(3)] == [200, 200, 429]
    browser = Client()
    browser.post("/accounts/password_reset/", {"email": ADDRESS})
    link = re.search(r"http://testserver(/\S+)", str(mail.outbox[0].body))
    assert link
    form = browser.get(link[1]).headers["Location"]
    assert browser.post(form, {"new_password1": WORD, "new_password2": WORD}).status_code == 302
    assert knock(ADDRESS, WORD).status_code == 302


def test_a_sign_in_by_name_does_not_tell_which_address_is_a_members(
    ada: User, settings: LazySettings, forward: Forward
) -> None:
    browser = Client()
    fields = {"username": "ada", "password": "pass phrase"}
    assert browser.post("/accounts/login/", fields).status_code == 302
    browser.post("/accounts/logout/")
    forward(0)
    settings.THROTTLES = settings.THROTTLES | {"sign_in": 0}
    for typed in (ADDRESS, "eve@example.org"):
        for number in range(PAUSES_AFTER + 1):
            assert knock(typed, address=f"192.0.2.{number}").status_code == 200
        assert knock(typed, address="198.51.100.1").status_code == 429
    for name in ("ada", ADDRESS):
        assert browser.post("/accounts/login/", fields | {"username": name}).status_code == 302
        browser.post("/accounts/logout/")
        for typed in (ADDRESS, "eve@example.org"):
            assert knock(typed, address="198.51.100.2").status_code == 429


def test_a_user_name_that_is_the_number_of_an_account_counts_for_itself(
    ada: User, patient: None
) -> None:
    name = f"{ada.pk}"
    assert [knock(name).status_code for _ in range(3)] == [200, 200, 429]
    assert knock("ada", "pass phrase").status_code == 302


def test_both_spellings_are_locked_out_from_the_last_failure(
    ada: User, patient: None, forward: Forward
) -> None:
    forward(0)
    assert knock("ada").status_code == 200
    forward(14.9)
    assert [knock("ada").status_code for _ in range(2)] == [200, 429]
    forward(15.1)
    refused = knock(ADDRESS, "pass phrase")
    assert refused.status_code == 200
    assert WRONG in refused.content.decode()


@pytest.fixture
def botnet(ada: User, settings: LazySettings, forward: Forward) -> None:
    """Guess Ada's password from so many addresses that none is locked out."""
    forward(0)  # The clock stands still: a pause begins with one second.
    settings.THROTTLES = settings.THROTTLES | {"sign_in": 0}
    for number in range(PAUSES_AFTER):
        assert knock("ada", address=f"192.0.2.{number}").status_code == 200


def test_the_pause_for_an_account_grows_with_each_wrong_password(
    botnet: None, forward: Forward
) -> None:
    minutes = 60.0
    forward(minutes)
    for number, pause in enumerate((1, 2, 4, 8, 16), 101):
        assert knock("ada", address=f"192.0.2.{number}").status_code == 200
        early = minutes + (pause - 0.5) / 60
        minutes += (pause + 0.5) / 60
        forward(early)
        assert knock("ada", "pass phrase", f"198.51.100.{number}").status_code == 429
        forward(minutes)
    assert knock("ada", "pass phrase", "198.51.100.99").status_code == 302
    # Whoever knows the password begins anew.
    assert [knock("ada", address=f"203.0.113.{n}").status_code for n in range(3)] == [200] * 3


def test_nobody_keeps_a_member_out_of_a_browser_that_the_site_knows(
    ada: User, settings: LazySettings, forward: Forward, request: pytest.FixtureRequest
) -> None:
    browser = Client()
    fields = {"username": "ada", "password": "pass phrase"}
    assert browser.post("/accounts/login/", fields).status_code == 302
    browser.post("/accounts/logout/")
    request.getfixturevalue("botnet")
    knock("ada", address="192.0.2.99")
    assert knock("ada", "pass phrase", "198.51.100.1").status_code == 429
    assert browser.post("/accounts/login/", fields).status_code == 302


def test_a_browser_that_knows_one_member_guesses_no_other(
    ada: User, grace: User, settings: LazySettings, request: pytest.FixtureRequest
) -> None:
    browser = Client(REMOTE_ADDR="198.51.100.2")
    browser.post("/accounts/login/", {"username": "grace", "password": "pass phrase"})
    browser.post("/accounts/logout/")
    request.getfixturevalue("botnet")
    knock("ada", address="192.0.2.99")
    fields = {"username": "ada", "password": "pass phrase"}
    assert browser.post("/accounts/login/", fields).status_code == 429


def test_a_forged_cookie_makes_no_browser_known(botnet: None, settings: LazySettings) -> None:
    knock("ada", address="192.0.2.99")
    browser = Client(REMOTE_ADDR="198.51.100.2")
    browser.cookies["known"] = signing.get_cookie_signer(salt="known").sign("ada")[:-1] + "x"
    fields = {"username": "ada", "password": "pass phrase"}
    assert browser.post("/accounts/login/", fields).status_code == 429


def test_the_cookie_of_a_known_browser_names_nobody(ada: User, client: Client) -> None:
    name = "ada-lovelace"  # "ada" alone is in one of a hundred signatures.
    User.objects.filter(pk=ada.pk).update(username=name)
    client.post("/accounts/login/", {"username": name, "password": "pass phrase"})
    cookie = client.cookies["known"]
    assert name not in cookie.value
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
