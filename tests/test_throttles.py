"""How often things may be done, and how that is told."""

import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client

from profiles.models import Attempts, User
from profiles.throttles import count_attempt

from .conftest import sign_in
from .helpers.cells import hold_all_places
from .helpers.pictures import draw_jpeg
from .helpers.servers import make_environment, manage
from .helpers.throttles import WORD, Forward, assert_says_when

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("few")]


@pytest.fixture
def later(forward: Forward) -> None:
    """An hour and a minute later than it was."""
    forward(61)


def join(name: str, email: str = "", address: str = "127.0.0.1") -> Any:
    """Sign up in a browser of one's own."""
    passwords = {"password1": WORD, "password2": WORD}
    fields = {"username": name, "email": email or f"{name}@example.org", **passwords}
    return Client(REMOTE_ADDR=address).post("/accounts/signup/", fields)


def sign_up_often(*addresses: str) -> list[int]:
    """Sign up from some addresses, one after the other; return the statuses."""
    return [join(f"mary-{n}", address=address).status_code for n, address in enumerate(addresses)]


def ask_for_reset(email: str, address: str = "127.0.0.1") -> Any:
    """Ask for a new password."""
    return Client(REMOTE_ADDR=address).post("/accounts/password_reset/", {"email": email})


def upload(client: Client, **headers: str) -> Any:
    """Send a picture with a description."""
    file = SimpleUploadedFile("photo.jpg", draw_jpeg())
    fields = {"avatar": file, "description": "In a hat"}
    return client.post("/profile/avatar/", fields, headers=headers)


def test_some_attempts_are_free_and_the_next_waits_for_the_hour_to_end(db: None) -> None:
    assert [count_attempt("upload", 1), count_attempt("upload", 1)] == [0, 0]
    assert 0 < count_attempt("upload", 1) <= 3600


def test_after_the_hour_all_is_free_again(db: None, request: pytest.FixtureRequest) -> None:
    assert [bool(count_attempt("upload", 1)) for _ in range(3)] == [False, False, True]
    request.getfixturevalue("later")
    assert [bool(count_attempt("upload", 1)) for _ in range(3)] == [False, False, True]


def test_everybody_and_everything_is_counted_apart(db: None) -> None:
    assert [
        count_attempt(name, who) for name in ("upload", "mail") for who in (1, 2) for _ in "ab"
    ] == ([0] * 8)


def test_what_is_over_is_cleared_away(db: None, request: pytest.FixtureRequest) -> None:
    count_attempt("upload", 1)
    request.getfixturevalue("later")
    count_attempt("upload", 2)
    assert Attempts.objects.count() == 1


def test_nobody_is_named_in_the_table(db: None) -> None:
    count_attempt("recipient", "ada@example.org")
    assert re.fullmatch("[0-9a-f]{64}", Attempts.objects.get().key)


def test_zero_lets_everything_be_done(db: None, settings: LazySettings) -> None:
    settings.THROTTLES = {"upload": 0}
    assert [count_attempt("upload", 1) for _ in range(5)] == [0] * 5
    assert not Attempts.objects.exists()


def test_a_picture_that_came_when_too_many_did_does_not_count(as_ada: Client) -> None:
    with hold_all_places():
        assert [upload(as_ada).status_code for _ in range(3)] == [503] * 3
    assert [upload(as_ada).status_code for _ in range(3)] == [302, 302, 429]


def try_once(_: int = 0) -> bool:
    """Try in a thread; return whether that was free."""
    try:
        return not count_attempt("upload", 1)
    finally:
        connection.close()


def try_at_once() -> list[bool]:
    """Try twenty times in four threads; return which attempts were free."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(try_once, range(20)))


def wait_for_waiting(number: int) -> None:
    """Wait until so many others wait for a lock of PostgreSQL's."""
    with connection.cursor() as cursor:
        for _ in range(600):
            cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() == (number,):
                return
            time.sleep(0.05)
    raise AssertionError("They do not wait.")


@pytest.mark.slow
def test_of_many_at_once_no_more_get_through(
    prepared: Path, tmp_path: Path, settings: LazySettings
) -> None:
    if connection.vendor == "postgresql":
        count_attempt("upload", 1)
        with ThreadPoolExecutor(4) as pool:
            # They stop where they write: what one of them has read by then is of no use.
            with transaction.atomic():
                Attempts.objects.select_for_update().get()
                tries = [pool.submit(try_once) for _ in range(4)]
                wait_for_waiting(4)
            assert [free.result() for free in tries].count(True) == 1
        return
    # SQLite's database in memory, which the tests have, takes one writer and lets none wait.
    shutil.copy(prepared / "db.sqlite3", tmp_path)
    environment = make_environment(tmp_path, DJANGO_THROTTLE_UPLOAD="7")
    code = "from tests.test_throttles import try_at_once; print(try_at_once().count(True))"
    assert manage(environment, "shell", "--no-imports", "-c", code).stdout.strip() == "7"


