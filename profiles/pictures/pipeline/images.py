"""Make avatars: a visitor's bytes in; checked, upright, sRGB, square, encoded bytes out.

It uses Pillow, but not Django. `make_avatar` is the entry point.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from PIL import Image
from PIL.Image import Resampling, Transpose

from ..avatar import Avatar, Crop
from ..limits import DISPLAY_NAMES, Refused
from ..names import Sizes
from ..timings import Timings
from .colours import convert_to_srgb
from .decoding import Picture, decode, is_cut_off
from .encoding import encode
from .heic import HeicImage
from .metadata import list_traces, read_exif

ANIMATED = {"GIF", "PNG", "WEBP", "AVIF"}
# The most frames, and the most pixels in all of them, that are examined: each is decoded in full.
MAX_FRAMES, MAX_FRAME_PIXELS = 20, 50_000_000
# The least contrast and the least opacity for something to be visible, of 255.
MIN_CONTRAST, MIN_ALPHA = 32, 8
GREY_OF_16_BITS = [(value + 128) // 257 for value in range(65536)]

# The transposition that turns the stored picture upright, by EXIF orientation (EXIF 2.32, table 1).
TURNS: dict[object, Transpose] = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}

# The transposition for a turn to the right, by degrees; Pillow's own names count to the left.
QUARTERS = {90: Transpose.ROTATE_270, 180: Transpose.ROTATE_180, 270: Transpose.ROTATE_90}


def make_avatar(
    file: BinaryIO,
    crop: Crop = Crop(),
    timings: Timings | None = None,
    sizes: Sizes = Sizes(),
) -> Avatar:
    """Return the avatar made from an uploaded picture; raise `Refused` with the reason.

    Only for the cell: the site calls `cell.make_avatar`.
    """
    timings = Timings() if timings is None else timings
    with _refuse_on_error(file):
        with timings.measure("decode"):
            source = decode(file, crop, sizes.widths[0])
            orientation, tags = read_exif(source.info.get("exif") or b"")
            is_turned = orientation in (5, 6, 7, 8)
            width, height = source.size[::-1] if is_turned else source.size
            x, y, side = crop.square(width, height)
            left, top = find_stored_corner(orientation, source.size, x, y, side)
            box = source.find_box(left, top, side)
            picture = find_frame(source.im, box, min(side, sizes.widths[0]))
        with timings.measure("encode"):
            # Turn and convert after shrinking, since both cost time for each pixel.
            if orientation in TURNS:
                picture = picture.transpose(TURNS[orientation])
            if crop.turn:
                picture = picture.transpose(QUARTERS[crop.turn])
            picture = convert_to_srgb(picture, source.info, source.kind)
            files = encode(picture, sizes)
        removed = tuple(list_traces(source.info, tags))
        name = DISPLAY_NAMES.get(source.kind, source.kind)
        return Avatar(files, name, width, height, side, removed)


@contextmanager
def _refuse_on_error(file: BinaryIO) -> Iterator[None]:
    """Turn any exception into `Refused`: a decoder may raise nearly everything."""
    try:
        yield
        return
    except Refused:
        raise
    except MemoryError as error:
        raise Refused("heavy") from error
    except Image.DecompressionBombError as error:
        raise Refused("enormous") from error
    except Exception:  # noqa: S110  # Refused below, outside of this block.
        pass  # Its traceback references the picture. Free it, so that the file fits into memory.
    raise Refused("cut" if is_cut_off(file) else "broken")


def find_stored_corner(
    orientation: object, size: tuple[int, int], x: int, y: int, side: int
) -> tuple[int, int]:
    """Return the left and top of an upright square in the picture as it is stored."""
    left, top = (y, x) if orientation in (5, 6, 7, 8) else (x, y)
    if orientation in (2, 3, 7, 8):
        left = size[0] - left - side
    if orientation in (3, 4, 6, 7):
        top = size[1] - top - side
    return left, top


def find_frame(im: Picture, box: tuple[float, float, float, float], side: int) -> Image.Image:
    """Return the square from the first frame in which something is visible.

    Many animations start with an empty frame or fade in from one colour.
    """
    best, most = None, -1
    for _ in walk_frames(im):
        picture = shrink(im, box, side)
        contrast = measure_contrast(picture)
        if contrast > most:
            best, most = picture, contrast
        if most >= MIN_CONTRAST:
            break
    if not best:
        raise Refused("blank")
    return best


def walk_frames(im: Picture) -> Iterator[None]:
    """Go from frame to frame of an animation, up to the limits."""
    yield
    if isinstance(im, Image.Image) and im.format in ANIMATED:
        for number in range(1, min(MAX_FRAMES, MAX_FRAME_PIXELS // (im.width * im.height))):
            try:
                im.seek(number)
                im.load()
            except Exception:
                return  # This frame is missing or broken: use those before it.
            yield


def measure_contrast(im: Image.Image) -> int:
    """Return the difference of the lightest and the darkest point, with transparent ones as black.

    -1 if everything is transparent.
    """
    extrema: Any = im.convert("RGBa" if im.mode == "RGBA" else "RGB").getextrema()
    if im.mode == "RGBA" and extrema[3][1] < MIN_ALPHA:
        return -1
    return max(high - low for low, high in extrema)


def shrink(im: Picture, box: tuple[float, float, float, float], side: int) -> Image.Image:
    """Return the box of a picture as a square of `side` pixels, in a mode that fits its profile."""
    transparent = im.has_transparency_data
    if transparent or im.mode in ("1", "P") or isinstance(im, HeicImage):
        # For palettes and single bits, `resize` silently uses nearest neighbour. The colour of
        # transparent pixels must not bleed into others: premultiply. A HEIC is not yet in Pillow.
        im, box = reduce_in_bands(im, box, side, "RGBa" if transparent else "RGB")
    if im.mode.startswith("I"):
        # These modes cannot be reduced, and `convert` would clip them to white.
        im = im.resize((side, side), Resampling.LANCZOS, box)
        return im.point(lambda value: value / 257).convert("L")
    im = im.resize((side, side), Resampling.LANCZOS, box, reducing_gap=2)
    return im.convert("RGBA") if transparent else im


def reduce_in_bands(
    im: Picture, box: tuple[float, float, float, float], side: int, mode: str
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """Return a box in another mode, reduced to at least twice `side`, and the box in the result.

    It works in bands: copies of the whole picture would take up to 12 bytes a pixel more.
    """
    left, top, right, bottom = map(int, box)
    factor = max(1, (right - left) // (2 * side))
    rows = 64 * factor
    small = Image.new(mode, (-(-(right - left) // factor), -(-(bottom - top) // factor)))
    for y in range(top, bottom, rows):
        band = im.crop((left, y, right, min(y + rows, bottom)))
        if band.mode == "I;16":
            band = add_alpha(band, im.info["transparency"])
        band = band.convert("RGBA").convert(mode) if mode == "RGBa" else band.convert(mode)
        small.paste(band.reduce(factor), (0, (y - top) // factor))
    return small, (0, 0, (right - left) / factor, (bottom - top) / factor)


def add_alpha(im: Image.Image, clear: int) -> Image.Image:
    """Convert 16-bit grey with one transparent value to 8 bits with alpha."""
    deep = im.convert("I")  # `point` does not support I;16.
    alpha = [255] * 65536
    alpha[clear] = 0
    return Image.merge("LA", [deep.point(GREY_OF_16_BITS, "L"), deep.point(alpha, "L")])
