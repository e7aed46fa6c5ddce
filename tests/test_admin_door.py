"""The door of the admin: who enters, how they prove who they are, and who is helped there."""

from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Permission
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from profiles.models import CodeApp, User

from .conftest import sign_in
from .helpers.accounts import read
from .helpers.factors import give_code, give_password, is_in, set_up_app

pytestmark = pytest.mark.django_db(transaction=True)
Later = Callable[[float], None]


@pytest.fixture
def root(ada: User) -> Client:
    """A superuser who has just signed in."""
    User.objects.filter(pk=ada.pk).update(is_staff=True, is_superuser=True)
    return sign_in(User.objects.get(pk=ada.pk))


def test_the_admin_has_no_sign_in_of_its_own(client: Client, ada: User) -> None:
    response = client.get("/admin/", follow=True)
    assert response.redirect_chain[-1][0] == "/accounts/login/?next=%2Fadmin%2F"
    fields = {"username": "ada", "password": "pass phrase"}
    client.post("/admin/login/", fields)
    assert not is_in(client)


def test_a_member_is_told_that_the_admin_is_not_theirs(as_grace: Client) -> None:
    assert as_grace.get("/admin/", follow=True).status_code == 403


def test_the_admin_asks_again_who_it_is(root: Client, later: Later) -> None:
    later(601)
    response = root.get("/admin/profiles/user/", follow=True)
    assert "Confirm that it is you" in response.content.decode()
    fields = {"password": "pass phrase", "next": "/admin/profiles/user/"}
    assert root.post("/accounts/again/", fields).headers["Location"] == "/admin/profiles/user/"
    read(root, "/admin/profiles/user/")


def test_the_admin_stays_open_while_it_is_used(root: Client, later: Later) -> None:
    for minutes in (0, 50, 100, 150):
        later(minutes * 60)
        read(root, "/admin/")
    later(211 * 60)
    assert root.get("/admin/").status_code == 302
    assert root.post("/admin/profiles/user/add/", {"username": "eve"}).status_code == 302
    assert not User.objects.filter(username="eve").exists()


def test_pages_outside_the_admin_do_not_keep_it_open(root: Client, later: Later) -> None:
    read(root, "/admin/")
    later(50 * 60)
    read(root, "/profiles/")
    later(61 * 60)
    assert root.get("/admin/").status_code == 302


def test_staff_without_a_second_factor_set_one_up_first(
    root: Client, settings: LazySettings
) -> None:
    settings.STAFF_SECOND_FACTOR = True
    response = root.get("/admin/", follow=True)
    assert response.redirect_chain[-1][0] == "/accounts/"
    assert "The admin needs a second factor." in response.content.decode()
    app, _ = set_up_app(root)
    read(root, "/admin/")
    other = Client()
    give_password(other)
    assert other.get("/admin/", follow=True).redirect_chain[-1][0].startswith("/accounts/login/")
    give_code(other, app.now())
    read(other, "/admin/")
    root.post("/accounts/app/remove/")
    assert root.get("/admin/").status_code == 302


def test_a_session_from_before_the_second_factor_does_not_open_the_admin(
    root: Client, settings: LazySettings, ada: User
) -> None:
    settings.STAFF_SECOND_FACTOR = True
    old = sign_in(User.objects.get(pk=ada.pk))
    set_up_app(root)
    assert old.get("/admin/").status_code == 302


def test_superusers_help_who_has_lost_everything(root: Client, grace: User) -> None:
    set_up_app(sign_in(grace))
    mail.outbox.clear()
    fields = {"action": "remove_factors", "_selected_action": [grace.pk]}
    page = root.post("/admin/profiles/user/", fields, follow=True).content.decode()
    assert "a password is enough" in page
    assert not CodeApp.objects.exists()
    [notice] = mail.outbox
    assert notice.to == ["grace@example.org"]
    assert "have removed your passkeys" in notice.body


def test_other_staff_do_not_remove_second_factors(as_ada: Client, ada: User, grace: User) -> None:
    ada.is_staff = True
    ada.save()
    ada.user_permissions.add(*Permission.objects.filter(content_type__app_label="profiles"))
    set_up_app(sign_in(grace))
    fields = {"action": "remove_factors", "_selected_action": [grace.pk]}
    as_ada.post("/admin/profiles/user/", fields)
    assert CodeApp.objects.exists()


def test_the_operator_helps_who_has_lost_everything(as_ada: Client) -> None:
    set_up_app(as_ada)
    call_command("remove_factors", "ADA", verbosity=0)
    assert give_password(Client()) == "/profile/"
    with pytest.raises(CommandError, match="Nobody is called 'eve'"):
        call_command("remove_factors", "eve")
