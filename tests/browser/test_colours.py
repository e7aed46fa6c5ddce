"""A stored avatar has the colours and the crop that the browser shows for the picture itself."""

import base64
import struct
from io import BytesIO

import pytest
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Browser

from ..helpers.pictures import crop_avif, draw, draw_noise, encode, make_chunk, number_colours
from ..test_colours import pack_numbers
from ..test_images import show

# Paints a picture, and returns it as a PNG.
PAINT = """async ([data, type]) => {
    const image = new Image();
    image.src = `data:${type};base64,${data}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/png").split(",")[1];
}"""


def draw_hues() -> Image.Image:
    """Draw soft fields of many colours, from dark to light."""
    return draw_noise(6).resize((256, 256), Image.Resampling.BICUBIC)


# In PQ, up to 1,000 cd/m²: few pictures say more.
DARKER = draw_hues().point(lambda value: value * 3 // 4)


def put_chunks(*chunks: bytes, im: Image.Image | None = None) -> bytes:
    data = encode(im or draw_hues(), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


GAMMA = make_chunk(b"gAMA", struct.pack(">L", 55556))
P3 = struct.pack(">8L", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
FINE = {"quality": 95, "subsampling": "4:4:4"}
AVIF = encode(draw_hues(), "AVIF", **FINE)
PICTURES = {
    "PNG, P3": put_chunks(pack_numbers(12, 13)),
    "PNG, BT.2020": put_chunks(pack_numbers(9, 14)),
    "PNG, linear": put_chunks(pack_numbers(1, 8)),
    "PNG, gamma": put_chunks(GAMMA),
    "PNG, gamma and primaries": put_chunks(GAMMA, make_chunk(b"cHRM", P3)),
    "PNG, sRGB and gamma": put_chunks(make_chunk(b"sRGB", b"\0"), GAMMA),
    "PNG, unknown numbers": put_chunks(pack_numbers(2, 2)),
    "PNG, PQ": put_chunks(pack_numbers(9, 16), im=DARKER),
    "PNG, HLG": put_chunks(pack_numbers(9, 18)),
    "AVIF, P3": number_colours(AVIF, 12, 13),
    "AVIF, BT.709": number_colours(AVIF, 1, 1),
    "AVIF, PQ": number_colours(encode(DARKER, "AVIF", **FINE), 9, 16),
    "AVIF, HLG": number_colours(AVIF, 9, 18),
    "AVIF, cropped": crop_avif(encode(draw(200, 200), "AVIF"), 100, 100, -50, -50),
}


@pytest.fixture(scope="module")
def shown(browser: Browser) -> dict[str, Image.Image]:
    """What the browser shows of each picture."""
    page = browser.new_page()
    made = {}
    for name, data in PICTURES.items():
        kind = f"image/{name[:4].strip(',').lower()}"
        png = page.evaluate(PAINT, [base64.b64encode(data).decode(), kind])
        made[name] = Image.open(BytesIO(base64.b64decode(png))).convert("RGB")
    page.close()
    return made


@pytest.mark.parametrize("name", PICTURES)
def test_what_is_stored_is_what_the_browser_shows(name: str, shown: dict[str, Image.Image]) -> None:
    stored = show(PICTURES[name]).convert("RGB")
    assert stored.size == shown[name].size
    difference = ImageStat.Stat(ImageChops.difference(stored, shown[name])).mean
    assert max(difference) <= (8 if name.endswith(("PQ", "HLG")) else 3)
