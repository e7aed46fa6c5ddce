"""Find out whether a JPEG is complete (ITU T.81): its decoder fills missing parts silently."""

import re
import zlib
from collections.abc import Iterator

from PIL import Image

START_OF_FRAME = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
HUFFMAN_TABLES, START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = 0xC4, 0xD8, 0xD9, 0xDA
WITHOUT_CONTENT = {START_OF_IMAGE, END_OF_IMAGE, 0x01}
EOI, SOS = b"\xff\xd9", b"\xff\xda"
# In the data between markers, 0xFF is followed only by 0x00 or a restart.
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# A scan contains such a run only if one colour fills thousands of blocks.
HOLE = bytes(1024)
# Two endings to append to a scan: noise, or nothing. If the scan is complete, the decoder reads
# neither. The noise contains restarts, since the decoder may wait for one before it reads on.
NOISE = b"".join(bytes(range(1, 255)) + bytes((0xFF, 0xD0 + n)) for n in range(8))
ENDS = (NOISE + EOI, EOI)


def find_end(data: bytes) -> int:
    """Return the position of the marker that ends the picture, or 0; more data may follow it."""
    return next((at for marker, at, _ in walk_segments(data) if marker == END_OF_IMAGE), 0)


def find_scan_end(data: bytes) -> int:
    """Return where the last scan ends, or where it is cut off.

    A download program may fill what it did not receive with zeros.
    """
    end = find_end(data) or len(data.rstrip(b"\0\xff"))
    hole = data.find(HOLE, data.rfind(SOS, 0, end), end)
    return end if hole < 0 or can_be_zeros(data) else hole


def walk_segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield marker, position and content of each segment up to the end of the picture (B.1.1)."""
    at = 0
    while found := MARKER.search(data, at):
        marker, at = data[found.start() + 1], found.end()
        size = int.from_bytes(data[at : at + 2]) if marker not in WITHOUT_CONTENT else 0
        yield marker, found.start(), data[at + 2 : at + size]
        if marker == END_OF_IMAGE:
            return
        at += size


def has_all_scans(data: bytes) -> bool:
    """Return whether scans go to the last bit of each component and frequency (G.1.1)."""
    missing: dict[int, set[int]] = {}
    for marker, _, segment in walk_segments(data):
        if marker in START_OF_FRAME:
            missing = {segment[6 + 3 * n]: set(range(64)) for n in range(segment[5])}
            is_progressive = marker in (0xC2, 0xCA)
        elif marker == START_OF_SCAN:
            count = segment[0]
            first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
            frequencies = range(first, last + 1) if is_progressive else range(64)
            if not is_progressive or bits & 15 == 0:
                for component in segment[1 : 1 + 2 * count : 2]:
                    missing[component].difference_update(frequencies)
    return bool(missing) and not any(missing.values())


def can_be_zeros(data: bytes) -> bool:
    """Return whether the Huffman tables code a block of one colour as zeros only (C.2, F.1.2)."""
    for marker, _, segment in walk_segments(data):
        while marker == HUFFMAN_TABLES and len(segment) > 17:
            count = sum(segment[1:17])
            if (
                segment[17] & 15
            ):  # The first code consists of zeros; it must mean "nothing follows".
                return False
            segment = segment[17 + count :]
    return True


def hash_rows(im: Image.Image, part: float) -> int:
    """Return a checksum of the upper part of a picture, in bands: a full copy may be too large."""
    value = 0
    for top in range(0, int(part * im.height), 64):
        band = im.crop((0, top, im.width, min(top + 64, int(part * im.height))))
        value = zlib.crc32(band.tobytes(), value)
    return value
