"""Browsers of three engines: what the tests ask of any of them, and how each is asked."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Page
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

PATIENCE = 60  # seconds


class Engine(Protocol):
    """A page in a browser; `selector` is CSS, `keys` are named as KeyboardEvent.key names them."""

    def go(self, url: str) -> None: ...

    def run(self, script: str) -> Any:
        """Return the value of an expression."""

    def click(self, selector: str) -> None: ...

    def type(self, selector: str, text: str) -> None: ...

    def press(self, selector: str, *keys: str) -> None: ...

    def choose(self, selector: str, file: Path) -> None:
        """Choose a file in a field, also in one that is hidden."""

    def drag(self, selector: str, right: int, down: int) -> None:
        """Drag from the middle of an element, by CSS pixels."""

    def turn_wheel(self, selector: str, down: int) -> None:
        """Turn the wheel over the middle of an element, by CSS pixels."""

    def forget(self) -> None:
        """Forget all cookies of the page that is open, and so who has signed in."""


def wait(engine: Engine, script: str) -> None:
    """Wait until an expression is true."""
    end = time.monotonic() + PATIENCE
    while not engine.run(f"Boolean({script})"):
        assert time.monotonic() < end, f"This never came true: {script}"
        time.sleep(0.05)


def visit(engine: Engine, url: str) -> None:
    """Open a page, and wait until its scripts have run."""
    engine.go(url)
    wait(engine, "document.readyState === 'complete'")


def visit_as_stranger(engine: Engine, url: str) -> None:
    """Open a page as somebody who has not signed in; a test before may have."""
    visit(engine, url)
    engine.forget()
    visit(engine, url)


class Chromium:
    """Chromium by Playwright."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def go(self, url: str) -> None:
        self.page.goto(url)

    def run(self, script: str) -> Any:
        return self.page.evaluate(script)

    def click(self, selector: str) -> None:
        self.page.click(selector)

    def type(self, selector: str, text: str) -> None:
        self.page.type(selector, text)

    def press(self, selector: str, *keys: str) -> None:
        for key in keys:
            self.page.press(selector, key)

    def choose(self, selector: str, file: Path) -> None:
        self.page.set_input_files(selector, file)

    def drag(self, selector: str, right: int, down: int) -> None:
        x, y = self._point_at(selector)
        self.page.mouse.down()
        self.page.mouse.move(x + right, y + down, steps=5)
        self.page.mouse.up()

    def turn_wheel(self, selector: str, down: int) -> None:
        self._point_at(selector)
        self.page.mouse.wheel(0, down)

    def _point_at(self, selector: str) -> tuple[float, float]:
        box = self.page.locator(selector).bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        return x, y

    def forget(self) -> None:
        self.page.context.clear_cookies()


class Firefox:
    """Firefox by Puppeteer, which speaks WebDriver BiDi (tests/tools/firefox.mjs)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def _ask(self, *call: object) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(call), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer
        return answer.get("value")

    def go(self, url: str) -> None:
        self._ask("go", url)

    def run(self, script: str) -> Any:
        return self._ask("run", script)

    def click(self, selector: str) -> None:
        self._ask("click", selector)

    def type(self, selector: str, text: str) -> None:
        self._ask("type", selector, text)

    def press(self, selector: str, *keys: str) -> None:
        self._ask("press", selector, keys)

    def choose(self, selector: str, file: Path) -> None:
        self._ask("choose", selector, str(file))

    def drag(self, selector: str, right: int, down: int) -> None:
        self._ask("drag", selector, right, down)

    def turn_wheel(self, selector: str, down: int) -> None:
        self._ask("turnWheel", selector, down)

    def forget(self) -> None:
        self._ask("forget")


class WebKit:
    """WebKitGTK's MiniBrowser by Selenium."""

    KEYS = {
        "Home": Keys.HOME,
        "End": Keys.END,
        "ArrowLeft": Keys.ARROW_LEFT,
        "ArrowRight": Keys.ARROW_RIGHT,
        "Enter": Keys.ENTER,
        "Escape": Keys.ESCAPE,
    }

    def __init__(self, driver: webdriver.WebKitGTK) -> None:
        self.driver = driver

    def go(self, url: str) -> None:
        self.driver.get(url)

    def run(self, script: str) -> Any:
        return self.driver.execute_script(f"return {script}")

    def click(self, selector: str) -> None:
        element = self.driver.find_element(By.CSS_SELECTOR, selector)
        # Its own scrolling ends where a bar at the foot of the window covers the element.
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, selector: str, text: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).send_keys(text)

    def press(self, selector: str, *keys: str) -> None:
        self.type(selector, "".join(self.KEYS.get(key, key) for key in keys))

    def choose(self, selector: str, file: Path) -> None:
        self.type(selector, str(file))

    def drag(self, selector: str, right: int, down: int) -> None:
        element = self.driver.find_element(By.CSS_SELECTOR, selector)
        chain = ActionChains(self.driver).click_and_hold(element)
        chain.move_by_offset(right, down).release().perform()

    def turn_wheel(self, selector: str, down: int) -> None:
        element = self.driver.find_element(By.CSS_SELECTOR, selector)
        origin = ScrollOrigin.from_element(element)
        ActionChains(self.driver).scroll_from_origin(origin, 0, down).perform()

    def forget(self) -> None:
        self.driver.delete_all_cookies()


@contextmanager
def open_firefox(tools: Path, home: Path) -> Iterator[Engine]:
    """Open a Firefox, which ends when nothing more can be asked of it."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if not path:
        pytest.skip("There is no Firefox here: Debian's package is firefox-esr.")
    with subprocess.Popen(
        ["node", "firefox.mjs", path],
        cwd=tools,
        env=os.environ | {"HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Firefox(process)


@contextmanager
def open_webkit(home: Path) -> Iterator[Engine]:
    """Open a WebKitGTK, on a screen of its own."""
    browsers = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    path = shutil.which("WebKitWebDriver")
    if not (browsers and path and shutil.which("Xvfb")):
        pytest.skip("There is no WebKitGTK here: Debian's packages are webkit2gtk-driver and xvfb.")
    options = webdriver.WebKitGTKOptions()
    options.binary_location = str(browsers[-1])
    options.add_argument("--automation")
    with open_screen() as screen:
        environment = os.environ | {"DISPLAY": screen, "HOME": str(home)}
        service = webdriver.WebKitGTKService(path, env=environment)
        driver = webdriver.WebKitGTK(options, service)
        try:
            yield WebKit(driver)
        finally:
            driver.quit()


@contextmanager
def open_screen() -> Iterator[str]:
    """Give the name of a screen that nobody sees."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout
            yield f":{process.stdout.readline().decode().strip()}"
        finally:
            process.terminate()
