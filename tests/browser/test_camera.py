"""The camera of a computer, with the one that Chromium pretends to have: a circle on green."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from ..helpers.pictures import draw_jpeg
from .conftest import ARGUMENTS
from .editor import (
    drop,
    expect_editor,
    expect_receipt,
    get_stage,
    get_touch,
    measure_distance,
    open_editor,
)
from .engines import Chromium, wait

DESK: Any = {"viewport": {"width": 1440, "height": 900}}
# Remembers what the page was given, to see whether it is off afterwards.
REMEMBER = """
    window.tracks = [];
    const ask = MediaDevices.prototype.getUserMedia;
    MediaDevices.prototype.getUserMedia = async function (...wanted) {
        const stream = await ask.apply(this, wanted);
        window.tracks.push(...stream.getTracks());
        return stream;
    };
"""
# As these browsers answer (Media Capture and Streams, 10.2).
FAILING = """
    MediaDevices.prototype.getUserMedia = () => Promise.reject(new DOMException("", "%s"));
"""
LATE = """
    const askNow = MediaDevices.prototype.getUserMedia;
    MediaDevices.prototype.getUserMedia = async function (...wanted) {
        await new Promise((resolve) => { window.allow = resolve; });
        return askNow.apply(this, wanted);
    };
"""
# A file is read when the test says so, and the page remembers what it has let go.
SLOW = """
    const read = Blob.prototype.arrayBuffer;
    const allowed = new Promise((resolve) => { window.readNow = resolve; });
    Blob.prototype.arrayBuffer = async function () {
        await allowed;
        return read.call(this);
    };
    const revoke = URL.revokeObjectURL;
    URL.revokeObjectURL = (url) => {
        window.released = url;
        revoke.call(URL, url);
    };
"""
WITHOUT = "MediaDevices.prototype.enumerateDevices = async () => [];"
NOISY = "HTMLCanvasElement.prototype.toBlob = (done) => done(new Blob(['noise']));"
# Only the left half of what the camera sees is red.
SIDED = """
    MediaDevices.prototype.getUserMedia = async () => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [640, 480];
        const pen = canvas.getContext("2d");
        const paint = () => {
            pen.fillStyle = "blue";
            pen.fillRect(0, 0, 640, 480);
            pen.fillStyle = "red";
            pen.fillRect(0, 0, 320, 480);
            requestAnimationFrame(paint);
        };
        paint();
        return canvas.captureStream();
    };
