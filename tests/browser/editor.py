"""Sign up, open the picture editor, and choose, save and check pictures in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.Image import Resampling
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from ..helpers.pictures import QUARTERS
from . import joining
from .faults import watch

PASSWORD = "correct horse battery"
PROMISE = "Only this square is sent. The rest of the photo stays on your phone."
WITHDRAWN = (
    "Your browser cannot crop this picture. The whole photo will be sent; "
    "our server crops it and deletes the rest."
)


def sign_up(browser: Browser, site: str, name: str) -> Any:
    """Create a member without a picture; return the browser's state, with the session's cookie."""
    context = browser.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.goto("/accounts/signup/")
    joining.join(page, name, PASSWORD)
    state = context.storage_state()
    context.close()
    return state


@contextmanager
def open_editor(browser: Browser, site: str, state: Any, **options: Any) -> Iterator[Page]:
    """Open the editor, on a small screen by default; fail on errors in the browser."""
    options = {"viewport": {"width": 390, "height": 664}, **options}
    context = browser.new_context(base_url=site, storage_state=state, **options)
    page = context.new_page()
    faults = watch(page)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    # From the start: a listener that is added with the key that opens it may miss it.
    page.on("filechooser", lambda chooser: None)
    page.goto("/profile/avatar/")
    expect_editor(page)
    yield page
    context.close()
    assert (faults, errors) == ([], []), (faults, errors)


def expect_editor(page: Page) -> None:
    """Wait for the editor's script: the form without it has the same labels."""
    expect(page.locator("#picture")).to_have_attribute("data-state", "choose")


def get_touch(**options: Any) -> dict[str, Any]:
    """Return the options of a context with a phone's touch screen."""
    return {"has_touch": True, "is_mobile": True, "device_scale_factor": 2, **options}


def get_stage(page: Page) -> Locator:
    return page.get_by_role("application", name="Your photo")


def choose(page: Page, photo: Path) -> None:
    """Choose a photo with the button."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a photo").click()
    chooser.value.set_files(photo)


def frame(page: Page, photo: Path) -> None:
    """Choose a photo, and wait until the frame shows it."""
    choose(page, photo)
    expect(get_stage(page)).to_be_focused()


def save(page: Page) -> None:
    """Save the picture, and wait for the receipt."""
    page.get_by_role("button", name="Save picture").click()
    expect_receipt(page)


def expect_receipt(page: Page) -> None:
    expect(page.get_by_role("heading", name="Your picture is saved")).to_be_focused()


def find_saved_quarters(page: Page) -> list[int]:
    """Return which of the drawn quarters are in the corners of the saved picture."""
    response = page.request.get(page.locator("#new-picture").get_attribute("src") or "")
    return find_quarters(response.body())


def find_quarters(data: bytes) -> list[int]:
    """Return which of the drawn quarters are in the corners of a picture."""
    with Image.open(BytesIO(data)) as im:
        far = im.width - 5
        corners = [(4, 4), (far, 4), (4, far), (far, far)]
        colours = [im.convert("RGB").getpixel(corner) for corner in corners]
    return [
        min(range(4), key=lambda n: measure_distance(colour, QUARTERS[n])) for colour in colours
    ]


def draw_sprite(mode: str = "RGB") -> Image.Image:
    """Draw 48 × 48 pixels in 51 colours, with hard edges; in RGBA, one colour is transparent."""
    im = Image.new(mode, (12, 12))
    for n in range(144):
        colour = (5 * n % 255, 55 * n % 255, 115 * n % 255, 255 if n % 51 else 0)
        im.putpixel((n % 12, n // 12), colour[: len(mode)])
    return im.resize((48, 48), Resampling.NEAREST)


def measure_distance(one: Any, other: Any) -> int:
    """Return the sum of the differences of two colours."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def drop(page: Page, photo: Path | None, target: str) -> None:
    """Drop a photo, or a link, on an element; fail if the browser would open it."""
    script = """([bytes, target]) => {
        const transfer = new DataTransfer();
        const file = () => new File([new Uint8Array(bytes)], "photo", {type: "text/plain"});
        if (bytes) transfer.items.add(file());
        else transfer.items.add("https://example.org/photo.jpg", "text/uri-list");
        const options = {bubbles: true, cancelable: true, dataTransfer: transfer};
        const place = document.querySelector(target);
        const over = place.dispatchEvent(new DragEvent("dragover", options));
        return over || place.dispatchEvent(new DragEvent("drop", options));
    }"""
    data = list(photo.read_bytes()) if photo else None
    assert page.evaluate(script, [data, target]) is False


def paste(page: Page, photo: Path, target: str) -> None:
    """Paste a photo while an element has the focus."""
    script = """([bytes, target]) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], "", {type: "image/png"}));
        const options = {bubbles: true, cancelable: true, clipboardData: transfer};
        document.querySelector(target).dispatchEvent(new ClipboardEvent("paste", options));
    }"""
    page.evaluate(script, [list(photo.read_bytes()), target])


def touch(context: BrowserContext, page: Page, *moments: list[tuple[float, float]]) -> None:
    """Touch the screen with fingers, move them to each of the next points, and lift them."""
    wire = context.new_cdp_session(page)
    for kind, points in zip(["touchStart"] + ["touchMove"] * len(moments), moments, strict=False):
        touches = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
        wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
    wire.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
