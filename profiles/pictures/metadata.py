"""What a picture tells beside itself: which way is up, and traces of the person who took it."""

import re
import struct
from collections.abc import Iterator

from PIL import Image

FIRST_DIRECTORY, EXIF_DIRECTORY, GPS_DIRECTORY = 0, 0x8769, 0x8825
GPS_LATITUDE, ORIENTATION = 0x0002, 0x0112
# Which EXIF tags, and which words in XMP, tell what about the person (Exif 2.32; XMP part 2).
TRACES: dict[str, tuple[set[int], bytes]] = {
    "place": ({GPS_LATITUDE}, rb"GPSLatitude|photoshop:City|Iptc4xmpCore:Location"),
    "camera": ({0x010F, 0x0110, 0x927C, 0xA431, 0xA434}, rb"tiff:Make|tiff:Model|aux:SerialNumber"),
    "date": ({0x0132, 0x9003, 0x9004}, rb"DateTimeOriginal|CreateDate|photoshop:DateCreated"),
    "author": ({0x013B, 0x8298}, rb"dc:creator|dc:rights"),
    "edits": ({0x0131}, rb"CreatorTool|xmpMM:History|crs:"),
    "comment": ({0x010E, 0x9286}, rb"dc:description|dc:title"),
}


def read_exif(exif: bytes) -> dict[int, int]:
    """Return the tags of an EXIF block with their first value where it is a short or long integer.

    Reads twelve bytes a tag and never what a tag points to: tags that all point to the same 60 kB
    would make 300 MB of it. A broken block has the tags up to where it breaks.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = ">" if exif[:2] == b"MM" else "<"
    tags: dict[int, int] = {}
    for pointer in (FIRST_DIRECTORY, EXIF_DIRECTORY, GPS_DIRECTORY):
        try:
            at = tags[pointer] if pointer else struct.unpack_from(order + "L", exif, 4)[0]
            (count,) = struct.unpack_from(order + "H", exif, at)
            for entry in range(at + 2, at + 2 + 12 * count, 12):
                tag, kind = struct.unpack_from(order + "HH", exif, entry)
                (value,) = struct.unpack_from(order + ("H" if kind == 3 else "L"), exif, entry + 8)
                tags.setdefault(tag, value)
        except (KeyError, struct.error):
            continue
    return tags


def list_traces(im: Image.Image, exif: dict[int, int]) -> Iterator[str]:
    """Yield the kinds of things the source tells beside the picture: never what it tells."""
    xmp = im.info.get("xmp") or b""
    for kind, (tags, words) in TRACES.items():
        in_comment = kind == "comment" and "comment" in im.info
        if not tags.isdisjoint(exif) or re.search(words, xmp) or in_comment:
            yield kind


def drop_texts(im: Image.Image) -> None:
    """Leave a note that there were texts: a PNG's stand where its profile and the like do."""
    texts = {name for name, value in im.info.items() if isinstance(value, str)}
    im.info = {name: value for name, value in im.info.items() if name not in texts}
    if texts - {"XML:com.adobe.xmp"}:  # which Pillow has under "xmp" as well
        im.info["comment"] = b""
