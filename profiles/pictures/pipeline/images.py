"""Make avatars: a visitor's bytes in; checked, upright, sRGB, square, encoded bytes out.

Knows Pillow and no Django. `make_avatar` is the way in.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from PIL import Image
from PIL.Image import Resampling, Transpose

from ..avatar import Avatar, Crop
from ..limits import NAMES, Refused
from ..names import Sizes
from ..timings import Timings
from .colours import convert_to_srgb
from .decoding import Picture, breaks_off, decode
from .encoding import encode
from .heic import HeicImage
from .metadata import list_traces, read_exif

ANIMATED = {"GIF", "PNG", "WEBP", "AVIF"}
# How many frames are looked at, and how many pixels at most: each is decoded whole.
MAX_FRAMES, MAX_FRAME_PIXELS = 20, 50_000_000
# How much lighter or darker than the rest something must be to be seen, and how opaque; of 255.
MIN_CONTRAST, MIN_ALPHA = 32, 8
GREY_OF_16_BITS = [(value + 128) // 257 for value in range(65536)]

# EXIF 2.32, table 1 (orientation), as the turn that puts the stored picture upright.
TURNS: dict[object, Transpose] = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def make_avatar(
    file: BinaryIO,
    crop: Crop = Crop(),
    timings: Timings | None = None,
    sizes: Sizes = Sizes(),
) -> Avatar:
    """Return the avatar cut out of an uploaded picture; raise `Refused` with the reason.

    For the cell alone: it loads the decoders. The site calls `cell.make_avatar`.
    """
    timings = Timings() if timings is None else timings
    with _refusing_what_breaks(file):
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
            # Turning and colours come after the shrinking: they cost by the pixel.
            if orientation in TURNS:
                picture = picture.transpose(TURNS[orientation])
            picture = convert_to_srgb(picture, source.info, source.kind)
            files = encode(picture, sizes)
        removed = tuple(list_traces(source.info, tags))
        return Avatar(files, NAMES.get(source.kind, source.kind), width, height, side, removed)


@contextmanager
def _refusing_what_breaks(file: BinaryIO) -> Iterator[None]:
    """Refuse the picture whatever a decoder raises: that is nearly everything but `Refused`."""
    try:
        yield
        return
    except Refused:
        raise
    except MemoryError as error:
        raise Refused("heavy") from error
    except Image.DecompressionBombError as error:
        raise Refused("enormous") from error
    except Exception:  # noqa: S110
        pass  # Its traceback holds the picture, beside which the file may not fit once more.
    raise Refused("cut" if breaks_off(file) else "broken")


def find_stored_corner(
    orientation: object, size: tuple[int, int], x: int, y: int, side: int
) -> tuple[int, int]:
    """Return where the top left of an upright square lies in the picture as it is stored."""
    left, top = (y, x) if orientation in (5, 6, 7, 8) else (x, y)
    if orientation in (2, 3, 7, 8):
        left = size[0] - left - side
    if orientation in (3, 4, 6, 7):
        top = size[1] - top - side
    return left, top


def find_frame(im: Picture, box: tuple[float, float, float, float], side: int) -> Image.Image:
    """Return the square out of the first frame in which something shows in it.

    Many an animation begins empty, or with one colour out of which the rest fades in.
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
    """Go from frame to frame of an animation, as far as frames are looked at."""
    yield
    if isinstance(im, Image.Image) and im.format in ANIMATED:
        for number in range(1, min(MAX_FRAMES, MAX_FRAME_PIXELS // (im.width * im.height))):
            try:
                im.seek(number)
                im.load()
            except Exception:
                return  # The next one is missing or broken, and the ones before count.
            yield


def measure_contrast(im: Image.Image) -> int:
    """Return how far the lightest and the darkest point are apart, what is clear being black.

    -1 where all is clear.
    """
    extrema: Any = im.convert("RGBa" if im.mode == "RGBA" else "RGB").getextrema()
    if im.mode == "RGBA" and extrema[3][1] < MIN_ALPHA:
        return -1
    return max(high - low for low, high in extrema)


def shrink(im: Picture, box: tuple[float, float, float, float], side: int) -> Image.Image:
    """Return the box of a picture as a square of `side` pixels, in a mode fit for its profile."""
    transparent = im.has_transparency_data
    if transparent or im.mode in ("1", "P") or isinstance(im, HeicImage):
        # On palettes and bits, resize falls to nearest neighbour without a word; transparent
        # pixels have a colour of their own, which must not bleed: premultiply. And a HEIC is
        # still as its decoder left it.
        im, box = reduce_in_bands(im, box, side, "RGBa" if transparent else "RGB")
    if im.mode.startswith("I"):
        # These modes cannot be reduced, and converted as they are they would turn white.
        im = im.resize((side, side), Resampling.LANCZOS, box)
        return im.point(lambda value: value / 257).convert("L")
    im = im.resize((side, side), Resampling.LANCZOS, box, reducing_gap=2)
    return im.convert("RGBA") if transparent else im


def reduce_in_bands(
    im: Picture, box: tuple[float, float, float, float], side: int, mode: str
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """Return a box in another mode, reduced to no less than twice `side`, and the box in that.

    Band by band: copies of the whole would take up to 12 bytes a pixel more.
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
    """Return a picture in 16 bits of grey, of which one value is clear, in 8 bits with alpha."""
    deep = im.convert("I")  # `point` knows no I;16.
    alpha = [255] * 65536
    alpha[clear] = 0
    return Image.merge("LA", [deep.point(GREY_OF_16_BITS, "L"), deep.point(alpha, "L")])
