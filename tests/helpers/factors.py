"""What the tests of second factors share: setting one up, and signing in with it."""

import re
import time
from typing import Any

import pyotp
from django.test import Client

from .accounts import read
from .authenticator import Authenticator

OPTIONS = "/accounts/login/passkey/options/"


def set_up_app(client: Client) -> tuple[pyotp.TOTP, list[str]]:
    """Set up an app in a browser; return it, and the recovery codes that are shown."""
    page = read(client, "/accounts/app/")
    key = re.search(r'<code dir="ltr">([A-Z2-7 ]+)</code>', page)
    assert key
    app = pyotp.TOTP(key[1].replace(" ", ""))
    # An older one, so that the present one is not used up.
    response = client.post("/accounts/app/", {"code": app.at(time.time() - 30)})
    assert response.status_code == 200
    return app, re.findall(r"<code>([\w-]{29})</code>", response.content.decode())


def make_new_codes(client: Client) -> Any:
    """Send the form that replaces the recovery codes."""
    newest = re.search(
        r'name="replaces" value="(\d*)"', client.get("/accounts/codes/").content.decode()
    )
    assert newest
    return client.post("/accounts/codes/", {"replaces": newest[1]})


def give_password(client: Client, password: str = "pass phrase", to: str = "") -> str:
    """Give Ada's password; return where that leads."""
    fields = {"username": "ada", "password": password, "next": to}
    response = client.post("/accounts/login/", fields)
    return str(response.headers.get("Location", ""))


def give_code(client: Client, code: str) -> int:
    return int(client.post("/accounts/login/second/", {"code": code}).status_code)


def is_in(client: Client) -> bool:
    """Return whether somebody is signed in in a browser."""
    return client.get("/profile/").headers["Location"].startswith("/profiles/")


def ask(client: Client, path: str = OPTIONS) -> dict[str, Any]:
    """Return the options that a page's script gets."""
    response = client.post(path)
    assert response.status_code == 200
    options: dict[str, Any] = response.json()
    return options


def add(client: Client, authenticator: Authenticator, status: int = 200, **changes: Any) -> str:
    """Set up a passkey; return the page that shows that."""
    options = ask(client, "/accounts/passkeys/add/options/")
    fields = {"name": "My phone", "credential": authenticator.create(options, **changes)}
    response = client.post("/accounts/passkeys/add/", fields)
    assert response.status_code == status
    return response.content.decode()


def enter(authenticator: Authenticator, client: Client | None = None, **changes: Any) -> bool:
    """Sign in by a passkey alone; return whether that works."""
    client = client or Client()
    credential = authenticator.get(ask(client), **changes)
    response = client.post("/accounts/login/passkey/", {"credential": credential})
    assert response.status_code == 302
    return "_auth_user_id" in client.session
