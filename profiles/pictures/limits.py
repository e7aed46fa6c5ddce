"""What a picture may have of pixels, bytes, scans and pieces, so that none costs too much."""

import re
import subprocess
import sys
from collections.abc import Iterator
from io import SEEK_END
from itertools import islice
from typing import Any, BinaryIO

from PIL import Image

MIN_SIDE = 32
MAX_BYTES = 20 * 1000 * 1000
# So that nothing takes more than 300 MB or 2 s, as measured (docs/benchmarks.md). A JPEG is decoded
# smaller than it is, the others whole; WebP and AVIF keep further canvases meanwhile.
MAX_MEGAPIXELS = {"JPEG": 65, "MPO": 65, "HEIF": 25, "AVIF": 16, "PNG": 25, "GIF": 25, "WEBP": 16}
# A HEIC with all its colours and 12 bits of each takes 20 bytes a pixel; no phone's does.
MAX_MEGAPIXELS_OF_FULL_CHROMA = 14
# At 25 megapixels a HEIC costs 1 s, and 0.08 s more for each MB.
MAX_HEIC_BYTES = 10 * 1000 * 1000
# Each scan of a progressive JPEG is a pass over the whole picture: honest files have up to 20.
MAX_SCANS = 50
# A JPEG of several scans is kept whole, 2 bytes a sample, beside what is decoded of it.
MAX_JPEG_BYTES = 280 * 1000 * 1000
# A camera's 20 MB take some 10,000 reads.
MAX_PIECES = 600_000
# Pillow joins a JPEG's EXIF segments all over again for each: a camera writes one to ten.
MAX_EXIF_BLOCKS = 100
MAX_MARKERS = 10_000
# What an AVIF's decoder may take on trial: itself and 300 MB, and the 2 s that nothing may exceed.
TRIAL_BYTES, TRIAL_SECONDS = 350 * 1000 * 1000, 2
TRIAL = f"""
import resource, sys
from PIL import AvifImagePlugin, Image
resource.setrlimit(resource.RLIMIT_DATA, ({TRIAL_BYTES},) * 2)
resource.setrlimit(resource.RLIMIT_CPU, ({TRIAL_SECONDS},) * 2)
Image.open(sys.stdin.buffer, formats=["AVIF"]).load()
"""
NAMES = {"MPO": "JPEG", "HEIF": "HEIC", "WEBP": "WebP"}
EXIF_HEADER = b"Exif\0\0"
# ITU T.81, table B.1.
START_OF_IMAGE, START_OF_SCAN, END_OF_IMAGE = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
TEMPORARY = b"\xff\x01"
# A JPEG marker, not the zero after FF in coded data, a restart marker or a fill byte.
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


class Refused(Exception):
    """A picture that is not taken; `code` says why, `facts` hold the figures for the sentence."""

    def __init__(self, code: str, **facts: int | str) -> None:
        super().__init__(code, facts)
        self.code = code
        self.facts = facts


class Pieces:
    """A file that is read in so many pieces only: of millions, Pillow makes minutes of work."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.left = MAX_PIECES

    def read(self, size: int = -1) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise Refused("pieces")
        return self.file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def refuse_pieces(file: BinaryIO) -> None:
    """Refuse a JPEG of more EXIF segments than a camera writes."""
    if count(EXIF_HEADER, file) > MAX_EXIF_BLOCKS:
        raise Refused("pieces")


def refuse_size(im: Image.Image, file: BinaryIO) -> None:
    """Refuse a picture with fewer or more pixels, or bytes, than its format may have."""
    kind = im.format or ""
    limit = MAX_MEGAPIXELS[kind]
    if kind == "HEIF" and im.info.get("chroma") not in (400, 420):
        limit = MAX_MEGAPIXELS_OF_FULL_CHROMA
    if min(im.size) < MIN_SIDE:
        raise Refused("small", width=im.width, height=im.height, limit=MIN_SIDE)
    if (megapixels := count_megapixels(im)) > limit:
        raise Refused("large", format=NAMES.get(kind, kind), megapixels=megapixels, limit=limit)
    size, limit = file.seek(0, SEEK_END), MAX_HEIC_BYTES
    if kind == "HEIF" and size > limit:
        raise Refused("bytes", megabytes=-(-size // 1_000_000), limit=limit // 1_000_000)


def count_megapixels(im: Image.Image) -> int:
    """Return how many millions of pixels a picture has, rounded up."""
    return -(-im.width * im.height // 1_000_000)


def refuse_avif_beyond_trial(file: BinaryIO) -> None:
    """Refuse an AVIF that a process of its own cannot decode within bounds.

    Its container may say 64 pixels and its frame have 12,000: libavif decodes the frame first, and
    Pillow can give it no limit. HEIC's decoder refuses such a file by itself.
    """
    file.seek(0)
    trial = [sys.executable, "-I", "-c", TRIAL]
    if subprocess.run(trial, input=file.read(), stderr=subprocess.DEVNULL).returncode:
        raise Refused("heavy")


def refuse_scans(im: Image.Image, file: BinaryIO) -> None:
    """Refuse a JPEG of too many scans for its size, by what they take of memory and time."""
    limit = MAX_JPEG_BYTES // (2 * len(im.getbands()) + 4) // 1_000_000
    megapixels = count_megapixels(im)
    # The quick count takes those of a preview for the picture's: not where one more matters.
    scans = count_scans(file, 1 if megapixels > limit else MAX_SCANS)
    if scans > MAX_SCANS:
        raise Refused("scans", limit=MAX_SCANS)
    if megapixels > limit and scans > 1:
        raise Refused("progressive", megapixels=megapixels, limit=limit)


def count(needle: bytes, file: BinaryIO) -> int:
    """Return how often some bytes are in a file, without a copy of it in memory."""
    file.seek(0)
    found, last = 0, b""
    while chunk := file.read(1 << 20):
        found += (last + chunk).count(needle)
        last = chunk[1 - len(needle) :]
    return found


def count_scans(file: BinaryIO, enough: int) -> int:
    """Return how many scans a JPEG has (ITU T.81, annex B), or any number up to `enough`."""
    position = file.tell()
    scans = count(START_OF_SCAN, file)
    # Nearly always this quick count of all that looks like a start of scan settles it. A video or
    # a second picture behind the first one (motion photo, MPO) has look-alikes: walk the markers.
    if scans > enough:
        file.seek(0)
        markers = list(islice(walk_markers(file.read()), MAX_MARKERS))
        scans = markers.count(START_OF_SCAN) if len(markers) < MAX_MARKERS else MAX_MARKERS
    file.seek(position)
    return scans


def walk_markers(jpeg: bytes) -> Iterator[bytes]:
    """Yield the markers of a JPEG up to its end of image."""
    at = 0
    while match := MARKER.search(jpeg, at):
        marker, at = match[0], match.end()
        if marker == END_OF_IMAGE:
            return
        yield marker
        if marker not in (START_OF_IMAGE, TEMPORARY):  # All others have a length of their own.
            at += int.from_bytes(jpeg[at : at + 2])
