"""Pictures made into avatars, and what is seen of them."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from profiles.pictures import cell
from profiles.pictures.avatar import Avatar, Crop
from profiles.pictures.limits import Refused

from .pictures import (
    draw_as,
    draw_jpeg,
    make_chunk,
)

# The names of formats in Pillow, and for visitors.
FORMATS = {"JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "GIF": "GIF", "AVIF": "AVIF"}
ALL_FORMATS = FORMATS | {"HEIC": "HEIC"}
TWO_COLOURS = make_chunk(b"PLTE", b"abcdef")
RED, GREEN, BLUE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)
JPEG, PNG = draw_jpeg(64, 64), draw_as("PNG")


def make(data: bytes, **crop: Any) -> Avatar:
    return cell.make_avatar(BytesIO(data), Crop(**crop))


def show(data: bytes, **crop: Any) -> Image.Image:
    """Return the largest file of the avatar made of a picture."""
    return Image.open(BytesIO(make(data, **crop).files["512.webp"]))


def find_refusal(data: bytes) -> str:
    """Return the code of a picture's refusal."""
    with pytest.raises(Refused) as caught:
        make(data)
    return caught.value.code


def list_colours(im: Image.Image) -> list[Any]:
    """Return the colours in the middle of the four quarters."""
    im, n = im.convert("RGB"), im.width
    return [im.getpixel((x * n // 4, y * n // 4)) for y in (1, 3) for x in (1, 3)]


def near(*colours: tuple[int, ...]) -> Any:
    """Return an approximation that allows for the errors of a lossy format."""
    return [pytest.approx(colour, abs=8) for colour in colours]


def find_transparency(im: Image.Image) -> list[Any]:
    return [im.getchannel("A").getpixel((x * im.width // 4, im.width // 4)) for x in (1, 3)]


def draw_three(turned: bool = False) -> Image.Image:
    """Draw three squares in a row: red, green, blue."""
    im = Image.new("RGB", (300, 100), RED)
    im.paste(GREEN, (100, 0, 200, 100))
    im.paste(BLUE, (200, 0, 300, 100))
    return im.transpose(Image.Transpose.ROTATE_270) if turned else im


def draw_half(colour: tuple[int, ...], hidden: tuple[int, ...], side: int = 64) -> Image.Image:
    """Draw a picture whose right half is transparent, but has a colour."""
    im = Image.new("RGBA", (side, side), (*colour, 255))
    im.paste((*hidden, 0), (side // 2, 0, side, side))
    return im
