"""Measure the memory and CPU of the most expensive pictures that are accepted.

Prints Markdown: each picture in a new process, and the memory of a worker after 1,000 uploads.
"""

import json
import struct
import sys
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pillow_heif
import pyvips
from PIL import Image

from profiles.pictures import cell, limits
from profiles.pictures.avatar import Crop
from profiles.pictures.limits import Refused

from . import inputs, measure

UPLOADS = 1000
TINY_CROP = 64
# Megapixels (0: the format's limit), extension, title, options of `make`. All are below 20 MB.
PROGRESSIVE = {"grain": 10, "quality": 86, "progressive": True}
FULL_COLOUR = {"grain": 9, "quality": 85, "subsampling": 0}
CMYK = {"mode": "CMYK", "grain": 4, "quality": 80}
DEEP = {"mode": "RGBA", "bits": 12, "chroma": 444}
WORST: list[tuple[int, str, str, dict[str, Any]]] = [
    (0, "jpg", "JPEG", {"grain": 10, "quality": 86}),
    (0, "jpg", "JPEG 4:4:4, tiny crop", FULL_COLOUR),
    (0, "jpg", "CMYK JPEG, tiny crop", CMYK),
    (0, "jpg", "progressive JPEG", PROGRESSIVE),
    (28, "jpg", "progressive JPEG", PROGRESSIVE),
    (28, "jpg", "progressive JPEG 4:4:4, tiny crop", PROGRESSIVE | FULL_COLOUR),
    (23, "jpg", "progressive CMYK JPEG, tiny crop", PROGRESSIVE | CMYK),
    (28, "jpg", "progressive JPEG of 50 scans", {"scans": 50}),
    (28, "jpg", "progressive JPEG of 1000 scans", {"scans": 1000}),
    (40, "jpg", "progressive JPEG 4:2:0, tiny crop", PROGRESSIVE),
    (12, "jpg", "JPEG, broken off, with Photoshop's blocks", {"grain": 10, "blocks": 200}),
    (0, "png", "PNG", {"grain": 0.5}),
    (0, "png", "PNG with 190,000 texts", {"texts": 190_000}),
    (0, "png", "PNG, RGBA", {"mode": "RGBA"}),
    (0, "png", "PNG, RGBA of 16 bits", {"mode": "RGBA", "bits": 16}),
    (0, "png", "PNG, grey of 16 bits", {"mode": "L", "bits": 16}),
    (0, "png", "PNG, palette with transparency", {"colours": 256}),
    (0, "gif", "GIF, transparent", {"colours": 128}),
    (0, "webp", "WebP, lossless", {"mode": "RGBA", "lossless": True}),
    (0, "webp", "WebP, animated", {"mode": "RGBA", "frames": 2}),
    (0, "avif", "AVIF", {"grain": 12, "quality": 90, "speed": 9}),
    (0, "avif", "AVIF, 10 bits", {"bits": 10}),
    (16, "avif", "AVIF, 12 bits, 4:4:4, transparent", DEEP),
    (25, "heic", "HEIC", {"grain": 12, "quality": 55}),
    (25, "heic", "HEIC, 10 bits", {"bits": 10}),
    (25, "heic", "HEIC, transparent", {"mode": "RGBA"}),
    (25, "heic", "HEIC, 12 bits, 4:4:4, transparent", DEEP),
    (
        48,
        "heic",
        "HEIC, in tiles as phones write it",
        {"grain": 4, "quality": 50, "tile_size": 512},
    ),
]
FORMATS = {"jpg": "JPEG", "heic": "HEIF"}


def main() -> None:
    arguments = measure.parse_arguments()
    mains = inputs.make_inputs()
    print(
        "\n### The worst that is accepted\n\n"
        "| | file MB | the cell's MB | the worker's MB | CPU s |\n|---|--:|--:|--:|--:|"
    )
    for name in ("48 MP JPEG", "12 MP progressive JPEG"):
        print_one(name, mains[name])
    for megapixels, kind, title, options in [] if arguments.quick else WORST:
        limit = limits.MAX_MEGAPIXELS[FORMATS.get(kind, kind.upper())]
        name = f"{megapixels or limit} MP {title}"
        path = inputs.FOLDER / f"{name.replace(' ', '-').replace(':', '')}.{kind}"
        if not path.exists():
            make(path, int((megapixels or limit) ** 0.5 * 1000), **options)
        print_one(name, path)
    count = 100 if arguments.quick else UPLOADS
    got = measure.run("memory", str(count))
    print(f"\nA worker has {got['before']:.0f} MB after 50 uploads, ", end="")
    print(f"{got['after']:.0f} MB after {count}: {got['after'] / got['before'] - 1:+.1%}.")


