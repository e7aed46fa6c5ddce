"""Joining: who may, under which names, and what nobody learns from it."""

import pytest
from django.conf import LazySettings
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import Client

from profiles.accounts.forms import SignupForm
from profiles.models import Profile, User

from .conftest import sign_in
from .helpers.accounts import PASSWORD, emails, find_link, join, read

pytestmark = pytest.mark.django_db(transaction=True)


def test_joining_signs_in_and_goes_on_to_the_first_questions(client: Client) -> None:
    assert join(client) == "/profile/edit/?welcome"
    assert "Your name, and who can see you" in read(client, "/profile/edit/?welcome")


def test_who_joins_gets_a_profile_that_members_see(client: Client, ada: User) -> None:
    join(client)
    assert Profile.objects.get(user__username="mary").visibility == "members"
    read(client, "/profiles/mary/")
    read(sign_in(ada), "/profiles/mary/")
    read(Client(), "/profiles/mary/", 404)


def test_joining_with_a_known_address_looks_the_same(ada: User) -> None:
    pages = []
    for name, email in (("mary", "mary@example.org"), ("anna", "ADA@example.org")):
        client = Client()
        pages.append(join(client, username=name, email=email))
        # The address is the one that was typed, as whoever typed it knows.
        for url in ("/profile/edit/?welcome", "/profile/edit/"):
            page = read(client, url).replace(email, "mary@example.org")
            pages.append(page.replace(name, "mary"))
    assert pages[:3] == pages[3:]


def test_a_known_address_gets_another_mail(client: Client, ada: User) -> None:
    join(client, email="ADA@example.org")
    assert [message.subject for message in mail.outbox] == ["Likeness: You have an account already"]
    assert "Hello ada," in mail.outbox[0].body
    assert find_link() == "/accounts/login/"
    assert "mary" not in mail.outbox[0].body


def test_the_time_of_joining_does_not_tell_who_is_a_member(db: None) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # Else it reads all of so small a table.
            cursor.execute("SET enable_seqscan = off")
        assert "email_is_unique" in User.with_email("ada@example.org").explain()
        if connection.vendor == "postgresql":
            cursor.execute("RESET enable_seqscan")


def test_an_account_with_a_known_address_stays_without_one(client: Client, ada: User) -> None:
    join(client, email="ada@example.org")
    assert emails() == {"ada": "ada@example.org"}
    assert "No confirmed address." in read(client, "/accounts/")


def test_a_user_name_is_lowered(client: Client) -> None:
    join(client, username="MaryShelley")
    assert User.objects.get().username == "maryshelley"
    read(client, "/profiles/maryshelley/")


@pytest.mark.parametrize("name", ["m4r", "0mary", "mary_w-s", "m" * 30])
def test_a_user_name_is_taken(name: str, client: Client) -> None:
    join(client, username=name)
    assert User.objects.get().username == name


@pytest.mark.parametrize(
    "name", ["ma", "", "m" * 31, "-mary", "_mary", "mary w", "märy", "mary.w", "mary@w", "a\0bc"]
)
def test_another_user_name_is_refused(name: str, client: Client) -> None:
    page = join(client, 400, username=name)
    assert 'id="id_username_error"' in page
    assert not User.objects.exists()
    assert mail.outbox == []


@pytest.mark.parametrize("name", ["ada", "ADA", "Ada"])
def test_a_user_name_that_is_taken_is_refused(name: str, client: Client, ada: User) -> None:
    assert "This user name is taken." in join(client, 400, username=name)
    assert User.objects.count() == 1


@pytest.mark.parametrize("password", ["p4ss!", "password123", "maryshelley"])
def test_a_weak_password_is_refused(password: str, client: Client) -> None:
    page = join(client, 400, username="maryshelley", password1=password, password2=password)
    assert 'id="id_password1_error"' in page
    assert password not in page.replace('value="maryshelley"', "")


@pytest.mark.parametrize("password", ["passwort1234", "PassWort1234", "correcthorsebatterystaple"])
def test_a_stolen_password_is_refused_in_words(password: str, client: Client) -> None:
    page = join(client, 400, password1=password, password2=password)
    assert "This password is in a list of stolen passwords" in page


@pytest.mark.parametrize("password", ["Likeness2026!", "likeness-likeness", "1234_LIKENESS"])
def test_the_name_of_the_site_is_no_password(password: str, client: Client) -> None:
    page = join(client, 400, password1=password, password2=password)
    assert "This password is guessed at once: add words of your own." in page


@pytest.mark.parametrize("password", ["83 2716 4409 5521", "likeness on a wall", "!?!§%&/()=*+#_"])
def test_a_password_may_consist_of_anything(password: str, client: Client) -> None:
    join(client, password1=password, password2=password)


def test_the_form_says_beforehand_which_passwords_it_takes(client: Client) -> None:
    page = read(client, "/accounts/signup/")
    assert "At least 10 characters." in page
    assert "Not one from a known leak." in page


