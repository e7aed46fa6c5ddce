"""Removing one's picture asks first, in a dialog."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from ..helpers.pictures import draw_jpeg
from .editor import frame, open_editor, save, sign_up

DIALOG = """
- dialog "Remove your picture?":
  - heading "Remove your picture?" [level=2]
  - paragraph: This cannot be undone. Your initials will be shown instead.
  - paragraph:
    - button "Remove picture"
    - button "Cancel"
"""


def test_removing_asks_in_a_dialog_first(browser: Browser, site: str, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(draw_jpeg())
    with open_editor(browser, site, sign_up(browser, site, "hamilton")) as page:
        frame(page, tmp_path / "photo.jpg")
        save(page)
        page.get_by_role("link", name="Go to your page").click()
        page.wait_for_url("**/profiles/hamilton/")
        link = page.get_by_role("link", name="Remove picture")
        link.click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_match_aria_snapshot(DIALOG)
        expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(link).to_be_focused()
        link.click()
        dialog.get_by_role("button", name="Cancel").click()
        expect(link).to_be_focused()
        link.click()
        dialog.get_by_role("button", name="Remove picture").click()
        expect(page.locator("svg.avatar text")).to_have_text("H")
