"""Demo portraits: faceless busts in flat shapes, the left half in the light."""

import math
from random import Random

from PIL import Image, ImageDraw

# The picture is 100 units high and y counts from the top. x counts from the middle axis in half
# head widths, so that all hair fits all heads.
Shape = list[tuple[float, float]]
Layer = tuple[int, Shape]
Hair = tuple[list[Layer], list[Layer]]  # behind the neck, and over the face
Tone = tuple[float, float, float]  # OKLCH: lightness, chroma, hue in degrees

# Palette numbers; the same number plus SHADOW is that colour on the side away from the light.
GROUND, SKIN, CHIN, HAIR, NAPE, CLOTH, TRIM, LINEN, SHADOW = range(9)

# Constants: Björn Ottosson, "A perceptual color space for image processing", 2020.
LAB_TO_LMS = (
    (1, 0.3963377774, 0.2158037573),
    (1, -0.1055613458, -0.0638541728),
    (1, -0.0894841775, -1.2914855480),
)
LMS_TO_RGB = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)

SKINS: list[Tone] = [(0.87, 0.05, 58), (0.80, 0.07, 62), (0.72, 0.08, 64)]
SKINS += [(0.62, 0.085, 57), (0.52, 0.08, 51), (0.42, 0.06, 46)]
HAIRS: list[Tone] = [(0.27, 0.015, 280), (0.31, 0.04, 50), (0.42, 0.06, 55), (0.46, 0.11, 42)]
HAIRS += [(0.78, 0.095, 82), (0.70, 0.012, 250), (0.95, 0.01, 90)]
CLOTHS = ((0.36, 0.045), (0.46, 0.065), (0.56, 0.08), (0.66, 0.08), (0.76, 0.07), (0.95, 0.015))
TURNS = (0, 30, -30, 150, 180, 210)  # from the ground's hue to the clothes'


def encode(linear: float) -> int:
    """Gamma-encode one linear channel into a byte."""
    value = max(0.0, min(1.0, linear))
    return round(255 * (12.92 * value if value < 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055))


def srgb(tone: Tone) -> list[int]:
    """Convert OKLCH to sRGB bytes."""
    turn = math.radians(tone[2])
    lab = tone[0], tone[1] * math.cos(turn), tone[1] * math.sin(turn)
    lms = [sum(k * v for k, v in zip(row, lab, strict=True)) ** 3 for row in LAB_TO_LMS]
    return [encode(sum(k * v for k, v in zip(row, lms, strict=True))) for row in LMS_TO_RGB]


def shade(tone: Tone, by: float = 0.86) -> Tone:
    """Step a colour into the shadow."""
    return tone[0] * by, tone[1] * by**0.3, tone[2] - 5


def deal(seed: int, name: str, count: int) -> int:
    """Deal from a shuffled deck, so that neighbours on a wall differ."""
    deck = Random(f"{name} {seed // count}")
    return deck.sample(range(count), count)[seed % count]


def mirror(half: Shape, *between: tuple[float, float]) -> Shape:
    """Close a right half with its reflection."""
    return [*half, *between, *((-x, y) for x, y in reversed(half))]


def pair(ink: int, shape: Shape) -> list[Layer]:
    """Put a shape on the right and on the left."""
    return [(ink, shape), (ink, [(-x, y) for x, y in shape])]


def disc(x: float, y: float, rx: float, ry: float) -> Shape:
    """Surround an ellipse with an octagon, for smooth() to round."""
    turns = [i * math.pi / 4 for i in range(8)]
    return [(x + 1.08 * rx * math.cos(t), y + 1.08 * ry * math.sin(t)) for t in turns]


