"""Pictures that the tests draw, good and hostile."""

import random
import re
import struct
import zlib
from io import BytesIO

from PIL import Image, ImageCms, ImageDraw
from PIL.Image import Transpose

# One colour a quarter: top left, top right, bottom left, bottom right.
QUARTERS = [(220, 40, 40), (40, 180, 60), (40, 60, 220), (240, 220, 60)]


def draw(width: int = 640, height: int = 480, mode: str = "RGB") -> Image.Image:
    """Draw a picture of four coloured quarters."""
    im = Image.new("RGB", (width, height))
    pen = ImageDraw.Draw(im)
    for index, colour in enumerate(QUARTERS):
        left, top = index % 2 * width // 2, index // 2 * height // 2
        pen.rectangle((left, top, left + width // 2, top + height // 2), colour)
    return im.convert(mode)


def encode(im: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    im.save(file, kind, **options)
    return file.getvalue()


def draw_jpeg(width: int = 640, height: int = 480, **options: object) -> bytes:
    """Return a JPEG of four coloured quarters."""
    return encode(draw(width, height), "JPEG", quality=92, **options)


def make_exif(orientation: int = 1) -> Image.Exif:
    """Return an EXIF block as a phone writes it: turned, with place, camera, date and author."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F], exif[0x0110] = "Fotofabrik", "Augapfel 9"
    exif[0x0132] = "2026:01:02 03:04:05"
    exif[0x013B] = "Ada Lovelace"
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 30.0, 26.0), 3: "W", 4: (0.0, 7.0, 39.0)})
    return exif


def make_scans(count: int) -> bytes:
    """Return a progressive JPEG with that many more scans than it needs."""
    jpeg = draw_jpeg(64, 64, progressive=True)
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 0, 0) + b"\x00"
    return jpeg[:-2] + scan * count + jpeg[-2:]


# How a phone stores a picture that EXIF then turns upright (EXIF 2.32, table 1), by orientation.
STORED = {
    1: None,
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}


def store_turned(im: Image.Image, orientation: int, kind: str = "JPEG", **options: object) -> bytes:
    """Return an upright picture as a phone stores it: turned, and an EXIF tag that says so."""
    turn = STORED[orientation]
    stored = im if turn is None else im.transpose(turn)
    return encode(stored, kind, exif=make_exif(orientation), **options)


def draw_as(kind: str, width: int = 64, height: int = 64) -> bytes:
    """Return four coloured quarters in any accepted format; a HEIC is 64 × 64."""
    return make_heic() if kind == "HEIC" else encode(draw(width, height), kind)


def draw_noise(side: int) -> Image.Image:
    """Draw a square of noise, the same each time, which no format compresses well."""
    return Image.frombytes("RGB", (side, side), random.Random(1815).randbytes(side * side * 3))


def make_animation(kind: str) -> bytes:
    """Return an animation: four coloured quarters, then two black frames."""
    black = [Image.new("RGB", (64, 64), (n, n, n)) for n in (0, 9)]
    return encode(draw(64, 64), kind, save_all=True, append_images=black)


def make_segment(marker: int, data: bytes) -> bytes:
    """Return a segment of a JPEG (ITU T.81, B.1.1.4)."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def make_chunk(kind: bytes, data: bytes = b"") -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def make_png(depth: int, colour_type: int, row: bytes, *chunks: bytes) -> bytes:
    """Return a PNG of 64 equal rows of 64 pixels, with the given chunks before the data."""
    header = struct.pack(">LLBBBBB", 64, 64, depth, colour_type, 0, 0, 0)
    data = make_chunk(b"IDAT", zlib.compress((b"\0" + row) * 64))
    head = b"\x89PNG\r\n\x1a\n" + make_chunk(b"IHDR", header)
    return head + b"".join(chunks) + data + make_chunk(b"IEND")


def make_claim(kind: str, width: int, height: int) -> bytes:
    """Return a small file of a format whose header claims a false size."""
    if kind == "HEIC":
        return make_heic(claim=(width, height))
    data = bytearray(draw_as(kind))
    if kind == "PNG":
        struct.pack_into(">LL", data, 16, width, height)
        struct.pack_into(">L", data, 29, zlib.crc32(data[12:29]))
    elif kind == "GIF":
        struct.pack_into("<HH", data, 6, width, height)
    elif kind == "WEBP":  # lossy: a VP8 frame's header (RFC 6386, 9.1)
        struct.pack_into("<HH", data, data.index(b"\x9d\x01\x2a") + 3, width, height)
    elif kind == "JPEG":
        struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, height, width)
    elif kind == "AVIF":
        struct.pack_into(">LL", data, data.index(b"ispe") + 8, width, height)
    return bytes(data)


def make_exif_bomb() -> bytes:
    """Return an EXIF block of 60 kB whose 5000 tags each point to all of it."""
    tags = [struct.pack(">HHLL", 0xC000 + n, 7, 60_000, 0) for n in range(5000)]
    return b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 5000) + b"".join(tags) + bytes(4)


def swap_red_and_blue() -> bytes:
    """Return an sRGB profile with red and blue swapped."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swap = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}
    return re.sub(rb"[rb]XYZ(?=.{8})", lambda tag: swap[tag[0]], profile, flags=re.DOTALL)


def list_parts(data: bytes) -> set[bytes]:
    """Return the kinds of parts in a WebP (chunks) or a JPEG (the second bytes of markers)."""
    parts = set()
    if data[:4] == b"RIFF":
        at = 12
        while at < len(data):
            parts.add(data[at : at + 4])
            size = int.from_bytes(data[at + 4 : at + 8], "little")
            at += 8 + size + size % 2
    else:
        at = 2
        while data[at + 1] != 0xDA:  # start of scan
            parts.add(data[at + 1 : at + 2])
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return parts


def pack_bits(*fields: int | str) -> bytes:
    """Return bits, and numbers as Exp-Golomb codes, with the stop bit (ITU H.265, 7.3 and 9.2)."""
    bits = ""
    for field in fields:
        code = field if isinstance(field, str) else f"{field + 1:b}"
        bits += code if isinstance(field, str) else "0" * (len(code) - 1) + code
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def make_box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box of ISO/IEC 14496-12."""
    body = b"".join(parts)
    return struct.pack(">L", 8 + len(body)) + kind + body


def number_colours(data: bytes, primaries: int, curve: int) -> bytes:
    """Return an AVIF with other numbers for its colours (ITU-T H.273)."""
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, curve) + data[at + 4 :]


