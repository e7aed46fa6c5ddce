"""Passwords are hashed by argon2id, and hashes of earlier releases are replaced."""

import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core import mail
from django.test import Client

from config import settings as site_settings
from profiles.models import User

from .conftest import sign_in
from .helpers.accounts import PASSWORD, find_link, join, may_sign_in, read

pytestmark = pytest.mark.django_db(transaction=True)
ARGON2 = "argon2$argon2id$v=19$m=19456,t=2,p=1$"


@pytest.fixture(autouse=True)
def real_hashers(settings: LazySettings) -> None:
    """The site's own hashers, in place of the quick one of the tests."""
    settings.PASSWORD_HASHERS = site_settings.PASSWORD_HASHERS


@pytest.fixture
def old(ada: User) -> User:
    """Ada, whose password an earlier release has hashed; with fewer rounds, which is quicker."""
    User.objects.update(password=PBKDF2PasswordHasher().encode("pass phrase", "salt", 1000))
    return User.objects.get()


def read_hash() -> str:
    return User.objects.values_list("password", flat=True).get()


def test_a_new_password_is_hashed_as_owasp_recommends(client: Client) -> None:
    join(client)
    assert read_hash().startswith(ARGON2)
    assert may_sign_in("mary", PASSWORD)
    assert not may_sign_in("mary", "another password")


def test_a_hash_of_an_earlier_release_is_replaced_at_the_next_sign_in(old: User) -> None:
    assert not may_sign_in("ada", "Pass phrase")
    assert read_hash() == old.password
    assert may_sign_in("ada", "pass phrase")
    assert read_hash().startswith(ARGON2)
    first = read_hash()
    assert may_sign_in("ada", "pass phrase")
    assert read_hash() == first
    assert mail.outbox == []


def test_a_replaced_hash_ends_no_session(old: User) -> None:
    there, here = sign_in(old), Client()
    here.post("/accounts/login/", {"username": "ada", "password": "pass phrase"})
    for client in (there, here):
        assert read(client, "/accounts/sessions/").count("Signed in since") == 2


def test_who_is_asked_again_stays_signed_in(old: User) -> None:
    here = sign_in(old)
    here.post("/accounts/again/?next=/accounts/", {"password": "pass phrase"})
    read(here, "/accounts/")
    assert read_hash() == old.password
    assert may_sign_in("ada", "pass phrase")
    read(here, "/accounts/")


def test_a_new_password_still_ends_all_other_sessions(old: User) -> None:
    there, here = sign_in(old), sign_in(old)
    new = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    here.post("/accounts/password_change/", {"old_password": "pass phrase"} | new)
    read(here, "/accounts/")
    read(there, "/accounts/", 302)
    assert read_hash().startswith(ARGON2)
    assert len(mail.outbox) == 1


def test_a_password_that_was_reset_meanwhile_is_not_brought_back(old: User) -> None:
    Client().post("/accounts/password_reset/", {"email": "ada@example.org"})
    form = Client()
    path = form.get(find_link()).headers["Location"]
    form.post(path, {"new_password1": PASSWORD, "new_password2": PASSWORD})
    # Of a request that has read the row before.
    assert not old.check_password("pass phrase")
    assert may_sign_in("ada", PASSWORD)


def test_of_two_sign_ins_at_once_both_count(old: User) -> None:
    User.objects.get().check_password("pass phrase")
    # Of a request that has read the row before.
    assert old.check_password("pass phrase")
    assert old.password == read_hash()
