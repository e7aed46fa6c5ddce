"""What a picture says beside itself: which way is up, and traces of the person who took it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD, Base

from ..traces import SIGNS

IPTC = 0x0404  # The number of its block among those of Photoshop.


def read_exif(block: bytes) -> tuple[object, set[int]]:
    """Return the orientation of an EXIF block, and its tags; of a broken one, those it still has.

    Not by `Image.getexif`, which takes the orientation from XMP as well, as no browser does.
    """
    exif = Image.Exif()
    tags: set[int] = set()
    with suppress(Exception):  # Pillow raises whatever the damage leads to.
        exif.load(block)
        tags.update(exif)
        for directory in (IFD.Exif, IFD.GPSInfo):
            tags.update(exif.get_ifd(directory))
    return exif.get(Base.Orientation), tags


def list_traces(info: dict[Any, Any], tags: set[int]) -> Iterator[str]:
    """Yield the kinds of things the source says beside the picture: never what it says."""
    xmp, iptc = info.get("xmp") or b"", read_iptc(info)
    for kind, (signs, words, numbers) in SIGNS.items():
        is_said = signs & tags or numbers & iptc or re.search(words, xmp)
        if is_said or (kind == "comment" and "comment" in info):
            yield kind


def read_iptc(info: dict[Any, Any]) -> set[int]:
    """Return the numbers of what a JPEG says in IPTC (IPTC-IIM 4.2, 1.6)."""
    blocks = info.get("photoshop")
    block = blocks.get(IPTC) if isinstance(blocks, dict) else b""
    return {found[0] for found in re.findall(rb"\x1c\x02(.)", block or b"", re.DOTALL)}