def crop_avif(data: bytes, width: int, height: int, right: int, down: int) -> bytes:
    """Return an AVIF with a crop (`clap`): how large, and how far from the middle."""
    values = [width, 1, height, 1, right, 1, down, 1]
    clap = make_box(b"clap", struct.pack(">8l", *values))
    content = bytearray(data)
    at = data.index(b"ipco") - 4
    end = at + int.from_bytes(data[at : at + 4])
    count = data.index(b"ipma") + 4 + 4 + 4 + 2
    properties = data[count]
    places = data.index(b"iloc") + 4 + 4 + 2
    for item in range(int.from_bytes(data[places : places + 2])):  # of one part each
        place = places + 2 + 14 * item + 6
        (start,) = struct.unpack_from(">L", data, place)
        struct.pack_into(">L", content, place, start + len(clap) + 1)
    for kind, more in ((b"meta", len(clap) + 1), (b"iprp", len(clap) + 1), (b"ipma", 1)):
        size = data.index(kind) - 4
        struct.pack_into(">L", content, size, int.from_bytes(data[size : size + 4]) + more)
    struct.pack_into(">L", content, at, end - at + len(clap))
    content[count] += 1
    last = count + 1 + properties
    content[last:last] = bytes([0x80 | _count_boxes(content[at + 8 : end]) + 1])
    content[end:end] = clap
    return bytes(content)


