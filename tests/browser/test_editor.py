"""The picture editor, with a mouse, a keyboard and a touch screen."""

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Dialog, Page, Route, expect

from ..helpers.corpus import CORPUS
from ..helpers.pictures import draw_jpeg, make_exif, make_heic
from .editor import (
    PROMISE,
    choose,
    draw_sprite,
    drop,
    expect_editor,
    expect_receipt,
    find_saved_quarters,
    frame,
    get_stage,
    get_touch,
    open_editor,
    paste,
    save,
    touch,
)
from .engines import Chromium, wait

EDITOR = """
- main:
  - heading "Your picture" [level=1]
  - application "Your photo"
  - paragraph: The arrow keys move the photo; plus and minus zoom; R turns it.
  - button "Zoom out"
  - slider "Zoom"
  - button "Zoom in"
  - button "Turn a quarter to the right"
  - button "Undo the last move" [disabled]
  - paragraph: Only this square is sent. The rest of the photo stays on this device.
  - paragraph: Your photo also contains these details. They are not sent.
  - term: Place
  - definition:
    - deletion: 51.5072°, -0.1275°
    - text: (not sent)
  - text: /Description \\(optional\\) Read aloud to people/
  - textbox "Description (optional)"
  - group: Move with sliders
  - link "Cancel"
  - status
  - paragraph:
    - button "Other photo"
    - button "Save picture"
"""


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo as a phone stores it: on its side, 1200 × 1600 when upright, with EXIF."""
    path = tmp_path_factory.mktemp("photos") / "IMG_0001.JPG"
    path.write_bytes(draw_jpeg(1600, 1200, exif=make_exif(6)))
    return path


@pytest.mark.parametrize(("width", "height", "scheme"), [(390, 844, "dark"), (1440, 900, "light")])
def test_by_mouse(
    width: int, height: int, scheme: Any, browser: Browser, site: str, member: Any, photo: Path
) -> None:
    size: Any = {"width": width, "height": height}
    with open_editor(browser, site, member, viewport=size, color_scheme=scheme) as page:
        frame(page, photo)
        box = get_stage(page).bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.wheel(0, -800)
        expect(page.get_by_role("slider", name="Zoom")).not_to_have_value("0")
        page.mouse.down()
        page.mouse.move(x + 100, y + 50, steps=4)
        page.mouse.move(x + 900, y + 900, steps=4)
        page.mouse.up()
        expect(page.get_by_label("Left and right")).to_have_value("100")
        if width > 1000:
            page.get_by_label("Description (optional)").fill("At sea, laughing")
        save(page)
        # The photo was dragged to the lower right, so the window shows its upper left corner. As it
        # is stored, on its side, that is the lower left corner.
        assert find_saved_quarters(page) == [2, 2, 2, 2]
        receipt = page.locator(".receipt")
        expect(receipt).to_contain_text("Stayed on")
        expect(receipt).to_contain_text("the rest of the photo, place, date, camera, and name")
        if width < 1000:
            page.get_by_role("button", name="description").click()
            page.get_by_label("Description (optional)").fill("At sea, laughing")
            page.get_by_role("button", name="Save description").click()
            expect(page.get_by_role("button", name="Change the description")).to_be_focused()
        page.get_by_role("link", name="Go to your page").click()
        expect(page.get_by_role("img", name="At sea, laughing")).to_be_visible()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_by_keyboard_alone(desk: Page, photo: Path) -> None:
    button = desk.get_by_role("button", name="Choose a photo")
    for _ in range(20):
        press(desk, "Tab")
        if button.evaluate("button => button === document.activeElement"):
            break
    expect(button).to_be_focused()
    with desk.expect_file_chooser() as chooser:
        press(desk, "Enter")
    chooser.value.set_files(photo)
    expect(get_stage(desk)).to_be_focused()
    press(desk, "+", "+", "+", "+", "+", "+", "+", *["ArrowUp"] * 60)
    press(desk, "Tab")
    expect(desk.get_by_role("button", name="Zoom out")).to_be_focused()
    press(desk, "Tab")
    zoom = desk.get_by_role("slider", name="Zoom")
    expect(zoom).to_be_focused()
    expect(zoom).to_have_attribute("aria-valuetext", "195%")
    press(desk, "ArrowRight", "Tab")
    expect(desk.get_by_role("button", name="Zoom in")).to_be_focused()
    press(desk, "Tab")
    expect(desk.get_by_role("button", name="Turn a quarter to the right")).to_be_focused()
    press(desk, "Tab")
    expect(desk.get_by_role("button", name="Undo the last move")).to_be_focused()
    press(desk, "Tab")
    expect(desk.get_by_label("Description")).to_be_focused()
    desk.keyboard.type("In a hat")
    press(desk, "Tab")
    while desk.evaluate("document.activeElement.id === 'offer'"):
        press(desk, "Tab")
    expect(desk.locator("summary")).to_be_focused()
    press(desk, "Enter", "Tab")
    sideways = desk.get_by_label("Left and right")
    expect(sideways).to_be_focused()
    press(desk, "ArrowLeft", "ArrowLeft", "ArrowLeft")
    expect(sideways).to_have_attribute("aria-valuetext", "a little left of the middle")
    press(desk, "Home", "Tab")
    upwards = desk.get_by_label("Up and down")
    expect(upwards).to_be_focused()
    expect(upwards).to_have_attribute("aria-valuetext", "at the very top")
    press(desk, "Tab")
    expect(desk.get_by_role("link", name="Cancel")).to_be_focused()
    press(desk, "Tab")
    expect(desk.get_by_role("button", name="Other photo")).to_be_focused()
    press(desk, "Tab")
    expect(desk.get_by_role("button", name="Save picture")).to_be_focused()
    press(desk, "Enter")
    expect_receipt(desk)
    # The photo was moved up and to the left, so the window shows its lower right corner.
    assert find_saved_quarters(desk) == [1, 1, 1, 1]
    press(desk, "Tab")
    expect(desk.get_by_role("link", name="Go to your page")).to_be_focused()
    press(desk, "Tab")
    expect(desk.get_by_role("button", name="Change the description")).to_be_focused()
    press(desk, "Tab")
    expect(desk.get_by_role("button", name="Adjust the square")).to_be_focused()
    press(desk, "Enter")
    expect(get_stage(desk)).to_be_focused()
    expect(upwards).to_have_attribute("aria-valuetext", "at the very top")
    expect(desk.get_by_label("Description")).to_have_value("In a hat")


def test_by_taps_alone(phone: Page, photo: Path) -> None:
    expect(phone.get_by_role("button", name="Take a photo")).to_be_visible()
    with phone.expect_file_chooser() as chooser:
        phone.get_by_role("button", name="Choose a photo").tap()
    chooser.value.set_files(photo)
    stage = get_stage(phone)
    expect(stage).to_be_focused()
    expect(phone.get_by_text(PROMISE)).to_be_visible()
    phone.get_by_role("button", name="Zoom in").tap()
    expect(phone.get_by_role("button", name="Zoom in")).to_be_focused()
    box = phone.locator("#window").bounding_box()
    assert box
    # The point glides to the middle, and the photo with it.
    phone.touchscreen.tap(box["x"] + box["width"] - 20, box["y"] + box["height"] - 20)
    for axis, words in (("x", "at the far left"), ("y", "at the very top")):
        expect(phone.locator(f"#move-{axis}")).to_have_attribute("aria-valuetext", words)
    expect(stage).to_be_focused()
    phone.get_by_text("Move with sliders").tap()
    expect(phone.locator("summary")).to_be_focused()
    phone.get_by_text("Move with sliders").tap()
    phone.get_by_role("button", name="Save picture").tap()
    expect_receipt(phone)
    assert find_saved_quarters(phone)[3] == 1
    expect(phone.locator(".receipt")).to_contain_text("Stayed on your phone")
    phone.get_by_role("button", name="description").tap()
    expect(phone.get_by_label("Description (optional)")).to_be_focused()
    phone.get_by_label("Description (optional)").fill("On a boat")
    phone.get_by_role("button", name="Save description").tap()
    expect(phone.get_by_role("button", name="Change the description")).to_be_focused()
    expect(phone.get_by_role("status")).to_have_text("Saved.")
    phone.goto("/profile/")
    expect(phone.get_by_role("img", name="On a boat")).to_be_visible()


def test_two_fingers_zoom(phone: Page, photo: Path) -> None:
    frame(phone, photo)
    near = [(180.0, 250.0), (210.0, 250.0)]
    far = [(120.0, 250.0), (270.0, 250.0)]
    touch(phone.context, phone, near, [(165.0, 250.0), (225.0, 250.0)], far)
    zoom = phone.get_by_role("slider", name="Zoom")
    expect(zoom).to_have_attribute("aria-valuetext", "500%")
    assert float(zoom.input_value()) > 50


def test_where_the_zoom_is_at_its_end_the_wheel_scrolls_the_page(
    browser: Browser, site: str, member: Any, photo: Path
) -> None:
    with open_editor(browser, site, member) as page:
        frame(page, photo)
        zoom = page.get_by_role("slider", name="Zoom")
        page.locator("#window").hover()
        page.mouse.wheel(0, 200)
        wait(Chromium(page), "scrollY > 0")
        expect(zoom).to_have_value("0")
        page.evaluate("scrollTo(0, 0)")
        page.mouse.wheel(0, -5000)
        expect(zoom).to_have_value("100")
        assert page.evaluate("scrollY") == 0
        page.evaluate("scrollTo(0, 100)")
        page.mouse.wheel(0, -60)
        wait(Chromium(page), "scrollY < 100")
        expect(zoom).to_have_value("100")


def test_the_camera_is_asked_for_the_face(phone: Page, photo: Path) -> None:
    with phone.expect_file_chooser() as chooser:
        phone.get_by_role("button", name="Take a photo").tap()
    assert chooser.value.element.get_attribute("capture") == "user"
    chooser.value.set_files(photo)
    expect(get_stage(phone)).to_be_focused()


def test_it_starts_as_the_server_would_cut(desk: Page, photo: Path) -> None:
    frame(desk, photo)
    save(desk)
    # Turned to the right, the lower left quarter comes to the upper left.
    assert find_saved_quarters(desk) == [2, 0, 3, 1]


def test_a_photo_is_dropped_anywhere_or_pasted(desk: Page, photo: Path) -> None:
    drop(desk, None, "h1")
    expect(desk.locator("#trouble")).to_be_focused()
    expect(desk.locator("#trouble")).to_contain_text("What you dropped is not a file.")
    drop(desk, photo, "footer")
    expect(get_stage(desk)).to_be_focused()
    desk.reload()
    paste(desk, photo, "h1")
    expect(get_stage(desk)).to_be_focused()
    assert desk.url.endswith("/profile/avatar/")


def test_what_is_pasted_into_a_text_stays_there(desk: Page, photo: Path) -> None:
    frame(desk, photo)
    zoom = desk.get_by_role("slider", name="Zoom")
    desk.get_by_role("button", name="Zoom in").click()
    moved = zoom.input_value()
    desk.get_by_label("Description").focus()
    paste(desk, photo, "#id_description")
    desk.wait_for_timeout(300)
    expect(zoom).to_have_value(moved)


def test_the_last_of_two_photos_is_framed(desk: Page, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "wide.jpg").write_bytes(draw_jpeg(800, 400))
    # The first takes longer to open.
    desk.evaluate(
        """() => {
            const decode = HTMLImageElement.prototype.decode;
            let number = 0;
            HTMLImageElement.prototype.decode = async function () {
                if (!number++) await new Promise((resolve) => setTimeout(resolve, 1000));
                return decode.call(this);
            };
        }"""
    )
    drop(desk, photo, "footer")
    drop(desk, tmp_path / "wide.jpg", "footer")
    expect(get_stage(desk)).to_be_focused()
    desk.wait_for_timeout(1200)
    assert desk.locator("#window img").evaluate("image => image.naturalWidth") == 800


# Each URL of a file keeps the file in memory until it is revoked.
COUNT_URLS = """
    window.kept = new Set();
    const { createObjectURL, revokeObjectURL } = URL;
    URL.createObjectURL = (blob) => {
        const url = createObjectURL.call(URL, blob);
        kept.add(url);
        return url;
    };
    URL.revokeObjectURL = (url) => {
        kept.delete(url);
        revokeObjectURL.call(URL, url);
    };
