"""The small things that a visitor feels: the fade to a person, and the colours they chose."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

NOTE_FADE = """addEventListener("pagereveal", async ({ viewTransition }) => {
  const isReady = await viewTransition?.ready.then(() => true, () => false);
  const fades = isReady ? document.getAnimations() : [];
  window.fades = fades.some(({ effect }) => effect.getComputedTiming().duration > 0);
})"""
Opener = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Opener]:
    contexts = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(base_url=site, **options)
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("motion", "fades"), [("no-preference", True), ("reduce", False)])
def test_the_list_fades_to_a_person_unless_motion_is_unwanted(
    motion: str, fades: bool, visit: Opener
) -> None:
    page = visit(reduced_motion=motion)
    page.add_init_script(NOTE_FADE)
    page.goto("/profiles/")
    page.locator(".people a").first.click()
    expect(page.locator("article.person")).to_be_visible()
    assert wait_for_fades(page) is fades
    page.get_by_role("link", name="How it works").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Two kinds of file")
    assert wait_for_fades(page) is False


def wait_for_fades(page: Page) -> bool:
    """Return whether the page faded in, once it is drawn: it may be there a moment before."""
    return bool(page.wait_for_function("() => 'fades' in window && [window.fades]").json_value()[0])


def test_colours_that_were_chosen_are_there_before_anything_is_drawn(visit: Opener) -> None:
    page = visit(color_scheme="light", java_script_enabled=False)
    page.goto("/")
    page.get_by_role("link", name="Language and colours").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.goto("/profiles/")
    expect(page.locator("html")).to_have_css("background-color", "rgb(19, 21, 19)")
