"""Read a PNG's chunks (PNG 3, 5.3), and give Pillow only those that it needs for the pixels.

Pillow would read texts and profiles first, and refuse the picture if they are long.
"""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from ..limits import Refused
from .colours import MAX_PROFILE_BYTES

HEAD_BYTES = 8
MAX_TEXT_BYTES = 1_000_000  # of XMP, the part that is searched
SHOWING = {
    *(b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"),
    *(b"acTL", b"fcTL", b"fdAT", b"eXIf", b"sRGB", b"gAMA", b"cHRM"),
}
TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
XMP = b"XML:com.adobe.xmp"


def read_png(data: bytes) -> tuple[BytesIO, dict[str, Any]]:
    """Return a PNG of the chunks in `SHOWING`, and facts from the others, named as in Pillow."""
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
            info["comment"] = b""  # The receipt says only that there was one.
        elif not has_data:
            info |= read_colours(kind, bytes(content))
    return BytesIO(b"".join(kept)), info


def walk_chunks(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each chunk; the last one may be cut short."""
    at, kind = HEAD_BYTES, b""
    while at + 8 <= len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">L4s", data, at)
        yield kind, at, at + length + 12
        at += length + 12


def read_colours(kind: bytes, content: bytes) -> dict[str, Any]:
    """Return what a chunk says about colours (PNG 3, 11.3.2), if Pillow does not read it."""
    if kind == b"iCCP":
        compressed = content.partition(b"\0")[2][1:]
        return {"icc_profile": inflate(compressed, MAX_PROFILE_BYTES)}
    if kind == b"cICP" and len(content) == 4:
        return {"cicp": (content[0], content[1])}
    if kind == b"cLLI" and len(content) == 8:
        return {"peak": int.from_bytes(content[:4]) / 10_000}
    return {}


def read_text(content: bytes) -> bytes:
    """Return the part of an iTXt chunk's text (PNG 3, 11.3.3.4) that is searched."""
    _, _, rest = content.partition(b"\0")
    text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    return inflate(text, MAX_TEXT_BYTES) if rest[:1] == b"\1" else text[:MAX_TEXT_BYTES]


def inflate(data: bytes, limit: int) -> bytes:
    """Return decompressed data, at most one byte over the limit; b"" if it is broken."""
    try:
        return zlib.decompressobj().decompress(data, limit + 1)
    except zlib.error:
        return b""
