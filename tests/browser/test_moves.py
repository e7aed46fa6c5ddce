"""How the photo is moved, zoomed and turned in its frame, and how that is undone."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, expect

from ..helpers.pictures import draw_jpeg
from .editor import (
    find_saved_quarters,
    frame,
    get_stage,
    open_editor,
    save,
    touch,
)
from .engines import Chromium, wait

# The point of the photo, in its pixels, that is at a place of the window.
POINT = """([x, y]) => {
    const [photo, window] = ["#window img", "#window"].map((selector) => {
        return document.querySelector(selector).getBoundingClientRect();
    });
    const scale = document.querySelector("#window img").naturalWidth / photo.width;
    return [(window.x + x - photo.x) * scale, (window.y + y - photo.y) * scale].map(Math.round);
}"""
SLIDE = """(slider, value) => {
    slider.value = value;
    for (const type of ["input", "change"]) slider.dispatchEvent(new Event(type));
}"""
# Lets the photo glide only when the test says so.
HOLD = """window.glide = null;
    window.requestAnimationFrame = (step) => { window.glide = step; };
    window.cancelAnimationFrame = () => { window.glide = null; };
"""
TURN = """deltas => {
    const [stage, window] = ["#stage", "#window"].map((id) => document.querySelector(id));
    const { x, y } = window.getBoundingClientRect();
    for (const deltaY of deltas) {
        const options = { deltaY, clientX: x + 100, clientY: y + 50, cancelable: true };
        stage.dispatchEvent(new WheelEvent("wheel", options));
    }
}"""


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.jpg"
    path.write_bytes(draw_jpeg(1600, 1200))
    return path


@pytest.fixture
def desk(desk: Page, photo: Path) -> Page:
    """A photo in its frame, on a computer; nothing glides."""
    desk.emulate_media(reduced_motion="reduce")
    frame(desk, photo)
    return desk


@pytest.fixture
def phone(phone: Page, photo: Path) -> Page:
    """A photo in its frame, on a phone; nothing glides."""
    phone.emulate_media(reduced_motion="reduce")
    frame(phone, photo)
    return phone


def find_point(page: Page, x: float, y: float) -> list[int]:
    return page.evaluate(POINT, [x, y])


def get_zoom(page: Page) -> Locator:
    return page.get_by_role("slider", name="Zoom")


def look(page: Page) -> str:
    """Return how the photo is placed, zoomed and turned."""
    return page.locator("#window img").evaluate("image => image.style.transform")


def slide(page: Page, **places: int) -> None:
    """Put the photo at places of the sliders, from 0 to 100."""
    for axis, place in places.items():
        page.locator(f"#move-{axis}").evaluate(SLIDE, str(place))


def press_turn(page: Page) -> None:
    page.get_by_role("button", name="Turn a quarter to the right").click()


def test_the_photo_is_turned_and_so_is_what_is_sent(desk: Page) -> None:
    press_turn(desk)
    expect(desk.get_by_role("status")).to_have_text("turned a quarter to the right")
    for window in desk.locator(".window").all():
        image = window.locator("img").bounding_box()
        assert image
        assert image["width"] < image["height"]
    save(desk)
    # The lower left quarter comes to the upper left.
    assert find_saved_quarters(desk) == [2, 0, 3, 1]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_same_part_stays_in_the_window_when_it_is_turned(turns: int, desk: Page) -> None:
    desk.get_by_role("button", name="Zoom in").click(click_count=5)
    slide(desk, x=0, y=100)
    for _ in range(turns):
        desk.get_by_role("button", name="Turn a quarter to the right").press("Enter")
    save(desk)
    assert find_saved_quarters(desk) == [3, 3, 3, 3]


def test_r_turns_the_photo_while_it_has_the_focus(desk: Page) -> None:
    before = look(desk)
    desk.get_by_label("Description").press("r")
    assert look(desk) == before
    get_stage(desk).press("R")
    expect(desk.get_by_role("status")).to_have_text("turned a quarter to the right")
    get_stage(desk).press("r")
    expect(desk.get_by_role("status")).to_have_text("turned upside down")
    get_stage(desk).press("r")
    get_stage(desk).press("r")
    expect(desk.get_by_role("status")).to_have_text("not turned")
    assert look(desk) == before


def test_two_fingers_zoom_between_them_and_take_the_photo_along(phone: Page) -> None:
    phone.get_by_role("button", name="Zoom in").click(click_count=3)
    phone.evaluate("scrollTo(0, 0)")
    box = phone.locator("#window").bounding_box()
    assert box
    x, y = box["x"] + 150, box["y"] + 150
    seen = find_point(phone, 150, 150)
    touch(
        phone.context,
        phone,
        [(x - 20, y), (x + 20, y)],
        [(x - 25, y + 10), (x + 35, y + 10)],
        [(x - 30, y + 20), (x + 50, y + 20)],
    )
    expect(get_zoom(phone)).to_have_attribute("aria-valuetext", "346%")
    after = find_point(phone, 160, 170)
    assert all(abs(a - b) <= 2 for a, b in zip(after, seen, strict=True)), (after, seen)
    assert phone.evaluate("[scrollY, visualViewport.scale]") == [0, 1]


def test_two_fingers_on_a_touchpad_move_the_photo_and_not_the_page(
    browser: Browser, site: str, member: Any, photo: Path
) -> None:
    with open_editor(browser, site, member) as page:
        frame(page, photo)
        page.get_by_role("button", name="Zoom in").click(click_count=3)
        x, y = find_point(page, 0, 0)
        page.locator("#window").hover()
        page.evaluate("scrollTo(0, 50)")
        page.mouse.wheel(12, 6)
        expect(page.locator("#move-y")).not_to_have_value("50")
        assert find_point(page, 0, 0) > [x, y]
        page.mouse.wheel(2000, 2000)
        expect(page.locator("#move-x")).to_have_value("0")
        expect(page.locator("#move-y")).to_have_value("100")
        page.mouse.wheel(20, 200)
        page.mouse.wheel(-20, 0)
        expect(page.locator("#move-x")).not_to_have_value("0")
        expect(get_zoom(page)).to_have_attribute("aria-valuetext", "173%")
        assert page.evaluate("scrollY") == 50


def test_where_two_fingers_cannot_move_the_photo_they_scroll_the_page(
    browser: Browser, site: str, member: Any, photo: Path
) -> None:
    with open_editor(browser, site, member) as page:
        frame(page, photo)
        page.locator("#window").hover()
        page.mouse.wheel(0, 30)  # All of its height shows.
        wait(Chromium(page), "scrollY > 0")
        expect(get_zoom(page)).to_have_value("0")


def test_a_small_turn_and_a_notch_of_a_wheel_are_told_apart(desk: Page) -> None:
    desk.get_by_role("button", name="Zoom in").click(click_count=3)
    before = look(desk)
    desk.evaluate(TURN, [5, 100, 100])  # Two fingers, which become quicker.
    expect(get_zoom(desk)).to_have_attribute("aria-valuetext", "173%")
    assert look(desk) != before


def test_a_notch_of_a_wheel_zooms_where_the_pointer_is(desk: Page) -> None:
    seen = find_point(desk, 100, 50)
    desk.evaluate(TURN, [-100])
    expect(get_zoom(desk)).to_have_attribute("aria-valuetext", "116%")
    assert find_point(desk, 100, 50) == seen


def test_a_pinch_on_a_touchpad_zooms_where_the_pointer_is(desk: Page) -> None:
    desk.get_by_role("button", name="Zoom in").click()
    seen = find_point(desk, 100, 50)
    box = desk.locator("#window").bounding_box()
    assert box
    desk.mouse.move(box["x"] + 100, box["y"] + 50)
    desk.keyboard.down("Control")  # Browsers send it with a pinch.
    desk.mouse.wheel(0, -30)
    desk.mouse.wheel(0, -30)
    desk.keyboard.up("Control")
    expect(get_zoom(desk)).to_have_attribute("aria-valuetext", "219%")
    after = find_point(desk, 100, 50)
    assert all(abs(a - b) <= 2 for a, b in zip(after, seen, strict=True)), (after, seen)
    assert desk.evaluate("visualViewport.scale") == 1


def test_a_pinch_on_a_touchpad_zooms_in_safari_where_the_pointer_is(
    desk: Page, photo: Path
) -> None:
    seen = find_point(desk, 100, 50)
    # Only Safari has these events, so this test makes them.
    desk.evaluate(
        """for (const [name, scale] of [["gesturestart", 1], ["gesturechange", 2]]) {
            const box = document.querySelector("#window").getBoundingClientRect();
            const event = Object.assign(new Event(name, {cancelable: true}), {
                scale, clientX: box.left + 100, clientY: box.top + 50 });
            if (document.querySelector("#stage").dispatchEvent(event)) throw new Error(name);
        }"""
    )
    zoom = desk.get_by_role("slider", name="Zoom")
    expect(zoom).to_have_attribute("aria-valuetext", "200%")
    assert find_point(desk, 100, 50) == seen


def undo(page: Page) -> None:
    page.keyboard.press("Control+z")


def test_each_move_is_undone_and_done_again(desk: Page) -> None:
    places = [look(desk)]

    def expect_new() -> None:
        assert look(desk) != places[-1]
        places.append(look(desk))

    desk.get_by_role("button", name="Zoom in").click()
    expect_new()
    desk.evaluate(TURN, [-100] * 5)  # One turn of the wheel.
    expect_new()
    box = desk.locator("#window").bounding_box()
    assert box
    desk.mouse.move(box["x"] + 200, box["y"] + 200)
    desk.mouse.down()
    desk.mouse.move(box["x"] + 260, box["y"] + 150, steps=6)
    desk.mouse.up()
    expect_new()
    press_turn(desk)
    expect_new()
    desk.mouse.click(box["x"] + 150, box["y"] + 150)
    expect_new()
    slide(desk, x=10)
    expect_new()
    for place in reversed(places[:-1]):
        undo(desk)
        assert look(desk) == place
    undo(desk)
    assert look(desk) == places[0]
    for n, place in enumerate(places[1:]):
        desk.keyboard.press("Control+y" if n % 2 else "Control+Shift+z")
        assert look(desk) == place
    undo(desk)
    press_turn(desk)
    turned = look(desk)
    desk.keyboard.press("Control+y")  # Nothing is left to be done again.
    assert look(desk) == turned


def test_a_photo_that_is_turned_while_it_glides_stays_turned(desk: Page) -> None:
    desk.emulate_media(reduced_motion="no-preference")
    desk.get_by_role("button", name="Zoom in").click()
    before = look(desk)
    desk.evaluate(HOLD)
    desk.locator("#window").click(position={"x": 100, "y": 100})
    assert desk.evaluate("Boolean(glide)")
    press_turn(desk)
    turned = look(desk)
    desk.evaluate("glide?.(performance.now() + 1000)")
    assert look(desk) == turned != before
    undo(desk)
    assert look(desk) == before
    # The photo had not moved yet, so the tap left nothing to undo.
    undo(desk)
    expect(get_zoom(desk)).to_have_value("0")


def test_keys_that_are_held_are_one_move(desk: Page) -> None:
    before = look(desk)
    desk.evaluate(
        """() => {
            for (let n = 0; n < 9; n++) document.querySelector("#stage").dispatchEvent(
                new KeyboardEvent("keydown", { key: "ArrowLeft", repeat: n > 0 }));
        }"""
    )
    assert look(desk) != before
    undo(desk)
    assert look(desk) == before


def test_in_a_text_ctrl_z_is_for_the_text(desk: Page) -> None:
    press_turn(desk)
    turned = look(desk)
    desk.get_by_label("Description").focus()
    desk.keyboard.type("In a hat")
    undo(desk)
    expect(desk.get_by_label("Description")).not_to_have_value("In a hat")
    assert look(desk) == turned


@pytest.mark.parametrize(
    ("key", "code", "shift"), [("z", "KeyY", False), ("Z", "KeyZ", True), ("\u0626", "KeyZ", False)]
)
def test_z_is_where_the_keyboard_has_it(key: str, code: str, shift: bool, desk: Page) -> None:
    before = look(desk)
    press_turn(desk)
    turned = look(desk)
    if shift:
        undo(desk)
    desk.evaluate(
        """([key, code, shiftKey]) => document.body.dispatchEvent(new KeyboardEvent("keydown",
            { key, code, shiftKey, metaKey: true, bubbles: true }))""",
        [key, code, shift],
    )
    assert look(desk) == (turned if shift else before)


def test_moves_are_undone_by_taps(phone: Page) -> None:
    button = phone.get_by_role("button", name="Undo the last move")
    expect(button).to_be_disabled()
    before = look(phone)
    phone.get_by_role("button", name="Zoom in").tap()
    phone.get_by_role("button", name="Turn a quarter to the right").tap()
    button.tap()
    expect(button).to_be_enabled()
    button.tap()
    expect(button).to_be_disabled()
    assert look(phone) == before
    expect(phone.get_by_role("status")).to_have_text("in the middle, all of the height shows, 100%")


def test_the_moves_of_the_photo_before_are_not_undone(desk: Page, tmp_path: Path) -> None:
    press_turn(desk)
    (tmp_path / "other.jpg").write_bytes(draw_jpeg(600, 900))
    with desk.expect_file_chooser() as chooser:
        desk.get_by_role("button", name="Other photo").click()
    chooser.value.set_files(tmp_path / "other.jpg")
    expect(desk.get_by_role("button", name="Undo the last move")).to_be_disabled()
    before = look(desk)
    undo(desk)
    assert look(desk) == before


def test_what_is_sent_is_not_changed_by_undo(desk: Page) -> None:
    press_turn(desk)
    turned = look(desk)
    desk.route("**/profile/avatar/", lambda route: None)
    desk.get_by_role("button", name="Save picture").click()
    expect(desk.get_by_role("button", name="Stop sending")).to_be_visible()
    undo(desk)
    assert look(desk) == turned


def test_the_zoom_buttons_say_what_they_did(desk: Page) -> None:
    closer = desk.get_by_role("button", name="Zoom in")
    expect(desk.get_by_role("button", name="Zoom out")).to_be_disabled()
    closer.press("Enter")
    closer.press("Enter")
    expect(desk.get_by_role("status")).to_have_text("Zoom 144%")
    expect(desk.get_by_role("button", name="Zoom out")).to_be_enabled()
    for _ in range(10):
        desk.keyboard.press("Enter")
    expect(desk.get_by_role("status")).to_have_text("Zoom 800%")
    expect(closer).to_be_disabled()
    expect(closer).to_be_focused()


def test_leaving_asks_only_while_something_would_be_lost(desk: Page) -> None:
    save(desk)
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    desk.on("dialog", stay)
    desk.get_by_role("button", name="Adjust the square").click()
    press_turn(desk)
    with desk.expect_event("dialog"):
        desk.get_by_role("link", name="People").click()
    expect(get_stage(desk)).to_be_visible()
    undo(desk)
    desk.get_by_role("link", name="People").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("People")
    assert asked == ["beforeunload"]
