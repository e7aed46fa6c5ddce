"""What the picture editor sends, on good and bad networks, and how it reads the answer."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL.Image import Resampling
from playwright.sync_api import Browser, BrowserContext, Page, Route, ViewportSize, expect

from ..helpers.pictures import draw, draw_jpeg, draw_noise, encode, make_exif, make_heic
from .editor import (
    PASSWORD,
    PROMISE,
    WITHDRAWN,
    choose,
    draw_sprite,
    expect_receipt,
    find_saved_quarters,
    frame,
    get_stage,
    open_editor,
    save,
    sign_up,
)
from .engines import Chromium, wait
from .wiretap import Wiretap, listen

# Browsers that change what is read from a canvas: `spoil` changes each value.
READBACK = """
    const read = CanvasRenderingContext2D.prototype.getImageData;
    CanvasRenderingContext2D.prototype.getImageData = function (...box) {
        const image = read.apply(this, box);
        image.data.forEach((value, n) => { if (n % 4 < 3) image.data[n] = spoil(value); });
        return image;
    };
    const write = HTMLCanvasElement.prototype.toBlob;
    HTMLCanvasElement.prototype.toBlob = function (...how) {
        const copy = document.createElement("canvas");
        [copy.width, copy.height] = [this.width, this.height];
        const pen = copy.getContext("2d");
        pen.drawImage(this, 0, 0);
        pen.putImageData(pen.getImageData(0, 0, this.width, this.height), 0, 0);
        write.apply(copy, how);
    };
"""
NOISY = "const spoil = (value) => value + Math.floor(Math.random() * 3) - 1;" + READBACK
RANDOM = "const spoil = (value) => Math.random() * 256;" + READBACK
# As WebKitGTK draws a photo that EXIF turns, by the long form of drawImage.
MIRRORED = """
    const draw = CanvasRenderingContext2D.prototype.drawImage;
    CanvasRenderingContext2D.prototype.drawImage = function (source, x, y, width, height) {
        const left = source instanceof HTMLImageElement ? this.canvas.width - width - x : x;
        draw.call(this, source, left, y, width, height);
    };
"""
UNWILLING = "void (HTMLCanvasElement.prototype.toBlob = (done) => done(null))"
HURRIED = "void (AbortSignal.timeout = () => AbortSignal.abort())"
STALLED = "void (window.fetch = () => new Promise((_, reject) => (window.fail = reject)))"
OPENING = "HTMLImageElement.prototype.decode = () => new Promise(() => {});"
UNFOCUSED = """
    const keep = (event) => event.target.closest("button") && event.preventDefault();
    addEventListener("mousedown", keep);
"""
IMPATIENT = """
    const { set } = Object.getOwnPropertyDescriptor(XMLHttpRequest.prototype, "timeout");
    Object.defineProperty(XMLHttpRequest.prototype, "timeout", { set() { set.call(this, 500); } });
"""
WITHOUT_WEBP = """
    const write = HTMLCanvasElement.prototype.toBlob;
    HTMLCanvasElement.prototype.toBlob = function (done, type, quality) {
        write.call(this, done, type === "image/webp" ? "image/png" : type, quality);
    };
"""


# There the description is asked for beside the photo; on a phone, with the receipt.
WIDE: ViewportSize = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large photo with place, camera and author."""
    path = tmp_path_factory.mktemp("photos") / "IMG_0002.JPG"
    noise = draw_noise(256).resize((1600, 1200))
    path.write_bytes(encode(noise, "JPEG", quality=97, exif=make_exif()))
    return path


@pytest.fixture
def wire(site: str) -> Iterator[Wiretap]:
    with listen(site) as tap:
        yield tap


@pytest.fixture
def door(wire: Wiretap) -> str:
    """The site where the test sees what is sent to it."""
    return f"http://127.0.0.1:{wire.port}"


def reload_as(page: Page, script: str) -> None:
    """Reload the page with a script that changes the browser."""
    page.add_init_script(script)
    page.reload()


def set_speed(context: BrowserContext, page: Page, upload: int) -> Any:
    """Limit the upload to so many bytes a second; return the session that does it."""
    connection = context.new_cdp_session(page)
    connection.send("Network.enable")
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
    connection.send("Network.emulateNetworkConditions", conditions | {"uploadThroughput": upload})
    return connection


