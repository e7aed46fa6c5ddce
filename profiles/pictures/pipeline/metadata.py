"""What a picture says beside itself: which way is up, and traces of the person who took it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD, Base

GPS_LATITUDE = 0x0002
IPTC = 0x0404  # The number of its block among those of Photoshop.
# Which tags of EXIF, words in XMP and numbers in IPTC say what about the person (Exif 2.32; XMP
# part 2; IPTC-IIM 4.2, record 2).
SIGNS: dict[str, tuple[set[int], bytes, set[int]]] = {
    "place": (
        {GPS_LATITUDE},
        rb"GPSLatitude|photoshop:City|Iptc4xmpCore:Location",
        {26, 27, 90, 92, 95, 100, 101},
    ),
    "camera": (
        {0x010F, 0x0110, 0x927C, 0xA431, 0xA434},
        rb"tiff:Make|tiff:Model|aux:SerialNumber",
        set(),
    ),
    "date": (
        {0x0132, 0x9003, 0x9004},
        rb"DateTimeOriginal|CreateDate|photoshop:DateCreated",
        {55, 60, 62, 63},
    ),
    "author": ({0x013B, 0x8298}, rb"dc:creator|dc:rights", {80, 110, 115, 116, 118, 122}),
    "edits": ({0x0131}, rb"CreatorTool|xmpMM:History|crs:", {65}),
    "comment": ({0x010E, 0x9286}, rb"dc:description|dc:title", {5, 25, 40, 105, 120}),
}


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
