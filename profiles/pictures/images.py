"""Make avatars: a visitor's bytes in; checked, upright, sRGB, square, encoded bytes out.

Knows Pillow and no Django. `make_avatar` is the way in; the functions below stand in the order in
which it calls them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

from PIL import AvifImagePlugin, Image, ImageCms
from PIL.Image import Resampling, Transpose

from .avatar import Avatar, Crop
from .heic import THREADS, HeicImage
from .limits import NAMES, SIGNATURE_BYTES, Refused, find_format, refuse_size
from .metadata import drop_texts, list_traces, read_exif
from .names import LINK_PREVIEW_SIZE, SIZES
from .timings import Timings

AvifImagePlugin.DEFAULT_MAX_THREADS = THREADS
# A CMYK profile of a printing house has some 2 MB; a camera's has 600 bytes.
MAX_PROFILE_BYTES = 4 * 1000 * 1000
MAX_DRAWING_COLOURS = 64
END_OF_IMAGE = b"\xff\xd9"  # ITU T.81, table B.1

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
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
# Tags whose stages may be named any number of times, each evaluated anew (ICC.1:2022, 10.16): no
# camera writes them, and 16 kB of them would take 15 seconds.
STAGES = {tag + digit for tag in (b"D2B", b"B2D") for digit in (b"0", b"1", b"2", b"3")}

# A picture that is open: as Pillow has it, or a HEIC.
Picture = Image.Image | HeicImage


def make_avatar(file: BinaryIO, crop: Crop = Crop(), timings: Timings | None = None) -> Avatar:
    """Return the avatar cut out of an uploaded picture; raise `Refused` with the reason.

    For the cell alone: it loads the decoders. The site calls `cell.make_avatar`.
    """
    timings = Timings() if timings is None else timings
    with _refusing_what_breaks():
        with timings.measure("decode"):
            im, stored_size, scale = decode(file, crop)
            orientation, tags = read_exif(im.info.get("exif") or b"")
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
        kind, removed = im.format or "", tuple(list_traces(im.info, tags))
        return Avatar(files, NAMES.get(kind, kind), width, height, side, removed)


@contextmanager
def _refusing_what_breaks() -> Iterator[None]:
    """Refuse the picture whatever a decoder raises: that is nearly everything but `Refused`."""
    try:
        yield
    except Refused:
        raise
    except MemoryError as error:
        raise Refused("heavy") from error
    except Image.DecompressionBombError as error:
        raise Refused("enormous") from error
    except Exception as error:
        raise Refused("broken") from error


def decode(file: BinaryIO, crop: Crop) -> tuple[Picture, tuple[int, int], int]:
    """Return the decoded picture, its full size as stored, and how much smaller it was decoded."""
    im = look(file)
    size = im.size
    try:
        scale = load(im, crop)
    except OSError:
        scale = 0
    if not scale:  # Not in the `except` block, whose traceback holds the first picture.
        if im.format not in ("JPEG", "MPO") or "progressive" in im.info:
            raise Refused("broken")
        del im
        file.seek(0)
        im = look(BytesIO(file.read() + END_OF_IMAGE))
        scale = load(im, crop)
        refuse_half(im)
    if scale == 1:
        size = im.size  # A HEIC may turn out to have another size than its header says.
    im.info = drop_texts(im.info)
    return im, size, scale


def look(file: BinaryIO) -> Picture:
    """Open a picture by its content, and refuse by its header alone what is too small or large."""
    file.seek(0)
    kind = find_format(file.read(SIGNATURE_BYTES))
    if not kind:
        raise Refused("unreadable")
    file.seek(0)
    if kind == "HEIF":
        return HeicImage(file.read())
    im = Image.open(file, formats=[kind])
    refuse_size(im.format or kind, *im.size, samples=count_samples(im))
    return im


def count_samples(im: Image.Image) -> float:
    """Return how many samples a pixel of a progressive JPEG has: 1.5 at 4:2:0; 0 for all others."""
    if "progressive" not in im.info:
        return 0
    sampling = [(across, down) for _, across, down, _ in getattr(im, "layer", [])]
    most = max(across for across, _ in sampling) * max(down for _, down in sampling)
    return sum(across * down for across, down in sampling) / most


def load(im: Picture, crop: Crop) -> int:
    """Decode, a JPEG as small as its codec can while it stays good; return how much smaller."""
    scale = 1
    if isinstance(im, Image.Image) and im.format in ("JPEG", "MPO"):
        _, _, side = crop.square(*im.size)
        # 1.4 source pixels for each of the target: with less, the downscale turns soft.
        scale = next((s for s in (8, 4, 2) if side / s >= 1.4 * SIZES[0]), 1)
        im.draft(None, (im.width // scale, im.height // scale))
    im.load()
    return scale


def refuse_half(im: Picture) -> None:
    """Refuse a picture whose last rows are missing: the decoder fills them with one flat colour."""
    width, height = im.size
    if im.crop((0, int(0.95 * height), width, height)).getcolors(1):
        raise Refused("broken")


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


def shrink(im: Picture, box: tuple[float, float, float, float], side: int) -> Image.Image:
    """Return the box of a picture as a square of `side` pixels, in a mode fit for its profile."""
    grey_16 = im.mode.startswith("I")
    transparent = im.has_transparency_data and not grey_16
    if transparent or im.mode in ("1", "P") or isinstance(im, HeicImage):
        # On palettes and bits, resize falls to nearest neighbour without a word; transparent
        # pixels have a colour of their own, which must not bleed: premultiply. And a HEIC is
        # still as its decoder left it.
        im, box = reduce_in_bands(im, box, side, "RGBa" if transparent else "RGB")
    if grey_16:
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
        band = band.convert("RGBA").convert(mode) if mode == "RGBa" else band.convert(mode)
        small.paste(band.reduce(factor), (0, (y - top) // factor))
    return small, (0, 0, (right - left) / factor, (bottom - top) / factor)


def build_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion from a profile to sRGB; None where the profile is broken or unfit."""
    tags = {profile[at : at + 4] for at in range(132, min(len(profile), 132 + 12 * 100), 12)}
    if len(profile) > MAX_PROFILE_BYTES or tags & STAGES:
        return None
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
    if profile and (transform := build_transform(profile, im.mode)):
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
