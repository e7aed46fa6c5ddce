"""Encode a square in sRGB to the files of all sizes."""

from io import BytesIO
from typing import Any

from PIL import Image, ImageStat
from PIL.Image import Resampling

from ..avatar import SMALL_PIXELS_PER_COLOUR
from ..names import Sizes

# A drawing has few colours, each in many pixels. It is stored lossless to keep its edges: a lossy
# WebP has colour for only a quarter of the pixels, at any quality. A drawing has at least 64 pixels
# for each colour; a small one fewer (avatar.py), and at most 1,024 colours.
PIXELS_PER_COLOUR, MAX_SMALL_COLOURS = 64, 1024
# A grey picture has no colour to lose, so store only those of few greys lossless.
MAX_GREYS = 64
# A lossless file may be twice as large as the lossy one, or have up to 3,000 bytes. Over 115
# pictures in four sizes, these limits add 1.4 % of bytes.
MAX_GROWTH, MAX_SMALL_BYTES = 2, 3000
QUALITY = 80
# Most pages enlarge a small square, and with it the errors of compression.
SMALL, QUALITY_OF_SMALL = 256, 90
# A picture lighter than this is not visible on white.
LIGHT, GROUND = 220, "#3a3a3a"


def encode(im: Image.Image, sizes: Sizes) -> dict[str, bytes]:
    """Return the files of an avatar by name ending, in the order of `sizes.endings`."""
    files = {}
    quality = QUALITY if im.width >= SMALL else QUALITY_OF_SMALL
    for width in sizes.widths:
        side = min(width, im.width)
        if side < im.width:  # From the size before, which has only four times the pixels.
            im = im.resize((side, side), Resampling.LANCZOS, reducing_gap=2)
        files[f"{width}.webp"] = encode_webp(im, quality)
        if width == sizes.link_preview:
            files[f"{width}.jpg"] = save(flatten(im), "JPEG", quality=85)
    return {ending: files[ending] for ending in sizes.endings}


def encode_webp(im: Image.Image, quality: int) -> bytes:
    """Return a WebP, lossless if the picture is a drawing and the file is not much larger."""
    lossy = save(im, "WEBP", quality=quality, method=4)
    if not is_drawing(im):
        return lossy
    lossless = save(im, "WEBP", lossless=True, quality=QUALITY, method=4)
    limit = max(MAX_GROWTH * len(lossy), MAX_SMALL_BYTES)
    return lossless if len(lossless) <= limit else lossy


def is_drawing(im: Image.Image) -> bool:
    pixels = im.width * im.height
    small = min(pixels // SMALL_PIXELS_PER_COLOUR, MAX_SMALL_COLOURS)
    most = max(pixels // PIXELS_PER_COLOUR, small)
    colours: Any = im.getcolors(most) or []
    is_grey = all(red == green == blue for _, (red, green, blue, *_) in colours)
    return bool(colours) and (len(colours) <= MAX_GREYS or not is_grey)


def flatten(im: Image.Image) -> Image.Image:
    """Return a transparent picture on a background on which it is visible."""
    if im.mode != "RGBA":
        return im
    alpha = im.getchannel("A")
    is_light = ImageStat.Stat(im.convert("L"), alpha).mean[0] > LIGHT
    ground = Image.new("RGB", im.size, GROUND if is_light else "white")
    ground.paste(im, mask=alpha)
    return ground


def save(im: Image.Image, kind: str, **options: int) -> bytes:
    file = BytesIO()
    im.save(file, kind, **options)
    return file.getvalue()
