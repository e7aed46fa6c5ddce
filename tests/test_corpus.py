"""Real pictures from other people's test suites, in the first folder of LIKENESS_CORPUS."""

import json
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from PIL import Image, ImageStat

from profiles.pictures import cell
from profiles.pictures.avatar import Avatar, Crop
from profiles.pictures.limits import Refused
from profiles.pictures.pipeline import images, metadata
from profiles.pictures.pipeline.colours import convert_to_srgb
from profiles.pictures.pipeline.decoding import decode

from .conftest import list_media, make_picture
from .helpers.cells import check_cost, watch_cells
from .helpers.corpus import CASES, CORPUS, read_table
from .helpers.pictures import draw_jpeg, list_parts
from .test_uploads import MADE_NAME, upload_named

ROOT = Path(__file__).resolve().parent.parent
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CORPUS.is_dir(),
        reason="Set LIKENESS_CORPUS to the folder of real and hostile pictures to try them all.",
    ),
]
# The minimal parts of a picture: no metadata, no second frame.
CLEAN = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"\xe0", b"\xdb", b"\xc0", b"\xc4"}
# `either` and some of `accept_preferred` may be accepted or refused.
TAKEN = {"accept", "accept_preferred", "normalise", "either"}
REFUSED = {"accept_preferred", "refuse", "refuse_small", "either"}
TOLERANCE = 6  # of 255
LENGTH = 24  # of a run of bytes by which metadata is recognised


def list_rows(folder: str) -> list[dict[str, str]]:
    """Return the corpus's table rows for a folder."""
    return [
        {**row, **CORRECTED.get(row["file"], {}), "folder": folder}
        for row in read_table(CORPUS / f"{folder}.tsv")
    ]


# Some expected colours were noted before conversion.
CORRECTED = {row["file"]: row for row in read_table(CASES / "corrected.tsv")}
GOOD, HOSTILE = list_rows("good"), list_rows("hostile")
COLOURED = [row for row in GOOD if row["expected"].startswith("accept") and row["upright_size"]]


def read(row: dict[str, str]) -> bytes:
    return (CORPUS / row["folder"] / row["file"]).read_bytes()


@pytest.mark.parametrize("row", GOOD + HOSTILE, ids=lambda row: row["file"])
def test_a_file_becomes_what_it_should(
    row: dict[str, str], as_ada: Client, settings: LazySettings
) -> None:
    before = list_media(settings)
    response = upload_named(as_ada, row["file"], read(row))
    new = set(list_media(settings)) - set(before)
    if response.status_code == 201:
        assert row["expected"] in TAKEN
        check_taken(row, response.json()["receipt"], {n: settings.MEDIA_ROOT / n for n in new})
    else:
        assert 400 <= response.status_code < 500
        assert not new
        check_refused(row, response.json()["errors"]["avatar"][0])


def check_taken(row: dict[str, str], receipt: dict[str, Any], files: dict[str, Path]) -> None:
    """Check the receipt of an accepted file, and the stored files."""
    arrived = receipt["arrived"]
    assert row.get("upright_size") in (None, "", f"{arrived['width']}x{arrived['height']}")
    assert len(files) == 5
    for name, path in files.items():
        assert MADE_NAME.fullmatch(name)
        assert list_parts(path.read_bytes()) <= CLEAN


def check_refused(row: dict[str, str], sentence: str) -> None:
    """Check that a file may be refused, and the reason."""
    too_small = "each side must have at least 32" in sentence
    assert row["expected"] in REFUSED or (row["expected"] == "normalise" and too_small)
    assert row["expected"] != "refuse_small" or too_small
    assert not row["file"].startswith("broken_jpeg")
    assert sentence


@pytest.mark.parametrize("row", COLOURED, ids=lambda row: row["file"])
def test_a_picture_is_upright_and_has_its_colours(row: dict[str, str]) -> None:
    expected = [
        [int(v) for v in mean.split(",")] for mean in row["quad_means_upright_srgb"].split("|")
    ]
    assert measure_quarters(read(row)) == [pytest.approx(mean, abs=TOLERANCE) for mean in expected]


