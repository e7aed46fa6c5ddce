"""The lesson in a browser."""

import pytest
from playwright.sync_api import Browser, Page, expect

# All at once, since arriving headers replace some of the code.
FIND_DIRECTIONS = "all => [...new Set(all.map((one) => getComputedStyle(one).direction))]"


@pytest.fixture
def page(calm: Page) -> Page:
    calm.goto("/how-it-works/")
    return calm


def get_ground(page: Page) -> str:
    ground: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return ground


def test_without_javascript_all_of_it_is_there(plain: Page) -> None:
    plain.goto("/how-it-works/")
    expect(plain.locator("section.station")).to_have_count(6)
    expect(plain.locator(".headers").first).to_contain_text("curl -I http")
    expect(plain.get_by_role("button", name="files away")).to_have_count(0)
    plain.locator("summary").first.click()
    expect(plain.locator("details p").first).to_contain_text('enctype="multipart/form-data"')


def test_the_browser_reads_the_headers(page: Page) -> None:
    static, media = page.locator(".headers").all()
    expect(static).to_contain_text("Content-Type: text/css")
    expect(static).to_contain_text("immutable")
    expect(media).to_contain_text("Content-Type: image/webp")
    expect(media).to_contain_text("Cache-Control: public, max-age=31536000")


def test_without_headers_the_line_for_curl_stays(browser: Browser, site: str) -> None:
    page = browser.new_page(base_url=site)
    page.route(
        "**/*",
        lambda route, request: route.abort() if request.method == "HEAD" else route.continue_(),
    )
    page.goto("/how-it-works/")
    expect(page.locator(".take-away")).to_be_visible()
    expect(page.locator(".headers").first).to_contain_text("curl -I http")
    page.close()


def test_static_files_are_taken_away_and_put_back_by_keyboard(page: Page) -> None:
    ground = get_ground(page)
    button = page.get_by_role("button", name="Take static files away")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Static files are away")
    assert get_ground(page) != ground
    back = page.get_by_role("button", name="Put static files back")
    expect(back).to_be_focused()
    expect(back).to_be_in_viewport()
    assert page.locator("main img").first.evaluate("image => image.naturalWidth") > 0
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("They are back.")
    expect(page.locator("html")).to_have_css("background-color", ground)
    expect(page.get_by_role("button", name="Take static files away")).to_be_focused()


def test_media_files_are_taken_away_and_put_back(page: Page) -> None:
    ground = get_ground(page)
    picture = page.locator("main img").first
    page.get_by_role("button", name="Take media files away").click()
    expect(page.get_by_role("status")).to_contain_text("Media files are away")
    assert picture.get_attribute("src") is None
    assert picture.evaluate("image => image.naturalWidth") == 0
    assert get_ground(page) == ground
    page.get_by_role("button", name="Put media files back").click()
    expect(page.get_by_role("status")).to_have_text("They are back.")
    page.wait_for_function("() => document.querySelector('main img').naturalWidth > 0")


def test_the_lanes_are_side_by_side_on_a_wide_screen(page: Page) -> None:
    static = page.locator(".station .lane-static").first.bounding_box()
    media = page.locator(".station .lane-media").first.bounding_box()
    assert static
    assert media
    if page.viewport_size and page.viewport_size["width"] >= 768:
        assert static["y"] == media["y"]
        assert static["x"] < media["x"]
    else:
        assert media["y"] >= static["y"] + static["height"]
    edges = ".station .lane-static", ".station .lane-media"
    styles = [page.locator(lane).first for lane in edges]
    expect(styles[0]).to_have_css("border-left-style", "solid")
    expect(styles[1]).to_have_css("border-left-style", "dashed")


def test_from_right_to_left_code_stays_as_it_is(page: Page) -> None:
    page.evaluate("document.documentElement.dir = 'rtl'")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
    expect(page.locator(".station .lane-static").first).to_have_css("border-right-style", "solid")
    assert page.locator("main pre, main code").evaluate_all(FIND_DIRECTIONS) == ["ltr"]
