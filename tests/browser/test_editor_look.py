"""The editor's page on screens of all sizes: what is in sight at once."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ..helpers.pictures import draw_jpeg
from .editor import frame, get_stage, get_touch, open_editor, save, sign_up

IS_IN_SIGHT = """(element) => {
  const { top, bottom } = element.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
}"""


@pytest.mark.parametrize(
    "size", [(1366, 650), (1280, 720), (1440, 900), (1024, 768), (768, 1024), (390, 664)]
)
def test_the_photo_and_save_are_in_sight_at_once(
    size: tuple[int, int], browser: Browser, site: str, member: Any, tmp_path: Any
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(draw_jpeg())
    viewport = {"width": size[0], "height": size[1]}
    with open_editor(browser, site, member, viewport=viewport) as page:
        frame(page, photo)
        assert page.evaluate("scrollY") == 0
        assert page.locator("#save").evaluate(IS_IN_SIGHT)
        assert page.locator("#window").evaluate(IS_IN_SIGHT)
        assert not find_what_lies_over(page, "#window")
        assert not find_what_lies_over(page, "#zoom")


def test_on_a_phone_the_description_is_asked_for_when_the_picture_is_saved(
    browser: Browser, site: str, tmp_path: Any
) -> None:
    member = sign_up(browser, site, "dorothy")
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(draw_jpeg())
    with open_editor(browser, site, member, **get_touch()) as page:
        frame(page, photo)
        expect(page.get_by_label("Description")).to_be_hidden()
        save(page)
        page.get_by_role("button", name="Add a description").click()
        page.get_by_label("Description").fill("At the window")
        page.get_by_role("button", name="Save description").click()
        expect(page.get_by_role("button", name="Change the description")).to_be_visible()
        # Another picture: what the last one had can be used again.
        page.reload()
        frame(page, photo)
        save(page)
        page.get_by_role("button", name="Add a description").click()
        page.get_by_role("button", name="Use the one you had").click()
        expect(page.get_by_label("Description")).to_have_value("At the window")


def test_a_click_on_the_place_of_the_photo_opens_the_choice(
    browser: Browser, site: str, member: Any, tmp_path: Any
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(draw_jpeg())
    with open_editor(browser, site, member) as page:
        with page.expect_file_chooser() as chooser:
            page.locator("#tile").click()
        chooser.value.set_files(photo)
        expect(get_stage(page)).to_be_focused()


def find_what_lies_over(page: Page, selector: str) -> bool:
    """Return whether something else is where the middle of an element is."""
    script = """(element) => {
      const { left, top, width, height } = element.getBoundingClientRect();
      const found = document.elementFromPoint(left + width / 2, top + height / 2);
      return !(element.contains(found) || found.contains(element));
    }"""
    return bool(page.locator(selector).evaluate(script))
