"""Convert HDR pictures to sRGB: PQ and HLG (ITU-R BT.2100) have room above white."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image
from PIL.ImageFilter import Color3DLUT

from .icc import BT709, get_matrix, invert, multiply

PQ, HLG = 16, 18  # ITU-T H.273, table 3
# cd/m²: the white of an HDR picture (ITU-R BT.2408), and the peak if the picture does not say it.
WHITE, PEAK = 203, 1000
HLG_GAIN = 1 / 0.265  # White is 75 % of the signal, which is 0.265 of the light (BT.2408).
PQ_POWER, PQ_OUTER = 0.1593017578125, 78.84375
PQ_1, PQ_2, PQ_3 = 0.8359375, 18.8515625, 18.6875
POINTS = 33  # of the table, on each axis


class Look(NamedTuple):
    """How light above white is compressed."""

    keeps_white: bool

    def find_knee(self, peak: float) -> tuple[float, float]:
        """Return the light up to which contrast is kept, and the result for it."""
        room = min(math.log2(peak) / math.log2(PEAK / WHITE), 1)
        return (0.8, 0.8) if self.keeps_white else (1.0, 1 - 0.5 * room)


# White gets darker the more room is above it (SMPTE ST 2094-50, "reference white").
AS_CHROMIUM = Look(keeps_white=False)
# White stays white; light above 80 % of it is compressed.
KEEPING_WHITE = Look(keeps_white=True)


def convert_from_hdr(
    im: Image.Image,
    primaries: Sequence[float],
    curve: int,
    peak: float,
    look: Look,
    errors: Sequence[float] = (0, 0, 0),
) -> Image.Image:
    """Return a picture converted from PQ or HLG to sRGB. `peak` is in cd/m², 0 if unknown.

    `errors` of the decoder, in levels of red, green and blue, are corrected: PQ amplifies them.
    """
    peak = max(peak or PEAK, WHITE) / WHITE
    # End the table at the peak, so that its points are dense enough and one is exactly there.
    top = write_pq(peak) if curve == PQ else 1.0
    levels = [
        max(0, min(round((value - error) / top), 255)) for error in errors for value in range(256)
    ]
    im = im.convert("RGBA" if im.mode == "RGBA" else "RGB")
    im = im.point(levels + [*range(256)] * (im.mode == "RGBA"))
    axis = [read_light(top * n / (POINTS - 1), curve) for n in range(POINTS)]
    return im.filter(Color3DLUT(POINTS, build_table(axis, primaries, curve, peak, look)))


def build_table(
    axis: Sequence[float], primaries: Sequence[float], curve: int, peak: float, look: Look
) -> list[float]:
    """Return the sRGB values for each combination of light, with red varying fastest."""
    knee = look.find_knee(peak)
    matrix = multiply(invert(get_matrix(BT709)), get_matrix(primaries))
    weights = get_matrix(primaries)[1]
    table: list[float] = []
    for blue, green, red in itertools.product(axis, repeat=3):
        gain = 1.0
        if curve == HLG and look.keeps_white:
            gain = HLG_GAIN
        elif curve == HLG:  # As on a screen of 1,000 cd/m² (BT.2100, table 5).
            luminance = weights[0] * red + weights[1] * green + weights[2] * blue
            gain = PEAK / WHITE * luminance**0.2
        if brightest := gain * max(red, green, blue):
            gain *= bend(brightest, peak, knee) / brightest
        for row in matrix:
            table.append(encode_srgb(gain * (row[0] * red + row[1] * green + row[2] * blue)))
    return table


def write_pq(light: float) -> float:
    """Return light, in units of `WHITE`, as a PQ signal from 0 to 1 (ITU-R BT.2100, table 4)."""
    power = min(light * WHITE / 10_000, 1) ** PQ_POWER
    return float(((PQ_1 + PQ_2 * power) / (1 + PQ_3 * power)) ** PQ_OUTER)


def read_light(value: float, curve: int) -> float:
    """Return the light of a signal from 0 to 1 (ITU-R BT.2100, tables 4 and 5).

    For PQ in units of `WHITE`; for HLG the light of the scene, from 0 to 1.
    """
    if curve == PQ:
        power = value ** (1 / PQ_OUTER)
        light = max(power - PQ_1, 0) / (PQ_2 - PQ_3 * power)
        return 10_000 / WHITE * float(light ** (1 / PQ_POWER))
    if value <= 0.5:
        return value * value / 3
    return (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12


def bend(value: float, peak: float, knee: tuple[float, float]) -> float:
    """Return light with its range compressed: linear up to the knee, then a curve up to the peak.

    The curve is a parabola (Bézier) that continues the line smoothly, as in ST 2094-50.
    """
    x, y = knee
    if value <= x or peak <= x:
        return min(value * y / x, 1.0)
    if value >= peak:
        return 1.0
    middle_x, middle_y = 0.35 * x + 0.65 * x / y, 0.35 * y + 0.65
    a, b = x - 2 * middle_x + peak, middle_x - x
    part = (value - x) / (b + math.sqrt(b * b + a * (value - x)))
    return (1 - part) ** 2 * y + 2 * part * (1 - part) * middle_y + part**2


def encode_srgb(light: float) -> float:
    """Return light as an sRGB value from 0 to 1 (IEC 61966-2-1)."""
    light = min(max(light, 0.0), 1.0)
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
