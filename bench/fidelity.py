"""How close avatars come to the ideal downscale, beside libvips' at the same bytes.

python -m bench.fidelity FOLDER takes the photos of a folder, such as the corpus that the tests
take; without one, those of the bench. The score is SSIMULACRA 2: 90 cannot be told from the ideal,
70 is good, and a difference below 1 means nothing.
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

from profiles.pictures import cell, colours, images, metadata
from profiles.pictures.avatar import Crop
from profiles.pictures.limits import Refused

pillow_heif.register_heif_opener(thumbnails=False)
SIDE = 512
RESULTS = Path(__file__).parent / "results" / "fidelity.csv"


def make_ideal(data: bytes) -> Image.Image:
    """Return the square as good as can be: decoded and converted whole, then Lanczos, no losses."""
    im: Image.Image = Image.open(BytesIO(data))
    im.load()
    orientation, _ = metadata.read_exif(im.info.get("exif") or b"")
    turn = images.TURNS.get(orientation)
    im = colours.convert_to_srgb(im, im.info, im.format or "")
    im = im if turn is None else im.transpose(turn)
    left, top, side = Crop().square(*im.size)
    box = (left, top, left + side, top + side)
    return im.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS, box)


def make_with_vips(data: bytes, size: int) -> bytes:
    """Return libvips' square as WebP, of the highest quality that has no more bytes than `size`."""
    im = pyvips.Image.thumbnail_buffer(
        data, SIDE, height=SIDE, crop="centre", export_profile="srgb"
    ).copy_memory()
    if im.hasalpha():
        im = im.flatten(background=255)
    best, low, high = b"", 1, 100
    while low <= high:
        quality = (low + high) // 2
        tried = im.webpsave_buffer(Q=quality, effort=4, keep="none")
        if len(tried) <= size:
            best, low = tried, quality + 1
        else:
            high = quality - 1
    return best


def score(ideal: Image.Image, data: bytes) -> float:
    """Return the SSIMULACRA 2 of an encoded picture against the ideal."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, name)) for name in ("ideal.png", "made.png")]
        ideal.save(paths[0])
        Image.open(BytesIO(data)).convert("RGB").save(paths[1])
        return float(compute_ssimulacra2(*paths))


def main(paths: list[Path]) -> None:
    """Print and write the scores of each photo that both can open and that is large enough."""
    rows = []
    for path in paths:
        data = path.read_bytes()
        try:
            ours = cell.make_avatar(BytesIO(data))
            theirs = make_with_vips(data, len(ours.files["512.webp"]))
        except (Refused, pyvips.Error):
            continue
        if ours.side < SIDE or not theirs:
            continue
        ideal = make_ideal(data)
        scores = [score(ideal, made) for made in (ours.files["512.webp"], theirs)]
        rows.append([path.name, len(ours.files["512.webp"]), *(f"{s:.1f}" for s in scores)])
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
