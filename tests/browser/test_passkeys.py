"""Passkeys in Chromium, whose virtual authenticator stands for a phone; codes with no script."""

import time
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from . import joining
from .faults import watch

WORD = "correct horse battery"
OPTIONS = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
TROUBLE = "No passkey was used. Try again, or choose another way."


class Phone:
    """A phone in the page's browser, which keeps passkeys."""

    def __init__(self, page: Page) -> None:
        self.devtools = page.context.new_cdp_session(page)
        self.devtools.send("WebAuthn.enable")
        answer = self.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": OPTIONS})
        self.id = answer["authenticatorId"]

    def tell(self, what: str, **values: Any) -> Any:
        return self.devtools.send(f"WebAuthn.{what}", {"authenticatorId": self.id} | values)


@pytest.fixture
def named(site: str) -> str:
    """The site by its name: browsers tie passkeys to one."""
    return site.replace("127.0.0.1", "localhost")


@pytest.fixture
def context(browser: Browser, named: str) -> Iterator[BrowserContext]:
    size: Any = {"width": 390, "height": 844}
    context = browser.new_context(base_url=named, viewport=size)
    yield context
    context.close()


def join(page: Page, name: str) -> None:
    """Join, and go to one's account."""
    page.goto("/accounts/signup/")
    joining.join(page, name, WORD)
    page.goto("/accounts/")


def add_passkey(page: Page, name: str) -> None:
    """Set up a passkey from the page of one's account."""
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name of the passkey").fill(name)
    page.get_by_role("button", name="Make the passkey").click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def give_password(page: Page, name: str, to: str = "") -> None:
    page.goto(f"/accounts/login/?next={to}")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(WORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_member_signs_in_by_a_touch(context: BrowserContext) -> None:
    page = context.new_page()
    faults = watch(page)
    Phone(page)
    join(page, "maryam")
    add_passkey(page, "My phone")
    expect(page.get_by_role("status")).to_have_text("The passkey “My phone” is set up.")
    expect(page.locator(".codes li")).to_have_count(10)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_text("Passkey “My phone”")).to_be_visible()
    sign_out(page)
    page.goto("/accounts/login/?next=/profile/edit/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Edit profile")
    sign_out(page)
    give_password(page, "maryam", "/accounts/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Enter your code")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    assert faults == []


def test_what_goes_wrong_is_said_and_can_be_tried_again(context: BrowserContext) -> None:
    page = context.new_page()
    phone = Phone(page)
    join(page, "sofia")
    phone.tell("setUserVerified", isUserVerified=False)  # A finger that is not hers.
    add_passkey(page, "My phone")
    expect(page.get_by_role("alert")).to_have_text(TROUBLE)
    phone.tell("setUserVerified", isUserVerified=True)
    page.get_by_role("button", name="Make the passkey").click()
    page.get_by_role("link", name="I have kept them").click()
    add_passkey(page, "The same phone")
    expect(page.get_by_role("alert")).to_have_text(TROUBLE)  # It has one for this account.
    sign_out(page)
    phone.tell("clearCredentials")
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert")).to_have_text(TROUBLE)
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_enabled()


def test_a_passkey_needs_a_name_before_the_phone_is_asked(context: BrowserContext) -> None:
    page = context.new_page()
    phone = Phone(page)
    join(page, "emmy")
    add_passkey(page, "")
    expect(page.get_by_label("Name of the passkey")).to_be_focused()
    assert phone.tell("getCredentials")["credentials"] == []


def test_a_copied_passkey_is_refused(context: BrowserContext) -> None:
    page = context.new_page()
    phone = Phone(page)
    join(page, "rosalind")
    add_passkey(page, "My phone")
    expect(page.locator(".codes li")).to_have_count(10)
    [passkey] = phone.tell("getCredentials")["credentials"]
    for _ in range(2):
        sign_out(page)
        page.goto("/accounts/login/")
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    sign_out(page)
    phone.tell("removeCredential", credentialId=passkey["credentialId"])
    phone.tell("addCredential", credential=passkey | {"signCount": 0})
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("status")).to_contain_text("does not open an account here")


def test_codes_work_without_a_script(browser: Browser, named: str) -> None:
    context = browser.new_context(base_url=named, java_script_enabled=False)
    page = context.new_page()
    join(page, "lise")
    page.get_by_role("link", name="Set up codes").click()
    app = pyotp.TOTP(page.locator("main code").inner_text().replace(" ", ""))
    page.get_by_label("Code", exact=True).fill(
        app.at(time.time() - 30)
    )  # So that the next one is unused.
    page.get_by_role("button", name="Set up").click()
    recovery = page.locator(".codes code").first.inner_text()
    for code in (app.now(), recovery):
        sign_out(page)
        give_password(page, "lise", "/accounts/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Enter your code")
        expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
        page.get_by_label("Code", exact=True).fill(code)
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    expect(page.get_by_text("9 recovery codes are left")).to_be_visible()
    context.close()
