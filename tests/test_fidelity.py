"""How visible the colour errors in avatars of the corpus's photos are."""

import functools
from io import BytesIO

import pillow_heif
import pytest
from PIL import Image
from PIL.Image import Resampling

from profiles.pictures.avatar import Crop
from profiles.pictures.pipeline import images, metadata
from profiles.pictures.pipeline.colours import build_transform, find_profile

from .helpers.colours import convert_to_lab, find_difference
from .helpers.corpus import CORPUS
from .test_corpus import COLOURED, lay_on_white, make
from .test_corpus import pytestmark as pytestmark

pillow_heif.register_heif_opener(thumbnails=False)
FIELDS, FIELD = 32, 16  # Compare at most 32 × 32 fields, each at least 16 pixels wide.
# A plain decoder does not accept those that are cut off.
PHOTOS = [row["file"] for row in COLOURED if not row["file"].startswith("broken_jpeg")]


def make_reference(data: bytes) -> Image.Image:
    """Return the square made in the simplest way: colours at full size, then area averages."""
    im: Image.Image = Image.open(BytesIO(data))
    im.load()
    orientation, _ = metadata.read_exif(im.info.get("exif") or b"")
    turn = images.TURNS.get(orientation)
    im = im if turn is None else im.transpose(turn)
    profile = find_profile(im.info, im.format or "")
    if im.has_transparency_data:
        im = im.convert("RGBA")
    elif im.mode == "P":
        im = im.convert("RGB")
    elif im.mode.startswith("I"):
        im = im.point(lambda value: value / 257).convert("L")
    if im.mode == "L" and profile[16:20] == b"RGB ":
        im = im.convert("RGB")
    if profile and (transform := build_transform(profile, im.mode)):
        im = transform.apply(im)
    if im.mode == "RGBA":
        im = lay_on_white(im)
    left, top, side = Crop().square(*im.size)
    box = (left, top, left + side, top + side)
    return average(im.convert("RGB"), box)


def average(im: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Return the mean colours of a square's fields."""
    fields = max(1, min(FIELDS, (box[2] - box[0]) // FIELD))
    return im.resize((fields, fields), Resampling.BOX, box)


def list_lab(im: Image.Image) -> list[tuple[float, float, float]]:
    """Return the colours of a picture's pixels in L*a*b*."""
    data = im.convert("RGB").tobytes()
    return [convert_to_lab(tuple(data[at : at + 3])) for at in range(0, len(data), 3)]


@functools.cache
def measure_error(name: str) -> float:
    """Return the mean CIEDE2000 between an avatar and its reference."""
    path = CORPUS / "good" / name
    avatar, _ = make(path)
    assert avatar
    made: Image.Image = Image.open(BytesIO(avatar.files["512.webp"]))
    reference = list_lab(make_reference(path.read_bytes()))
    fields = round(len(reference) ** 0.5)
    made = lay_on_white(made).resize((fields, fields), Resampling.BOX)
    pairs = zip(list_lab(made), reference, strict=True)
    return sum(find_difference(*pair) for pair in pairs) / len(reference)


@pytest.mark.parametrize("name", PHOTOS)
def test_no_colour_looks_different(name: str) -> None:
    assert measure_error(name) <= 2.0


def test_over_all_photos_nobody_would_see_a_difference() -> None:
    errors = [measure_error(name) for name in PHOTOS]
    assert sum(errors) / len(errors) <= 1.0
