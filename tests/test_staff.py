"""Staff who manage accounts do not become superusers by it."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.test import Client

from profiles.models import User

from .conftest import sign_in
from .helpers.accounts import may_sign_in

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
RIGHTS = [
    f"{verb}_{kind}"
    for verb in ("add", "change", "delete", "view")
    for kind in ("user", "group", "profile")
]


@pytest.fixture
def clerk(db: None) -> User:
    """Staff who may do everything with accounts and groups, but are no superuser."""
    user = User.objects.create_user("clerk", "clerk@example.org", PASSWORD, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=RIGHTS))
    return user


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", "root@example.org", PASSWORD)


@pytest.fixture
def colleague(db: None) -> User:
    """Other staff."""
    return User.objects.create_user("colleague", "colleague@example.org", PASSWORD, is_staff=True)


def change(client: Client, user: User, **changes: str) -> Any:
    """Send the form of somebody's account with changes."""
    fields = {"username": user.username, "email": user.email, "is_active": "on"}
    fields |= {"date_joined_0": "2026-01-02", "date_joined_1": "03:04:05"}
    return client.post(f"/admin/profiles/user/{user.pk}/change/", fields | changes)


def set_password(client: Client, user: User) -> Any:
    """Send the form for the password of somebody else."""
    word = "staff set this one"
    fields = {"password1": word, "password2": word, "usable_password": "true"}
    return client.post(f"/admin/profiles/user/{user.pk}/password/", fields)


@pytest.mark.parametrize("rank", ["is_superuser", "is_staff", "user_permissions", "groups"])
def test_staff_give_no_rank(rank: str, clerk: User, ada: User) -> None:
    permission = str(Permission.objects.get(codename="delete_profile").pk)
    group = str(Group.objects.create(name="everything").pk)
    value = {"user_permissions": permission, "groups": group}.get(rank, "on")
    assert change(sign_in(clerk), ada, email="new@example.org", **{rank: value}).status_code == 302
    ada.refresh_from_db()
    assert ada.email == "new@example.org"
    assert not ada.is_superuser
    assert not ada.is_staff
    assert not ada.user_permissions.exists()
    assert not ada.groups.exists()


def test_staff_do_not_promote_themselves(clerk: User) -> None:
    assert change(sign_in(clerk), clerk, is_superuser="on").status_code == 403
    clerk.refresh_from_db()
    assert not clerk.is_superuser


@pytest.mark.parametrize("other", ["root", "colleague"])
def test_staff_take_no_account_of_other_staff(
    other: str, clerk: User, request: pytest.FixtureRequest
) -> None:
    user: User = request.getfixturevalue(other)
    client = sign_in(clerk)
    assert change(client, user, email="clerk-2@example.org").status_code == 403
    assert set_password(client, user).status_code == 403
    assert (
        client.post(f"/admin/profiles/user/{user.pk}/delete/", {"post": "yes"}).status_code == 403
    )
    fields = {"action": "delete_selected", "_selected_action": user.pk, "post": "yes"}
    client.post("/admin/profiles/user/", fields)
    assert User.objects.get(pk=user.pk).email == user.email
    assert may_sign_in(user.username, PASSWORD)


def test_staff_widen_no_group(clerk: User) -> None:
    group = Group.objects.create(name="clerks")
    fields = {"name": "clerks", "permissions": str(Permission.objects.first().pk)}  # type: ignore[union-attr]
    client = sign_in(clerk)
    for url in (f"/admin/auth/group/{group.pk}/change/", "/admin/auth/group/add/"):
        assert client.post(url, fields).status_code == 403
    assert not group.permissions.exists()


def test_staff_still_help_members(clerk: User, ada: User) -> None:
    client = sign_in(clerk)
    assert set_password(client, ada).status_code == 302
    assert may_sign_in("ada", "staff set this one")
    assert client.post(f"/admin/profiles/user/{ada.pk}/delete/", {"post": "yes"}).status_code == 302


def test_a_superuser_does_all_of_this(root: User, clerk: User) -> None:
    client = sign_in(root)
    assert set_password(client, clerk).status_code == 302
    assert change(client, clerk, is_superuser="on", is_staff="on").status_code == 302
    clerk.refresh_from_db()
    assert clerk.is_superuser


def test_who_gets_a_password_from_staff_is_told_and_signed_out(clerk: User, ada: User) -> None:
    browser = sign_in(ada)
    set_password(sign_in(clerk), ada)
    assert not ada.sessions.exists()
    assert browser.get("/profile/edit/").status_code == 302
    assert mail.outbox[0].to == ["ada@example.org"]
    assert "By: an administrator of the site" in mail.outbox[0].body
    assert "Network" not in mail.outbox[0].body  # It would be the network of staff.


def test_a_refused_password_of_staff_sends_no_mail(clerk: User, ada: User) -> None:
    fields = {"password1": "x", "password2": "y", "usable_password": "true"}
    sign_in(clerk).post(f"/admin/profiles/user/{ada.pk}/password/", fields)
    assert mail.outbox == []


def test_staff_disable_an_account_and_its_sessions(clerk: User, ada: User) -> None:
    browser = sign_in(ada)
    change(sign_in(clerk), ada, is_active="")
    assert not ada.sessions.exists()
    assert browser.get("/profile/edit/").status_code == 302


def end_sessions(client: Client, *users: User) -> None:
    fields = {"action": "end_sessions", "_selected_action": [user.pk for user in users]}
    client.post("/admin/profiles/user/", fields)


def test_staff_sign_accounts_out_but_not_other_staff(
    clerk: User, colleague: User, ada: User, grace: User
) -> None:
    browsers = [sign_in(user) for user in (ada, grace, colleague)]
    end_sessions(sign_in(clerk), ada, grace, colleague)
    codes = [browser.get("/profile/edit/").status_code for browser in browsers]
    assert codes == [302, 302, 200]


def test_superusers_sign_staff_out(root: User, clerk: User) -> None:
    browser = sign_in(clerk)
    end_sessions(sign_in(root), clerk)
    assert browser.get("/admin/").status_code == 302
