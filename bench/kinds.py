"""How close avatars come to the ideal for difficult pictures: drawings, hair, dark or small photos.

python -m bench.kinds compares each with libvips at the same bytes, as bench.fidelity does.
"""

import random
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL
from PIL import Image, ImageDraw, ImageFont

from .fidelity import compare
from .inputs import PHOTO, add_grain

# skimage's cat (CC0, by S. van der Walt), with fur and whiskers.
CAT = Path(PIL.__file__).parent.parent / "skimage/data/chelsea.png"


def read(path: Path, side: int) -> Image.Image:
    with Image.open(path) as photo:
        short = min(photo.size)
        square = photo.convert("RGB").crop((0, 0, short, short))
    return square.resize((side, side), Image.Resampling.LANCZOS)


def draw_text() -> Image.Image:
    im = Image.new("RGB", (512, 512), "#fdf6e3")
    font: Any = ImageFont.load_default(18)
    for line in range(24):
        colour = ("#b58900", "#cb4b16", "#268bd2", "#2aa198")[line % 4]
        words = "def square(self, width: int): return width * width"
        ImageDraw.Draw(im).text((8, 20 * line + 8), words, colour, font)
    return im


def draw_logo() -> Image.Image:
    """Draw rings and bars of flat colours, at four times the avatar's size."""
    im = Image.new("RGB", (2048, 2048), "white")
    pen = ImageDraw.Draw(im)
    for number, colour in enumerate(("#d7263d", "#1b998b", "#2e294e", "#f46036")):
        inset = 120 + 180 * number
        pen.ellipse((inset, inset, 2048 - inset, 2048 - inset), outline=colour, width=90)
    pen.rectangle((300, 950, 1748, 1100), "#2e294e")
    return im


def draw_sprite() -> Image.Image:
    """Draw pixel art of 48 × 48 pixels and 100 colours."""
    chance = random.Random(48)  # noqa: S311  # The same colours each time.
    palette = [tuple(chance.randbytes(3)) for _ in range(100)]
    im = Image.new("RGB", (48, 48))
    half = [[chance.choice(palette) for _ in range(24)] for _ in range(48)]
    im.putdata([colour for row in half for colour in [*row, *reversed(row)]])
    return im


def draw_gradient() -> Image.Image:
    """Draw an evening sky."""
    up = Image.linear_gradient("L").resize((1024, 1024))
    bands = [up.point(lambda v, n=n: n + v // 4) for n in (20, 40, 90)]
    return Image.merge("RGB", bands)


def draw_kinds() -> dict[str, Image.Image]:
    return {
        "text": draw_text(),
        "logo": draw_logo(),
        "pixel art": draw_sprite(),
        "gradient": draw_gradient(),
        "hair": read(CAT, 600),
        "dark photo": add_grain(read(PHOTO, 600).point(lambda value: value // 6), 2),
        "photo of 200 px": read(PHOTO, 200),
        "photo of 100 px": read(PHOTO, 100),
    }


def main() -> None:
    for name, im in draw_kinds().items():
        file = BytesIO()
        im.save(file, "PNG")
        if found := compare(file.getvalue()):
            side, size, ours, theirs = found
            beside = f"{theirs:.1f}" if theirs is not None else "none as small"
            print(f"| {name} | {side} | {size} | {ours:.1f} | {beside} |", flush=True)


if __name__ == "__main__":
    main()