def test_only_the_square_leaves(phone: Page, photo: Path, wire: Wiretap) -> None:
    frame(phone, photo)
    expect(phone.get_by_text(PROMISE)).to_be_visible()
    before = len(wire.sent)
    save(phone)
    sent = wire.sent[before:]
    body = sent[sent.index(b"\xff\xd8\xff") :]
    assert b"Fotofabrik" in photo.read_bytes()
    assert b"Fotofabrik" not in sent
    assert len(sent) < photo.stat().st_size / 2
    assert body[:4] == b"\xff\xd8\xff\xe0"  # JFIF, without EXIF
    assert photo.read_bytes()[5000:5100] not in sent
    expect(phone.locator(".receipt")).to_contain_text("A square of 768 × 768 pixels")


def test_a_square_whose_scale_is_no_round_number_is_filled_to_its_edges(
    phone: Page, tmp_path: Path
) -> None:
    # To a computer, 768 / 1070 × 1070 is a little less than 768.
    (tmp_path / "photo.jpg").write_bytes(draw_jpeg(1070, 1070))
    frame(phone, tmp_path / "photo.jpg")
    save(phone)
    expect(phone.locator(".receipt")).to_contain_text("A square of 768 × 768 pixels")


def test_with_a_little_noise_the_square_is_sent(phone: Page, photo: Path, wire: Wiretap) -> None:
    reload_as(phone, NOISY)
    frame(phone, photo)
    expect(phone.get_by_text(PROMISE)).to_be_visible()
    save(phone)
    assert b"Fotofabrik" not in wire.sent
    assert photo.read_bytes()[5000:5100] not in wire.sent


def test_where_reading_back_is_forbidden_the_whole_photo_goes_by_its_button_only(
    phone: Page, tmp_path: Path, wire: Wiretap
) -> None:
    (tmp_path / "photo.jpg").write_bytes(draw_jpeg(1600, 1200, exif=make_exif()))
    reload_as(phone, RANDOM + UNFOCUSED)
    frame(phone, tmp_path / "photo.jpg")
    expect(phone.get_by_text(WITHDRAWN)).to_be_visible()
    expect(phone.get_by_text(PROMISE)).to_be_hidden()
    phone.set_viewport_size({"width": 664, "height": 390})
    expect(phone.get_by_text(WITHDRAWN)).to_be_in_viewport(ratio=1)
    phone.get_by_role("button", name="Zoom in").click(click_count=9)
    phone.get_by_text("Move with sliders").click()
    phone.get_by_label("Left and right").press("End")
    phone.get_by_label("Up and down").press("Home")
    phone.get_by_label("Description (optional)").press("Enter")
    phone.wait_for_timeout(300)
    assert b"Fotofabrik" not in wire.sent
    phone.get_by_role("button", name="Send whole photo").click()
    expect_receipt(phone)
    assert b"Fotofabrik" in wire.sent
    assert find_saved_quarters(phone) == [0, 0, 0, 0]  # The numbers of the square were sent, too.
    receipt = phone.locator(".receipt")
    expect(receipt).to_contain_text("JPEG, 1600 × 1200 pixels")
    expect(receipt).to_contain_text("place, camera, date")


def test_a_whole_photo_is_turned_by_the_server(phone: Page, tmp_path: Path, wire: Wiretap) -> None:
    (tmp_path / "photo.jpg").write_bytes(draw_jpeg(900, 600))
    reload_as(phone, RANDOM)
    frame(phone, tmp_path / "photo.jpg")
    phone.get_by_role("button", name="Zoom in").click(click_count=3)
    phone.get_by_text("Move with sliders").click()
    phone.get_by_label("Left and right").press("End")
    phone.get_by_role("button", name="Turn a quarter to the right").click()
    phone.get_by_role("button", name="Send whole photo").click()
    expect_receipt(phone)
    # Its left part, turned to the right: what was below is on the left.
    assert find_saved_quarters(phone) == [2, 0, 2, 0]


