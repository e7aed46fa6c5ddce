"""A stored avatar has the colours of the picture, however the picture declares them."""

import struct
import zlib
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from PIL import Image

from .helpers.avatars import RED, list_colours, near, show
from .helpers.colours import convert_to_lab, find_difference
from .helpers.pictures import (
    QUARTERS,
    draw,
    encode,
    make_chunk,
    make_heic,
    make_png,
    number_colours,
    swap_red_and_blue,
)

# Colours within sRGB, one field each; a linear file has few values for the darkest.
CHART = list(product((30, 90, 160, 240), repeat=3))
Numbers = tuple[float, float, float]

# From linear sRGB to linear light of other primaries (W3C, CSS Color 4, the matrices' inverse).
TO_P3 = (
    (0.8224621, 0.1775380, 0.0),
    (0.0331941, 0.9668058, 0.0),
    (0.0170827, 0.0723974, 0.9105199),
)
TO_BT2020 = (
    (0.6274039, 0.3292830, 0.0433131),
    (0.0690973, 0.9195404, 0.0113623),
    (0.0163914, 0.0880133, 0.8955953),
)
SAME = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def to_light(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def to_srgb(light: float) -> float:
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def to_screen(light: float) -> float:
    return float(light ** (1 / 2.4))


def pack_gamma(gamma: int) -> bytes:
    return make_chunk(b"gAMA", struct.pack(">L", gamma))


def pack_primaries(*values: int) -> bytes:
    return make_chunk(b"cHRM", struct.pack(">8L", *values))


def pack_numbers(primaries: int, curve: int) -> bytes:
    return make_chunk(b"cICP", bytes([primaries, curve, 0, 1]))


P3_PRIMARIES = pack_primaries(31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
P3_GAMMA = pack_gamma(45455) + P3_PRIMARIES


def draw_chart(matrix: Any, write: Callable[[float], float], *chunks: bytes) -> bytes:
    """Return a 16-bit PNG of the chart in another colour space."""
    rows = b""
    for number in range(8):
        row = b""
        for colour in CHART[8 * number : 8 * number + 8]:
            light = [to_light(value / 255) for value in colour]
            mixed = [sum(m * v for m, v in zip(line, light, strict=True)) for line in matrix]
            row += struct.pack(">3H", *(round(65535 * write(max(v, 0))) for v in mixed)) * 8
        rows += (b"\0" + row) * 8
    header = make_chunk(b"IHDR", struct.pack(">LLBBBBB", 64, 64, 16, 2, 0, 0, 0))
    data = make_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + data + make_chunk(b"IEND")


CHARTS: dict[str, tuple[Any, Any, bytes]] = {
    "P3 by its numbers": (TO_P3, to_srgb, pack_numbers(12, 13)),
    "BT.2020 by its numbers": (TO_BT2020, to_srgb, pack_numbers(9, 13)),
    "BT.2020 in a screen's curve": (TO_BT2020, to_screen, pack_numbers(9, 14)),
    "BT.709 in a screen's curve": (SAME, to_screen, pack_numbers(1, 1)),
    "linear by its numbers": (SAME, float, pack_numbers(1, 8)),
    "linear by gamma": (SAME, float, pack_gamma(100000)),
    "P3 by gamma and primaries": (TO_P3, lambda v: v ** (1 / 2.2), P3_GAMMA),
    "sRGB, and a gamma that is not so": (SAME, to_srgb, make_chunk(b"sRGB", b"\0") + P3_GAMMA),
    "sRGB that calls itself gamma 2.2": (SAME, to_srgb, pack_gamma(45455)),
    "numbers before a profile": (
        TO_P3,
        to_srgb,
        pack_numbers(12, 13) + make_chunk(b"iCCP", b"x\0\0" + zlib.compress(swap_red_and_blue())),
    ),
}


@pytest.mark.parametrize("name", CHARTS)
def test_a_picture_in_another_colour_space_looks_the_same(name: str) -> None:
    matrix, write, chunks = CHARTS[name]
    made = show(draw_chart(matrix, write, chunks)).convert("RGB")
    middles = [made.getpixel((8 * x + 4, 8 * y + 4)) for y in range(8) for x in range(8)]
    differences = [
        find_difference(convert_to_lab(got), convert_to_lab(colour))  # type: ignore[arg-type]
        for got, colour in zip(middles, CHART, strict=True)
    ]
    assert sum(differences) / len(differences) <= 1
    assert max(differences) <= 3


NOTHING_SAID = {
    "unknown numbers": pack_numbers(2, 2),
    "numbers that do not exist": pack_numbers(200, 250),
    "a curve that does not exist": pack_numbers(12, 3),
    "no number at all": make_chunk(b"cICP", b"\x0c"),
    "primaries alone": P3_PRIMARIES,
    "primaries on a line": pack_gamma(45455) + pack_primaries(*[30000] * 8),
    "primaries of nothing": pack_gamma(45455) + pack_primaries(*[0] * 8),
    "no gamma": pack_gamma(0),
    "an endless gamma": pack_gamma(1),
}


@pytest.mark.parametrize("name", NOTHING_SAID)
def test_metadata_without_colours_changes_nothing(name: str) -> None:
    row = b"".join(bytes(colour) * 32 for colour in QUARTERS[:2])
    if name == "an endless gamma":  # Then there are only black and white.
        row = b"\0\0\0" * 32 + b"\xff\xff\xff" * 32
    assert show(make_png(8, 2, row, NOTHING_SAID[name])).convert("RGB").tobytes() == row * 64


def test_a_grey_picture_by_its_gamma_keeps_its_greys() -> None:
    grey = round(255 * to_light(100 / 255))
    data = make_png(8, 0, bytes([grey]) * 64, pack_gamma(100000))
    assert list_colours(show(data)) == near(*[(100, 100, 100)] * 4)


def make_grey_profile() -> bytes:
    """Return an ICC profile of linear grey (ICC.1:2022, 8.5.2)."""
    curve = b"curv\0\0\0\0\0\0\0\0"
    white = b"XYZ \0\0\0\0" + bytes.fromhex("0000f6d6000100000000d32d")
    head = struct.pack(
        ">L4xL4s4s4s12x4s28x12s", 188, 0x02100000, b"mntr", b"GRAY", b"XYZ ", b"acsp", white[8:]
    )
    tags = struct.pack(">L4sLL4sLL", 2, b"kTRC", 156, 12, b"wtpt", 168, 20)
    return head.ljust(128, b"\0") + tags + curve + white


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_profile_applies_to_transparent_pictures_as_well(mode: str) -> None:
    grey = round(255 * to_light(132 / 255))
    im = Image.new("LA", (64, 64), (grey, 255))
    im.paste((grey, 128 if mode == "LA" else 255), (0, 0, 64, 8))
    made = show(encode(im.convert(mode), "PNG", icc_profile=make_grey_profile()))
    assert made.mode == ("RGBA" if mode == "LA" else "RGB")
    assert list_colours(made) == near(*[(132, 132, 132)] * 4)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_profile_of_grey_takes_no_colour_from_a_picture_that_has_some(kind: str) -> None:
    im = draw(64, 64, "RGBA")
    im.putpixel((0, 0), (0, 0, 0, 0))
    made = show(encode(im, kind, icc_profile=make_grey_profile()))
    assert list_colours(made) == near(*QUARTERS)


# HEIC and AVIF


def test_an_avif_in_p3_by_its_numbers_alone_keeps_its_colours() -> None:
    p3 = [tuple(round(255 * v) for v in convert_to_p3(colour)) for colour in QUARTERS]
    data = encode(paint(p3), "AVIF", quality=95)
    assert list_colours(show(number_colours(data, 12, 13))) == near(*QUARTERS)


def test_an_avif_in_the_numbers_of_television_is_shown_as_browsers_do() -> None:
    data = encode(draw(64, 64), "AVIF", quality=95)
    assert list_colours(show(number_colours(data, 1, 1))) == near(*QUARTERS)


def test_in_an_avif_the_profile_overrides_numbers() -> None:
    data = encode(Image.new("RGB", (64, 64), RED), "AVIF", icc_profile=swap_red_and_blue())
    assert list_colours(show(number_colours(data, 12, 13))) == near(*[(0, 0, 255)] * 4)


def test_a_heic_in_p3_by_its_numbers_alone_is_converted() -> None:
    plain, p3 = show(make_heic()), show(make_heic(colours=(12, 13)))
    for before, after in zip(list_colours(plain), list_colours(p3), strict=True):
        assert after == pytest.approx(convert_from_p3(before), abs=8)


def convert_to_p3(colour: tuple[int, ...]) -> list[float]:
    light = [to_light(value / 255) for value in colour]
    return [to_srgb(sum(m * v for m, v in zip(row, light, strict=True))) for row in TO_P3]


# The inverse of TO_P3.
FROM_P3 = (
    (1.2249401, -0.2249402, 0.0),
    (-0.0420569, 1.0420571, 0.0),
    (-0.0196376, -0.0786507, 1.0982883),
)


def convert_from_p3(colour: tuple[int, ...]) -> tuple[int, ...]:
    light = [to_light(value / 255) for value in colour]
    mixed = [sum(m * v for m, v in zip(row, light, strict=True)) for row in FROM_P3]
    return tuple(round(255 * to_srgb(min(max(value, 0), 1))) for value in mixed)


def paint(colours: list[Any]) -> Image.Image:
    """Draw four quarters in other colours."""
    im = Image.new("RGB", (64, 64))
    for index, colour in enumerate(colours):
        im.paste(
            colour, (index % 2 * 32, index // 2 * 32, index % 2 * 32 + 32, index // 2 * 32 + 32)
        )
    return im


# Room above white


def write_pq(light: float) -> float:
    """Return the PQ signal of a luminance in cd/m² (ITU-R BT.2100, table 4)."""
    power = (light / 10_000) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def show_greys(curve: int, values: list[float], *chunks: bytes) -> list[int]:
    """Return the results for greys of BT.2100 in a PNG, given as signals from 0 to 1."""
    row = b"".join(struct.pack(">H", round(65535 * value)) * 3 * 16 for value in values)
    made: Any = show(make_png(16, 2, row, pack_numbers(9, curve), *chunks)).convert("L")
    return [made.getpixel((16 * n + 8, 32)) for n in range(4)]


def test_white_leaves_room_for_what_is_brighter_as_chromium_shows_it() -> None:
    greys = show_greys(16, [write_pq(light) for light in (0, 20.3, 203, 1000)])
    # Half of the light, down to the dark; the brightest is white.
    assert greys == [pytest.approx(255 * to_srgb(v), abs=4) for v in (0, 0.05, 0.5, 1)]


def test_where_nothing_is_brighter_than_white_it_stays_white() -> None:
    said = make_chunk(b"cLLI", struct.pack(">LL", 203 * 10_000, 100 * 10_000))
    greys = show_greys(16, [write_pq(light) for light in (0, 20.3, 101.5, 203)], said)
    assert greys == [
        0,
        *(pytest.approx(255 * to_srgb(v), abs=4) for v in (0.1, 0.5)),
        pytest.approx(255, abs=3),
    ]


def test_hlg_is_converted_as_chromium_shows_it() -> None:
    # Black, a quarter, white (ITU-R BT.2408: 75 % of the signal), and the brightest.
    greys = show_greys(18, [0, 0.38, 0.75, 1])
    assert greys[0] == 0
    assert greys[2] == pytest.approx(255 * to_srgb(0.5), abs=4)
    assert greys == sorted(set(greys))
    assert greys[3] >= 253


@pytest.mark.parametrize("curve", [16, 18])
def test_colours_in_hdr_keep_their_hue(curve: int) -> None:
    values = [write_pq(light) if curve == 16 else light / 400 for light in (150, 60, 20)]
    row = struct.pack(">3H", *(round(65535 * value) for value in values)) * 64
    red, green, blue = list_colours(show(make_png(16, 2, row, pack_numbers(9, curve))))[0]
    assert red > green > blue


def test_white_in_a_heic_stays_white() -> None:
    # The same signals are lighter than in a PNG, where white leaves room.
    numbers = list_colours(show(make_heic()))[:2]
    row = b"".join(bytes(colour) * 32 for colour in numbers)
    in_png = list_colours(show(make_png(8, 2, row, pack_numbers(9, 18))))[:2]
    in_heic = list_colours(show(make_heic(colours=(9, 18))))[:2]
    assert sum(map(sum, in_heic)) > 1.1 * sum(map(sum, in_png))


def test_a_clear_picture_in_hdr_stays_clear() -> None:
    row = struct.pack(">4H", 40000, 30000, 20000, 65535) * 32 + bytes(8) * 32
    made = show(make_png(16, 6, row, pack_numbers(9, 16)))
    assert [made.getchannel("A").getpixel((x, 9)) for x in (5, 60)] == [255, 0]
