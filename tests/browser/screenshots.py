"""Take a picture of every page, small and large, light and dark: make screenshots."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, FilePayload, Page, sync_playwright

from .. import environment as _environment  # noqa: F401  # First: its settings are the tests'.
from ..servers import GUNICORN, make_environment, manage, serve
from .conftest import ARGUMENTS

SIZES = {390: 844, 1440: 900}
PAGES = {
    "home": "/",
    "list": "/profiles/",
    "list-last": "/profiles/?after=AAAAAAAAAAU",
    "list-nobody": "/profiles/?q=xyz",
    "person": "/profiles/demo-00004/",
    "person-long-name": "/profiles/demo-00010/",
    "person-right-to-left": "/profiles/demo-00003/",
    "lesson": "/how-it-works/",
    "sign-up": "/accounts/signup/",
    "sign-in": "/accounts/login/",
    "reset": "/accounts/password_reset/",
    "not-found": "/profiles/nobody/",
}
OWN_PAGES = {
    "own": "/profile/",
    "picture": "/profile/avatar/",
    "picture-remove": "/profile/avatar/delete/",
    "edit": "/profile/edit/",
    "welcome": "/profile/edit/?welcome",
    "email": "/accounts/email/",
    "password": "/accounts/password_change/",
    "delete": "/accounts/delete/",
}
WORD = "correct horse battery"


def main(folder: Path) -> None:
    """Start the site, take the pictures, stop it."""
    path = os.environ.get("LIKENESS_CHROMIUM") or None
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        environment = make_environment(Path(temporary))
        for command in (["migrate"], ["collectstatic", "--noinput"], ["demo"]):
            manage(environment, *command).check_returncode()
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        with serve(environment, *GUNICORN) as port:
            state = join(browser, f"http://127.0.0.1:{port}")
            for width, height in SIZES.items():
                for scheme in ("light", "dark"):
                    context = browser.new_context(
                        base_url=f"http://127.0.0.1:{port}",
                        viewport={"width": width, "height": height},
                        color_scheme="dark" if scheme == "dark" else "light",
                    )
                    page = context.new_page()
                    shoot(page, PAGES, f"{folder}/{{}}-{width}-{scheme}.png")
                    context.add_cookies(state["cookies"])
                    shoot(page, OWN_PAGES, f"{folder}/{{}}-{width}-{scheme}.png")
                    context.close()
        browser.close()


def join(browser: Browser, base_url: str) -> Any:
    """Make a member with a picture; return what a browser needs to be that member."""
    page = browser.new_page(base_url=base_url)
    page.goto("/profiles/demo-00006/")
    bust = page.request.get(page.locator("img.avatar").get_attribute("src") or "").body()
    page.goto("/accounts/signup/")
    for name, value in {"username": "ada", "email": "ada@example.org"}.items():
        page.fill(f"[name={name}]", value)
    page.fill("[name=password1]", WORD)
    page.fill("[name=password2]", WORD)
    page.click("main button")
    page.fill("[name=display_name]", "Ada Lovelace")
    page.click("main button")
    picture: FilePayload = {"name": "ada.webp", "mimeType": "image/webp", "buffer": bust}
    page.set_input_files("[name=avatar]", picture)
    page.get_by_role("button", name="Save picture").click()
    page.get_by_role("heading", name="Your picture is up").wait_for()
    return page.context.storage_state()


def shoot(page: Page, pages: dict[str, str], name: str) -> None:
    """Take a picture of each page in its full length."""
    for label, path in pages.items():
        page.goto(path)
        page.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=name.format(label), full_page=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
