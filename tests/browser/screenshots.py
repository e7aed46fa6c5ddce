"""Take a picture of every page in every state at three widths, light and dark.

`make screenshots` puts them into screenshots/: of all states, or of those that ARGS names; with
ARGS=--readme those of the README as well.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from ..helpers import environment as _environment  # noqa: F401  # First: its settings are the tests'.
from ..helpers.servers import ROOT, prepare
from .conftest import ARGUMENTS, House, open_house
from .pages import EMPTY_PAGES, PAGES, State

SIZES = {390: 844, 768: 1024, 1440: 900}
SCHEMES = ("light", "dark")
# A picture of the README: the state, its width, and how much of the page one sees.
README = {"home": ("home", 1440, 900)}


def main(folder: Path, *options: str) -> None:
    """Start the site, take the pictures, stop it."""
    path = os.environ.get("LIKENESS_CHROMIUM") or None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        for people, states in ((48, PAGES), (0, EMPTY_PAGES)):
            with open_new_house(people, with_cast=people > 0) as house:
                named = {name: states[name] for name in options if name in states}
                for name, state in (named or states).items():
                    shoot_all(browser, house, state, f"{folder}/{name}-{{}}-{{}}.png")
        if "--readme" in options:
            shoot_readme(browser)
        browser.close()


@contextmanager
def open_new_house(people: int, with_cast: bool) -> Iterator[House]:
    """Run a site in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        with open_house(Path(folder), people, with_cast) as house:
            yield house


def shoot_all(browser: Browser, house: House, state: State, name: str) -> None:
    """Take a picture of a state at each size, in each scheme, in its full length."""
    context = browser.new_context()
    page = context.new_page()
    state.open(page, house.url, house.cast)
    page.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            # Not for an idle network: one page shows what it is like to wait for an answer.
            page.wait_for_function("() => [...document.images].every(({ complete }) => complete)")
            page.screenshot(path=name.format(width, scheme), full_page=True, animations="disabled")
    context.close()


def shoot_readme(browser: Browser) -> None:
    """Take the pictures of the README, on a site with nobody but demo people."""
    with open_new_house(48, with_cast=False) as house:
        for name, (state, width, height) in README.items():
            context = browser.new_context(viewport={"width": width, "height": height})
            page = context.new_page()
            PAGES[state].open(page, house.url, house.cast)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=ROOT / "docs" / "pictures" / f"{name}.png")
            context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
