"""The main story in browsers of three engines, with the mouse, the wheel and the keyboard."""

import re
from pathlib import Path

import pytest

from ..helpers.pictures import draw_jpeg, make_exif
from .editor import PASSWORD
from .engines import Engine, visit, visit_as_stranger, wait
from .test_engines import SEEN, STATE, Square

IS_FOCUSED = "document.activeElement === document.querySelector('{}')"
IS_LOADED = "document.querySelector('{}')?.naturalWidth"
DIALOG = "document.querySelector('#removal').open"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "IMG_0001.JPG"
    path.write_bytes(draw_jpeg(1600, 1200, exif=make_exif(6)))
    return path


def test_a_visitor_joins_is_seen_and_removes_the_picture(
    engine: Engine, site: str, photo: Path
) -> None:
    name = f"story-{type(engine).__name__.lower()}"
    join(engine, site, name)
    engine.choose("#id_avatar", photo)
    wait(engine, f"{STATE} === 'frame'")
    promise = engine.run("document.querySelector('#promise').innerText")
    assert promise == "Only this square is sent. The rest of the photo stays on this device."
    move_photo(engine)
    engine.click("#save")
    wait(engine, f"{STATE} === 'done'")
    receipt = engine.run("document.querySelector('.receipt').innerText")
    assert "Your picture is saved" in receipt
    assert re.search(r"Stayed on this device\s+The rest of the photo, place", receipt)
    assert engine.run(IS_FOCUSED.format("#receipt-title"))
    wait(engine, IS_LOADED.format("#new-picture"))
    engine.click(f".receipt a[href='/profiles/{name}/']")
    wait(engine, f"location.pathname === '/profiles/{name}/'")
    wait(engine, IS_LOADED.format(".person img"))
    visit(engine, f"{site}/profiles/")
    wait(engine, IS_LOADED.format(f".people a[href=\\'/profiles/{name}/\\'] img"))
    visit(engine, f"{site}/profiles/{name}/")
    remove_picture(engine)


def join(engine: Engine, site: str, name: str) -> None:
    """Join, let everyone see the page, and go on to the editor."""
    visit_as_stranger(engine, f"{site}/accounts/signup/")
    engine.type("#id_username", name)
    engine.type("#id_email", f"{name}@example.org")
    for field in ("#id_password1", "#id_password2"):
        engine.type(field, PASSWORD)
    engine.press("#id_password2", "Enter")
    wait(engine, "document.querySelector('[name=visibility][value=public]')")
    engine.click("[name=visibility][value=public]")
    engine.click("main form button.button")
    wait(engine, "document.querySelector('#picture')?.dataset.state === 'choose'")


def move_photo(engine: Engine) -> None:
    """Zoom the photo by the wheel, and move it by the mouse and by keys."""
    x, y, size = look(engine)
    engine.turn_wheel("#stage", -300)
    wait(engine, f"{SEEN}[2] < {0.9 * size}")
    x, y, size = look(engine)
    scale = size / engine.run("document.querySelector('#window').clientWidth")
    engine.drag("#stage", 40, -30)
    wait(engine, f"{SEEN}[0] < {x - 39 * scale}")
    after = look(engine)
    assert after == pytest.approx((x - 40 * scale, y + 30 * scale, size), abs=scale)
    engine.press("#stage", "ArrowLeft", "+")
    wait(engine, f"{SEEN}[2] < {0.95 * size}")
    assert look(engine)[0] > after[0]


def look(engine: Engine) -> Square:
    """Return the square that is in the window."""
    x, y, size = engine.run(SEEN)
    return x, y, size


def remove_picture(engine: Engine) -> None:
    """Ask to remove the picture, leave the dialog in both ways, and then remove it."""
    for leave in (
        lambda: engine.press("#removal [formmethod=dialog]", "Escape"),
        lambda: engine.click("#removal [formmethod=dialog]"),
    ):
        engine.click("#remove")
        wait(engine, DIALOG)
        assert engine.run(IS_FOCUSED.format("#removal [formmethod=dialog]"))
        leave()
        wait(engine, f"!{DIALOG}")
        assert engine.run(IS_LOADED.format(".person img"))
    engine.click("#remove")
    wait(engine, DIALOG)
    engine.click("#removal .danger")
    wait(
        engine, "document.querySelector('.person svg.avatar') && !document.querySelector('#remove')"
    )
