"""The main story: on a phone without JavaScript, and by keyboard alone."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from ..helpers.pictures import draw_jpeg, make_exif
from ..helpers.servers import find
from . import joining
from .editor import expect_editor
from .faults import watch

WORD = "correct horse battery"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "IMG_0001.JPG"
    path.write_bytes(draw_jpeg(1600, 1200, exif=make_exif(6)))
    return path


def join(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_role("link", name="Add your picture").click()
    joining.join(page, name, WORD)


def is_drawn(page: Page, picture: str) -> bool:
    """Return whether a picture was loaded, by its size in the layout: there is no JavaScript."""
    image = page.locator(picture).first
    image.scroll_into_view_if_needed()
    url = image.get_attribute("src") or ""
    response = page.request.get(url)
    return response.ok and response.headers["content-type"] == "image/webp"


def test_a_visitor_joins_and_uploads_a_picture(plain: Page, photo: Path, mail: Path) -> None:
    join(plain, "grace")
    plain.get_by_label("Everyone").check()
    plain.get_by_role("button", name="Continue to your picture").click()
    expect(plain.get_by_role("link", name="Skip for now")).to_be_visible()

    plain.get_by_label("Choose a photo").set_input_files(photo)
    plain.get_by_label("The top or left").check()
    plain.get_by_label("Description (optional)").fill("At sea, laughing")
    plain.get_by_role("button", name="Save picture").click()
    expect(plain.get_by_role("heading", name="Your picture is saved")).to_be_visible()
    expect(plain.locator(".receipt")).to_contain_text("place, ")
    expect(plain.get_by_role("img", name="At sea, laughing")).to_be_visible()
    expect(plain.get_by_text("Everyone can see this page.")).to_be_visible()
    assert is_drawn(plain, "img.avatar")

    [sent] = [text for text in map(Path.read_text, mail.iterdir()) if "To: grace@" in text]
    plain.goto(find(r"http\S+/confirm/\S+", sent))
    plain.get_by_role("button", name="Confirm").click()
    expect(plain.get_by_role("status")).to_contain_text("Your address is confirmed.")

    plain.get_by_role("link", name="Remove picture").click()
    plain.get_by_role("button", name="Remove picture").click()
    expect(plain.locator("svg.avatar text")).to_have_text("G")


def tab_to(page: Page, target: Locator) -> None:
    """Move to an element with only the Tab key, as somebody without a mouse does."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("Tab does not lead there.")


def enter(page: Page, target: Locator) -> None:
    """Go to a link or a button by the keyboard, and press Enter on it."""
    tab_to(page, target)
    page.keyboard.press("Enter")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_the_whole_story_by_keyboard_alone(
    width: int, scheme: Any, browser: Browser, site: str, photo: Path
) -> None:
    name = f"tabea-{width}"
    size: Any = {"width": width, "height": 844}
    context = browser.new_context(base_url=site, viewport=size, color_scheme=scheme)
    page = context.new_page()
    faults = watch(page)
    page.goto("/")
    enter(page, page.get_by_role("link", name="Add your picture"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Join Likeness")
    for label, text in {
        "User name": name,
        "E-mail": f"{name}@example.org",
        "Password": WORD,
        "Password again": WORD,
    }.items():
        field = page.get_by_label(label, exact=True)
        if not field.evaluate("element => element === document.activeElement"):
            tab_to(page, field)
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your name, and who can see you")
    tab_to(page, page.get_by_label("Members only"))
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Everyone")).to_be_checked()
    enter(page, page.get_by_role("button", name="Continue to your picture"))
    expect_editor(page)
    with page.expect_file_chooser() as chooser:
        enter(page, page.get_by_role("button", name="Choose a photo"))
    chooser.value.set_files(photo)
    expect(page.get_by_role("application")).to_be_focused()
    enter(page, page.get_by_role("button", name="Save picture"))
    expect(page.get_by_role("heading", name="Your picture is saved")).to_be_focused()
    enter(page, page.get_by_role("link", name="Go to your page"))
    expect(page.get_by_text("Everyone can see this page.")).to_be_visible()
    page.wait_for_load_state()  # So that the dialog's script is there.
    enter(page, page.get_by_role("link", name="Remove picture"))
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("svg.avatar text")).to_have_text("T")
    enter(page, page.get_by_role("button", name="Sign out"))
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    context.close()
    assert faults == []


def test_a_refused_file_is_explained_and_what_was_typed_stays(plain: Page, tmp_path: Path) -> None:
    join(plain, "linus")
    plain.get_by_role("link", name="Skip for now").click()
    (tmp_path / "cv.pdf").write_bytes(b"%PDF-1.7 and so on")
    plain.get_by_label("Choose a photo").set_input_files(tmp_path / "cv.pdf")
    plain.get_by_label("Description (optional)").fill("In a hat")
    plain.get_by_role("button", name="Save picture").click()
    expect(plain.get_by_role("alert")).to_contain_text("not a picture we can read")
    expect(plain.get_by_label("Description (optional)")).to_have_value("In a hat")
    plain.get_by_label("Choose a photo").focus()


def test_a_file_that_is_too_large_is_explained(plain: Page, tmp_path: Path) -> None:
    join(plain, "mary")
    plain.get_by_role("link", name="Skip for now").click()
    (tmp_path / "big.jpg").write_bytes(draw_jpeg() + b"\0" * 30_500_000)
    plain.get_by_label("Choose a photo").set_input_files(tmp_path / "big.jpg")
    plain.get_by_role("button", name="Save picture").click()
    expect(plain.get_by_role("alert")).to_contain_text("31 MB; the limit is 20 MB")


def test_people_are_found_and_paged_through(plain: Page) -> None:
    plain.goto("/profiles/")
    expect(plain.locator(".people li")).to_have_count(24)
    first = plain.locator(".people b").first.inner_text()
    plain.get_by_role("link", name="Next page").click()
    plain.get_by_role("link", name="Previous page").click()
    expect(plain.locator(".people b").first).to_have_text(first)
    plain.get_by_role("searchbox", name="Find people by name").fill("dvorak")
    plain.get_by_role("button", name="Search").click()
    expect(plain.locator(".people b").first).to_contain_text("Dvořák")
    plain.locator(".people a").first.click()
    expect(plain.get_by_role("heading", level=1)).to_contain_text("Dvořák")
    assert is_drawn(plain, "img.avatar")


@pytest.mark.parametrize("width", [320, 390, 1440])
@pytest.mark.parametrize("path", ["/", "/profiles/", "/profiles/demo-00010/", "/how-it-works/"])
def test_no_page_is_wider_than_the_screen(
    path: str, width: int, browser: Browser, site: str
) -> None:
    context = browser.new_context(base_url=site, viewport={"width": width, "height": 700})
    page = context.new_page()
    faults = watch(page)
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert faults == []
    context.close()