"""


def test_the_memory_of_photos_that_are_not_framed_is_freed(
    desk: Page, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.jpg").write_bytes(draw_jpeg(20, 20) + bytes(1_000_000))
    (tmp_path / "photo.heic").write_bytes(make_heic())
    desk.add_init_script(COUNT_URLS)
    desk.reload()
    for _ in range(5):
        drop(desk, tmp_path / "tiny.jpg", "footer")
        expect(desk.locator("#trouble")).to_contain_text("each side must have at least 32")
        desk.evaluate("document.querySelector('#trouble ul').replaceChildren()")
    wait(Chromium(desk), "kept.size === 0")
    for _ in range(3):
        drop(desk, photo, "footer")
    expect(get_stage(desk)).to_be_focused()
    wait(Chromium(desk), "kept.size === 1")
    drop(desk, tmp_path / "photo.heic", "footer")
    expect(desk.get_by_label("The middle")).to_be_focused()
    wait(Chromium(desk), "kept.size === 0")


def test_the_limits_are_those_of_the_server(desk: Page, tmp_path: Path) -> None:
    (tmp_path / "small.jpg").write_bytes(draw_jpeg(90, 90))
    (tmp_path / "large.heic").write_bytes(make_heic() + bytes(1_000_000))

    def change(route: Route) -> None:
        response = route.fetch()
        facts = {"minSide": ("32", "100"), "maxBytes": ("20000000", "1000000")}
        body = response.text()
        for name, (old, new) in facts.items():
            old_fact, new_fact = (f"&quot;{name}&quot;: {value}," for value in (old, new))
            assert old_fact in body
            body = body.replace(old_fact, new_fact)
        route.fulfill(response=response, body=body)

    desk.route("**/profile/avatar/", change)
    desk.reload()
    drop(desk, tmp_path / "small.jpg", "footer")
    trouble = desk.locator("#trouble")
    expect(trouble).to_contain_text("90 × 90 pixels; each side must have at least 100.")
    drop(desk, tmp_path / "large.heic", "footer")
    expect(trouble).to_contain_text("This photo is 2 MB; the limit is 1 MB.")


def test_what_was_refused_is_forgotten_with_the_next_photo(
    browser: Browser, site: str, member: Any, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "cv.jpg").write_bytes(b"%PDF-1.7 and so on")
    with open_editor(browser, site, member) as page:
        page.route("**/editor.*.js", lambda route: route.fulfill(status=503))
        page.reload()
        page.locator("#id_avatar").set_input_files(tmp_path / "cv.jpg")
        page.unroute("**/editor.*.js")
        page.locator("#editor").evaluate("form => form.submit()")
        trouble = page.locator("#trouble")
        expect(trouble).to_be_focused()
        expect(trouble).to_contain_text("This file is not a picture we can read.")
        expect(page.locator("#id_avatar_error")).to_have_count(0)
        frame(page, photo)
        expect(trouble).to_be_hidden()


def test_what_the_keys_did_is_said_once(desk: Page, photo: Path) -> None:
    frame(desk, photo)
    press(desk, "+", "+", "+", "+", *["ArrowLeft"] * 30)
    expect(desk.get_by_role("status")).to_have_text("at the far left, in the middle, 146%")


# The focused element, if something else covers it.
FIND_COVERED = """() => {
  const box = document.activeElement.getBoundingClientRect();
  const spots = [0.1, 0.5, 0.9].map((part) =>
    document.elementFromPoint(box.x + box.width / 2, box.y + part * box.height));
  const isSeen = (element) => element && document.activeElement.contains(element);
  return spots.some(isSeen) ? [] : [document.activeElement.outerHTML.slice(0, 90)];
}"""


@pytest.mark.parametrize("size", [100, 200])
@pytest.mark.parametrize("is_whole", [False, True])
@pytest.mark.parametrize("has_xray", [False, True])
def test_what_has_the_focus_is_seen(
    size: int, is_whole: bool, has_xray: bool, browser: Browser, site: str, member: Any, photo: Path
) -> None:
    with open_editor(browser, site, member) as page:
        if is_whole:
            page.evaluate("void (HTMLCanvasElement.prototype.toBlob = (done) => done(null))")
        page.evaluate(f"document.documentElement.style.fontSize = '{1.0625 * size}%'")
        if has_xray:
            page.get_by_role("button", name="X-ray").click()
            expect(page.locator("aside.xray")).to_be_visible()
        frame(page, photo)
        page.get_by_text("Move with sliders").click()
        get_stage(page).focus()
        for _ in range(9):
            press(page, "Tab")
            assert page.evaluate(FIND_COVERED) == []


LISTEN = """
    window.said = [];
    const news = document.querySelector("#news");
    new MutationObserver(() => said.push(news.textContent)).observe(news, { childList: true });
