"""What the tests of accounts share: joining, mailed links, and signing in."""

import re

from django.core import mail
from django.test import Client

from profiles.models import User

PASSWORD = "correct horse battery"
JOINING = {
    "username": "mary",
    "email": "mary@example.org",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


def join(client: Client, status: int = 302, **changes: str) -> str:
    """Sign up; return where it leads, or the page that it shows."""
    response = client.post("/accounts/signup/", JOINING | changes)
    assert response.status_code == status
    return response.headers.get("Location") or response.content.decode()


def read(client: Client, url: str, status: int = 200) -> str:
    """Return a page without what differs each time: CSRF tokens, the initials of a new member."""
    response = client.get(url)
    assert response.status_code == status
    varying = r'value="\w{64}"|<svg class="avatar .*?</svg>'
    return re.sub(varying, "", response.content.decode(), flags=re.DOTALL)


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
