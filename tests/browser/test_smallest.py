"""The script of examples/smallest, in a browser."""

from pathlib import Path

from playwright.sync_api import Browser, FilePayload, expect

from ..helpers.pictures import draw_jpeg
from ..test_smallest import add_ada, copy_example, serve
from .faults import watch

PHOTO: FilePayload = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": draw_jpeg(64, 48)}


def test_the_chosen_picture_is_shown_before_it_is_sent(browser: Browser, tmp_path: Path) -> None:
    copy_example(tmp_path)
    add_ada(tmp_path)
    with serve(tmp_path) as origin:
        page = browser.new_page(base_url=origin)
        faults = watch(page)
        page.goto("/")
        page.fill("[name=username]", "ada")
        page.fill("[name=password]", "difference")
        with page.expect_navigation():  # Until the script has run, too.
            page.keyboard.press("Enter")
        chosen = page.get_by_alt_text("The chosen picture")
        field = page.locator("[type=file]")
        field.set_input_files(PHOTO)
        expect(chosen).to_have_js_property("naturalWidth", 64)
        assert list((tmp_path).glob("media/*/*")) == []
        field.set_input_files([])
        expect(chosen).to_have_count(0)
        field.set_input_files(PHOTO)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_alt_text("Picture of ada")).to_have_js_property("naturalWidth", 64)
        page.close()
        assert faults == []
