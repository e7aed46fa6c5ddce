"""What a picture says beside itself: which way is up, and traces of the person who took it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD, Base

GPS_LATITUDE = 0x0002
# Which EXIF tags, and which words in XMP, say what about the person (Exif 2.32; XMP part 2).
SIGNS: dict[str, tuple[set[int], bytes]] = {
    "place": ({GPS_LATITUDE}, rb"GPSLatitude|photoshop:City|Iptc4xmpCore:Location"),
    "camera": ({0x010F, 0x0110, 0x927C, 0xA431, 0xA434}, rb"tiff:Make|tiff:Model|aux:SerialNumber"),
    "date": ({0x0132, 0x9003, 0x9004}, rb"DateTimeOriginal|CreateDate|photoshop:DateCreated"),
    "author": ({0x013B, 0x8298}, rb"dc:creator|dc:rights"),
    "edits": ({0x0131}, rb"CreatorTool|xmpMM:History|crs:"),
    "comment": ({0x010E, 0x9286}, rb"dc:description|dc:title"),
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
    xmp = info.get("xmp") or b""
    for kind, (signs, words) in SIGNS.items():
        in_comment = kind == "comment" and "comment" in info
        if not signs.isdisjoint(tags) or re.search(words, xmp) or in_comment:
            yield kind


def drop_texts(info: dict[Any, Any]) -> dict[Any, Any]:
    """Leave a note that there were texts: a PNG's stand where its profile and the like do."""
    texts = {name for name, value in info.items() if isinstance(value, str)}
    kept = {name: value for name, value in info.items() if name not in texts}
    # Pillow has XMP under "xmp" as well.
    return kept | {"comment": b""} if texts - {"XML:com.adobe.xmp"} else kept