def test_where_a_photo_that_lies_is_cut_in_the_wrong_place_the_promise_is_withdrawn(
    phone: Page, photo: Path, wire: Wiretap
) -> None:
    reload_as(phone, MIRRORED)
    frame(phone, photo)
    expect(phone.get_by_text(WITHDRAWN)).to_be_visible()
    expect(phone.get_by_role("button", name="Send whole photo")).to_be_visible()
    assert b"Fotofabrik" not in wire.sent


def test_a_description_that_is_saved_while_a_photo_opens_goes_without_it(
    phone: Page, photo: Path, wire: Wiretap
) -> None:
    frame(phone, photo)
    save(phone)
    reload_as(phone, OPENING)
    choose(phone, photo)
    expect(phone.get_by_role("status")).to_have_text("Opening your photo…")
    phone.get_by_label("Description (optional)").press("Enter")
    phone.wait_for_timeout(300)
    assert b"Fotofabrik" not in wire.sent


def make_cmyk(*segments: bytes) -> bytes:
    """Return a CMYK JPEG with more segments at its beginning."""
    jpeg = encode(draw(900, 600).convert("CMYK"), "JPEG", exif=make_exif(6))
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(encode(draw(900, 600), "WEBP", exif=make_exif(6)), id="WebP"),
        pytest.param(encode(draw(900, 600), "PNG", exif=make_exif(6)), id="PNG"),
        pytest.param(make_cmyk(), id="CMYK"),
        pytest.param(
            make_cmyk(b"\xff", *[b"\xff\xef\xff\xff" + bytes(65533)] * 40), id="late CMYK"
        ),
    ],
)
def test_what_browsers_show_in_different_ways_is_cut_by_the_server(
    content: bytes, phone: Page, tmp_path: Path, wire: Wiretap
) -> None:
    (tmp_path / "photo").write_bytes(content)
    choose(phone, tmp_path / "photo")
    expect(phone.get_by_text(WITHDRAWN)).to_be_visible()
    assert content[:100] not in wire.sent
    phone.get_by_role("button", name="Send whole photo").click()
    expect_receipt(phone)
    # Turned to the right, the lower left quarter comes to the upper left.
    assert find_saved_quarters(phone) == [2, 0, 3, 1]


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_what_lies_upright_is_cut_here(kind: str, phone: Page, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(encode(draw(900, 600), kind, exif=make_exif(1)))
    frame(phone, tmp_path / "photo")
    expect(phone.get_by_text(PROMISE)).to_be_visible()


def test_a_cut_that_fails_late_does_not_offer_what_is_too_large(
    phone: Page, tmp_path: Path, wire: Wiretap
) -> None:
    (tmp_path / "large.jpg").write_bytes(draw_jpeg(1600, 1200) + bytes(30_000_000))
    frame(phone, tmp_path / "large.jpg")
    expect(phone.get_by_text(PROMISE)).to_be_visible()
    phone.evaluate(UNWILLING)
    phone.get_by_role("button", name="Save picture").click()
    expect(phone.locator("#trouble")).to_be_focused()
    expect(phone.locator("#trouble")).to_contain_text("This photo is 31 MB; the limit is 20 MB.")
    assert len(wire.sent) < 1_000_000


def test_a_photo_that_cannot_be_shown_is_cut_by_the_server(
    phone: Page, tmp_path: Path, wire: Wiretap
) -> None:
    (tmp_path / "photo.jpg").write_bytes(make_heic())  # whatever its name says
    choose(phone, tmp_path / "photo.jpg")
    expect(phone.get_by_label("The middle")).to_be_focused()
    expect(phone.get_by_text(WITHDRAWN)).to_be_visible()
    expect(phone.get_by_text("photo.jpg")).to_be_visible()
    assert b"ftypheic" not in wire.sent
    phone.get_by_label("The top or left").check()
    phone.get_by_role("button", name="Send whole photo").click()
    expect_receipt(phone)
    assert b"ftypheic" in wire.sent
    expect(phone.locator(".receipt")).to_contain_text("HEIC, 64 × 64 pixels")


@pytest.mark.parametrize(("script", "start"), [("", b"WEBP"), (WITHOUT_WEBP, b"\x89PNG")])
def test_what_is_transparent_stays_so(
    script: str, start: bytes, phone: Page, tmp_path: Path, wire: Wiretap
) -> None:
    im = draw_noise(900).convert("RGBA")
    im.putalpha(draw(900, 900).getchannel("R").point(lambda value: 255 if value > 100 else 0))
    im.save(tmp_path / "photo.png")
    reload_as(phone, script)
    frame(phone, tmp_path / "photo.png")
    save(phone)
    assert start in get_sent(wire)[:12]


def get_sent(wire: Wiretap) -> bytes:
    """Return what was sent from the last square on."""
    part = wire.sent[wire.sent.rindex(b'filename="square"') :]
    return part[part.index(b"\r\n\r\n") + 4 :]


SCREEN = draw_noise(40).quantize(200).convert("RGB").resize((900, 900), Resampling.NEAREST)


@pytest.mark.parametrize(
    ("content", "start"),
    [
        pytest.param(encode(SCREEN, "PNG"), b"\x89PNG", id="PNG"),
        pytest.param(encode(SCREEN, "GIF"), b"\x89PNG", id="GIF"),
        pytest.param(encode(draw(900, 900), "WEBP", lossless=True), b"\x89PNG", id="few colours"),
        pytest.param(encode(draw_noise(900), "PNG"), b"\xff\xd8\xff", id="photo as PNG"),
        pytest.param(encode(SCREEN, "WEBP", lossless=True), b"\xff\xd8\xff", id="WebP"),
        pytest.param(encode(draw_noise(900).convert("L"), "JPEG"), b"\xff\xd8\xff", id="grey"),
    ],
)
def test_drawings_are_sent_without_loss_and_photos_are_not(
    content: bytes, start: bytes, phone: Page, tmp_path: Path, wire: Wiretap
) -> None:
    (tmp_path / "picture").write_bytes(content)
    frame(phone, tmp_path / "picture")
    save(phone)
    assert get_sent(wire).startswith(start)


def test_a_drawing_takes_no_more_than_by_the_plain_form(
    phone: Page, plain: Page, member: Any, tmp_path: Path
) -> None:
    draw_sprite().save(tmp_path / "sprite.png")
    frame(phone, tmp_path / "sprite.png")
    save(phone)
    by_editor = fetch_largest(phone)
    plain.context.add_cookies(member["cookies"])
    plain.goto("/profile/avatar/")
    plain.set_input_files("#id_avatar", tmp_path / "sprite.png")
    plain.get_by_role("button", name="Save picture").click()
    plain.goto("/profile/avatar/")
    assert fetch_largest(plain) == by_editor


def fetch_largest(page: Page) -> bytes:
    """Return the largest file of the picture that the page shows."""
    name = page.locator("#new-picture").get_attribute("src") or ""
    return page.request.get(re.sub(r"-\d+\.webp", "-512.webp", name)).body()


def test_a_photo_of_60_mb_is_welcome(phone: Page, tmp_path: Path, wire: Wiretap) -> None:
    (tmp_path / "large.jpg").write_bytes(draw_jpeg(1600, 1200) + bytes(60_000_000))
    frame(phone, tmp_path / "large.jpg")
    save(phone)
    assert len(wire.sent) < 1_000_000


def test_a_slow_network_shows_progress_and_sending_can_be_stopped(phone: Page, photo: Path) -> None:
    phone.set_viewport_size(WIDE)
    frame(phone, photo)
    phone.get_by_label("Description (optional)").fill("At sea")
    phone.get_by_role("button", name="Zoom in").click()
    moved = phone.get_by_role("slider", name="Zoom").input_value()
    connection = set_speed(phone.context, phone, 20_000)
    phone.get_by_role("button", name="Save picture").click()
    expect(phone.get_by_role("button", name="Stop sending")).to_be_focused()
    expect(phone.get_by_role("status")).to_have_text("Sending your picture…")
    expect(phone.get_by_role("progressbar")).to_be_visible()
    expect(phone.locator("#progress-words")).to_contain_text(" kB sent")
    phone.get_by_role("button", name="Stop sending").click()
    expect(phone.get_by_role("status")).to_have_text(re.compile("^Stopped. Nothing has changed"))
    expect(phone.get_by_role("status")).to_be_in_viewport(ratio=1)
    expect(phone.get_by_role("status")).not_to_have_class("unseen")
    expect(phone.get_by_role("button", name="Save picture")).to_be_focused()
    connection.detach()
    expect(phone.get_by_label("Description (optional)")).to_have_value("At sea")
    expect(phone.get_by_role("slider", name="Zoom")).to_have_value(moved)
    save(phone)
    expect(phone.get_by_role("status")).to_be_empty()  # The title has the focus, and is read out.


def test_a_connection_that_breaks_is_tried_again(phone: Page, photo: Path) -> None:
    frame(phone, photo)
    phone.context.set_offline(True)
    phone.get_by_role("button", name="Save picture").click()
    trouble = phone.locator("#trouble")
    expect(trouble).to_be_focused()
    expect(trouble).to_contain_text("The connection broke. Nothing has changed")
    phone.context.set_offline(False)
    phone.get_by_role("button", name="Send again").click()
    expect_receipt(phone)


def test_an_answer_that_never_comes_is_not_waited_for(
    phone: Page, photo: Path, wire: Wiretap
) -> None:
    reload_as(phone, IMPATIENT)
    frame(phone, photo)
    wire.is_mute = True
    phone.get_by_role("button", name="Save picture").click()
    expect(phone.locator("#trouble")).to_be_focused()
    expect(phone.locator("#trouble")).to_contain_text("broke before an answer came")
    expect(phone.get_by_role("button", name="Send again")).to_be_visible()


def test_one_need_not_wait_for_an_answer_that_is_late(
    phone: Page, photo: Path, wire: Wiretap
) -> None:
    frame(phone, photo)
    phone.get_by_role("button", name="Zoom in").click()
    moved = phone.get_by_role("slider", name="Zoom").input_value()
    wire.is_mute = True
    phone.get_by_role("button", name="Save picture").click()
    phone.get_by_role("button", name="Stop waiting").click()
    trouble = phone.locator("#trouble")
    expect(trouble).to_be_focused()
    expect(trouble).to_contain_text("You stopped before an answer came.")
    expect(phone.get_by_role("slider", name="Zoom")).to_have_value(moved)
    wire.is_mute = False
    phone.get_by_role("button", name="Send again").click()
    expect_receipt(phone)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(413, "This photo is too large for our server."), (503, "try again in a minute")],
)
def test_a_server_in_front_that_answers_with_a_page_is_understood(
    status: int, sentence: str, phone: Page, photo: Path
) -> None:
    frame(phone, photo)
    page = "<h1>No</h1>"
    phone.route("**/profile/avatar/", lambda route: route.fulfill(status=status, body=page))
    phone.get_by_role("button", name="Save picture").click()
    expect(phone.locator("#trouble")).to_be_focused()
    expect(phone.locator("#trouble")).to_contain_text(sentence)
    phone.unroute("**/profile/avatar/")
    phone.get_by_role("button", name="Send again").click()
    expect_receipt(phone)


