"""Who is signed in: the question that nginx asks before it takes an upload."""

import pytest
from django.test import Client

from profiles.models import User

pytestmark = pytest.mark.django_db
PATHS = ["/signed-in/", "/signed-in/staff/"]


@pytest.mark.parametrize(
    ("who", "statuses"), [("", [401, 401]), ("ada", [204, 401]), ("katherine", [204, 204])]
)
def test_members_and_staff_are_told_apart(who: str, statuses: list[int], client: Client) -> None:
    if who:
        user = User.objects.create_user(who, is_staff=who == "katherine")
        client.force_login(user)
    responses = [client.get(path) for path in PATHS]
    assert [response.status_code for response in responses] == statuses
    for response in responses:
        expected = str(user.pk) if response.status_code == 204 else None
        assert response.headers.get("X-Member") == expected


@pytest.mark.parametrize("path", PATHS)
def test_a_closed_account_is_not_signed_in(path: str, client: Client) -> None:
    user = User.objects.create_superuser("katherine")
    client.force_login(user)
    User.objects.update(is_active=False)
    assert client.get(path).status_code == 401


@pytest.mark.parametrize("path", PATHS)
def test_nothing_can_be_sent_there(path: str, client: Client) -> None:
    assert client.post(path).status_code == 405
