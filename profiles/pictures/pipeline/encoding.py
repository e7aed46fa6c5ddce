"""Encode avatars: a square in sRGB in, the files of all sizes out."""

from io import BytesIO
from typing import Any

from PIL import Image, ImageStat
from PIL.Image import Resampling

from ..avatar import SMALL_PIXELS_PER_COLOUR
from ..names import Sizes

# A drawing has few colours, each of them many times. Without loss it keeps its edges, for which no
# quality is high enough: a lossy WebP has colour for a quarter of the pixels only. Each colour
# has so many pixels at least; in a drawing of up to so many colours, SMALL_PIXELS_PER_COLOUR.
PIXELS_PER_COLOUR, MAX_SMALL_COLOURS = 64, 1024
# Where there is no colour to lose, only a drawing of so few greys is worth it.
MAX_GREYS = 64
# A file without loss may be twice as large as the lossy one, or have so many bytes. Over 115
# pictures in four sizes, these bounds add 1.4 % of bytes.
MAX_GROWTH, MAX_SMALL_BYTES = 2, 3000
QUALITY = 80
# A square that small is enlarged on most pages, and so is what was lost.
SMALL, QUALITY_OF_SMALL = 256, 90
# Lighter than this, a picture does not show on white.
LIGHT, GROUND = 220, "#3a3a3a"


def encode(im: Image.Image, sizes: Sizes) -> dict[str, bytes]:
    """Return the files of an avatar by name ending, in the order of `sizes.endings`."""
    files = {}
    quality = QUALITY if im.width >= SMALL else QUALITY_OF_SMALL
    for width in sizes.widths:
        side = min(width, im.width)
        if side < im.width:  # each size from the one above it: a quarter of the pixels
            im = im.resize((side, side), Resampling.LANCZOS, reducing_gap=2)
        files[f"{width}.webp"] = encode_webp(im, quality)
        if width == sizes.link_preview:
            files[f"{width}.jpg"] = save(flatten(im), "JPEG", quality=85)
    return {ending: files[ending] for ending in sizes.endings}


def encode_webp(im: Image.Image, quality: int) -> bytes:
    """Return a WebP, without loss where the picture is a drawing and the file grows little."""
    lossy = save(im, "WEBP", quality=quality, method=4)
    if not is_drawing(im):
        return lossy
    lossless = save(im, "WEBP", lossless=True, quality=QUALITY, method=4)
    limit = max(MAX_GROWTH * len(lossy), MAX_SMALL_BYTES)
    return lossless if len(lossless) <= limit else lossy


def is_drawing(im: Image.Image) -> bool:
    """Return whether a picture has as few colours as drawings have."""
    pixels = im.width * im.height
    small = min(pixels // SMALL_PIXELS_PER_COLOUR, MAX_SMALL_COLOURS)
    most = max(pixels // PIXELS_PER_COLOUR, small)
    colours: Any = im.getcolors(most) or []
    is_grey = all(red == green == blue for _, (red, green, blue, *_) in colours)
    return bool(colours) and (len(colours) <= MAX_GREYS or not is_grey)


def flatten(im: Image.Image) -> Image.Image:
    """Return the picture on a ground on which it shows, where it is transparent."""
    if im.mode != "RGBA":
        return im
    alpha = im.getchannel("A")
    is_light = ImageStat.Stat(im.convert("L"), alpha).mean[0] > LIGHT
    ground = Image.new("RGB", im.size, GROUND if is_light else "white")
    ground.paste(im, mask=alpha)
    return ground


def save(im: Image.Image, kind: str, **options: int) -> bytes:
    """Return the bytes of a picture in a format."""
    file = BytesIO()
    im.save(file, kind, **options)
    return file.getvalue()
