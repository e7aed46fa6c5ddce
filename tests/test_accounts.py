"""Joining, confirming an address, signing in and out, taking everything away, and leaving."""

import json
import re
import time
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import django
import pytest
from django.conf import LazySettings
from django.core import mail, signing
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from PIL import Image

from profiles.accounts.forms import SignupForm
from profiles.models import Profile, User

from .conftest import list_media, sign_in
from .helpers.servers import make_environment, manage

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse battery"
JOINING = {
    "username": "mary",
    "email": "mary@example.org",
    "password1": PASSWORD,
    "password2": PASSWORD,
}
FOUR_DAYS = 4 * 24 * 60 * 60


def join(client: Client, status: int = 302, **changes: str) -> str:
    """Sign up; return where it leads, or the page that it shows."""
    response = client.post("/accounts/signup/", JOINING | changes)
    assert response.status_code == status
    return response.headers.get("Location") or response.content.decode()


def read(client: Client, url: str, status: int = 200) -> str:
    """Return a page without its CSRF tokens, which differ each time."""
    response = client.get(url)
    assert response.status_code == status
    return re.sub(r'value="\w{64}"', "", response.content.decode())


def find_link(number: int = -1) -> str:
    """Return the path of the link in a mail, the latest if not told."""
    link = re.search(r"http://testserver(/\S+)", str(mail.outbox[number].body))
    assert link
    return link[1]


def may_sign_in(username: str, password: str) -> bool:
    """Return whether somebody gets in by the form."""
    client = Client()
    client.post("/accounts/login/", {"username": username, "password": password})
    return "_auth_user_id" in client.session


def emails() -> dict[str, str]:
    """Return the confirmed addresses by user name."""
    return dict(User.objects.exclude(email="").values_list("username", "email"))


def test_joining_signs_in_and_goes_on_to_the_first_questions(client: Client) -> None:
    assert join(client) == "/profile/edit/?welcome"
    assert "Who can see you?" in read(client, "/profile/edit/?welcome")


def test_who_joins_gets_a_profile_that_members_see(client: Client, ada: User) -> None:
    join(client)
    assert Profile.objects.get(user__username="mary").visibility == "members"
    read(client, "/profiles/mary/")
    read(sign_in(ada), "/profiles/mary/")
    read(Client(), "/profiles/mary/", 404)


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


def test_a_link_can_be_followed_in_another_browser(client: Client) -> None:
    join(client)
    response = Client().post(find_link())
    assert response.headers["Location"] == "/profile/"
    assert emails() == {"mary": "mary@example.org"}


def test_a_link_can_be_followed_twice(client: Client) -> None:
    join(client)
    assert [client.post(find_link()).status_code for _ in range(2)] == [302, 302]


def test_a_link_that_another_site_posts_to_confirms_nothing(client: Client) -> None:
    join(client)
    assert Client(enforce_csrf_checks=True).post(find_link()).status_code == 403
    assert emails() == {}


def test_joining_with_a_known_address_looks_the_same(ada: User) -> None:
    pages = []
    for name, email in (("mary", "mary@example.org"), ("anna", "ADA@example.org")):
        client = Client()
        pages.append(join(client, username=name, email=email))
        # The address is the one that was typed, as whoever typed it knows.
        page = read(client, "/profile/edit/?welcome").replace(email, "mary@example.org")
        pages.append(page.replace(name, "mary"))
        pages.append(read(client, "/profile/edit/").replace(name, "mary"))
    assert pages[:3] == pages[3:]


def test_a_known_address_gets_another_mail(client: Client, ada: User) -> None:
    join(client, email="ADA@example.org")
    assert [message.subject for message in mail.outbox] == ["Likeness: You have an account already"]
    assert "Hello ada," in mail.outbox[0].body
    assert find_link() == "/accounts/login/"
    assert "mary" not in mail.outbox[0].body


