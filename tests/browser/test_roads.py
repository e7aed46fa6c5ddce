"""The drawing of the lesson in a browser: the switch, and the walk along a road."""

import pytest
from playwright.sync_api import Browser, Locator, Page, expect


@pytest.fixture
def page(calm: Page) -> Page:
    calm.goto("/how-it-works/")
    return calm


def get_current(page: Page) -> Locator:
    return page.locator(".map [aria-current=step] b")


def test_without_javascript_the_drawing_is_links_and_a_switch(plain: Page) -> None:
    plain.goto("/how-it-works/")
    road = plain.locator(".map:visible .road-static")
    expect(road.get_by_role("link")).to_have_count(5)
    plain.get_by_role("radio", name="While you develop").check()
    expect(road.get_by_role("link")).to_have_count(3)
    expect(plain.get_by_role("button", name="Follow the picture")).to_have_count(0)
    road.get_by_role("link", name="runserver").click()
    expect(plain.locator("#handover")).to_be_in_viewport()


def test_a_stylesheet_is_followed_to_its_headers_by_keyboard(page: Page) -> None:
    page.get_by_role("button", name="Follow the stylesheet").focus()
    page.keyboard.press("Enter")
    expect(get_current(page)).to_have_text("Source")
    step = page.locator(".walk")
    expect(step.get_by_role("heading")).to_have_text("1 of 5: Source")
    expect(step.get_by_role("button", name="Back")).to_be_disabled()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(get_current(page)).to_have_text("WhiteNoise")
    expect(step).to_contain_text("Content-Type: text/css")
    expect(step).to_contain_text("immutable")
    page.keyboard.press("ArrowRight")
    expect(step.get_by_role("button", name="Next")).to_be_disabled()
    expect(step.get_by_role("button", name="Back")).to_be_focused()
    page.keyboard.press("Escape")
    expect(step).to_be_hidden()
    expect(get_current(page)).to_have_count(0)
    expect(page.get_by_role("button", name="Follow the stylesheet")).to_be_focused()


def test_a_picture_is_followed_to_its_headers_by_buttons(page: Page) -> None:
    page.get_by_role("button", name="Follow the picture").click()
    for _ in range(3):
        page.get_by_role("button", name="Next").click()
    expect(page.locator(".walk")).to_contain_text("Content-Type: image/webp")
    page.get_by_role("button", name="Back").click()
    expect(get_current(page)).to_have_text("MEDIA_ROOT")
    page.get_by_role("button", name="Close").click()
    expect(page.locator(".walk")).to_be_hidden()


def test_the_walk_goes_on_where_the_state_is_changed(page: Page) -> None:
    page.get_by_role("button", name="Follow the stylesheet").click()
    for _ in range(3):
        page.get_by_role("button", name="Next").click()
    expect(get_current(page)).to_have_text("WhiteNoise")
    page.get_by_role("radio", name="While you develop").check()
    expect(get_current(page)).to_have_text("runserver")
    expect(page.locator(".walk").get_by_role("heading")).to_have_text("2 of 3: runserver")


def test_what_is_said_stays_in_sight_and_hides_no_place(page: Page) -> None:
    page.get_by_role("button", name="Follow the picture").click()
    for _ in range(4):
        expect(get_current(page)).to_be_in_viewport()
        expect(page.get_by_role("button", name="Close")).to_be_in_viewport()
        page.keyboard.press("ArrowDown")
    panel = page.locator(".walk")
    for link in page.locator(".map:visible .road-media a").all():
        link.focus()
        place, cover = link.bounding_box(), panel.bounding_box()
        assert place
        assert cover
        assert place["y"] < cover["y"]


def test_the_ring_follows_when_the_window_changes(page: Page) -> None:
    page.get_by_role("button", name="Follow the picture").click()
    page.evaluate("scrollTo(0, 0)")
    page.set_viewport_size({"width": 800, "height": 900})
    near = """() => {
        const [ring, node] = [".ring", ".here .node"].map((one) =>
            document.querySelector(one).getBoundingClientRect());
        return Math.hypot(ring.x + 6 - node.x, ring.y + 6 - node.y) < 2;
    }"""
    page.wait_for_function(near)
    assert page.evaluate("scrollY") == 0


def test_in_arabic_the_road_runs_from_right_to_left(browser: Browser, site: str) -> None:
    page = browser.new_page(base_url=site, locale="ar", viewport={"width": 1440, "height": 844})
    page.goto("/how-it-works/")
    places = page.locator(".map:visible .road-static li").all()
    boxes = [place.bounding_box() for place in places]
    lefts = [box["x"] for box in boxes if box]
    assert lefts == sorted(lefts, reverse=True)
    page.locator("[data-follow=static]").click()
    page.keyboard.press("ArrowLeft")
    expect(get_current(page)).to_have_text("collectstatic")
    page.close()


def test_on_a_small_screen_the_road_runs_down(browser: Browser, site: str) -> None:
    page = browser.new_page(base_url=site, viewport={"width": 390, "height": 844})
    page.goto("/how-it-works/")
    for kind in ("static", "media"):
        places = page.locator(f".map:visible .road-{kind} li").all()
        boxes = [place.bounding_box() for place in places]
        tops = [box["y"] for box in boxes if box]
        assert len(tops) == 5
        assert tops == sorted(tops)
    page.close()
