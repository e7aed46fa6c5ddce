"""Everybody can use every page in every state: what axe finds, and what it cannot see."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from .pages import EMPTY_PAGES, PAGES

SIZES = {390: 844, 1440: 900}
FIND_VIOLATIONS = """async () => {
  const { violations } = await axe.run();
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}"""
# A link inside a sentence may be as high as its line (WCAG 2.5.8); a choice is as large as its
# label. All else is to be hit with a thumb.
FIND_SMALL_TARGETS = """() => {
  const size = (element) => {
    const boxes = [element, ...(element.labels ?? [])].map((one) => one.getBoundingClientRect());
    return Math.max(...boxes.map((box) => Math.min(box.width, box.height)));
  };
  const isInText = (element) => getComputedStyle(element).display === "inline";
  return [...document.querySelectorAll("a[href], button, summary, input, select, textarea")]
    .filter((element) => element.checkVisibility({ visibilityProperty: true }))
    .filter((element) => !element.matches(".skip, [type=hidden]"))
    .filter((element) => size(element) < (isInText(element) ? 20 : 44))
    .map((element) => `${size(element)} px: ${element.outerHTML.slice(0, 90)}`);
}"""


def set_media(page: Page, **media: Any) -> None:
    """Change what a visitor prefers, and wait until colours have faded from one to the other."""
    page.emulate_media(**media)
    page.evaluate("Promise.allSettled(document.getAnimations().map(({ finished }) => finished))")


def test_axe_finds_nothing(each_page: Page, tools: Path) -> None:
    page = each_page
    page.evaluate((tools / "node_modules/axe-core/axe.min.js").read_text())
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            set_media(page, color_scheme=scheme)
            assert page.evaluate(FIND_VIOLATIONS) == [], f"{width} px, {scheme}"


@pytest.mark.parametrize("name", [*PAGES, *EMPTY_PAGES])
def test_every_control_can_be_hit_with_a_thumb(name: str, look: Callable[..., Page]) -> None:
    page = look(name, viewport={"width": 390, "height": 844}, has_touch=True)
    assert page.evaluate(FIND_SMALL_TARGETS) == []


def test_nothing_moves_for_those_who_asked_for_rest(each_page: Page) -> None:
    each_page.emulate_media(reduced_motion="reduce")
    assert (
        each_page.evaluate(
            """[...document.querySelectorAll("*")].filter((element) => {
          const style = getComputedStyle(element);
          const isMoving = !["none", "arrive"].includes(style.animationName); // editor.css
          return isMoving || parseFloat(style.transitionDuration) > 0;
        }).map((element) => element.outerHTML.slice(0, 90))"""
        )
        == []
    )


def test_controls_have_an_outline_of_their_own_where_colours_are_forced(each_page: Page) -> None:
    set_media(each_page, forced_colors="active")
    assert (
        each_page.evaluate(
            """[...document.querySelectorAll("button:not(.link), .button, input, textarea, select")]
          .filter((element) => element.checkVisibility())
          .filter((element) => {
            const style = getComputedStyle(element);
            const backdrop = getComputedStyle(document.documentElement).backgroundColor;
            const drawn = ["radio", "checkbox", "range"].includes(element.type);
            const { borderTopColor: colour, borderTopWidth: width } = style;
            return !drawn && (!parseFloat(width) || colour === backdrop);
          }).map((element) => element.outerHTML.slice(0, 90))"""
        )
        == []
    )


@pytest.mark.parametrize("forced_colors", ["none", "active"])
def test_one_sees_where_the_keyboard_is(forced_colors: str, visit: Callable[..., Page]) -> None:
    page = visit("list", forced_colors=forced_colors)
    for _ in range(8):
        page.keyboard.press("Tab")
        outline = page.evaluate(
            "(({ outlineStyle, outlineWidth }) => [outlineStyle, parseFloat(outlineWidth)])"
            "(getComputedStyle(document.activeElement))"
        )
        assert outline == ["solid", 3]
