"""A real browser, and the site in production mode for it to look at."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, Response, expect, sync_playwright

from ..helpers.servers import GUNICORN, ROOT, make_environment, manage, serve
from .cast import Cast, add_cast
from .editor import get_touch, open_editor, sign_up
from .engines import Chromium, Engine, open_firefox, open_webkit
from .faults import watch
from .pages import EMPTY_PAGES, PAGES

# As root there is no sandbox; and nothing may ask anyone outside.
ARGUMENTS = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# A machine may have more to do than this; whoever waits for what never comes, waits once.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start chromium-headless-shell, else what setup.sh found, else Playwright's own.

    The first has the same engine and no camera; a page costs it a third of the CPU.
    """
    path = shutil.which("chromium-headless-shell") or os.environ.get("LIKENESS_CHROMIUM") or None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the site's mails are put."""
    return tmp_path_factory.mktemp("mail")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, prepared: Path, mail: Path) -> Iterator[str]:
    """The address of the running site, with thirty demo people."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    environment = make_environment(folder, EMAIL_URL=f"filemail:///{mail}")
    result = manage(environment, "demo", "--profiles", "30")
    assert result.returncode == 0, result.stderr
    with serve(
        environment, "-m", "gunicorn", "--config", "config/gunicorn.conf.py", "config.wsgi"
    ) as port:
        yield f"http://127.0.0.1:{port}"


@dataclass(frozen=True)
class House:
    """A running site that the tests only look at: its address, and who lives there."""

    url: str
    cast: Cast


@contextmanager
def open_house(folder: Path, people: int, with_cast: bool = True) -> Iterator[House]:
    """Run the site of a prepared folder with so many demo people, and with the cast."""
    environment = make_environment(folder)
    result = manage(environment, "demo", f"--profiles={people}")
    assert result.returncode == 0, result.stderr
    cast = add_cast(environment) if with_cast else Cast("", {}, {}, {})
    with serve(environment, *GUNICORN) as port:
        # By its name, since passkeys belong to one.
        yield House(f"http://localhost:{port}", cast)


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[House]:
    """A site with thirty demo people and the cast."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    with open_house(folder, 30) as house:
        yield house


@pytest.fixture(scope="session")
def empty_house(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[House]:
    """A site on which nobody is."""
    folder = tmp_path_factory.mktemp("empty")
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    with open_house(folder, 0, with_cast=False) as house:
        yield house


@pytest.fixture(scope="session")
def sources() -> dict[str, str]:
    """The HTML of each page that was opened by its name so far, as it was sent."""
    return {}


@pytest.fixture(scope="session")
def look(
    browser: Browser, request: pytest.FixtureRequest, sources: dict[str, str]
) -> Iterator[Callable[..., Page]]:
    """Open a page of the inventory by its name, for tests that only look at it.

    Pages with the same options are opened in one tab, since a new one costs more than most pages.
    """
    tabs: dict[str, Page] = {}

    def look(name: str, **options: Any) -> Page:
        state = (PAGES | EMPTY_PAGES)[name]
        key = f"{state.script} {state.is_plain} {options}"
        if key in tabs:
            tabs[key].unroute_all()
            tabs[key].evaluate("sessionStorage.clear()")
        else:
            tabs[key] = browser.new_context(**options).new_page()
        page = tabs[key]
        sent: list[Response] = []

        def note(answer: Response) -> None:
            if answer.request.is_navigation_request():
                sent.append(answer)

        page.on("response", note)
        open_page(page, name, request)
        page.remove_listener("response", note)
        if not options:
            sources[name] = sent[-1].text()
        return page

    yield look
    for page in tabs.values():
        page.context.close()


def open_page(page: Page, name: str, request: pytest.FixtureRequest) -> None:
    """Open a page of the inventory, which asks no other host for anything."""
    house = request.getfixturevalue("empty_house" if name in EMPTY_PAGES else "house")
    requests: list[str] = []

    def note(asked: Request) -> None:
        requests.append(asked.url)

    page.on("request", note)
    (PAGES | EMPTY_PAGES)[name].open(page, house.url, house.cast)
    page.remove_listener("request", note)
    assert [url for url in requests if not url.startswith((house.url, "blob:"))] == []


@pytest.fixture(scope="session", params=[*PAGES, *EMPTY_PAGES])
def opened(look: Callable[..., Page], request: pytest.FixtureRequest) -> Page:
    """Each page of the inventory, opened once."""
    return look(request.param)


@pytest.fixture
def each_page(opened: Page) -> Iterator[Page]:
    """Each page of the inventory as it was when it was opened, for tests that only look at it."""
    yield opened
    opened.set_viewport_size({"width": 1280, "height": 720})
    opened.emulate_media(color_scheme="light", reduced_motion="no-preference", forced_colors="none")
    opened.evaluate("document.documentElement.style.fontSize = ''")


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Open a page of the inventory by its name, in a browser with options of one's own.

    `answers` fills with what it was sent.
    """
    contexts = []

    def visit(name: str, answers: list[Response] | None = None, **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        if answers is not None:
            page.on("response", lambda answer: answers.append(answer))
        open_page(page, name, request)
        return page

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of the tools that are written for Node."""
    folder = ROOT / "tests" / "tools"
    if not (folder / "node_modules" / ".made").exists():
        pytest.skip("The tools for Node are not here: `make tools` gets them, with Node's npm.")
    return folder


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


@pytest.fixture(params=[390, 1440])
def calm(request: pytest.FixtureRequest, browser: Browser, site: str) -> Iterator[Page]:
    """A page with reduced motion, small and large, in which nothing goes wrong unnoticed."""
    context = browser.new_context(
        base_url=site, viewport={"width": request.param, "height": 844}, reduced_motion="reduce"
    )
    page = context.new_page()
    faults = watch(page)
    yield page
    context.close()
    assert faults == []


@pytest.fixture(scope="module")
def member(browser: Browser, site: str, request: pytest.FixtureRequest) -> Any:
    """The browser's state of somebody who has signed up for the tests of one file."""
    return sign_up(browser, site, request.module.__name__.rpartition("_")[2])


@pytest.fixture
def door(site: str) -> str:
    """The address of the site whose editor is opened."""
    return site


@pytest.fixture
def phone(browser: Browser, door: str, member: Any) -> Iterator[Page]:
    """The editor on a phone."""
    with open_editor(browser, door, member, **get_touch()) as page:
        yield page


@pytest.fixture
def desk(browser: Browser, door: str, member: Any) -> Iterator[Page]:
    """The editor on a computer."""
    with open_editor(browser, door, member, viewport={"width": 1440, "height": 900}) as page:
        yield page


@pytest.fixture(scope="session", params=["chromium", "firefox", "webkit"])
def engine(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A page in a browser of each engine, one after the other."""
    home = tmp_path_factory.mktemp("home")
    if request.param == "chromium":
        context = browser.new_context()
        yield Chromium(context.new_page())
        context.close()
    elif request.param == "firefox":
        with open_firefox(request.getfixturevalue("tools"), home) as engine:
            yield engine
    else:
        with open_webkit(home) as engine:
            yield engine
