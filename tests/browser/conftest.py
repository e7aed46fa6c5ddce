"""A real browser, and the site in production mode for it to look at."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from ..servers import make_environment, manage, serve

# As root there is no sandbox; and nothing may ask anyone outside.
ARGUMENTS = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium that tests/browser/setup.sh found; else Playwright's own."""
    path = os.environ.get("LIKENESS_CHROMIUM") or None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the site's mails are put."""
    return tmp_path_factory.mktemp("mail")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, mail: Path) -> Iterator[str]:
    """The address of the running site, with thirty demo people."""
    environment = make_environment(tmp_path_factory.mktemp("site"), EMAIL_URL=f"filemail:///{mail}")
    for command in (["migrate"], ["collectstatic", "--noinput"], ["demo", "--profiles", "30"]):
        result = manage(environment, *command)
        assert result.returncode == 0, result.stderr
    with serve(
        environment, "-m", "gunicorn", "--config", "config/gunicorn.conf.py", "config.wsgi"
    ) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def plain(browser: Browser, site: str) -> Iterator[Page]:
    """A page on a phone without JavaScript, in which nothing goes wrong unnoticed."""
    context = browser.new_context(
        base_url=site, java_script_enabled=False, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    faults = watch(page)
    yield page
    context.close()
    assert faults == []


def watch(page: Page) -> list[str]:
    """Return a list that fills with what the browser complains of, but the answers we mean."""
    faults: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if not re.search(r"status of (400|404|413|503)|\[DOM\]", message.text):
            faults.append(message.text)

    page.on("console", note)
    return faults
