"""Joining in a browser, by the form."""

from playwright.sync_api import Page, expect


def join(page: Page, name: str, password: str) -> None:
    """Fill in the form of the page that is open, and send it."""
    page.get_by_label("User name").fill(name)
    page.get_by_label("E-mail").fill(f"{name}@example.org")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_label("Password again").fill(password)
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your name, and who can see you")