def _count_boxes(data: bytes) -> int:
    count = at = 0
    while at < len(data):
        at += int.from_bytes(data[at : at + 4])
        count += 1
    return count


def make_heic(
    turns: int = 0, claim: tuple[int, int] = (64, 64), colours: tuple[int, int] = (2, 2)
) -> bytes:
    """Return a HEIC of four coloured quarters, to be turned left so many times when shown.

    Written by hand, so that the container can be false: one HEVC picture of four blocks of raw
    samples (PCM), which need no encoder. `claim` is the size in the container, `colours` the
    numbers of primaries and curve (ITU-T H.273).
    """
    profile = "00000011" + f"{0x60000000:032b}" + "1001" + "0" * 44 + f"{30:08b}"
    video = pack_bits("0000110000000001" + "1" * 16 + profile + "1", 0, 0, 0, "000000", 0, "00")
    size: list[int | str] = [0, 1, 64, 64, "0", 0, 0, 0, "1", 0, 0, 0]
    # Blocks of 32 × 32, all of them PCM.
    blocks: list[int | str] = [2, 0, 0, 3, 0, 0, "000101110111", 2, 0, "1", 0, "00000"]
    sequence = pack_bits("00000001" + profile, *size, *blocks)
    picture = pack_bits(0, 0, "0000000", 0, 0, 0, "000", 0, 0, "0000000101" + "00", 0, "00")
    units = {32: video, 33: sequence, 34: picture}
    hvcc = b"\x01\x03\x60\0\0\0\x90" + bytes(5) + b"\x1e\xf0\0\xfc\xfd\xf8\xf8\0\0\x0f\x03"
    for kind, unit in units.items():
        unit = bytes([kind << 1, 1]) + unit.replace(b"\0\0\0", b"\0\0\3\0")
        hvcc += struct.pack(">BHH", 0x80 | kind, 1, len(unit)) + unit
    data = b"\x26\x01" + pack_bits("10", 0, 2, 0)
    # The arithmetic code (9.3) of "one part, raw" before each block, and of "end of slice" after
    # the last one.
    for coded, colour in zip((269, 279, 291, 301), QUARTERS, strict=True):
        y, cb, cr = Image.new("RGB", (1, 1), colour).convert("YCbCr").tobytes()
        y, cb, cr = 16 + y * 219 // 255, 16 + cb * 224 // 255, 16 + cr * 224 // 255
        data += struct.pack(">H", coded << 7) + bytes([y] * 1024 + [cb] * 256 + [cr] * 256)
    data += struct.pack(">H", 509 << 7)
    item = struct.pack(">L", len(data)) + data
    head = make_box(b"ftyp", b"heic\0\0\0\0mif1heic")
    properties = make_box(
        b"ipco",
        make_box(b"hvcC", hvcc),
        make_box(b"ispe", bytes(4), struct.pack(">LL", *claim)),
        make_box(b"irot", bytes([turns])),
        make_box(b"colr", b"nclx", struct.pack(">HHHB", *colours, 6, 0)),
    )
    fixed = [
        make_box(b"hdlr", bytes(8), b"pict", bytes(13)),
        make_box(b"pitm", b"\0\0\0\0\0\1"),
        make_box(b"iinf", b"\0\0\0\0\0\1", make_box(b"infe", b"\2\0\0\0\0\1\0\0hvc1\0")),
        make_box(b"iprp", properties, make_box(b"ipma", bytes(4), b"\0\0\0\1\0\1\4\x81\2\4\x83")),
    ]
    at = len(head) + 12 + sum(map(len, fixed)) + 30 + 8  # past `meta`, `iloc`, the head of `mdat`
    place = make_box(b"iloc", b"\0\0\0\0\x44\0\0\1", struct.pack(">HHHLL", 1, 0, 1, at, len(item)))
    return head + make_box(b"meta", bytes(4), *fixed, place) + make_box(b"mdat", item)
