"""Pictures that the tests draw, good and hostile."""

import struct
from io import BytesIO

from PIL import Image, ImageDraw

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
    """Return the bytes of a picture in a format."""
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