@pytest.mark.parametrize("email", ["victım@github.example", "victim@gıthub.example"])
def test_an_address_that_looks_alike_is_another(email: str, client: Client, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(email="victim@github.example")
    page = client.post("/accounts/signup/", JOINING | {"email": email}, follow=True)
    assert page.status_code in (200, 400)  # The first is no address at all.
    client.post("/accounts/password_reset/", {"email": email})
    assert not re.search(r"\bada\b", "".join(str(message.body) for message in mail.outbox))


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
    assert "address is not confirmed" in read(client, "/profile/edit/")


def test_a_mail_holds_text_as_it_was_typed(client: Client) -> None:
    join(client, email="o'hara&co@example.org")
    assert mail.outbox[0].to == ["o'hara&co@example.org"]
    assert "&amp;" not in mail.outbox[0].body
    client.post(find_link())
    assert emails() == {"mary": "o'hara&co@example.org"}


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


@pytest.mark.parametrize(
    "email", ["", "mary", "mary@", "mary@example.org\nBcc: x@example.org", "m" * 250 + "@x.org"]
)
def test_a_wrong_address_is_refused(email: str, client: Client) -> None:
    assert 'id="id_email_error"' in join(client, 400, email=email)
    assert not User.objects.exists()


@pytest.mark.parametrize("password", ["p4ss!", "password123", "maryshelley"])
def test_a_weak_password_is_refused(password: str, client: Client) -> None:
    page = join(client, 400, username="maryshelley", password1=password, password2=password)
    assert 'id="id_password2_error"' in page
    assert password not in page.replace('value="maryshelley"', "")


def test_two_different_passwords_are_refused(client: Client) -> None:
    join(client, 400, password2="something else")
    assert not User.objects.exists()


def test_what_was_typed_stays_when_joining_fails(client: Client) -> None:
    page = join(client, 400, password2="something else")
    assert 'value="mary"' in page
    assert 'value="mary@example.org"' in page


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


@pytest.mark.parametrize("salt", ["profiles.confirm", "django.contrib.auth", "session"])
def test_a_forged_link_is_refused(salt: str, client: Client, ada: User) -> None:
    data = {"user": ada.pk, "email": "evil@example.org"}
    token = signing.dumps(data, salt=salt, key="not ours" * 8 if "profiles" in salt else None)
    response = client.post(f"/accounts/confirm/{token}/")
    assert response.status_code == 400
    assert "This link is broken or older than three days." in response.content.decode()
    assert emails() == {"ada": "ada@example.org"}


@pytest.mark.parametrize("token", ["x", "a:b:c", "%00", "é", "x" * 3000])
def test_a_broken_link_is_refused(token: str, client: Client) -> None:
    assert "This link does not work" in read(client, f"/accounts/confirm/{token}/", 400)


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
    join(Client(), username="anna", email="MARY@EXAMPLE.ORG")
    first, second = find_link(0), find_link(1)
    assert client.post(first).status_code == 302
    response = client.post(second)
    assert response.status_code == 400
    assert "This address belongs to another account by now." in response.content.decode()
    assert emails() == {"mary": "mary@example.org"}


def test_the_link_of_a_deleted_account_is_refused(client: Client) -> None:
    join(client)
    User.objects.all().delete()
    response = client.post(find_link())
    assert response.status_code == 400
    assert "The account is gone" in response.content.decode()


def ask_for_address(client: Client, email: str, password: str = "pass phrase") -> Any:
    """Send the form for a new address."""
    return client.post("/accounts/email/", {"email": email, "password": password})


def test_a_new_address_counts_once_its_link_is_followed(as_ada: Client) -> None:
    ask_for_address(as_ada, "new@example.org")
    page = read(as_ada, "/profile/edit/")
    assert "Follow the link in the mail that we sent to new@example.org." in page
    assert emails() == {"ada": "ada@example.org"}
    as_ada.post(find_link())
    assert emails() == {"ada": "new@example.org"}


def test_the_old_address_is_told_of_the_new_one(as_ada: Client) -> None:
    ask_for_address(as_ada, "new@example.org")
    link = find_link()
    for _ in range(2):
        as_ada.post(link)
    [_, notice] = mail.outbox
    assert (notice.to, notice.subject) == (
        ["ada@example.org"],
        "Likeness: Your address was changed",
    )
    assert "Hello ada," in notice.body
    assert "new@example.org" not in notice.body


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
    assert response.headers["Location"] == "/profile/edit/"
    assert "Hello grace," in mail.outbox[0].body
    assert find_link() == "/accounts/login/"


@pytest.mark.parametrize("email", ["", "new", "m" * 250 + "@x.org", "a\0b@x.org"])
def test_a_wrong_new_address_is_refused(email: str, as_ada: Client) -> None:
    response = ask_for_address(as_ada, email)
    assert response.status_code == 400
    assert 'id="id_email_error"' in response.content.decode()
    assert mail.outbox == []


@pytest.mark.parametrize("name", ["ada", "ADA", "aDa", " ada "])
def test_a_member_signs_in_whatever_the_case_of_the_name(name: str, ada: User) -> None:
    assert may_sign_in(name, "pass phrase")


@pytest.mark.parametrize("name", ["grace", "ada@example.org", "a\0da", ""])
def test_nobody_else_signs_in(name: str, ada: User) -> None:
    assert not may_sign_in(name, "pass phrase")


def test_the_sign_in_does_not_tell_who_is_a_member(ada: User, client: Client) -> None:
    pages = []
    for name in ("ada", "eve"):
        page = client.post("/accounts/login/", {"username": name, "password": "wrong"})
        pages.append(re.sub(r'value="\w+"', "", page.content.decode()))
    assert pages[0] == pages[1]
    assert "This user name and this password do not go together." in pages[0]


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
    assert "Sign in" in read(as_ada, "/")


def test_a_mere_link_signs_nobody_out(as_ada: Client) -> None:
    read(as_ada, "/accounts/logout/", 405)
    assert "Sign out" in read(as_ada, "/")


def test_a_member_changes_the_password_and_stays_signed_in(as_ada: Client) -> None:
    fields = {"old_password": "pass phrase", "new_password1": PASSWORD, "new_password2": PASSWORD}
    page = as_ada.post("/accounts/password_change/", fields, follow=True).content.decode()
    assert "Your password is changed" in page
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
    assert "This link has been used or is too old" in read(Client(), find_link())


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


@pytest.fixture
def no_mail_server(settings: LazySettings) -> None:
    """A mail server that does not answer."""
    backend = "django.core.mail.backends.smtp.EmailBackend"
    if django.VERSION < (6, 1):
        settings.EMAIL_BACKEND = backend
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    else:
        options = {"host": "127.0.0.1", "port": 9}
        settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}