def smooth(shape: Shape) -> Shape:
    """Round a polygon into a quadratic B-spline; a point given twice stays a corner."""
    curve = []
    for i, (x, y) in enumerate(shape):
        (ax, ay), (bx, by) = shape[i - 1], shape[i + 1 - len(shape)]
        for t in (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
            a, b = (1 - t) ** 2 / 2, t * t / 2
            curve.append((x + a * (ax - x) + b * (bx - x), y + a * (ay - y) + b * (by - y)))
    return curve


def crop(rng: Random) -> Hair:
    """Cut it short, combed to one side."""
    v, y, tip = rng.uniform(1.5, 5.5), rng.uniform(28, 32), rng.uniform(43, 46)
    low = [(-0.98, tip), (-0.98, tip), (-1.07, 37), (-1.06, 28 - v), (-0.55, 21 - v)]
    high = [(0.45, 21 - v * 0.6), (1.06, 29 - v * 0.6), (1.07, 37), (0.98, tip), (0.98, tip)]
    line = [(0.92, 37), (0.88, y + 1), (0.5, y - 3), (0, y), (-0.5, y + 1), (-0.86, y + 1)]
    return [], [rng.choice(pair(HAIR, [*low, *high, *line, (-0.92, 37)]))]


def sleek(rng: Random) -> Hair:
    """Let it fall long from a parting, behind the shoulders or over one."""
    part, wave, wide = rng.uniform(-0.4, 0.4), rng.choice((0, 0.07)), rng.uniform(1.2, 1.3)
    side = [(wide - wave, 38), (wide + wave, 48), (wide - wave, 57), (wide + wave, 66)]
    over = [(wide, 73), (1.28, 83), (0.9, 91), (0.9, 91), (0.8, 79), (0.9, 66), (0.99, 56)]
    front: list[Layer] = []
    for sign in (0, 1):
        p = part * (1 - 2 * sign)
        lock = rng.choice(([*side[:2], (1.1, 64), (0.98, 58)], [*side, *over]))
        edge = [(0.93, 46), (0.9, 36), (0.5, 30), (p, 25), (p, 25)]
        fall = [(-0.5, 16.5), (0.5, 16.5), (1.08, 23), *lock, *edge]
        front.append(pair(HAIR, fall)[sign])
    return [(NAPE, mirror([(0.5, 24), *side, (wide, 76), (wide + 0.1, 92)]))], front


def bun(rng: Random) -> Hair:
    """Pull it up into a bun."""
    r, y = rng.uniform(5.5, 8), rng.uniform(29, 33)
    outer = [(0.46, 18.5), (1.03, 27), (1.08, 38), (1.0, 44), (1.0, 44)]
    line = [(0.92, 38), (0.84, y + 1), (0.6, y - 4), (0.2, y - 4.5)]
    return [(NAPE, disc(0, 18 - r * 0.6, r / 16, r * 0.92))], [(HAIR, mirror(outer + line))]


def curls(rng: Random) -> Hair:
    """Grow a cloud of curls."""
    big = rng.uniform(1.5, 8)
    cloud = [disc(0, 34, 1 + big / 16, 15 + big)]
    for i in range(13):
        t, r = math.pi * (i - 1) / 10, rng.uniform(5, 7)
        x, y = math.cos(t) * (0.95 + big / 16), 37 - math.sin(t) * (16 + big)
        cloud.append(disc(x, y, r / 16, r))
    fringe = [disc(x / 3, 23 + x * x, 0.3, rng.uniform(5, 6.5)) for x in range(-3, 4)]
    return [(HAIR, curl) for curl in cloud], [(HAIR, curl) for curl in fringe]


def bob(rng: Random) -> Hair:
    """Cut it at the jaw, with a fringe."""
    end, wide, y = rng.uniform(58, 67), rng.uniform(1.25, 1.4), rng.uniform(31, 34)
    tilt = rng.choice((-3, 0, 3))
    outer = [(0.5, 16.5), (1.08, 23), (1.24, 38), (wide, end - 2), (wide - 0.04, end + 1)]
    inner = [(0.98, end), (0.98, end), (0.97, 48), (0.84, y + 3)]
    line = [(0.6, y + tilt), (0.2, y + 1 + tilt), (-0.2, y + 1 - tilt), (-0.6, y - tilt)]
    nape = mirror([(1, 40), (1.1, end + 0.3), (1.1, end + 0.3), (0.5, end - 1.5)])
    return [(NAPE, nape)], [(HAIR, mirror(outer + inner, *line))]


def thin(rng: Random) -> Hair:
    """Leave it at the sides only."""
    y = rng.uniform(24.5, 28)
    tip = 0.64 + (y - 25) * 0.06
    side = [(0.98, 46), (0.98, 46), (1.13, 43), (1.13, 34), (1.0, y + 2), (tip, y), (tip, y)]
    return [], pair(HAIR, [*side, (0.9, 35), (0.88, 41)])


OUTLINES = (crop, sleek, bun, curls, bob, thin)


def beard(rng: Random, jaw: float, chin: float) -> Layer:
    """Follow the jaw with a beard."""
    y = rng.uniform(51, 54)
    edge = [(0.2, y), (0.6, y + 1.5), (0.86, y), (0.97, 44), (0.97, 44)]
    return HAIR, mirror([*edge, (1.05, 52), (0.98, 59), (jaw + 0.08, chin + 2)])


def clothes(rng: Random, kind: int, n: float) -> list[Layer]:
    """Cut the clothes around a neck."""
    arm, y = rng.uniform(2, 2.5), rng.uniform(78, 80)
    arms = [(n + 0.3, 76.5), (arm * 0.6, y), (arm - 0.06, y + 3), (arm + 0.12, 91)]
    shirt = rng.choice((TRIM, LINEN))

    def torso(*neckline: tuple[float, float]) -> Shape:
        return mirror([*neckline, neckline[-1], *arms, (arm + 0.24, 104), (arm + 0.24, 104)])

    nape, low = (n + 0.07, 73.0), (n + 0.19, 74.7)
    tee, vee = torso((n * 0.5, 80), (n, 78.5), nape), torso((0, 87), (0, 87), nape)
    coat = torso((0, 104), (0, 104), nape)
    roll = [(n + 0.02, 66.3), (n + 0.02, 66.3), (n + 0.05, 74), (n + 0.18, 78)]
    flap: Shape = [(n, 69), (n, 69), (n + 0.24, 74.5), (n + 0.24, 74.5), (n, 86), (n, 86)]
    lapel: Shape = [(n + 0.06, 72), (n + 0.06, 72), (n + 0.5, 86), (n + 0.5, 86)]
    hood = [(n * 0.4, 80), (n, 78), (n - 0.02, 69), (n - 0.02, 69), (n + 0.43, 72), (n + 0.43, 81)]
    kinds: tuple[list[Layer], ...] = (
        [(TRIM, tee), (CLOTH, torso((n * 0.5, 82.4), (n + 0.07, 80.5), low))],
        [(TRIM, vee), (CLOTH, torso((0, 91), (0, 91), low))],
        [(CLOTH, torso((0, 79), (0, 79), nape)), *pair(shirt, [*flap, (0, 80), (0, 80)])],
        [(CLOTH, torso((0, 75), nape)), (TRIM, mirror([*roll, (n * 0.4, 80)]))],
        [(LINEN, tee), (CLOTH, coat), *pair(TRIM, [*lapel, (0, 104), (0, 104)])],
        [(CLOTH, tee), (TRIM, mirror([*hood, (n * 0.4, 88)]))],
    )
    return kinds[kind]


def colours(seed: int, hue: int) -> list[Tone]:
    """Choose the colours of a portrait, in the order of their palette numbers."""
    skin, hair = SKINS[deal(seed, "skin", 6)], HAIRS[deal(seed, "hair", 7)]
    if abs(skin[0] - hair[0]) < 0.1:  # or the hair would be lost on the skin
        hair = (skin[0] - 0.16, hair[1] * 0.6, hair[2])
    cloth = (*CLOTHS[deal(seed, "cloth", 6)], hue * 30 + TURNS[deal(seed, "turn", 6)])
    near = math.cos(math.radians(cloth[2] - skin[2])) > 0.6
    if near and abs(cloth[0] - skin[0]) < 0.17:  # or the clothes would pass for skin
        cloth = (cloth[0], cloth[1], cloth[2] + 180)
    trim = shade(cloth, 0.9 if cloth[0] > 0.5 else 1.15)
    lit = [(0.88, 0.045, hue * 30), skin, shade(skin), hair, shade(hair, 0.9), cloth, trim]
    lit.append((0.95, 0.012, cloth[2]) if cloth[0] < 0.9 else (0.5, 0.06, cloth[2]))
    return [*lit, lit[GROUND], *(shade(tone) for tone in lit[SKIN:])]


def figure(seed: int) -> list[Layer]:
    """Draw the sitter, from the back to the front."""
    rng = Random(seed)
    w, n = rng.uniform(15.4, 17.2), rng.uniform(0.49, 0.6)
    jaw, chin = rng.uniform(0.42, 0.58), rng.uniform(63, 66)
    outline = OUTLINES[deal(seed, "outline", 6)]
    behind, over = outline(rng)
    neck = mirror([(n, 50), (n, 50), (n, 67), (n + 0.02, 73), (n + 0.36, 79), (n + 0.7, 95)])
    under = mirror([(n, 50), (n, 50), (n, 66), (n, 66), (n * 0.5, chin + 5)])
    face = mirror([(0.46, 21), (1.0, 30), (1.02, 46), (0.92, 57), (jaw, chin)])
    layers = [*behind, (SKIN, neck), (CHIN, under), *clothes(rng, deal(seed, "cut", 6), n)]
    layers += [*pair(SKIN, disc(1.03, 45, 0.13, 4)), (SKIN, face)]
    if outline in (crop, curls, thin) and rng.random() < 0.5:
        layers.append(beard(rng, jaw, chin))
    if rng.random() < 0.3:  # earrings, which long hair may hide
        layers += pair(LINEN, disc(1.06, 49.6, 0.055, 0.9))
    return [(ink, [(x * w, y) for x, y in shape]) for ink, shape in layers + over]


def draw_bust(seed: int, hue: int, side: int = 1024) -> Image.Image:
    """Draw the portrait of a seed on the ground of a hue."""
    size, scale = 4 * side, side / 25
    image = Image.new("P", (size, size), GROUND)
    draw = ImageDraw.Draw(image)
    for ink, shape in figure(seed):
        draw.polygon([((x + 50) * scale, y * scale) for x, y in smooth(shape)], fill=ink)
    right = (size // 2, 0, size, size)
    image.paste(image.crop(right).point(lambda ink: ink + SHADOW), right)
    image.putpalette([byte for tone in colours(seed, hue) for byte in srgb(tone)])
    # Flat colours have no detail for Lanczos to keep, and it would ring along their edges.
    return image.convert("RGB").reduce(4)