@pytest.mark.parametrize("password", ["Pass1word", "x" * 9])
def test_a_short_password_is_only_said_to_be_short(password: str, client: Client) -> None:
    page = join(client, 400, password1=password, password2=password)
    assert "10 characters" in page.partition("_error")[2]
    assert "stolen passwords" not in page


def test_two_different_passwords_are_refused(client: Client) -> None:
    join(client, 400, password2="something else")
    assert not User.objects.exists()


def test_what_was_typed_stays_when_joining_fails(client: Client) -> None:
    page = join(client, 400, password2="something else")
    assert 'value="mary"' in page
    assert 'value="mary@example.org"' in page


def read_field(page: str, name: str) -> str:
    """Return what stands between the label of a field and the end of the field itself."""
    start = page.index(f'<label for="id_{name}"')
    return page[start : page.index(">", page.index("<input", start))]


def test_all_that_is_wrong_is_said_at_once(client: Client) -> None:
    page = join(client, 400, username="A", email="ada", password1="x-ada", password2="y")
    assert "Use 3 to 30 of the letters" in read_field(page, "username")
    assert "This is not a complete e-mail address." in read_field(page, "email")
    assert "10 characters" in read_field(page, "password1").partition("_error")[2]
    assert "The two passwords differ." in read_field(page, "password2")
    assert page.count("autofocus") == read_field(page, "username").count("autofocus") == 1


@pytest.mark.parametrize("wrong", [{"username": "A"}, {"email": "mary"}])
def test_passwords_that_are_not_sent_back_are_asked_for_again(
    wrong: dict[str, str], client: Client
) -> None:
    page = join(client, 400, **wrong)
    for name in ("password1", "password2"):
        field = read_field(page, name)
        assert "This field was emptied. Type it once more." in field
        assert f'aria-describedby="id_{name}_helptext"' in field
        assert "_error" not in field
        assert "value" not in field
    assert "This field was emptied. Type it once more." not in join(
        client, 400, password1="", password2=""
    )


def test_the_focus_is_on_the_first_password_where_the_two_differ(client: Client) -> None:
    page = join(client, 400, password2="something else")
    assert page.count("autofocus") == read_field(page, "password1").count("autofocus") == 1


def test_a_password_like_ones_address_is_refused(client: Client) -> None:
    words = dict.fromkeys(("password1", "password2"), "marylebone.org")
    page = join(client, 400, email="mary@marylebone.org", **words)
    assert "id_password1_error" in page


def test_who_is_signed_in_does_not_join_again(as_ada: Client) -> None:
    assert as_ada.get("/accounts/signup/").headers["Location"] == "/profile/"
    assert join(as_ada) == "/profile/"
    assert not User.objects.filter(username="mary").exists()


def test_a_rank_cannot_be_asked_for(client: Client) -> None:
    join(client, is_superuser="on", is_staff="on")
    assert not User.objects.get().is_superuser
    assert not User.objects.get().is_staff


def test_nobody_is_promised_a_mail_where_none_is_sent(
    client: Client, settings: LazySettings
) -> None:
    settings.HAS_MAIL = False
    join(client)
    assert "mail we sent" not in read(client, "/profile/edit/?welcome")
    assert "/accounts/email/" not in read(client, "/profile/edit/")
    assert client.get("/accounts/email/").status_code == 404


def test_a_superuser_has_a_profile() -> None:
    user = User.objects.create_superuser("Root", "root@example.org", PASSWORD)
    assert (user.username, str(user.profile)) == ("root", "root")


def test_a_superuser_made_by_command_has_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", "--noinput", username="root", email="", verbosity=0)
    assert User.objects.get(username="root").profile.visibility == "members"


@pytest.mark.parametrize("names", [["mary", "MARY"], ["Mary", "mary"]])
def test_no_two_accounts_differ_by_case_alone(names: list[str], client: Client) -> None:
    join(client, username=names[0])
    join(Client(), 400, username=names[1])
    assert User.objects.count() == 1


def test_of_two_who_take_a_name_at_once_one_is_told(db: None) -> None:
    words = {"password1": "engine no 1", "password2": "engine no 1"}
    form = SignupForm({"username": "ada", "email": "ada@example.org"} | words)
    assert form.is_valid()
    User.objects.create_user("ada")
    assert form.save_unless_taken() is None
    assert form.errors["username"] == ["This user name is taken. Choose another."]


@pytest.mark.parametrize("name", ["admin", "ROOT", "support", "likeness", "admin-1", "site_team"])
def test_a_name_that_speaks_for_the_site_is_reserved(
    name: str, client: Client, settings: LazySettings
) -> None:
    settings.RESERVED_USERNAMES = settings.RESERVED_USERNAMES | {"siteteam"}
    assert "This user name is reserved for the site." in join(client, 400, username=name)
    assert not User.objects.exists()


def test_a_name_that_begins_like_a_reserved_one_is_free(client: Client) -> None:
    join(client, username="rootman")
    assert User.objects.get().username == "rootman"
