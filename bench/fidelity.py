"""How close avatars come to the ideal downscale, compared with libvips at the same bytes.

python -m bench.fidelity FOLDER uses the photos of a folder, such as the corpus of the tests;
without an argument, those of the bench. The score is SSIMULACRA 2: 90 is indistinguishable from
the ideal, 70 is good, and a difference below 1 is noise.
"""

import csv
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from statistics import mean

import pillow_heif
import pyvips
from PIL import Image
from ssimulacra2 import compute_ssimulacra2

from profiles.pictures import cell
from profiles.pictures.avatar import Crop
from profiles.pictures.limits import Refused
from profiles.pictures.pipeline import colours, images, metadata

pillow_heif.register_heif_opener(thumbnails=False)
SIDE = 512
RESULTS = Path(__file__).parent / "results" / "fidelity.csv"


def make_ideal(data: bytes) -> Image.Image:
    """Return the ideal square: decoded and converted in full, then scaled by Lanczos, lossless."""
    im: Image.Image = Image.open(BytesIO(data))
    im.load()
    orientation, _ = metadata.read_exif(im.info.get("exif") or b"")
    turn = images.TURNS.get(orientation)
    im = colours.convert_to_srgb(im, im.info, im.format or "")
    im = im if turn is None else im.transpose(turn)
    left, top, side = Crop().square(*im.size)
    box = (left, top, left + side, top + side)
    size = min(side, SIDE)
    return im.convert("RGB").resize((size, size), Image.Resampling.LANCZOS, box)


def make_with_vips(data: bytes, side: int, limit: int) -> bytes:
    """Return libvips' square as WebP of the highest quality within `limit` bytes, or b""."""
    im = pyvips.Image.thumbnail_buffer(
        data, side, height=side, crop="centre", export_profile="srgb"
    ).copy_memory()
    if im.hasalpha():
        im = im.flatten(background=255)
    best, low, high = b"", 1, 100
    while low <= high:
        quality = (low + high) // 2
        tried = im.webpsave_buffer(Q=quality, effort=4, keep="none")
        if len(tried) <= limit:
            best, low = tried, quality + 1
        else:
            high = quality - 1
    return best


def score(ideal: Image.Image, data: bytes) -> float:
    """Return the SSIMULACRA 2 score of an encoded picture."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, name)) for name in ("ideal.png", "made.png")]
        ideal.save(paths[0])
        Image.open(BytesIO(data)).convert("RGB").save(paths[1])
        return float(compute_ssimulacra2(*paths))


def compare(data: bytes) -> tuple[int, int, float, float | None] | None:
    """Return side and bytes of the largest file, and the scores of both; None if one refuses it.

    libvips has no score if even its lowest quality has more bytes.
    """
    try:
        ours = cell.make_avatar(BytesIO(data))
        stored = ours.files["512.webp"]
        side = min(ours.side, SIDE)
        theirs = make_with_vips(data, side, len(stored))
    except (Refused, pyvips.Error):
        return None
    ideal = make_ideal(data)
    return side, len(stored), score(ideal, stored), score(ideal, theirs) if theirs else None


def main(paths: list[Path]) -> None:
    """Print and store the scores of the photos that both can open and that are large enough."""
    rows = []
    for path in paths:
        side, size, *scores = compare(path.read_bytes()) or (0, 0, None)
        if side == SIDE and None not in scores:
            rows.append([path.name, size, *(f"{s:.1f}" for s in scores)])
            print(*rows[-1], flush=True)
    means = [mean(float(row[column]) for row in rows) for column in (2, 3)]
    print(f"mean of {len(rows)}: likeness {means[0]:.1f}, libvips {means[1]:.1f}")
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        csv.writer(file).writerows([["photo", "bytes", "likeness", "libvips"], *rows])


if __name__ == "__main__":
    if sys.argv[1:]:
        main(sorted(Path(sys.argv[1]).iterdir()))
    else:
        from .inputs import make_inputs

        main(list(make_inputs().values()))
