"""Read a PNG's chunks (PNG 3, 5.3): Pillow gets those that show the picture, and no others.

It would read texts and profiles before anything else, and refuse the picture where they are long.
"""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from ..limits import Refused
from .colours import MAX_PROFILE_BYTES

HEAD_BYTES = 8
MAX_TEXT_BYTES = 1_000_000  # of XMP: as much as is looked through
SHOWING = {
    *(b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"),
    *(b"acTL", b"fcTL", b"fdAT", b"eXIf", b"sRGB", b"gAMA", b"cHRM"),
}
TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
XMP = b"XML:com.adobe.xmp"


def read_png(data: bytes) -> tuple[BytesIO, dict[str, Any]]:
    """Return a PNG without what is not shown, and what that says, as Pillow would name it."""
    view = memoryview(data)
    kept = [view[:HEAD_BYTES]]
    info: dict[str, Any] = {}
    has_data = False
    for kind, start, end in walk_chunks(view):
        content = view[start + 8 : end - 4]
        has_data = has_data or kind == b"IDAT"
        if kind in SHOWING:
            kept.append(view[start:end])
        elif kind == b"CgBI":
            raise Refused("apple")
        elif kind == b"iTXt" and content[: len(XMP)] == XMP:
            info["xmp"] = read_text(bytes(content))
        elif kind in TEXTS:
            info["comment"] = b""  # The receipt only says that there was one.
        elif not has_data:
            info |= read_colours(kind, bytes(content))
    return BytesIO(b"".join(kept)), info


def walk_chunks(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each chunk, and where it starts and ends; the last one may be cut short."""
    at, kind = HEAD_BYTES, b""
    while at + 8 <= len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">L4s", data, at)
        yield kind, at, at + length + 12
        at += length + 12


def read_colours(kind: bytes, content: bytes) -> dict[str, Any]:
    """Return what a chunk says of the colours (PNG 3, 11.3.2), where Pillow does not read it."""
    if kind == b"iCCP":
        compressed = content.partition(b"\0")[2][1:]
        return {"icc_profile": inflate(compressed, MAX_PROFILE_BYTES)}
    if kind == b"cICP" and len(content) == 4:
        return {"cicp": (content[0], content[1])}
    if kind == b"cLLI" and len(content) == 8:
        return {"peak": int.from_bytes(content[:4]) / 10_000}
    return {}


def read_text(content: bytes) -> bytes:
    """Return what an international text says (PNG 3, 11.3.3.4), as far as it is looked through."""
    _, _, rest = content.partition(b"\0")
    text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return inflate(text, MAX_TEXT_BYTES) if rest[:1] == b"\1" else text[:MAX_TEXT_BYTES]


def inflate(data: bytes, limit: int) -> bytes:
    """Return as much of compressed data as there may be; nothing where it is broken."""
    try:
        return zlib.decompressobj().decompress(data, limit + 1)
    except zlib.error:
        return b""