UNREAD = "The details did not arrive. Your page shows the picture."
UNREADABLE = ["", "<h1>Created</h1>", "null", "{"]


def answer_unreadably(phone: Page, status: int, body: str) -> None:
    """Let the server save the picture, but replace its answer."""

    def answer(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(response=route.fetch(), status=status, body=body)
        else:
            route.fallback()

    phone.route("**/profile/avatar/", answer)


@pytest.mark.parametrize("body", UNREADABLE)
def test_a_picture_that_is_saved_is_said_to_be_so_where_the_answer_cannot_be_read(
    body: str, phone: Page, photo: Path
) -> None:
    phone.set_viewport_size(WIDE)
    frame(phone, photo)
    phone.get_by_label("Description (optional)").fill("In a hat")
    answer_unreadably(phone, 201, body)
    phone.get_by_role("button", name="Save picture").click()
    expect_receipt(phone)
    expect(phone.get_by_text(UNREAD)).to_be_visible()
    expect(phone.locator("#new-picture")).to_be_hidden()
    expect(phone.get_by_text("Kept here")).to_be_hidden()
    phone.unroute("**/profile/avatar/")
    phone.get_by_role("button", name="Adjust the square").click()
    save(phone)
    expect(phone.get_by_text(UNREAD)).to_be_hidden()
    expect(phone.get_by_text("Kept here")).to_be_visible()
    phone.get_by_role("link", name="Go to your page").click()
    expect(phone.get_by_role("img", name="In a hat")).to_be_visible()


def test_a_description_is_saved_where_the_answer_cannot_be_read(phone: Page, photo: Path) -> None:
    frame(phone, photo)
    save(phone)
    answer_unreadably(phone, 201, "")
    phone.get_by_role("button", name="description").click()
    phone.get_by_label("Description (optional)").fill("On a ship")
    phone.get_by_role("button", name="Save description").click()
    expect(phone.get_by_role("status")).to_have_text("Saved.")
    phone.get_by_role("link", name="Go to your page").click()
    expect(phone.get_by_role("img", name="On a ship")).to_be_visible()


@pytest.mark.parametrize(
    ("status", "body"), [(200, "<h1>Sign in</h1>"), (400, ""), (404, "null"), (400, '"No"')]
)
def test_any_other_answer_that_cannot_be_read_is_a_failure(
    status: int, body: str, phone: Page, photo: Path
) -> None:
    frame(phone, photo)
    answer_unreadably(phone, status, body)
    phone.get_by_role("button", name="Save picture").click()
    trouble = phone.locator("#trouble")
    expect(trouble).to_be_focused()
    expect(trouble).to_contain_text("Our server did not accept the picture.")
    expect(phone.get_by_role("button", name="Send again")).to_be_visible()


WAITING = "Yours is sent again in a few seconds, by itself."


def keep_busy(phone: Page, answers: int, seconds: int = 1) -> list[str]:
    """Answer so many uploads as a busy server does; return the list of them."""
    sent: list[str] = []

    def answer(route: Route) -> None:
        if route.request.method == "POST" and len(sent) < answers:
            sent.append(route.request.method)
            errors = {"errors": {"avatar": ["Many pictures are being made just now."]}}
            headers = {"Retry-After": str(seconds)}
            return route.fulfill(status=503, json=errors, headers=headers)
        return route.fallback()

    phone.route("**/profile/avatar/", answer)
    return sent


def test_while_too_many_pictures_are_made_ours_is_sent_again_by_itself(
    phone: Page, photo: Path
) -> None:
    phone.set_viewport_size(WIDE)
    frame(phone, photo)
    phone.get_by_label("Description (optional)").fill("In a hat")
    sent = keep_busy(phone, answers=2)
    phone.get_by_role("button", name="Save picture").click()
    expect(phone.locator("#progress-words")).to_have_text(re.compile(WAITING))
    expect_receipt(phone)
    assert len(sent) == 2


def test_one_need_not_wait_for_ones_turn(phone: Page, photo: Path) -> None:
    frame(phone, photo)
    sent = keep_busy(phone, answers=99, seconds=9)
    phone.get_by_role("button", name="Save picture").click()
    expect(phone.locator("#progress-words")).to_have_text(re.compile(WAITING))
    expect(phone.get_by_role("button", name="Stop sending")).to_be_focused()
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("button", name="Save picture")).to_be_focused()
    assert len(sent) == 1
    phone.unroute("**/profile/avatar/")
    save(phone)


