"""What cameras and programs write into a file about themselves, their owner, the place and time."""

import struct

from .pictures import make_chunk, make_png, make_segment

Value = bytes | int | list[int]
# Where the directories of `make_exif_details` begin.
CAMERA, PLACE, SMALL_COPY = 512, 1024, 1536
FIRST: dict[int, Value] = {
    0x010F: b"Fotofabrik\0",
    0x0110: b"Augapfel 9\0",
    0x0131: b"Dunkelkammer 3.1\0",
    0x013B: b"Ada Lovelace\0",
    0x8769: CAMERA,
    0x8825: PLACE,
}
HERE: dict[int, Value] = {
    1: b"N\0",
    2: [51, 1, 30, 1, 2644, 100],
    3: b"W\0",
    4: [0, 1, 7, 1, 39, 1],
}
# What cameras without reception write.
NOWHERE: dict[int, Value] = {1: b"N\0", 2: [0, 1] * 3, 3: b"E\0", 4: [0, 1] * 3}
DIRECTORIES: dict[int, dict[int, Value]] = {
    CAMERA: {
        0x9003: b"2026:01:02 03:04:05\0",
        0xA430: "Jürgen\0".encode("latin-1"),
        0xA431: b"K-1815\0",
        0xA434: b"Linse 50 mm\0",
        0xA435: b"L-1852\0",
    },
    SMALL_COPY: {0x0201: 0, 0x0202: 0},
}
# By the kinds of the list, as the page shows them.
SHOWN = {
    "Place": ["51.5073°, -0.1275°"],
    "Date": ["January 2, 2026 at 3:04 AM"],
    "Camera": ["Fotofabrik Augapfel 9"],
    "Lens": ["Linse 50 mm"],
    "Serial number": ["K-1815", "L-1852"],
    "Name": ["Jürgen", "Ada Lovelace"],
    "Software": ["Dunkelkammer 3.1"],
    "Preview": ["a small copy of the whole photo"],
}
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description rdf:about=""
 exif:GPSLatitude="51,30.44N" exif:GPSLongitude='0,7,39W' tiff:Make="Fotofabrik"
 tiff:Model="Augapfel 9" exif:DateTimeOriginal="2026-01-02T03:04:05+01:00"
 photoshop:City="Land's End" xmp:CreatorTool='The "Darkroom"'>
 <aux:SerialNumber>K-1815</aux:SerialNumber><dc:rights/>
 <dc:creator><rdf:Seq><rdf:li>Ada &amp; Conan O'Brien</rdf:li></rdf:Seq></dc:creator>
</rdf:Description></rdf:RDF></x:xmpmeta>"""
SHOWN_OF_XMP = {
    "Place": ["51.5073°, -0.1275°", "Land's End"],
    "Date": ["January 2, 2026 at 3:04 AM"],
    "Camera": ["Fotofabrik Augapfel 9"],
    "Serial number": ["K-1815"],
    "Name": ["Ada & Conan O'Brien"],
    "Software": ['The "Darkroom"'],
}


def make_exif_details(order: str = ">", place: dict[int, Value] = HERE) -> bytes:
    """Return EXIF with all of it, in one of both byte orders (Exif 2.32, 4.6.2)."""
    mark = b"MM\0*" if order == ">" else b"II*\0"
    data = mark + struct.pack(f"{order}L", 8) + pack_directory(8, FIRST, order, SMALL_COPY)
    for start, tags in sorted({**DIRECTORIES, PLACE: place}.items()):
        data = data.ljust(start, b"\0") + pack_directory(start, tags, order)
    return b"Exif\0\0" + data


def pack_directory(start: int, tags: dict[int, Value], order: str, following: int = 0) -> bytes:
    """Return a directory of EXIF, followed by the values that are too long for it."""
    entries = rest = b""
    for tag, value in tags.items():
        kind, count, data = pack_value(value, order)
        if len(data) > 4:
            place = start + 2 + 12 * len(tags) + 4 + len(rest)
            data, rest = struct.pack(f"{order}L", place), rest + data
        entries += struct.pack(f"{order}HHL", tag, kind, count) + data.ljust(4, b"\0")
    head, end = struct.pack(f"{order}H", len(tags)), struct.pack(f"{order}L", following)
    return head + entries + end + rest


def pack_value(value: Value, order: str) -> tuple[int, int, bytes]:
    """Return type, count and bytes of a text, a number or rational numbers."""
    if isinstance(value, bytes):
        return 2, len(value), value
    if isinstance(value, int):
        return 4, 1, struct.pack(f"{order}L", value)
    return 5, len(value) // 2, struct.pack(f"{order}{len(value)}L", *value)


def make_xmp_segment(xmp: str = XMP) -> bytes:
    """Return the segment of a JPEG that has XMP (XMP part 3, 1.1.3)."""
    return make_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode())


def make_text_png(*texts: tuple[str, str], xmp: str = "") -> bytes:
    """Return a PNG with texts by their keywords, and with XMP."""
    chunks = [make_chunk(b"tEXt", f"{key}\0{text}".encode("latin-1")) for key, text in texts]
    if xmp:
        chunks.append(make_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp.encode()))
    return make_png(8, 2, bytes(range(192)), *chunks)
