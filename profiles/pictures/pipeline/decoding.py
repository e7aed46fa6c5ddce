"""Open a picture by its content, and decode it once, at the smallest size that is enough."""

from io import SEEK_END, BytesIO
from typing import Any, BinaryIO, NamedTuple, TypeGuard

from PIL import AvifImagePlugin, Image
from PIL.Image import Resampling

from ..avatar import Crop
from ..limits import SIGNATURE_BYTES, Refused, find_format, refuse_size
from . import boxes, jpeg
from .heic import THREADS, HeicImage
from .png import read_png

AvifImagePlugin.DEFAULT_MAX_THREADS = THREADS
# The part of the rows that must be there; a browser shows the missing ones in grey.
MIN_PART = 0.95
# Points of a JPEG to test for a hole: to search all of a large one would take a tenth more time.
SAMPLES = 32
# Appended to a cut GIF: zeros end its data, but add no pixels.
GIF_END = bytes(256)

# An open picture: one of Pillow's, or a HEIC.
Picture = Image.Image | HeicImage


class Source(NamedTuple):
    """A decoded picture and facts about it."""

    im: Picture
    info: dict[Any, Any]
    size: tuple[int, int]  # as stored, not yet upright
    scale: int  # the factor by which it was decoded smaller
    left: int = 0  # where it begins in `im`
    top: int = 0

    @property
    def kind(self) -> str:
        return self.im.format or ""

    def find_box(self, left: int, top: int, side: int) -> tuple[float, float, float, float]:
        """Return the box in `im` of a square of the stored picture."""
        left, top = left + self.left, top + self.top
        return (
            left / self.scale,
            top / self.scale,
            (left + side) / self.scale,
            (top + side) / self.scale,
        )


def decode(file: BinaryIO, crop: Crop, target: int) -> Source:
    """Return the decoded picture, with at least `target` pixels in its square if it has as many.

    Raises `Refused`, or any exception of the decoder.
    """
    im, info = open_picture(file)
    size = im.size
    try:
        scale = load(im, crop, target)
    except OSError:
        scale = 0
    if not scale or (is_jpeg(im) and is_doubtful(file, im)):
        # Outside `except`, whose traceback keeps the picture: two may not fit into a cell.
        kind = im.format
        del im
        im, scale = load_again(file, kind, crop, target)
    if scale == 1:
        size = im.size  # A decoded HEIC may have another size than its header says.
    return crop_to_shown(Source(im, info, size, scale))


def open_picture(file: BinaryIO) -> tuple[Picture, dict[Any, Any]]:
    """Open a picture by its content; refuse it if its header says too few or too many pixels."""
    file.seek(0)
    kind = find_format(file.read(SIGNATURE_BYTES))
    if not kind:
        raise Refused("unreadable")
    file.seek(0)
    info: dict[Any, Any] = {}
    if kind == "HEIF":
        im: Picture = HeicImage(file.read())
        return im, im.info
    if kind == "PNG":
        file, info = read_png(file.read())
    elif kind == "AVIF":
        info = boxes.read_info(file.read())
    file.seek(0)
    im = Image.open(file, formats=[kind])
    refuse_size(im.format or kind, *im.size, samples=count_samples(im))
    clear = im.info.get("transparency")
    if isinstance(clear, tuple) and im.tile[0].args == "RGB;16B":  # Pillow decodes 8 bits of it.
        im.info["transparency"] = tuple(value >> 8 for value in clear)
    return im, im.info | info


def count_samples(im: Image.Image) -> float:
    """Return the samples per pixel of a progressive JPEG: 1.5 for 4:2:0; 0 for other pictures."""
    if "progressive" not in im.info:
        return 0
    sampling = [(across, down) for _, across, down, _ in getattr(im, "layer", [])]
    most = max(across for across, _ in sampling) * max(down for _, down in sampling)
    return sum(across * down for across, down in sampling) / most


def load(im: Picture, crop: Crop, target: int) -> int:
    """Decode a picture, and a JPEG at a reduced size; return the factor of the reduction."""
    scale = 1
    if is_jpeg(im):
        _, _, side = crop.square(*im.size)
        # At least 1.4 source pixels for each target pixel: with fewer, the result is soft.
        scale = next((s for s in (8, 4, 2) if side / s >= 1.4 * target), 1)
        im.draft(None, (im.width // scale, im.height // scale))
    im.load()
    return scale


def is_jpeg(im: Picture) -> TypeGuard[Image.Image]:
    return im.format in ("JPEG", "MPO")


def is_doubtful(file: BinaryIO, im: Image.Image) -> bool:
    """Return whether rows of a JPEG may be missing although its decoder reported no error."""
    size = file.seek(0, SEEK_END)
    samples = [read_at(file, size * n // SAMPLES, len(jpeg.HOLE)) for n in range(SAMPLES)]
    if jpeg.HOLE in samples or read_at(file, size - 2, 2) != jpeg.EOI:
        data = read_at(file, 0)
        end = jpeg.find_end(data)
        if not end or data.find(jpeg.HOLE, 0, end) >= 0:
            return True
    # Missing rows are of one colour. Few whole pictures have one colour in the lower half, and
    # those are small.
    lower = im.resize((64, 64), Resampling.NEAREST, (0, im.height // 2, *im.size))
    return lower.getcolors(1) is not None


def read_at(file: BinaryIO, at: int, size: int = -1) -> bytes:
    file.seek(at)
    return file.read(size)


def load_again(
    file: BinaryIO, kind: str | None, crop: Crop, target: int
) -> tuple[Image.Image, int]:
    """Decode a JPEG or GIF whose end may be missing; refuse it if more than that is missing."""
    data = read_at(file, 0)
    if kind == "GIF":
        im = Image.open(BytesIO(data + GIF_END), formats=["GIF"])
        return im, load(im, crop, target)
    if kind not in ("JPEG", "MPO"):
        raise OSError("It cannot be decoded.")
    data = data[: jpeg.find_scan_end(data)]
    if not jpeg.has_all_scans(data):
        raise Refused("cut")
    sums = set()
    for end in jpeg.ENDS:  # Missing rows look different with another end.
        im = Image.open(BytesIO(data + end), formats=["JPEG"])
        scale = load(im, crop, target)
        sums.add(jpeg.hash_rows(im, MIN_PART))
    if len(sums) > 1:
        raise Refused("cut")
    return im, scale


def is_cut_off(file: BinaryIO) -> bool:
    """Return whether a file is shorter than it says, or lacks its end."""
    data = read_at(file, 0)
    kind = find_format(data[:SIGNATURE_BYTES])
    if kind == "PNG":
        return b"IEND" not in data
    if kind == "WEBP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if kind in ("AVIF", "HEIF"):
        return boxes.find_end(data) > len(data)
    return not (jpeg.find_end(data) if kind == "JPEG" else data.rstrip(b"\0").endswith(b";"))


def crop_to_shown(source: Source) -> Source:
    """Leave out what the owner of an AVIF has cropped away, which is still in the file."""
    if "crop" not in source.info:
        return source
    left, top, width, height = source.info["crop"]
    refuse_size(source.kind, width, height)
    return source._replace(size=(width, height), left=left, top=top)
