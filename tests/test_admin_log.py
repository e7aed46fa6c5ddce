"""What the admin's log says of somebody whose account is deleted."""

import re
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry

from profiles.models import User

from .conftest import sign_in
from .helpers.accounts import PASSWORD, read
from .test_admin import change

pytestmark = pytest.mark.django_db(transaction=True)


def leave(user: User) -> None:
    sign_in(user).post("/accounts/delete/", {"password": PASSWORD})


def be_removed(user: User) -> None:
    boss = User.objects.create_superuser("boss", "boss@example.org", PASSWORD)
    sign_in(boss).post(f"/admin/profiles/user/{user.pk}/delete/", {"post": "yes"})


def vanish(user: User) -> None:
    User.objects.filter(pk=user.pk).delete()


@pytest.mark.parametrize("delete", [leave, be_removed, vanish])
def test_what_an_admin_did_stays_when_the_account_is_deleted(
    delete: Callable[[User], None], ada: User
) -> None:
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    change(sign_in(root), ada, bio="A new bio")
    delete(root)
    assert not User.objects.filter(username="root").exists()
    entry = LogEntry.objects.get(object_id=str(ada.profile.pk))
    assert (entry.user_id, entry.object_repr) == (root.pk, f"#{ada.profile.pk}")
    assert "root" not in str(list(LogEntry.objects.values()))
    other = User.objects.create_superuser("other", "other@example.org", PASSWORD)
    assert other.pk > root.pk  # A number is not given twice.
    client = sign_in(other)
    change(client, ada, bio="A newer bio")
    page = read(client, f"/admin/profiles/profile/{ada.profile.pk}/history/")
    rows = re.findall(r"<td>(\S+) \(.*\)</td>", page)
    assert rows == [f"#{root.pk}", "other"]
    assert "root" not in page
    assert f"#{ada.profile.pk}" in read(client, "/admin/")
