"""The editor's crop in browsers of three engines, each with its own code for drawing."""

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat
from PIL.Image import Transpose
from playwright.sync_api import Browser

from ..helpers.pictures import STORED, draw_noise, store_turned
from .editor import PASSWORD, draw_sprite, sign_up
from .engines import Engine, visit_as_stranger, wait

Square = tuple[float, float, float]  # x, y, size

# The square in the window, in pixels of the upright photo.
SEEN = """(() => {
    const [photo, window] = ["#window img", "#window"].map((selector) => {
        return document.querySelector(selector).getBoundingClientRect();
    });
    const scale = document.querySelector("#window img").naturalWidth / photo.width;
    return [window.x - photo.x, window.y - photo.y, window.width].map((n) => n * scale);
})()"""
STATE = "document.querySelector('#picture').dataset.state"


@pytest.fixture(scope="module")
def target() -> Image.Image:
    """Soft noise, without two similar parts."""
    return draw_noise(64).resize((1600, 1200))


@pytest.fixture(scope="module")
def member(engine: Engine, browser: Browser, site: str, request: pytest.FixtureRequest) -> Any:
    """A member signed in with this engine and with Chromium."""
    name = f"engine-{type(engine).__name__.lower()}"
    state = sign_up(browser, site, name)
    visit_as_stranger(engine, f"{site}/accounts/login/")
    engine.type("#id_username", name)
    engine.type("#id_password", PASSWORD)
    engine.click("main form button.button")
    wait(engine, "!location.pathname.startsWith('/accounts/login')")
    return state


def frame(engine: Engine, site: str, photo: Path) -> None:
    """Choose a photo, and wait until it is in its frame."""
    engine.go(f"{site}/profile/avatar/")
    wait(engine, f"{STATE} === 'choose'")
    engine.choose("#id_avatar", photo)
    wait(engine, f"{STATE} === 'frame'")


def save(engine: Engine, browser: Browser, member: Any) -> Image.Image:
    """Save the picture; return the largest file that is stored of it."""
    engine.click("#save")
    wait(engine, f"{STATE} === 'done'")
    url = re.sub(
        r"-\d+\.webp", "-512.webp", engine.run("document.querySelector('#new-picture').src")
    )
    context = browser.new_context(storage_state=member)
    body = context.request.get(url).body()
    context.close()
    return Image.open(BytesIO(body))


def find_square(picture: Image.Image, source: Image.Image, near: Square) -> tuple[Square, float]:
    """Return the square of the source that a picture shows, searched near one, and the error."""
    small = picture.convert("RGB").resize((256, 256))

    def measure(square: Square) -> float:
        x, y, size = square
        part = source.resize((256, 256), box=(x, y, x + size, y + size))
        return sum(ImageStat.Stat(ImageChops.difference(small, part)).mean)

    steps = range(-5, 6)
    x, y, size = near
    size = min((size + step for step in steps), key=lambda size: measure((x, y, size)))
    x = min((x + step for step in steps), key=lambda x: measure((x, y, size)))
    y = min((y + step for step in steps), key=lambda y: measure((x, y, size)))
    return (x, y, size), measure((x, y, size))


@pytest.fixture
def zoomed(
    orientation: int, engine: Engine, site: str, member: Any, target: Image.Image, tmp_path: Path
) -> Engine:
    """The editor of a member, with the target as a file that is stored turned, zoomed in."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(store_turned(target, orientation, quality=95, subsampling=0))
    frame(engine, site, photo)
    engine.press("#zoom", *["ArrowRight"] * 8)
    return engine


@pytest.mark.parametrize("orientation", STORED)
def test_what_is_in_the_window_is_what_is_stored(
    orientation: int, zoomed: Engine, browser: Browser, member: Any, target: Image.Image
) -> None:
    zoomed.click(".move summary")
    zoomed.press("#move-x", "Home", *["ArrowRight"] * 3)
    zoomed.press("#move-y", "Home", *["ArrowRight"] * 5)
    seen = tuple(round(n) for n in zoomed.run(SEEN))
    picture = save(zoomed, browser, member)
    found, difference = find_square(picture, target, seen)
    assert difference < 12  # Any other square is 200 levels off, red, green and blue together.
    assert all(abs(a - b) <= 1 for a, b in zip(found, seen, strict=True)), (found, seen)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_photo_is_stored_as_it_was_turned(
    orientation: int, zoomed: Engine, browser: Browser, member: Any, target: Image.Image
) -> None:
    zoomed.click("#turn")
    picture = save(zoomed, browser, member)
    turned = target.transpose(Transpose.ROTATE_270)  # Pillow counts to the left.
    found, difference = find_square(picture, turned, (92, 292, 1016))
    assert difference < 12
    assert all(abs(a - b) <= 1 for a, b in zip(found, (92, 292, 1016), strict=True)), found


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_drawing_is_stored_pixel_for_pixel(
    mode: str, engine: Engine, browser: Browser, site: str, member: Any, tmp_path: Path
) -> None:
    sprite = draw_sprite(mode)
    sprite.save(tmp_path / "sprite.png")
    frame(engine, site, tmp_path / "sprite.png")
    picture = save(engine, browser, member)
    assert (picture.mode, picture.size) == (mode, (48, 48))
    # Premultiplied: the colour of transparent pixels need not be stored.
    one, other = (im.convert("RGBA").convert("RGBa") for im in (picture, sprite))
    assert one.tobytes() == other.tobytes()
