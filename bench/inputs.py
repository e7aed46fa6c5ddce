"""The pictures to measure with, made once from a real photo.

The photo is scikit-image's astronaut (NASA, no known restrictions), enlarged, with sensor noise,
and with a patch of a known colour in each corner of the square that an avatar shows.
"""

import struct
import sys
from io import BytesIO
from pathlib import Path

import PIL
import pillow_heif
from PIL import Image, ImageChops, ImageCms

FOLDER = Path(sys.prefix) / "inputs"
PHOTO = Path(PIL.__file__).parent.parent / "skimage/data/astronaut.png"
# Red, green, blue, yellow in sRGB: top left, top right, bottom left, bottom right.
PATCHES = ((200, 60, 50), (60, 160, 70), (50, 80, 180), (220, 190, 60))
SIDEWAYS, UPRIGHT = 6, 1
# Display P3's primaries, adapted to D50, as phones write them.
PRIMARIES = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}
MAIN = "12 MP JPEG"
INPUTS = {
    MAIN: "12mp.jpg",
    "48 MP JPEG": "48mp.jpg",
    "12 MP progressive JPEG": "12mp-progressive.jpg",
    "12 MP PNG": "12mp.png",
    "2 MP WebP": "2mp.webp",
    "12 MP AVIF": "12mp.avif",
    "12 MP HEIC": "12mp.heic",
}


def make_inputs() -> dict[str, Path]:
    """Return the files by title; make them if they are missing."""
    paths = {name: FOLDER / file_name for name, file_name in INPUTS.items()}
    if not all(path.exists() for path in paths.values()):
        FOLDER.mkdir(exist_ok=True)
        pillow_heif.register_heif_opener()
        photo = draw_photo(3024, noise=7)
        save(photo, paths[MAIN], SIDEWAYS, quality=92)
        save(photo, paths["12 MP progressive JPEG"], SIDEWAYS, quality=92, progressive=True)
        save(photo, paths["12 MP AVIF"], UPRIGHT, quality=75, speed=9)
        save(photo, paths["12 MP HEIC"], UPRIGHT, quality=60)
        save(draw_photo(3024, noise=1.5), paths["12 MP PNG"], SIDEWAYS)
        save(draw_photo(1248, noise=4), paths["2 MP WebP"], SIDEWAYS, quality=85)
        save(draw_photo(6048, noise=6), paths["48 MP JPEG"], SIDEWAYS, quality=88)
    return paths


def draw_photo(width: int, noise: float) -> Image.Image:
    """Return the photo upright, 3:4, in the colours of the wide-gamut profile."""
    height = width * 4 // 3
    with Image.open(PHOTO) as astronaut:
        photo = astronaut.convert("RGB").crop((64, 0, 448, 512))
    photo = add_grain(photo.resize((width, height), Image.Resampling.BICUBIC), noise)
    for colour, (x, y) in zip(PATCHES, find_patches(width), strict=True):
        half = width // 12
        top = y + (height - width) // 2
        photo.paste(colour, (x - half, top - half, x + half, top + half))
    srgb = ImageCms.createProfile("sRGB")
    wide = ImageCms.ImageCmsProfile(BytesIO(make_profile()))
    ImageCms.profileToProfile(photo, srgb, wide, inPlace=True)
    return photo


def add_grain(photo: Image.Image, noise: float) -> Image.Image:
    """Return a photo with sensor noise; `noise` is its standard deviation, in levels."""
    grain = Image.effect_noise(photo.size, noise)  # around the middle, 128
    return ImageChops.add(photo, Image.merge("RGB", [grain] * 3), offset=-128)


def find_patches(side: int) -> list[tuple[int, int]]:
    """Return the middle of each patch in an avatar of `side` pixels."""
    near, far = side // 6, side - side // 6
    return [(near, near), (far, near), (near, far), (far, far)]


def make_profile() -> bytes:
    """Return sRGB's profile with wider primaries."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">L", profile, 128)
    for entry in range(132, 132 + 12 * count, 12):
        name, at = struct.unpack_from(">4sL", profile, entry)
        if name in PRIMARIES:
            values = [round(value * 65536) for value in PRIMARIES[name]]
            struct.pack_into(">3l", profile, at + 8, *values)
    return bytes(profile)


def make_exif(orientation: int) -> bytes:
    """Return EXIF as a phone writes it: orientation, camera and place."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F], exif[0x0110] = "Likeness", "Bench"
    exif[0x8825] = {1: "N", 2: (47.0, 22.0, 30.0), 3: "E", 4: (8.0, 32.0, 30.0)}
    return exif.tobytes()


def save(photo: Image.Image, path: Path, orientation: int, **options: int) -> None:
    """Write the photo as a phone does: rotated, with its metadata and its profile."""
    if orientation == SIDEWAYS:
        photo = photo.transpose(Image.Transpose.ROTATE_90)
    photo.save(path, exif=make_exif(orientation), icc_profile=make_profile(), **options)