"""


@pytest.fixture(scope="module")
def camera(browser: Browser) -> Iterator[Browser]:
    """A browser that pretends to have a camera."""
    arguments = [*ARGUMENTS, "--use-fake-device-for-media-stream"]
    path = os.environ.get("LIKENESS_CHROMIUM") or None
    with browser.browser_type.launch(executable_path=path, args=arguments) as camera:
        yield camera


@contextmanager
def open_desk(
    camera: Browser, site: str, state: Any, script: str = "", **options: Any
) -> Iterator[Page]:
    """Open the editor on a computer, in a browser that is changed by a script."""
    options = {"permissions": ["camera"], **DESK, **options}
    with open_editor(camera, site, state, **options) as page:
        page.add_init_script(REMEMBER + script)
        page.reload()
        expect_editor(page)
        yield page


@pytest.fixture
def desk(camera: Browser, site: str, member: Any) -> Iterator[Page]:
    """The editor on a computer whose camera may be used."""
    with open_desk(camera, site, member) as page:
        yield page


def turn_on(page: Page) -> None:
    """Turn on the camera, and wait until it shows something."""
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_role("button", name="Take the picture")).to_be_focused()


def take(page: Page) -> None:
    """Take a picture by the key that the focus asks for."""
    page.keyboard.press("Enter")
    expect(get_stage(page)).to_be_focused()


def list_tracks(page: Page) -> list[str]:
    """Return of each camera that was turned on whether it still runs."""
    states: list[str] = page.evaluate("window.tracks.map(({ readyState }) => readyState)")
    return states


def test_a_picture_is_taken_framed_and_saved(desk: Page) -> None:
    assert list_tracks(desk) == []  # Nothing is asked before the click.
    turn_on(desk)
    expect(desk.get_by_role("status")).to_have_text("The camera is on.")
    expect(desk.get_by_label("What your camera sees")).to_be_visible()
    assert list_tracks(desk) == ["live"]
    take(desk)
    assert list_tracks(desk) == ["ended"]
    expect(desk.get_by_text("We found no place, camera or date in this photo.")).to_be_visible()
    desk.get_by_role("button", name="Save picture").click()
    expect_receipt(desk)
    expect(desk.locator(".receipt")).to_contain_text("A square of")


def test_another_picture_can_be_taken(desk: Page, tmp_path: Path) -> None:
    turn_on(desk)
    take(desk)
    desk.get_by_role("button", name="Take another picture").click()
    expect(desk.get_by_role("button", name="Take the picture")).to_be_focused()
    desk.get_by_role("button", name="Back").click()
    again = desk.get_by_role("button", name="Take another picture")
    expect(again).to_be_focused()
    again.press("Enter")
    expect(desk.get_by_role("button", name="Take the picture")).to_be_focused()
    take(desk)
    assert list_tracks(desk) == ["ended"] * 3
    # Of a photo that was chosen, no other is taken.
    (tmp_path / "photo.jpg").write_bytes(draw_jpeg())
    with desk.expect_file_chooser() as chooser:
        desk.get_by_role("button", name="Other photo").click()
    chooser.value.set_files(tmp_path / "photo.jpg")
    expect(again).to_be_hidden()


def test_the_camera_is_off_when_its_view_is_left(desk: Page) -> None:
    turn_on(desk)
    desk.get_by_role("button", name="Back").click()
    button = desk.get_by_role("button", name="Use the camera")
    expect(button).to_be_focused()
    assert list_tracks(desk) == ["ended"]
    turn_on(desk)
    desk.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    expect(button).to_be_visible()
    assert list_tracks(desk) == ["ended", "ended"]


def test_the_camera_is_off_when_a_photo_is_dropped_instead(desk: Page, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(draw_jpeg())
    turn_on(desk)
    drop(desk, tmp_path / "photo.jpg", "main")
    expect(get_stage(desk)).to_be_focused()
    assert list_tracks(desk) == ["ended"]


def test_a_camera_that_is_allowed_too_late_stays_off(
    camera: Browser, site: str, member: Any, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(draw_jpeg())
    with open_desk(camera, site, member, LATE) as page:
        page.get_by_role("button", name="Use the camera").click()
        expect(page.get_by_role("status")).to_have_text(
            "Your browser asks whether this page may use the camera."
        )
        drop(page, tmp_path / "photo.jpg", "main")
        expect(get_stage(page)).to_be_focused()
        page.evaluate("allow()")
        wait(Chromium(page), "tracks[0]?.readyState === 'ended'")
        expect(get_stage(page)).to_be_focused()


def test_a_photo_that_opens_slowly_is_not_shown_over_the_camera(
    camera: Browser, site: str, member: Any, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(draw_jpeg())
    with open_desk(camera, site, member, SLOW) as page:
        page.locator("[name=avatar]").set_input_files(tmp_path / "photo.jpg")
        expect(page.get_by_role("status")).not_to_be_empty()
        turn_on(page)
        page.evaluate("released = ''; readNow()")
        wait(Chromium(page), "released")
        assert list_tracks(page) == ["live"]
        take(page)
        assert list_tracks(page) == ["ended"]


def test_a_camera_that_is_allowed_after_the_picture_was_saved_stays_off(
    camera: Browser, site: str, member: Any
) -> None:
    with open_desk(camera, site, member, LATE) as page:
        page.get_by_role("button", name="Use the camera").click()
        wait(Chromium(page), "window.allow")
        page.evaluate("allow(); allow = null")
        expect(page.get_by_role("button", name="Take the picture")).to_be_focused()
        take(page)
        page.get_by_role("button", name="Take another picture").click()
        wait(Chromium(page), "window.allow")
        page.get_by_role("button", name="Save picture").click()
        expect_receipt(page)
        page.evaluate("allow()")
        wait(Chromium(page), "tracks[1]?.readyState === 'ended'")
        expect_receipt(page)


def test_the_view_is_a_mirror_and_the_picture_is_not(
    camera: Browser, site: str, member: Any
) -> None:
    with open_desk(camera, site, member, SIDED) as page:
        turn_on(page)
        expect(page.locator("video")).to_have_css("transform", "matrix(-1, 0, 0, 1, 0, 0)")
        take(page)
        page.get_by_role("button", name="Save picture").click()
        expect_receipt(page)
        data = page.request.get(page.locator("#new-picture").get_attribute("src") or "").body()
        with Image.open(BytesIO(data)) as im:
            colours = [im.convert("RGB").getpixel((x, 99)) for x in (20, im.width - 20)]
        assert measure_distance(colours[0], (255, 0, 0)) < 30
        assert measure_distance(colours[1], (0, 0, 255)) < 30


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (FAILING % "NotFoundError", "There is no camera any more. Connect one, or choose a photo."),
        (
            FAILING % "NotReadableError",
            "Another program uses the camera. Close it and try again, or choose a photo.",
        ),
        (FAILING % "AbortError", "The camera did not start. Try again, or choose a photo."),
        (NOISY, "Your browser does not let pages take pictures."),
    ],
)
def test_why_no_picture_can_be_taken_is_said(
    script: str, sentence: str, camera: Browser, site: str, member: Any
) -> None:
    with open_desk(camera, site, member, script) as page:
        page.get_by_role("button", name="Use the camera").click()
        expect(page.locator("#trouble")).to_be_focused()
        expect(page.locator("#trouble")).to_contain_text(sentence)
        expect(page.get_by_role("button", name="Choose a photo")).to_be_visible()
        assert "live" not in list_tracks(page)


def test_who_refuses_the_camera_reads_how_to_allow_it(
    camera: Browser, site: str, member: Any
) -> None:
    with open_desk(camera, site, member, permissions=[]) as page:
        page.context.grant_permissions([])
        page.get_by_role("button", name="Use the camera").click()
        expect(page.locator("#trouble")).to_contain_text("Allow it beside the page’s address")
        expect(page.get_by_role("button", name="Use the camera")).to_be_visible()


def test_a_camera_that_is_pulled_out_is_said(camera: Browser, site: str, member: Any) -> None:
    with open_desk(camera, site, member) as page:
        turn_on(page)
        page.evaluate("tracks[0].dispatchEvent(new Event('ended'))")
        expect(page.locator("#trouble")).to_contain_text("There is no camera any more.")
        expect(page.get_by_role("button", name="Use the camera")).to_be_visible()


def test_the_camera_is_offered_where_there_is_one_and_not_on_phones(
    camera: Browser, site: str, member: Any
) -> None:
    button = "Use the camera"
    with open_desk(camera, site, member) as page:
        expect(page.get_by_role("button", name=button)).to_be_visible()
    with open_desk(camera, site, member, WITHOUT) as page:
        expect(page.get_by_role("button", name="Choose a photo")).to_be_visible()
        expect(page.get_by_role("button", name=button)).to_be_hidden()
    with open_desk(camera, site, member, **get_touch()) as page:
        expect(page.get_by_role("button", name="Take a photo")).to_be_visible()
        expect(page.get_by_role("button", name=button)).to_be_hidden()