def test_a_turn_that_does_not_come_is_not_waited_for(phone: Page, photo: Path) -> None:
    frame(phone, photo)
    sent = keep_busy(phone, answers=99, seconds=1)
    phone.get_by_role("button", name="Save picture").click()
    expect(phone.locator("#trouble")).to_be_focused(timeout=30_000)
    expect(phone.locator("#trouble")).to_contain_text("Many pictures are being made just now.")
    assert len(sent) == 6
    phone.unroute("**/profile/avatar/")
    phone.get_by_role("button", name="Send again").click()
    expect_receipt(phone)


def test_the_server_says_itself_why_it_refuses(phone: Page, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "half.heic").write_bytes(make_heic()[:-3000])
    choose(phone, tmp_path / "half.heic")
    button = phone.get_by_role("button", name="Send whole photo")
    expect(button).to_be_visible()
    phone.get_by_label("Description (optional)").fill("In a hat")
    button.click()
    trouble = phone.locator("#trouble")
    expect(trouble).to_be_focused()
    expect(trouble).to_contain_text("This file breaks off part-way.")
    expect(phone.get_by_label("Description (optional)")).to_have_value("In a hat")
    with phone.expect_file_chooser() as chooser:
        phone.get_by_role("button", name="Other photo").click()
    chooser.value.set_files(photo)
    expect(get_stage(phone)).to_be_focused()
    expect(trouble).to_be_hidden()


