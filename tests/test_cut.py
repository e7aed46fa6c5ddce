"""Pictures that are cut off: accepted if almost nothing is missing, otherwise refused."""

import random
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from .helpers.avatars import find_refusal, list_colours, near, show
from .helpers.pictures import draw, draw_noise, encode, make_segment

EOI = b"\xff\xd9"


def draw_studio() -> Image.Image:
    """Draw something on a background of one colour."""
    studio = draw_noise(400)
    studio.paste("white", (0, 200, 400, 400))
    return studio


# Kinds of JPEG, with different scans, tables and restarts.
WAYS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "tables of its own": {"optimize": True},
    "restarts": {"restart_marker_blocks": 4},
    "progressive": {"progressive": True},
    "progressive with restarts": {"progressive": True, "restart_marker_blocks": 4},
}


def write(way: str) -> bytes:
    return encode(draw_studio(), "JPEG", **WAYS[way])


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_a_jpeg_without_its_last_bytes_is_accepted(way: str, missing: int) -> None:
    whole = write(way)
    assert show(whole[:-missing]).tobytes() == show(whole).tobytes()


def test_a_jpeg_without_its_last_row_is_accepted() -> None:
    data = encode(draw_noise(400), "JPEG")
    difference = ImageChops.difference(show(data[:-1000]), show(data))
    assert max(ImageStat.Stat(difference).mean) < 8


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("way", WAYS)
def test_a_jpeg_that_is_cut_off_is_refused(way: str, share: float) -> None:
    data = encode(draw_noise(100), "JPEG", **WAYS[way])
    assert find_refusal(data[: int(len(data) * share)]) == "cut"


@pytest.mark.parametrize("end", [b"", EOI])
@pytest.mark.parametrize("way", WAYS)
def test_a_jpeg_whose_second_half_is_zeros_is_refused(way: str, end: bytes) -> None:
    data = encode(draw_noise(200), "JPEG", **WAYS[way])
    assert find_refusal(data[: len(data) // 2].ljust(len(data), b"\0") + end) == "cut"


@pytest.mark.parametrize("way", ["baseline", "restarts", "progressive"])
def test_a_jpeg_without_a_picture_is_refused(way: str) -> None:
    data = write(way)
    scan = data.index(b"\xff\xda")
    empty = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4])
    assert find_refusal(data[:empty] + EOI) == "cut"


def test_a_jpeg_with_a_hole_is_refused() -> None:
    data = encode(draw_noise(400), "JPEG")
    middle = len(data) // 2
    assert find_refusal(data[:middle] + bytes(len(data) // 12) + data[middle:]) == "cut"


def test_zeros_before_the_scan_are_not_a_hole() -> None:
    data = encode(draw_noise(100), "JPEG")
    padded = data[:2] + make_segment(0xEF, bytes(5000)) + data[2:]
    assert show(padded[:-2]).tobytes() == show(data).tobytes()


def test_a_jpeg_that_is_cut_off_between_restarts_is_refused() -> None:
    data = write("restarts")
    middle = data.index(b"\xff\xd5", data.index(b"\xff\xd4", len(data) // 4))
    for end in (middle, middle + 2):
        assert find_refusal(data[:end]) == "cut"


def test_a_progressive_jpeg_that_is_cut_off_between_its_scans_is_refused() -> None:
    data = write("progressive")
    scan = data.rindex(b"\xff\xda")
    assert find_refusal(data[:scan]) == "cut"


@pytest.mark.parametrize("optimize", [False, True])
def test_a_picture_of_one_colour_coded_as_zeros_is_complete(optimize: bool) -> None:
    data = encode(Image.new("L", (2000, 2000), 128), "JPEG", optimize=optimize)
    assert (bytes(1024) in data) == optimize
    assert list_colours(show(data)) == near(*[(128, 128, 128)] * 4)
    assert find_refusal(data[: len(data) // 2]) == "cut"


def test_a_photo_followed_by_a_video_is_complete() -> None:
    film = random.Random(1).randbytes(100_000) + b"\xff\xda" + bytes(5000)
    photo = encode(draw_noise(100), "JPEG")
    assert show(photo + film).tobytes() == show(photo).tobytes()


def test_the_end_of_a_thumbnail_in_exif_is_not_the_end_of_the_picture() -> None:
    data = encode(draw_noise(200), "JPEG")
    thumbnail = make_segment(0xE1, b"Exif\0\0" + encode(draw(32, 32), "JPEG"))
    data = data[:2] + thumbnail + data[2:]
    assert find_refusal(data[: len(data) // 2].ljust(len(data), b"\0")) == "cut"


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_gif_without_its_last_bytes_is_accepted(missing: int) -> None:
    whole = encode(draw(64, 64), "GIF")
    assert show(whole[:-missing]).tobytes() == show(whole).tobytes()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_other_formats_that_are_cut_off_are_refused(kind: str) -> None:
    data = encode(draw_noise(100), kind)
    assert find_refusal(data[: len(data) * 9 // 10]) == "cut"