def measure_quarters(data: bytes) -> list[list[float]]:
    """Return the mean colours of a picture's quarters, uncropped, as `make_avatar` makes them.

    The picture is pressed into a square, which leaves the means as they are.
    """
    source = decode(BytesIO(data), Crop(), 512)
    orientation, _ = metadata.read_exif(source.info.get("exif") or b"")
    left, top, _, _ = source.find_box(0, 0, 0)
    width, height = (side / source.scale for side in source.size)
    side = min(64, *source.size) // 2 * 2
    square = images.shrink(source.im, (left, top, left + width, top + height), side)
    if orientation in images.TURNS:
        square = square.transpose(images.TURNS[orientation])
    flat = lay_on_white(convert_to_srgb(square, source.info, source.kind))
    half = side // 2
    boxes = [(x, y, x + half, y + half) for y in (0, half) for x in (0, half)]
    return [ImageStat.Stat(flat.crop(box)).mean for box in boxes]


def lay_on_white(im: Image.Image) -> Image.Image:
    white = Image.new("RGBA", im.size, "white")
    return Image.alpha_composite(white, im.convert("RGBA")).convert("RGB")


@cache
def make(path: Path) -> tuple[Avatar | None, list[Any]]:
    """Make an avatar of a file once for all tests; return it and the cell that has ended."""
    with watch_cells() as cells:
        try:
            return cell.make_avatar(BytesIO(path.read_bytes())), cells
        except Refused:
            return None, cells


@pytest.mark.parametrize("row", GOOD + HOSTILE, ids=lambda row: row["file"])
def test_no_part_of_the_metadata_is_in_any_file(row: dict[str, str]) -> None:
    avatar, _ = make(CORPUS / row["folder"] / row["file"])
    if not avatar:
        return
    metadata = list_runs(collect_metadata(Image.open(BytesIO(read(row)))))
    # A preview in EXIF is a JPEG, with the same tables as every JPEG.
    metadata -= list_runs([make_picture().files["256.jpg"]])
    for content in avatar.files.values():
        ends = range(LENGTH, len(content) + 1)
        assert not any(content[end - LENGTH : end] in metadata for end in ends)


def collect_metadata(im: Image.Image) -> list[bytes]:
    """Return all metadata of a picture as bytes."""
    with suppress(OSError):
        im.load()
    values = [value for value in im.info.values() if isinstance(value, (bytes, str))]
    segments = [value for _, value in getattr(im, "applist", [])]
    return [value.encode() if isinstance(value, str) else value for value in [*values, *segments]]


def list_runs(blocks: list[bytes]) -> set[bytes]:
    """Return every run of 24 bytes, except padding and the code of flat pictures."""
    runs = {b[at : at + LENGTH] for b in blocks for at in range(min(len(b), 2**17) - LENGTH + 1)}
    return {run for run in runs if len(set(run)) > 6}


@pytest.mark.parametrize("name", ["jpeg_paris_reference.jpg", "ultrahdr_seine.jpg"])
def test_the_place_of_a_real_photo_is_removed_and_listed(name: str, as_ada: Client) -> None:
    response = upload_named(as_ada, name, read({"folder": "good", "file": name}))
    assert {"place", "camera", "date"} <= set(response.json()["receipt"]["thrown_away"])


def test_a_files_name_does_not_decide_where_it_is_stored(
    as_ada: Client, settings: LazySettings, tmp_path: Path
) -> None:
    lines = (CORPUS / "filenames.txt").read_text().splitlines()
    names = [json.loads(line) for line in lines if line and not line.startswith("#")]
    statuses = [upload_named(as_ada, name, draw_jpeg(64, 64)).status_code for name in names]
    assert statuses
    assert max(statuses) < 500
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    made = [str(path.relative_to(settings.MEDIA_ROOT)) for path in files]
    assert all(MADE_NAME.fullmatch(name) for name in made)


@pytest.mark.parametrize("row", GOOD + HOSTILE, ids=lambda row: row["file"])
def test_no_file_takes_more_memory_and_work_than_promised(row: dict[str, str]) -> None:
    _, cells = make(CORPUS / row["folder"] / row["file"])
    check_cost(cells)
