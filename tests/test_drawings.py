"""Drawings keep their edges and colours; photos do not get larger."""

import random
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont

from .helpers.avatars import make, show
from .helpers.pictures import draw, draw_noise, encode, list_parts


def draw_sprite(side: int, colours: int) -> Image.Image:
    """Draw random pixel art of that many colours."""
    chance = random.Random(side)
    palette = [tuple(chance.randbytes(3)) for _ in range(colours)]
    im = Image.new("RGB", (side, side))
    im.putdata([chance.choice(palette) for _ in range(side * side)])
    return im


def draw_text() -> Image.Image:
    """Draw lines of coloured text, with soft edges."""
    im = Image.new("RGB", (512, 512), "#fdf6e3")
    pen = ImageDraw.Draw(im)
    font: Any = ImageFont.load_default(18)
    for line in range(24):
        colour = ("#b58900", "#cb4b16", "#268bd2", "#2aa198")[line % 4]
        pen.text((8, 20 * line + 8), "Blue on red, and green beside it" * 2, colour, font)
    return im


def draw_gradient() -> Image.Image:
    """Draw a smooth dark sky."""
    dark = Image.linear_gradient("L").resize((512, 512)).point(lambda value: value // 3)
    return Image.merge(
        "RGB", [dark, dark.point(lambda value: value + 20), dark.point(lambda v: v + 60)]
    )


DRAWINGS = {
    "pixel art of 51 colours": draw_sprite(48, 51),
    "pixel art of 150 colours": draw_sprite(48, 150),
    "text": draw_text(),
    "gradient": draw_gradient(),
    "flat": draw(300, 300),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_stored_exactly(name: str) -> None:
    assert show(encode(DRAWINGS[name], "PNG")).convert("RGB").tobytes() == DRAWINGS[name].tobytes()


def test_a_transparent_drawing_is_stored_exactly() -> None:
    logo = Image.new("RGBA", (512, 512), (0, 0, 0, 0))
    ImageDraw.Draw(logo).ellipse((100, 100, 400, 400), (200, 30, 60, 255))
    made = show(encode(logo, "PNG"))
    assert made.mode == "RGBA"
    assert made.tobytes() == logo.tobytes()


def draw_photo(side: int, mode: str = "RGB") -> Image.Image:
    """Draw a picture with as many colours as a photo."""
    return draw_noise(64).resize((side, side), Image.Resampling.BICUBIC).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_photo_is_stored_lossy(mode: str) -> None:
    for content in make(encode(draw_photo(600, mode), "PNG")).files.values():
        assert not list_parts(content) & {b"VP8L"}


def test_a_photo_of_few_colours_is_not_stored_at_many_times_the_size() -> None:
    dithered = draw_photo(512).quantize(256).convert("RGB")
    stored = make(encode(dithered, "PNG")).files["512.webp"]
    assert len(stored) <= 2 * len(encode(dithered, "WEBP", quality=80, method=4))


def test_a_drawing_in_greys_is_stored_exactly() -> None:
    greys = draw_sprite(400, 16).convert("L").convert("RGB")
    blocks = greys.resize((50, 50), Image.Resampling.NEAREST).resize((400, 400), 0)
    assert show(encode(blocks, "PNG")).convert("RGB").tobytes() == blocks.tobytes()


def test_a_small_photo_loses_less() -> None:
    small, large = draw_photo(200), draw_photo(256)
    assert len(make(encode(small, "PNG")).files["512.webp"]) == len(
        encode(small, "WEBP", quality=90, method=4)
    )
    assert len(make(encode(large, "PNG")).files["512.webp"]) == len(
        encode(large, "WEBP", quality=80, method=4)
    )