@pytest.mark.usefixtures("no_mail_server")
def test_joining_works_while_the_mail_server_is_down(client: Client) -> None:
    assert join(client) == "/profile/edit/?welcome"
    assert User.objects.get().username == "mary"


@pytest.mark.usefixtures("no_mail_server")
def test_a_mail_server_that_is_down_breaks_no_page(as_ada: Client) -> None:
    answers = [
        ask_for_address(as_ada, "new@example.org"),
        Client().post("/accounts/password_reset/", {"email": "ada@example.org"}),
    ]
    assert [answer.status_code for answer in answers] == [302, 302]


def test_deleting_an_account_asks_for_the_password(as_ada: Client) -> None:
    page = read(as_ada, "/accounts/delete/")
    assert "This cannot be undone." in page
    assert 'type="password"' in page
    assert User.objects.exists()


@pytest.mark.parametrize("fields", [{}, {"password": ""}, {"password": "Pass phrase"}])
def test_a_wrong_password_deletes_nothing(
    fields: dict[str, str], as_ada: Client, settings: LazySettings
) -> None:
    before = list_media(settings)
    response = as_ada.post("/accounts/delete/", fields)
    assert response.status_code == 400
    assert 'id="id_password_error"' in response.content.decode()
    assert User.objects.filter(username="ada").exists()
    assert list_media(settings) == before
    read(as_ada, "/profile/edit/")


