"""Make avatars: a visitor's bytes in; checked, upright, sRGB, square, encoded bytes out.

Knows Pillow and no Django. `make_avatar` is the way in; the functions below stand in the order in
which it calls them.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import BinaryIO, cast

from PIL import Image, ImageChops, ImageCms, UnidentifiedImageError
from PIL.Image import Resampling, Transpose
from pillow_heif import register_heif_opener

from .limits import (
    END_OF_IMAGE,
    MAX_MEGAPIXELS,
    MIN_SIDE,
    NAMES,
    Pieces,
    Refused,
    refuse_avif_beyond_trial,
    refuse_pieces,
    refuse_scans,
    refuse_size,
)
from .metadata import ORIENTATION, drop_texts, list_traces, read_exif
from .timings import Timings

register_heif_opener(thumbnails=False)

SIZES = (512, 256, 128, 64)
LINK_PREVIEW_SIZE = 256
# MPO calls itself so only after it was opened as JPEG; asked for by name, Pillow has no opener.
OPENERS = [name for name in MAX_MEGAPIXELS if name != "MPO"]
# A CMYK profile of a printing house has some 2 MB; a camera's has 600 bytes.
MAX_PROFILE_BYTES = 4 * 1000 * 1000
MAX_WAIT_SECONDS = 20
MAX_DRAWING_COLOURS = 64

# EXIF 2.32, table 1 (orientation), as the turn that puts the stored picture upright.
TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))

_decoding = threading.Semaphore(1)


@dataclass(frozen=True)
class Crop:
    """Which square of the upright picture to keep: `x`, `y`, `size` in its pixels, else `keep`."""

    keep: str = "middle"
    x: int = 0
    y: int = 0
    size: int | None = None

    def square(self, width: int, height: int) -> tuple[int, int, int]:
        """Return left, top and side of the square, clamped to a picture of `width` × `height`."""
        short = min(width, height)
        if self.size is None:
            at = {"start": 0.0, "end": 1.0}.get(self.keep, 0.5)
            return int((width - short) * at), int((height - short) * at), short
        side = max(MIN_SIDE, min(self.size, short))
        return max(0, min(self.x, width - side)), max(0, min(self.y, height - side)), side


@dataclass(frozen=True)
class Avatar:
    """A finished avatar: its files by name ending, and what to tell of the source."""

    files: dict[str, bytes]
    format: str
    width: int
    height: int
    side: int
    removed: tuple[str, ...]


def make_avatar(file: BinaryIO, crop: Crop = Crop(), timings: Timings | None = None) -> Avatar:
    """Return the avatar cut out of an uploaded picture; raise `Refused` with the reason."""
    timings = Timings() if timings is None else timings
    with _one_at_a_time():
        with timings.measure("decode"), _refusing_what_breaks():
            im, stored_size, scale = decode(cast(BinaryIO, Pieces(file)), crop)
            exif = read_exif(im.info.get("exif") or b"")
            orientation = exif.get(ORIENTATION, 1)
            width, height = stored_size[::-1] if orientation in (5, 6, 7, 8) else stored_size
            x, y, side = crop.square(width, height)
            left, top = find_stored_corner(orientation, stored_size, x, y, side)
            box = (left / scale, top / scale, (left + side) / scale, (top + side) / scale)
            picture = shrink(im, box, min(side, SIZES[0]))
        with timings.measure("encode"):
            # Turning and colours come after the shrinking: they cost by the pixel.
            if orientation in TURNS:
                picture = picture.transpose(TURNS[orientation])
            picture = convert_to_srgb(picture, im.info.get("icc_profile") or b"")
            files = encode(picture)
        kind, removed = im.format or "", tuple(list_traces(im, exif))
        return Avatar(files, NAMES.get(kind, kind), width, height, side, removed)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let one thread of the process decode, so that the bound on memory holds for the process."""
    if not _decoding.acquire(timeout=MAX_WAIT_SECONDS):
        raise Refused("busy")
    try:
        yield
    finally:
        _decoding.release()


@contextmanager
def _refusing_what_breaks() -> Iterator[None]:
    """Refuse the picture whatever a decoder raises: that is nearly everything but `Refused`."""
    try:
        yield
    except Refused:
        raise
    except UnidentifiedImageError as error:
        raise Refused("unreadable") from error
    except Image.DecompressionBombError as error:
        raise Refused("enormous") from error
    except Exception as error:
        raise Refused("broken") from error


def decode(file: BinaryIO, crop: Crop) -> tuple[Image.Image, tuple[int, int], int]:
    """Return the decoded picture, its full size as stored, and how much smaller it was decoded."""
    im = look(file)
    size = im.size
    try:
        scale = load(im, crop)
    except OSError:
        im = end_jpeg(im, file)
        scale = load(im, crop)
        refuse_half(im)
    if scale == 1:
        size = im.size  # A HEIC may turn out to have another size than its header says.
    drop_texts(im)
    return im, size, scale


def look(file: BinaryIO) -> Image.Image:
    """Open a picture by its content, and refuse by its header alone what is too small or large."""
    refuse_pieces(file)
    file.seek(0)
    im = Image.open(file, formats=OPENERS)
    refuse_size(im, file)
    if im.format in ("JPEG", "MPO"):
        refuse_scans(im, file)
    if im.format == "AVIF":
        refuse_avif_beyond_trial(file)
    return im