def test_what_is_no_picture_is_not_even_sent(phone: Page, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "cv.jpg").write_bytes(b"%PDF-1.7 and so on")
    choose(phone, tmp_path / "cv.jpg")
    expect(phone.locator("#trouble")).to_be_focused()
    expect(phone.locator("#trouble")).to_contain_text("not a picture we can read")
    frame(phone, photo)
    expect(phone.locator("#trouble")).to_be_hidden()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (draw_jpeg(40, 16), "16 pixels; each side must have at least 32"),
        # Chromium cannot cut it.
        (make_heic() + bytes(20_000_000), "This photo is 21 MB; the limit is 20 MB."),
    ],
)
def test_what_our_server_would_refuse_is_not_even_sent(
    content: bytes, words: str, phone: Page, tmp_path: Path
) -> None:
    (tmp_path / "photo").write_bytes(content)
    choose(phone, tmp_path / "photo")
    expect(phone.locator("#trouble")).to_be_focused()
    expect(phone.locator("#trouble")).to_contain_text(words)
    expect(phone.get_by_role("button", name="Send whole photo")).to_be_hidden()


def test_a_form_that_does_not_come_anew_is_not_waited_for(phone: Page, photo: Path) -> None:
    frame(phone, photo)
    phone.evaluate(HURRIED)
    phone.route("**/profile/avatar/", lambda route: route.fulfill(status=401, body="No"))
    phone.get_by_role("button", name="Save picture").click()
    trouble = phone.locator("#trouble")
    expect(trouble).to_be_focused()
    phone.unroute("**/profile/avatar/")
    phone.route(
        "**/profile/avatar/",
        lambda route, request: None if request.method == "GET" else route.continue_(),
    )
    phone.get_by_role("button", name="Send again").click()
    expect_receipt(phone)