def test_a_deleted_account_is_gone_with_everything_in_it(
    as_ada: Client, settings: LazySettings
) -> None:
    response = as_ada.post("/accounts/delete/", {"password": "pass phrase"})
    assert response.headers["Location"] == "/"
    assert not User.objects.exists()
    assert not Profile.objects.exists()
    assert list_media(settings) == []


def test_who_deletes_an_account_is_signed_out_and_told(as_ada: Client) -> None:
    page = as_ada.post("/accounts/delete/", {"password": "pass phrase"}, follow=True)
    assert "Your account and everything in it are deleted." in page.content.decode()
    assert "Sign out" not in page.content.decode()
    assert "_auth_user_id" not in as_ada.session
    assert not may_sign_in("ada", "pass phrase")


def test_the_accounts_of_others_stay(as_ada: Client, grace: User, settings: LazySettings) -> None:
    as_ada.post("/accounts/delete/", {"password": "pass phrase"})
    assert User.objects.get() == grace
    assert len(list_media(settings)) == 5


def take_away(client: Client) -> ZipFile:
    """Return the archive with what is kept about somebody."""
    response = client.get("/accounts/export/")
    assert response.headers["Content-Type"] == "application/zip"
    return ZipFile(BytesIO(response.getvalue()))


def test_everything_can_be_taken_away(as_grace: Client, grace: User) -> None:
    with take_away(as_grace) as archive:
        text = archive.read("likeness.json").decode()
    data: dict[str, Any] = json.loads(text)
    assert data["account"]["username"] == "grace"
    assert data["account"]["email"] == "grace@example.org"
    assert data["profile"]["display_name"] == "Grace Hopper"
    assert data["profile"]["visibility"] == "members"
    assert grace.password not in text


def test_the_pictures_can_be_taken_away(as_grace: Client) -> None:
    with take_away(as_grace) as archive:
        names = [name for name in archive.namelist() if name != "likeness.json"]
        sizes = {name: Image.open(BytesIO(archive.read(name))).size for name in names}
    assert sorted(names) == [
        f"picture-{ending}" for ending in ("128.webp", "256.jpg", "256.webp", "512.webp", "64.webp")
    ]
    assert sizes["picture-512.webp"] == (480, 480)


def test_the_archive_has_a_name(as_grace: Client) -> None:
    response = as_grace.get("/accounts/export/")
    assert response.headers["Content-Disposition"] == 'attachment; filename="likeness-grace.zip"'
    assert response.getvalue()


def test_who_has_no_picture_takes_the_text_away(as_ada: Client) -> None:
    as_ada.post("/profile/avatar/delete/")
    with take_away(as_ada) as archive:
        assert archive.namelist() == ["likeness.json"]


@pytest.mark.parametrize("name", ["delete", "export", "email", "password_change"])
def test_a_stranger_is_asked_to_sign_in(name: str, client: Client) -> None:
    response = client.get(f"/accounts/{name}/")
    assert response.headers["Location"] == f"/accounts/login/?next=/accounts/{name}/"


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


def test_an_earlier_link_does_not_take_the_address_back(as_ada: Client) -> None:
    for name in ("old", "new"):
        ask_for_address(as_ada, f"{name}@example.org")
    assert as_ada.post(find_link(1)).status_code == 302
    assert as_ada.post(find_link(0)).status_code == 400
    assert User.objects.get(username="ada").email == "new@example.org"


def test_of_two_who_take_a_name_at_once_one_is_told(db: None) -> None:
    words = {"password1": "engine no 1", "password2": "engine no 1"}
    form = SignupForm({"username": "ada", "email": "ada@example.org"} | words)
    assert form.is_valid()
    User.objects.create_user("ada")
    assert form.save_unless_taken() is None
    assert form.errors["username"] == ["This user name is taken. Choose another."]
