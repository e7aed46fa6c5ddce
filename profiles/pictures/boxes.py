"""Read the boxes of a HEIC or an AVIF (ISO/IEC 14496-12, 23008-12): what is in it, said of what."""

import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

REPEATED = {b"mdat", b"free", b"skip", b"uuid"}  # Boxes of which there may be several.

# What reading boxes raises that are not as they should be.
BROKEN = (LookupError, ValueError, ArithmeticError, struct.error)


def read_meta(data: bytes) -> dict[bytes, memoryview]:
    """Return the boxes that describe the pictures of a file; raise `KeyError` without any."""
    return collect(walk_boxes(collect(walk_boxes(memoryview(data)))[b"meta"][4:]))


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


def find_end(data: bytes) -> int:
    """Return where the last box of a file should end."""
    at = 0
    while at + 16 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        size = int.from_bytes(data[at + 8 : at + 16]) if size == 1 else size or len(data) - at
        at += max(size, 8)
    return at


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


def read_colours(data: bytes) -> dict[str, Any]:
    """Return the numbers of a picture's colours (ITU-T H.273) and its peak in cd/m², if it has any.

    Neither Pillow nor pillow_heif tells them all.
    """
    info: dict[str, Any] = {}
    with suppress(*BROKEN):
        properties = find_properties(read_meta(data))
        if len(clli := properties.get(b"clli", b"")) == 4:
            info["peak"] = int.from_bytes(clli[:2])
        if len(pixi := properties.get(b"pixi", b"")) > 5:
            info["depth"] = pixi[5]
        if b"nclx" in properties:
            info["cicp"] = struct.unpack_from(">HH", properties[b"nclx"])
    return info


def read_crop(data: bytes) -> dict[str, Any]:
    """Return left, top, width and height of what is shown of an AVIF that is cropped."""
    with suppress(*BROKEN):
        properties = find_properties(read_meta(data))
        width, height = struct.unpack_from(">LL", properties[b"ispe"], 4)
        return {"crop": find_crop(properties[b"clap"], width, height)}
    return {}


def find_properties(meta: dict[bytes, memoryview]) -> dict[bytes, bytes]:
    """Return what is said of the picture that is shown, by kind; of `colr`, by `nclx` and so on."""
    shown = int.from_bytes(meta[b"pitm"][4:])
    properties = dict(walk_boxes(meta[b"iprp"]))
    boxes = list(walk_boxes(properties[b"ipco"]))
    found = {}
    for index in dict(list_associations(properties[b"ipma"]))[shown]:
        kind, content = boxes[index - 1]
        if kind == b"colr":
            kind, content = bytes(content[:4]), content[4:]
        found[kind] = bytes(content)
    return found


def list_associations(ipma: memoryview) -> Iterator[tuple[int, list[int]]]:
    """Yield which properties each item has, counted from 1 (ISO/IEC 23008-12, 9.3.2)."""
    (count,) = struct.unpack_from(">L", ipma, 4)
    number, size = (">HB", 2) if ipma[0] == 0 else (">LB", 4)
    width = 2 if ipma[3] & 1 else 1
    at = 8
    for _ in range(count):
        item, many = struct.unpack_from(number, ipma, at)
        at += size + 1
        indexes = [ipma[n : n + width] for n in range(at, at + many * width, width)]
        # The highest bit says whether a reader must know the property.
        yield item, [int.from_bytes(index) & (1 << 8 * width - 1) - 1 for index in indexes]
        at += many * width


def find_crop(clap: bytes, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, width and height of what is shown of a picture (ISO/IEC 14496-12, 12.1.4).

    Raises an error where the numbers are no pixels, or outside: such a box is ignored by browsers.
    """
    values = struct.unpack(">8l", clap)
    shown = [values[n] / values[n + 1] for n in (0, 2)]
    middle = [values[n] / values[n + 1] for n in (4, 6)]
    sides = (width, height)
    starts = [(side - part) / 2 + off for side, part, off in zip(sides, shown, middle, strict=True)]
    left, top, across, down = (int(value) for value in (*starts, *shown))
    if [left, top, across, down] != [*starts, *shown] or min(left, top, across - 1, down - 1) < 0:
        raise ValueError("The crop is not on pixels.")
    if left + across > width or top + down > height:
        raise ValueError("The crop is outside of the picture.")
    return left, top, across, down
