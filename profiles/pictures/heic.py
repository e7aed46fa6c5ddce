"""Open a HEIC: what phones write and nothing else, and in rows, so that it takes less memory."""

import struct
from collections.abc import Iterator
from typing import Any

import pillow_heif
from PIL import Image

from .limits import Refused, refuse_size

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
    """Return whether a HEIC has one coded picture, or one grid of them, to show; so its alpha, too.

    Overlays and pictures derived from others may be nested, and cost seconds for each kilobyte.
    """
    try:
        meta = dict(walk_boxes(dict(walk_boxes(memoryview(data)))[b"meta"][4:]))
        kinds = dict(list_items(meta[b"iinf"]))
        shown = int.from_bytes(meta[b"pitm"][4:])
        links = list(list_links(meta[b"iref"])) if b"iref" in meta else []
    except (LookupError, struct.error):
        return False
    parts = {start: ends for kind, start, ends in links if kind == b"dimg"}
    alphas = [start for kind, start, ends in links if kind == b"auxl" and shown in ends]
    coded = [
        part
        for item in (shown, *alphas)
        for part in (parts.get(item, [0]) if kinds.get(item) == b"grid" else [item])
    ]
    return len(kinds) <= MAX_ITEMS and {kinds.get(item) for item in coded} == {b"hvc1"}


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
    for _, entry in walk_boxes(iinf[6 if iinf[0] == 0 else 8 :]):
        number, _, kind = struct.unpack_from(">HH4s" if entry[0] == 2 else ">LH4s", entry, 4)
        yield number, kind


def list_links(iref: memoryview) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
    """Yield how items refer to others: kind, from, to (ISO/IEC 14496-12, 8.11.12)."""
    number, size = ("H", 2) if iref[0] == 0 else ("L", 4)
    for kind, link in walk_boxes(iref[4:]):
        start, count = struct.unpack_from(f">{number}H", link)
        yield kind, start, struct.unpack_from(f">{count}{number}", link, size + 2)
