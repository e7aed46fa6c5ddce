"""Build an ICC profile for a picture that has none."""

import struct
from collections.abc import Sequence

Matrix = Sequence[Sequence[float]]
# x and y of white, red, green and blue, in the order of a PNG's cHRM.
D65 = (0.3127, 0.3290)
BT709 = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
# D50, the white point of every profile, as its header stores it.
WHITE_POINT = bytes.fromhex("0000f6d6 00010000 0000d32d")


def build_profile(primaries: Sequence[float], curve: Sequence[float]) -> bytes:
    """Return an ICC profile of three primaries and one curve (ICC.1:2022); b"" if they are invalid.

    `curve` is a gamma, or the five parameters of a curve that begins with a straight line.
    """
    try:
        columns = zip(*adapt(primaries), strict=True)
        numbers = [[pack_fixed(value) for value in column] for column in columns]
        kind = 3 if len(curve) > 1 else 0
        curve_tag = struct.pack(">4s4xH2x", b"para", kind) + b"".join(map(pack_fixed, curve))
    except (ZeroDivisionError, OverflowError, struct.error):
        return b""
    red, green, blue = (b"XYZ \0\0\0\0" + b"".join(column) for column in numbers)
    tags = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve_tag)
    tags |= {b"rXYZ": red, b"gXYZ": green, b"bXYZ": blue, b"wtpt": b"XYZ \0\0\0\0" + WHITE_POINT}
    start = 128 + 4 + 12 * len(tags)
    table, contents = struct.pack(">L", len(tags)), b""
    for tag, content in tags.items():
        table += struct.pack(">4sLL", tag, start + len(contents), len(content))
        contents += content
    size = start + len(contents)
    kinds = (b"mntr", b"RGB ", b"XYZ ", b"acsp")
    header = struct.pack(">L4xL4s4s4s12x4s28x12s", size, 0x04300000, *kinds, WHITE_POINT)
    return header.ljust(128, b"\0") + table + contents


def pack_fixed(value: float) -> bytes:
    """Return a number in ICC's s15Fixed16: 16 bits before and 16 after the point."""
    return struct.pack(">l", round(value * 65536))


def multiply(one: Matrix, other: Matrix) -> Matrix:
    columns = list(zip(*other, strict=True))
    return [
        [sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in one
    ]


def invert(m: Matrix) -> Matrix:
    """Return the inverse of a 3 × 3 matrix; raise `ZeroDivisionError` if it is singular."""

    def minor(row: int, column: int) -> float:
        (a, b), (c, d) = (
            [m[(row + down) % 3][(column + right) % 3] for right in (1, 2)] for down in (1, 2)
        )
        return a * d - b * c

    size = sum(m[0][n] * minor(0, n) for n in range(3))
    return [[minor(row, column) / size for row in range(3)] for column in range(3)]


def find_xyz(x: float, y: float) -> list[float]:
    return [x / y, 1, (1 - x - y) / y]


def get_matrix(primaries: Sequence[float]) -> Matrix:
    """Return the matrix from linear RGB of these primaries to XYZ (SMPTE RP 177)."""
    white, *colours = (find_xyz(*primaries[n : n + 2]) for n in (0, 2, 4, 6))
    columns = list(zip(*colours, strict=True))
    shares = multiply(invert(columns), [[value] for value in white])
    return [[value * shares[n][0] for n, value in enumerate(row)] for row in columns]


# Bradford's chromatic adaptation.
BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
D50 = (0.9642, 1, 0.8249)


def adapt(primaries: Sequence[float]) -> Matrix:
    """Return the matrix from linear RGB of these primaries to XYZ, adapted to D50."""
    white = multiply(BRADFORD, [[value] for value in find_xyz(*primaries[:2])])
    profile = multiply(BRADFORD, [[value] for value in D50])
    scale = [[profile[n][0] / white[n][0] if n == m else 0 for m in range(3)] for n in range(3)]
    return multiply(multiply(invert(BRADFORD), multiply(scale, BRADFORD)), get_matrix(primaries))
