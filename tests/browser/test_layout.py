"""Every page fits on every screen, at every size of text, and does not shift."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

# Return the elements that are too wide, after one frame, so that scripts have adapted.
FIND_WIDE = """async () => {
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  const { clientWidth, scrollWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  return [`${scrollWidth} px`, ...[...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > clientWidth + 0.5)
    .map((element) => element.outerHTML.slice(0, 90))];
}"""
# Text that its box cuts off, except text that is hidden on purpose or can be scrolled.
FIND_CUT = """[...document.querySelectorAll("main *, header *, footer *")]
  .filter((element) => element.checkVisibility() && element.innerText?.trim())
  .filter((element) => !element.closest(".unseen, svg, input, textarea"))
  .filter((element) => ["hidden", "clip"].includes(getComputedStyle(element).overflowX))
  .filter((element) => element.clientWidth > 1)
  .filter((element) => element.scrollWidth > element.clientWidth + 1)
  .map((element) => element.outerHTML.slice(0, 90))"""

FIND_SHIFTS = """new Promise((resolve) => {
  const name = ({ node }) => node?.outerHTML.slice(0, 90);
  const tell = (list) => resolve(list.getEntries().flatMap(({ sources }) => sources.map(name)));
  new PerformanceObserver(tell).observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => resolve([])));
})"""


def test_no_page_is_wider_than_the_screen(each_page: Page) -> None:
    page = each_page
    for width in (320, 390, 768, 1440):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate(FIND_WIDE) == [], f"{width} px"
        assert page.evaluate(FIND_CUT) == [], f"{width} px"


def test_text_can_be_twice_as_large(each_page: Page) -> None:
    page = each_page
    page.evaluate("document.documentElement.style.fontSize = '34px'")
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate(FIND_WIDE) == [], f"{width} px"
        assert page.evaluate(FIND_CUT) == [], f"{width} px"


@pytest.mark.parametrize("name", ["home", "list", "person", "own", "picture"])
def test_nothing_jumps_while_pictures_arrive(name: str, visit: Callable[..., Page]) -> None:
    page = visit(name, viewport={"width": 390, "height": 844})
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_load_state("networkidle")
    assert page.evaluate(FIND_SHIFTS) == []