def test_many_accounts_from_one_address_are_stopped() -> None:
    assert sign_up_often("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2") == [302, 302, 429, 302]
    assert User.objects.count() == 3


def test_the_addresses_of_one_household_count_as_one() -> None:
    household = [f"2001:db8:1:2::{n}" for n in range(1, 4)]
    assert sign_up_often(*household, "2001:db8:1:3::1") == [302, 302, 429, 302]


def test_a_customer_with_many_households_counts_as_ten(settings: LazySettings) -> None:
    networks = [f"2001:db8:1:{n:x}::1" for n in range(21)]
    statuses = sign_up_often(*networks, "2001:db8:2:1::1")
    assert statuses == [302] * 20 + [429, 302]


def test_who_is_stopped_keeps_what_was_typed_and_learns_nothing(ada: User) -> None:
    sign_up_often("127.0.0.1", "127.0.0.1")
    response = join("ada", "mary@example.org")
    assert_says_when(response, r"You can try again in 60 minutes\.")
    assert 'value="mary@example.org"' in response.content.decode()
    assert "is taken" not in response.content.decode()


@pytest.mark.parametrize(
    "emails",
    [
        ["eve@example.org", "EVE@example.org", "eve+1@example.org"],
        ["e.v.e@gmail.com", "eve@googlemail.com", "Eve+x@gmail.com"],
    ],
)
def test_a_mailbox_gets_few_mails_whoever_asks(emails: list[str], db: None) -> None:
    for n, email in enumerate(emails[:2]):
        assert ask_for_reset(email, f"192.0.2.{n}").status_code == 302
        assert join(f"mary-{n}", email, f"192.0.2.{n}").status_code == 302
    assert_says_when(ask_for_reset(emails[2], "192.0.2.8"), "You can try again in")
    assert join("mary", emails[2], "192.0.2.9").status_code == 429
    assert not User.objects.filter(username="mary").exists()
    assert len(mail.outbox) == 4


def test_another_mailbox_of_the_same_provider_counts_apart(db: None) -> None:
    emails = ["e.ve@example.org", "ev.e@example.org", "eve@example.org"]
    assert [ask_for_reset(email, f"192.0.2.{n}").status_code for n, email in enumerate(emails)] == (
        [302] * 3
    )


def test_who_joins_with_a_members_address_does_not_keep_them_from_a_reset(ada: User) -> None:
    statuses = [join(f"mary-{n}", ada.email, f"192.0.2.{n}").status_code for n in range(3)]
    assert statuses == [302, 302, 429]
    assert "/accounts/password_reset/" in mail.outbox[0].body
    assert ask_for_reset(ada.email).status_code == 302
    assert "/accounts/reset/" in mail.outbox[-1].body


@pytest.mark.parametrize("email", ["ada@example.org", "eve@example.org"])
def test_many_resets_from_one_address_are_stopped(email: str, ada: User) -> None:
    assert [ask_for_reset(f"m{n}@example.org").status_code for n in range(2)] == [302, 302]
    response = ask_for_reset(email)
    assert_says_when(response, "You can try again in")
    assert f'value="{email}"' in response.content.decode()


def test_many_new_addresses_of_one_member_are_stopped(as_ada: Client) -> None:
    def change(email: str) -> Any:
        fields = {"email": email, "password": "pass phrase"}
        return as_ada.post("/accounts/email/", fields)

    assert [change(f"ada-{n}@example.org").status_code for n in range(2)] == [302, 302]
    assert_says_when(change("ada-3@example.org"), "You can try again in")
    assert len(mail.outbox) == 2


def test_many_pictures_of_one_member_are_stopped(as_ada: Client, ada: User, grace: User) -> None:
    assert [upload(as_ada).status_code for _ in range(2)] == [302, 302]
    name = User.objects.get(pk=ada.pk).profile.avatar.name
    response = upload(as_ada)
    assert_says_when(response, "You can change your picture again in 60 minutes.")
    assert 'value="In a hat"' in response.content.decode()
    assert User.objects.get(pk=ada.pk).profile.avatar.name == name
    assert upload(sign_in(grace)).status_code == 302


def test_a_script_is_told_in_json(as_ada: Client) -> None:
    statuses = [upload(as_ada, accept="application/json").status_code for _ in range(2)]
    assert statuses == [201, 201]
    response = upload(as_ada, accept="application/json")
    assert_says_when(response, "in 60 minutes")
    assert list(response.json()["errors"]) == ["__all__"]


def test_a_description_alone_may_be_changed_often(as_ada: Client) -> None:
    fields = {"description": "In a hat"}
    assert {as_ada.post("/profile/avatar/", fields).status_code for _ in range(3)} == {302}


def test_looking_at_a_form_is_no_attempt(client: Client) -> None:
    for name in ("signup", "password_reset", "login"):
        assert {client.get(f"/accounts/{name}/").status_code for _ in range(3)} == {200}