def test_a_photo_does_not_move_while_it_is_made_ready_to_be_sent(phone: Page, photo: Path) -> None:
    frame(phone, photo)
    phone.route("**/profile/avatar/", lambda route: route.fulfill(status=401, body="No"))
    phone.get_by_role("button", name="Save picture").click()
    expect(phone.locator("#trouble")).to_be_focused()
    phone.unroute("**/profile/avatar/")
    phone.evaluate(STALLED)
    phone.get_by_role("button", name="Send again").click()
    wait(Chromium(phone), "window.fail")  # The form is fetched anew.
    get_stage(phone).press("+")
    expect(phone.get_by_role("slider", name="Zoom")).to_have_value("0")
    phone.evaluate("fail()")
    expect_receipt(phone)


def test_who_was_signed_out_signs_in_and_sends_again(
    browser: Browser, site: str, photo: Path
) -> None:
    state = sign_up(browser, site, "lovelace")
    with open_editor(browser, site, state) as page:
        frame(page, photo)
        page.context.clear_cookies(name="sessionid")
        page.get_by_role("button", name="Save picture").click()
        trouble = page.locator("#trouble")
        expect(trouble).to_be_focused()
        expect(trouble).to_contain_text("You are not signed in any more.")
        with page.context.expect_page() as opened:
            trouble.get_by_role("link", name="Sign in, in a new tab").click()
        tab = opened.value
        tab.get_by_label("User name").fill("lovelace")
        tab.get_by_label("Password").fill(PASSWORD)
        tab.get_by_role("main").get_by_role("button", name="Sign in").click()
        expect(tab.get_by_role("heading", level=1)).to_have_text("lovelace")
        tab.close()
        page.get_by_role("button", name="Send again").click()
        expect_receipt(page)
