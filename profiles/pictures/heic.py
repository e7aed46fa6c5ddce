"""Open a HEIC: what phones write and nothing else, and in rows, so that it takes less memory."""

import struct
from collections.abc import Iterable, Iterator
from typing import Any

import pillow_heif
from PIL import Image

from .limits import Refused, refuse_size

REPEATED = {b"mdat", b"free", b"skip", b"uuid"}  # Boxes of which there may be several.
MAX_ITEMS = 1000  # A photo of 48 megapixels has 200, and as many for each further layer.
# For every decoder that has threads: each takes memory of its own.
THREADS = 4
pillow_heif.options.DECODE_THREADS = THREADS
pillow_heif.options.THUMBNAILS = False
pillow_heif.options.DEPTH_IMAGES = False
pillow_heif.options.AUX_IMAGES = False


class HeicImage:
    """As much of `Image.Image` as the pipeline needs of a HEIC.

    Pillow would copy the decoded picture whole, at 4 bytes a pixel.
    """

    format = "HEIF"

    def __init__(self, data: bytes) -> None:
        if not is_photo(data):
            raise Refused("unusual")
        self.heif = pillow_heif.open_heif(data, convert_hdr_to_8bit=True, remove_stride=False)
        self.info: dict[Any, Any] = self.heif.info
        pillow_heif.set_orientation(self.info)  # The decoder turns it: EXIF's no longer counts.
        refuse_size(self.format, *self.size)

    @property
    def size(self) -> tuple[int, int]:
        width, height = self.heif.size
        return width, height

    @property
    def mode(self) -> str:
        return str(self.heif.mode)

    @property
    def has_transparency_data(self) -> bool:
        return bool(self.heif.has_alpha)

    def load(self) -> None:
        """Decode; the size may turn out to be another than the header says."""
        _ = self.heif.data
        refuse_size(self.format, *self.size)

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        """Return a box of the picture for Pillow."""
        left, top, right, bottom = box
        stride, mode = self.heif.stride, self.mode
        rows = self.heif.data[top * stride : bottom * stride]
        size = (self.size[0], bottom - top)
        band = Image.frombytes(mode, size, rows, "raw", mode, stride)
        return band.crop((left, 0, right, bottom - top))


def is_photo(data: bytes) -> bool:
    """Return whether a HEIC shows one coded picture, or one grid of them, as phones write it.

    Overlays and pictures derived from others may be nested, and cost seconds for each kilobyte.
    What is there twice is refused as well: the decoder might take the other one.
    """
    try:
        meta = collect(walk_boxes(collect(walk_boxes(memoryview(data)))[b"meta"][4:]))
        kinds = collect(list_items(meta[b"iinf"]))
        shown = int.from_bytes(meta[b"pitm"][4:])
        links = list(list_links(meta[b"iref"])) if b"iref" in meta else []
        parts = collect((start, ends) for kind, start, ends in links if kind == b"dimg")
    except (ValueError, LookupError, struct.error):
        return False
    layers = {(start, end) for kind, start, ends in links if kind == b"auxl" for end in ends}
    sources, targets = {start for start, _ in layers}, {end for _, end in layers}
    thumbnails = {start for kind, start, _ in links if kind == b"thmb"}
    grids = [item for item, kind in kinds.items() if kind == b"grid"]
    return (
        len(kinds) <= MAX_ITEMS
        and {kinds.get(item) for item in (shown, *sources)} <= {b"hvc1", b"grid"}
        and {kinds.get(part) for grid in grids for part in parts.get(grid, (0,))} <= {b"hvc1"}
        and not {b"iovl", b"iden"} & set(kinds.values())
        and shown not in sources | thumbnails
        and not sources & targets
    )


def collect(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return a dictionary; raise `ValueError` for what must not be there twice."""
    found: dict[Any, Any] = {}
    for name, value in pairs:
        if name in found and name not in REPEATED:
            raise ValueError(name)
        found[name] = value
    return found


def walk_boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the kind and the content of each box (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">L4s", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        end = at + size if size else len(data)
        if end < start:
            return
        yield kind, data[start:end]
        at = end


def list_items(iinf: memoryview) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the type of each item (ISO/IEC 14496-12, 8.11.6)."""
    start = 6 if iinf[0] == 0 else 8
    entries = list(walk_boxes(iinf[start:]))
    if len(entries) != int.from_bytes(iinf[4:start]) or {kind for kind, _ in entries} != {b"infe"}:
        raise ValueError("There are other items than the decoder will find.")
    for _, entry in entries:
        number, _, kind = struct.unpack_from(">HH4s" if entry[0] == 2 else ">LH4s", entry, 4)
        yield number, kind


def list_links(iref: memoryview) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
    """Yield how items refer to others: kind, from, to (ISO/IEC 14496-12, 8.11.12)."""
    number, size = ("H", 2) if iref[0] == 0 else ("L", 4)
    for kind, link in walk_boxes(iref[4:]):
        start, count = struct.unpack_from(f">{number}H", link)
        yield kind, start, struct.unpack_from(f">{count}{number}", link, size + 2)