def load(im: Image.Image, crop: Crop) -> int:
    """Decode, a JPEG as small as its codec can while it stays good; return how much smaller."""
    _, _, side = crop.square(*im.size)
    scale = 1
    if im.format in ("JPEG", "MPO"):
        # 1.4 source pixels for each of the target: with less, the downscale turns soft.
        scale = next((s for s in (8, 4, 2) if side / s >= 1.4 * SIZES[0]), 1)
        im.draft(None, (im.width // scale, im.height // scale))
    im.load()
    return scale


def end_jpeg(im: Image.Image, file: BinaryIO) -> Image.Image:
    """Open a baseline JPEG that broke off once more, with the missing end-of-image marker."""
    if im.format not in ("JPEG", "MPO") or "progressive" in im.info:
        raise Refused("broken")
    file.seek(0)
    return look(BytesIO(file.read() + END_OF_IMAGE))


def refuse_half(im: Image.Image) -> None:
    """Refuse a picture whose last rows are missing: the decoder fills them with one flat colour."""
    flat = Image.new(im.mode, im.size, im.getpixel((im.width - 1, im.height - 1)))
    changing = ImageChops.difference(im, flat).getbbox()
    if changing is None or changing[3] < 0.95 * im.height:
        raise Refused("broken")


def find_stored_corner(
    orientation: int, size: tuple[int, int], x: int, y: int, side: int
) -> tuple[int, int]:
    """Return where the top left of an upright square lies in the picture as it is stored."""
    left, top = (y, x) if orientation in (5, 6, 7, 8) else (x, y)
    if orientation in (2, 3, 7, 8):
        left = size[0] - left - side
    if orientation in (3, 4, 6, 7):
        top = size[1] - top - side
    return left, top


def shrink(im: Image.Image, box: tuple[float, float, float, float], side: int) -> Image.Image:
    """Return the box of a picture as a square of `side` pixels, in a mode fit for its profile."""
    grey_16 = im.mode.startswith("I")
    transparent = im.has_transparency_data and not grey_16
    if transparent or im.mode in ("1", "P"):
        # On palettes and bits, resize falls to nearest neighbour without a word; and transparent
        # pixels have a colour of their own, which must not bleed: premultiply.
        im, box = reduce_in_bands(im, box, side, "RGBa" if transparent else "RGB")
    if grey_16:
        # These modes cannot be reduced, and converted as they are they would turn white.
        im = im.resize((side, side), Resampling.LANCZOS, box)
        return im.point(lambda value: value / 257).convert("L")
    im = im.resize((side, side), Resampling.LANCZOS, box, reducing_gap=2)
    return im.convert("RGBA") if transparent else im


def reduce_in_bands(
    im: Image.Image, box: tuple[float, float, float, float], side: int, mode: str
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
        band = band.convert("RGBA").convert(mode) if mode == "RGBa" else band.convert(mode)
        small.paste(band.reduce(factor), (0, (y - top) // factor))
    return small, (0, 0, (right - left) / factor, (bottom - top) / factor)


@lru_cache(maxsize=8)  # Making a transform takes as long as using it, and phones share profiles.
def build_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion from a profile to sRGB; None where the profile is broken or unfit."""
    try:
        return ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            SRGB,
            mode,
            "RGBA" if mode == "RGBA" else "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def convert_to_srgb(im: Image.Image, profile: bytes) -> Image.Image:
    """Return the picture in RGB, or RGBA where something shines through, without any metadata."""
    transform = build_transform(profile, im.mode) if 0 < len(profile) < MAX_PROFILE_BYTES else None
    if transform:
        im = transform.apply(im)
    if im.mode != "RGBA" or im.getchannel("A").getextrema() == (255, 255):
        im = im.convert("RGB")
    im.info = {}  # The savers would copy profile and comment from here.
    return im


def encode(im: Image.Image) -> dict[str, bytes]:
    """Return the files of an avatar by name ending: each size, and the JPEG for link previews."""
    files = {}
    for size in SIZES:
        side = min(size, im.width)
        if side < im.width:  # each size from the one above it: a quarter of the pixels
            im = im.resize((side, side), Resampling.LANCZOS, reducing_gap=2)
        # A drawing of few colours is smaller without loss, and keeps its hard edges.
        is_drawing = im.getcolors(MAX_DRAWING_COLOURS) is not None
        files[f"{size}.webp"] = save(im, "WEBP", quality=80, method=4, lossless=is_drawing)
        if size == LINK_PREVIEW_SIZE:
            files[f"{size}.jpg"] = save(flatten(im), "JPEG", quality=85)
    return files


def flatten(im: Image.Image) -> Image.Image:
    """Return the picture on white where it is transparent."""
    if im.mode != "RGBA":
        return im
    white = Image.new("RGB", im.size, "white")
    white.paste(im, mask=im.getchannel("A"))
    return white


def save(im: Image.Image, kind: str, **options: int) -> bytes:
    """Return the bytes of a picture in a format."""
    file = BytesIO()
    im.save(file, kind, **options)
    return file.getvalue()