def print_one(name: str, path: Path) -> None:
    got = measure.run("memory", str(path), str(TINY_CROP if "tiny crop" in name else 0))
    figures = ["refused", "", ""]
    if "cpu" in got:
        figures = [f"{got['cell']:.0f}", f"{got['memory']:.0f}", f"{got['cpu']:.2f}"]
    print("|", " | ".join([name, f"{path.stat().st_size / 1e6:.1f}", *figures]), "|", flush=True)


def make(
    path: Path,
    side: int,
    mode: str = "RGB",
    grain: float = 0,
    bits: int = 8,
    colours: int = 0,
    frames: int = 0,
    scans: int = 0,
    blocks: int = 0,
    texts: int = 0,
    **options: Any,
) -> None:
    """Write a square photo; with transparency, as a gradient from clear to opaque."""
    with Image.open(inputs.PHOTO) as photo:
        im = photo.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    im = inputs.add_grain(im, grain)
    if mode == "RGBA":
        im.putalpha(Image.linear_gradient("L").resize(im.size))
    im = im.convert(mode)
    pillow_heif.register_heif_opener()
    if scans:
        save_scans(path, side, scans)
    elif bits > 8:
        save_deep(path, im, bits, **options)
    elif colours:
        im.quantize(colours).save(path, transparency=7)
    elif frames:
        more = [im.rotate(90 * turn) for turn in range(1, frames)]
        im.save(path, save_all=True, append_images=more, lossless=True, method=0)
    else:
        im.save(path, **options)
    if blocks or texts:
        stuff(path, blocks, texts)


def stuff(path: Path, blocks: int, texts: int) -> None:
    """Add Photoshop segments to a JPEG and cut off its end, or add texts to a PNG."""
    data = path.read_bytes()
    if blocks:
        segment = b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0" * 4000
        segment = struct.pack(">HH", 0xFFED, len(segment) + 2) + segment
        path.write_bytes(data[:2] + segment * blocks + data[2:-2])
        return
    chunks = [b"tEXtk%d\0v" % number for number in range(texts)]
    parts = [struct.pack(">L", len(c) - 4) + c + struct.pack(">L", crc32(c)) for c in chunks]
    path.write_bytes(data[:33] + b"".join(parts) + data[33:])


def save_scans(path: Path, side: int, scans: int) -> None:
    """Write a progressive JPEG of one colour that repeats its last scan."""
    Image.new("RGB", (side, side), "teal").save(path, progressive=True, subsampling=0)
    data = path.read_bytes()
    last = data[data.rindex(b"\xff\xda") : -2]
    path.write_bytes(data[:-2] + last * (scans - data.count(b"\xff\xda")) + b"\xff\xd9")


def save_deep(path: Path, im: Image.Image, bits: int, chroma: int = 420) -> None:
    """Write a picture with more than 8 bits a channel, which Pillow cannot write."""
    deep = np.asarray(im).astype(np.uint16) * 257
    if path.suffix == ".heic":
        pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
        heif = pillow_heif.from_bytes(mode=f"{im.mode};16", size=im.size, data=deep.tobytes())
        heif.save(path, quality=60, chroma=chroma)
        return
    vips = pyvips.Image.new_from_array(deep)
    vips = vips.copy(interpretation="grey16" if im.mode == "L" else "rgb16")
    if path.suffix == ".png":
        vips.pngsave(str(path), filter="all")
    else:
        subsample = "off" if chroma == 444 else "on"
        vips.heifsave(
            str(path), compression="av1", bitdepth=bits, subsample_mode=subsample, effort=0
        )


def measure_one(path: Path, side: int) -> dict[str, Any]:
    """Measure one upload in this process, or return the reason for its refusal.

    The file is on the disk, as Django stores uploads over 2.5 MB.
    """
    crop = Crop(x=99, y=99, size=side) if side else Crop()
    cell.has_filter()  # Wait until the zygote is warm.
    idle = measure.reset_peak()
    try:
        with path.open("rb") as file:
            cpu, _ = measure.time_call(lambda: cell.make_avatar(file, crop))
    except Refused as refused:
        return {"refused": refused.code}
    peak = measure.get_megabytes("VmHWM") - idle
    return {"memory": peak, "cell": measure.CELLS.megabytes, "cpu": cpu}


def measure_many(count: int) -> dict[str, float]:
    """Return this process's memory after 50 and after all uploads: mostly phone photos."""
    paths = inputs.make_inputs()
    order = [paths[inputs.MAIN], paths["2 MP WebP"]] * 6 + list(paths.values())
    resident = []
    for path in islice(cycle(order), count):
        with path.open("rb") as file:
            cell.make_avatar(file)
        resident.append(measure.get_megabytes("VmRSS"))
    return {"before": resident[49], "after": resident[-1]}


if __name__ == "__main__":
    match sys.argv[1:]:
        case [path, side] if not path.startswith("-"):
            print(json.dumps(measure_one(Path(path), int(side))))
        case [count] if count.isdigit():
            print(json.dumps(measure_many(int(count))))
        case _:
            main()
