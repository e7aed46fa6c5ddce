"""Read a picture's metadata: its orientation, and traces of the person who took it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD, Base

from ..traces import SIGNS

IPTC = 0x0404  # The number of its block in Photoshop's blocks.


def read_exif(block: bytes) -> tuple[object, set[int]]:
    """Return the orientation and the tags of an EXIF block; of a broken one, the readable tags.

    `Image.getexif` would also use an orientation in XMP, which browsers ignore.
    """
    exif = Image.Exif()
    tags: set[int] = set()
    with suppress(Exception):  # Pillow may raise any exception for a damaged block.
        exif.load(block)
        tags.update(exif)
        for directory in (IFD.Exif, IFD.GPSInfo):
            tags.update(exif.get_ifd(directory))
    return exif.get(Base.Orientation), tags


def list_traces(info: dict[Any, Any], tags: set[int]) -> Iterator[str]:
    """Yield the kinds of traces in the source, but never their content."""
    xmp, iptc = info.get("xmp") or b"", read_iptc(info)
    for kind, (signs, words, numbers) in SIGNS.items():
        is_said = signs & tags or numbers & iptc or re.search(words, xmp)
        if is_said or (kind == "comment" and "comment" in info):
            yield kind


def read_iptc(info: dict[Any, Any]) -> set[int]:
    """Return the numbers of the IPTC data sets of a JPEG (IPTC-IIM 4.2, 1.6)."""
    blocks = info.get("photoshop")
    block = blocks.get(IPTC) if isinstance(blocks, dict) else b""
    return {found[0] for found in re.findall(rb"\x1c\x02(.)", block or b"", re.DOTALL)}
