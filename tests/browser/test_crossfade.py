"""The list and a person's page fade into each other, without an error in the browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from .faults import watch

# Stops each fade at its begin, and remembers how long its parts would take.
STOP = """window.durations = new Promise((resolve) => {
    addEventListener("pagereveal", ({viewTransition}) => {
        resolve(viewTransition?.ready.then(() => {
            const parts = document.getAnimations();
            for (const part of parts) part.pause();
            return parts.map(({effect}) => effect.getComputedTiming().duration);
        }));
    });
});"""
# Playwright does not hear of errors while a page is left.
RECORD = """addEventListener("error", ({message}) => { localStorage.error = message; });"""
END = """async () => {
    const durations = await window.durations;
    for (const part of document.getAnimations()) part.finish();
    return durations;
}"""


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    """The list, in a browser that asks for each style sheet anew: that went wrong most often."""
    context = browser.new_context(base_url=site)
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    faults = watch(page)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.add_init_script(STOP + RECORD)
    page.goto("/profiles/")
    yield page
    context.close()
    assert faults == []


def walk(page: Page, number: int) -> Iterator[None]:
    """Go from the list to a person and back, and stop at each page."""
    page.locator(".people a").nth(number).click()
    page.wait_for_url("**/profiles/demo-*/")
    yield
    page.go_back()
    page.wait_for_url("**/profiles/")
    yield


@pytest.mark.parametrize(("motion", "milliseconds"), [("no-preference", 160), ("reduce", 0)])
def test_from_the_list_to_a_person_and_back_the_browser_fades(
    motion: Any, milliseconds: int, page: Page
) -> None:
    page.emulate_media(reduced_motion=motion)
    durations = set()
    for number in range(6):  # What was wrong went well half of the time.
        for _ in walk(page, number):
            durations |= set(page.evaluate(END) or [])  # Nothing fades after four seconds.
    assert durations == {milliseconds}


def test_motion_may_be_switched_off_while_the_browser_fades(page: Page) -> None:
    for _ in walk(page, 0):
        page.evaluate("window.durations")
        page.emulate_media(reduced_motion="reduce")
        page.evaluate(END)
        page.emulate_media(reduced_motion="no-preference")


@pytest.mark.parametrize("path", ["/how-it-works/", "/accounts/signup/", "/"])
def test_other_pages_are_not_faded_to(path: str, page: Page) -> None:
    page.locator(f"a[href='{path}']").first.click()
    page.wait_for_url(f"**{path}")
    assert page.evaluate("async () => (await window.durations) === undefined")
    page.go_back()
    page.wait_for_url("**/profiles/")
    assert page.evaluate("async () => (await window.durations) === undefined")


def test_the_list_is_left_for_another_site_without_an_error(page: Page) -> None:
    page.route("http://elsewhere.example/", lambda route: route.fulfill(body="Elsewhere"))
    page.locator(".people a").first.evaluate("link => { link.href = 'http://elsewhere.example/'; }")
    page.locator(".people a").first.click()
    page.wait_for_url("http://elsewhere.example/")
    page.go_back()
    page.wait_for_url("**/profiles/")
    assert page.evaluate("localStorage.error ?? ''") == ""