"""
BLURRED = "This will look blurred: only {} × {} pixels."


def test_a_square_of_few_pixels_is_warned_of_before_it_is_saved(desk: Page, tmp_path: Path) -> None:
    (tmp_path / "small.jpg").write_bytes(draw_jpeg(300, 200))
    frame(desk, tmp_path / "small.jpg")
    warning = desk.locator("#blurred")
    expect(warning).to_be_hidden()
    closer = desk.get_by_role("button", name="Zoom in")
    desk.evaluate(LISTEN)
    closer.click(click_count=3)
    expect(warning).to_have_text(BLURRED.format(116, 116))
    closer.click(click_count=9)
    expect(warning).to_have_text(BLURRED.format(64, 64))
    expect(warning).to_be_in_viewport(ratio=1)
    expect(desk.get_by_role("status")).to_have_text("Zoom 313%")
    # It is announced once, not again for each pixel.
    assert [text for text in desk.evaluate("said") if "blurred" in text] == [
        BLURRED.format(116, 116)
    ]
    expect(desk.locator("#save")).to_have_accessible_description(re.compile(BLURRED.format(64, 64)))
    desk.get_by_role("button", name="Zoom out").click(click_count=9)
    expect(warning).to_be_hidden()
    expect(desk.locator("#save")).to_have_accessible_description(re.compile("^Only this square"))
    desk.get_by_role("slider", name="Zoom").press("End")
    save(desk)
    expect(desk.locator(".receipt")).to_contain_text("A square of 64 × 64 pixels")


def test_a_photo_that_is_smaller_than_that_is_all_in_the_window(desk: Page, tmp_path: Path) -> None:
    (tmp_path / "tiny.jpg").write_bytes(draw_jpeg(40, 50))
    frame(desk, tmp_path / "tiny.jpg")
    press(desk, "+", "+", "+")
    expect(desk.locator("#blurred")).to_have_text(BLURRED.format(40, 40))
    expect(desk.get_by_role("slider", name="Zoom")).to_have_attribute("aria-valuetext", "100%")


def test_a_small_drawing_is_not_blurred(desk: Page, tmp_path: Path) -> None:
    draw_sprite().save(tmp_path / "sprite.png")
    frame(desk, tmp_path / "sprite.png")
    expect(desk.locator("#blurred")).to_be_hidden()
    expect(desk.locator("#window img")).to_have_css("image-rendering", "pixelated")
    save(desk)
    expect(desk.locator(".receipt")).to_contain_text("A square of 48 × 48 pixels")
    expect(desk.locator("#new-picture")).to_have_css("image-rendering", "pixelated")


def test_leaving_a_photo_asks_first(desk: Page, photo: Path) -> None:
    frame(desk, photo)
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    desk.on("dialog", stay)
    with desk.expect_event("dialog"):
        desk.get_by_role("link", name="People").click()
    expect(get_stage(desk)).to_be_visible()
    assert asked == ["beforeunload"]
    save(desk)
    desk.get_by_role("link", name="People").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("People")
    assert len(asked) == 1


@pytest.mark.parametrize("state", ["frame", "keep"])
def test_whoever_cancels_leaves_with_the_picture_as_it_was(
    state: str, phone: Page, photo: Path, tmp_path: Path
) -> None:
    frame(phone, photo)
    save(phone)
    saved = phone.locator("#new-picture").get_attribute("src") or ""
    phone.reload()
    expect_editor(phone)
    (tmp_path / "photo.heic").write_bytes(make_heic())
    choose(phone, photo if state == "frame" else tmp_path / "photo.heic")
    expect(phone.locator("#picture")).to_have_attribute("data-state", state)
    phone.on("dialog", lambda dialog: dialog.dismiss())  # Nothing asks, or one would stay.
    phone.get_by_role("link", name="Cancel").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("editor")
    expect(phone.locator(".person img")).to_have_attribute("src", saved.replace("-512.", "-256."))


def test_going_back_puts_no_words_beside_another_picture(desk: Page, photo: Path) -> None:
    frame(desk, photo)
    desk.get_by_label("Description").fill("At her desk")
    save(desk)
    desk.reload()
    frame(desk, photo)
    desk.get_by_label("Description").fill("A waterfall")
    desk.get_by_role("link", name="How it works").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("Two kinds of file")
    desk.go_back()
    expect(desk.get_by_role("button", name="Save description")).to_be_visible()
    expect(desk.get_by_label("Description")).to_have_value("At her desk")


def test_on_a_phone_that_lies_the_controls_stand_beside_the_photo(
    browser: Browser, site: str, member: Any, photo: Path
) -> None:
    size: Any = {"width": 844, "height": 390}
    with open_editor(browser, site, member, **get_touch(viewport=size)) as page:
        frame(page, photo)
        get_stage(page).scroll_into_view_if_needed()
        window = page.locator("#window").bounding_box()
        assert window
        for part in ("#zoom", "#promise", "#save"):
            expect(page.locator(part)).to_be_in_viewport(ratio=1)
            box = page.locator(part).bounding_box()
            assert box
            assert box["x"] > window["x"] + window["width"]


def test_what_is_transparent_shows_the_ground_that_it_will_have(desk: Page, tmp_path: Path) -> None:
    Image.new("RGBA", (300, 300)).save(tmp_path / "clear.png")
    ground = desk.locator(".avatar").first.evaluate("a => getComputedStyle(a).backgroundColor")
    frame(desk, tmp_path / "clear.png")
    expect(desk.locator("#window img")).to_have_css("background-color", ground)


def test_each_new_picture_has_a_description_of_its_own(desk: Page, photo: Path) -> None:
    frame(desk, photo)
    desk.get_by_label("Description").fill("At her desk")
    save(desk)
    desk.reload()
    expect(desk.get_by_label("Description")).to_have_value("At her desk")
    frame(desk, photo)
    expect(desk.get_by_label("Description")).to_have_value("")
    desk.get_by_role("button", name="Use the one you had: “At her desk”").click()
    expect(desk.get_by_label("Description")).to_be_focused()
    expect(desk.get_by_label("Description")).to_have_value("At her desk")


def test_on_a_small_phone_window_promise_and_save_fit(phone: Page, photo: Path) -> None:
    frame(phone, photo)
    assert phone.evaluate("scrollY") == 0
    for part in ("#window", "#zoom", "#promise", "#save"):
        box = phone.locator(part).bounding_box()
        bar = phone.locator(".bar").bounding_box()
        assert box
        assert bar
        bottom = box["y"] + box["height"]
        assert bottom <= (664 if part == "#save" else bar["y"])


@pytest.mark.parametrize("colours", ["none", "active"])
def test_large_text_on_the_smallest_screen_stays_on_it(
    colours: Any, browser: Browser, site: str, member: Any, photo: Path
) -> None:
    size: Any = {"width": 320, "height": 640}
    with open_editor(browser, site, member, viewport=size, forced_colors=colours) as page:
        page.evaluate("document.documentElement.style.fontSize = '212.5%'")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        frame(page, photo)
        page.get_by_text("Move with sliders").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        outline = "getComputedStyle(document.querySelector('#window'), '::after').outlineStyle"
        assert page.evaluate(outline) == "solid"
        assert page.evaluate("document.querySelector('#window').clientHeight") >= 160
        save(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_nothing_glides_under_reduced_motion(
    browser: Browser, site: str, member: Any, photo: Path
) -> None:
    with open_editor(browser, site, member, reduced_motion="reduce") as page:
        frame(page, photo)
        box = page.locator("#window").bounding_box()
        assert box
        # At once: with an animation, the first step would be small.
        script = """([x, y]) => {
            const stage = document.querySelector("#stage");
            for (const kind of ["pointerdown", "pointerup"]) {
                stage.dispatchEvent(new PointerEvent(kind, {clientX: x, clientY: y, pointerId: 1}));
            }
            return document.querySelector("#move-y").value;
        }"""
        page.evaluate("Element.prototype.setPointerCapture = () => {}")
        assert page.evaluate(script, [box["x"] + 100, box["y"] + 2]) == "0"


def test_the_plain_form_arrives_where_the_script_does_not(
    browser: Browser, site: str, member: Any
) -> None:
    # Under reduced motion no other animation runs.
    context = browser.new_context(base_url=site, storage_state=member, reduced_motion="reduce")
    page = context.new_page()
    page.route("**/editor.*.js", lambda route: route.abort())
    page.goto("/profile/avatar/")
    expect(page.get_by_role("button", name="Save picture")).to_be_visible()
    context.close()


def test_assistive_technology_is_told_of_everything(desk: Page, photo: Path) -> None:
    frame(desk, photo)
    expect(desk.get_by_role("main")).to_match_aria_snapshot(EDITOR)


def test_without_all_of_its_parts_the_page_asks_to_be_loaded_again(
    browser: Browser, site: str, member: Any, photo: Path
) -> None:
    with open_editor(browser, site, member) as page:
        page.route("**/moves.*.js", lambda route: route.fulfill(status=404))
        choose(page, photo)
        trouble = page.locator("#trouble")
        expect(trouble).to_be_focused()
        expect(trouble).to_contain_text("A part of this page did not arrive. Reload the page")
        page.unroute("**/moves.*.js")
        page.reload()
        frame(page, photo)


REAL = {
    "orient_portrait_8.jpg": True,
    "icc_webp_srgb.webp": True,
    "avif_8bit_420.avif": True,
    "heic_iphone8plus_12mp.heic": False,
}


@pytest.mark.parametrize("name", REAL)
def test_real_photos_are_opened(name: str, desk: Page) -> None:
    if not CORPUS.is_dir():
        pytest.skip("LIKENESS_CORPUS names no corpus.")
    choose(desk, CORPUS / "good" / name)
    if REAL[name]:
        expect(get_stage(desk)).to_be_focused()
        save(desk)
    else:  # Only Safari decodes it.
        expect(desk.get_by_label("The middle")).to_be_focused()
        desk.get_by_role("button", name="Send whole photo").click()
        expect_receipt(desk)
        expect(desk.locator(".receipt")).to_contain_text("HEIC, ")
