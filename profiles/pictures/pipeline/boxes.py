"""Read the boxes of a HEIC or an AVIF (ISO/IEC 14496-12 and 23008-12)."""

import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

REPEATED = {b"mdat", b"free", b"skip", b"uuid"}  # Boxes that may occur more than once.

# The exceptions that reading malformed boxes raises.
BROKEN = (LookupError, ValueError, ArithmeticError, StopIteration, struct.error)


def read_meta(data: bytes) -> memoryview:
    """Return the boxes that describe the pictures of a file; raise `StopIteration` if missing."""
    return next(box for kind, box in walk_boxes(memoryview(data)) if kind == b"meta")[4:]


def collect(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return a dictionary; raise `ValueError` for a key that must not occur twice.

    Checks of the first one would be useless if the decoder uses the second one.
    """
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
    """Return where the last box of a file should end; phones may write other data behind it."""
    at = 0
    while at + 16 <= len(data) and data[at + 4 : at + 8].isalnum():
        size = int.from_bytes(data[at : at + 4])
        size = int.from_bytes(data[at + 8 : at + 16]) if size == 1 else size or len(data) - at
        at += max(size, 8)
    return at


def list_items(iinf: memoryview) -> Iterator[tuple[int, bytes]]:
    """Yield the number and the type of each item (ISO/IEC 14496-12, 8.11.6)."""
    start = 6 if iinf[0] == 0 else 8
    entries = list(walk_boxes(iinf[start:]))
    if len(entries) != int.from_bytes(iinf[4:start]) or {kind for kind, _ in entries} != {b"infe"}:
        raise ValueError("The decoder will find other items.")
    for _, entry in entries:
        number, _, kind = struct.unpack_from(">HH4s" if entry[0] == 2 else ">LH4s", entry, 4)
        yield number, kind


def list_links(iref: memoryview) -> Iterator[tuple[bytes, int, tuple[int, ...]]]:
    """Yield the references between items: kind, from, to (ISO/IEC 14496-12, 8.11.12)."""
    number, size = ("H", 2) if iref[0] == 0 else ("L", 4)
    for kind, link in walk_boxes(iref[4:]):
        start, count = struct.unpack_from(f">{number}H", link)
        yield kind, start, struct.unpack_from(f">{count}{number}", link, size + 2)


def read_info(data: bytes) -> dict[str, Any]:
    """Return the properties of the primary picture that no decoder here reports.

    `cicp`: the numbers of its colours (ITU-T H.273); `peak`: in cd/m²; `depth`: of its first
    channel, in bits; `crop`: left, top, width and height of the shown part.
    """
    info: dict[str, Any] = {}
    with suppress(*BROKEN):
        properties = find_properties(read_meta(data))
        if len(clli := properties.get(b"clli", b"")) == 4:
            info["peak"] = int.from_bytes(clli[:2])
        if len(pixi := properties.get(b"pixi", b"")) > 5:
            info["depth"] = pixi[5]
        if len(nclx := properties.get(b"nclx", b"")) >= 4:
            info["cicp"] = struct.unpack_from(">HH", nclx)
        width, height = struct.unpack_from(">LL", properties[b"ispe"], 4)
        info["crop"] = find_crop(properties[b"clap"], width, height)
    return info


def find_properties(meta: memoryview) -> dict[bytes, bytes]:
    """Return the properties of the primary picture by type; `colr` by its colour type (`nclx`)."""
    boxes = dict(walk_boxes(meta))
    shown = int.from_bytes(boxes[b"pitm"][4:])
    described = list(walk_boxes(boxes[b"iprp"]))
    properties = list(walk_boxes(next(box for kind, box in described if kind == b"ipco")))
    found: dict[bytes, bytes] = {}
    for indexes in (list_indexes(box, shown) for kind, box in described if kind == b"ipma"):
        for index in filter(None, indexes):
            kind, content = properties[index - 1]
            if kind == b"colr":
                kind, content = bytes(content[:4]), content[4:]
            found.setdefault(kind, bytes(content))
    return found


def list_indexes(ipma: memoryview, shown: int) -> Iterator[int]:
    """Yield the indexes of an item's properties, from 1 (ISO/IEC 23008-12, 9.3.2)."""
    (count,) = struct.unpack_from(">L", ipma, 4)
    head = struct.Struct(">HB" if ipma[0] == 0 else ">LB")
    width = 2 if ipma[3] & 1 else 1
    at = 8
    for _ in range(count):
        item, many = head.unpack_from(ipma, at)
        at += head.size
        if item == shown:
            for n in range(at, at + many * width, width):
                # Without the highest bit, which says whether a reader must know the property.
                yield int.from_bytes(ipma[n : n + width]) & ((1 << 8 * width - 1) - 1)
        at += many * width


def find_crop(clap: bytes, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, width and height of a picture's shown part (ISO/IEC 14496-12, 12.1.4).

    Raises `ValueError` if they are not whole pixels, or outside: browsers ignore such a box.
    """
    values = struct.unpack(">8l", clap)
    across, down, right, lower = (Fraction(*values[n : n + 2]) for n in (0, 2, 4, 6))
    left, top = (width - across) / 2 + right, (height - down) / 2 + lower
    numbers = (left, top, across, down)
    is_inside = min(left, top) >= 0 and left + across <= width and top + down <= height
    if not is_inside or min(across, down) < 1 or any(n.denominator > 1 for n in numbers):
        raise ValueError(numbers)
    return int(left), int(top), int(across), int(down)
