"""Judge the files of an upload: their orientation, their colours and their metadata."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps
from pillow_heif import register_heif_opener
from skimage.color import deltaE_ciede2000, rgb2lab

from .inputs import PATCHES, find_patches

register_heif_opener()
GPS = 0x8825


@dataclass
class Verdict:
    """`colour_error` is the mean ΔE2000 of the patches; 2 is just visible side by side."""

    kilobytes: float
    upright: bool
    colour_error: float
    keeps_place: bool
    keeps_original: bool

    def list_faults(self) -> str:
        """Return the faults, comma separated."""
        faults = {
            "sideways": not self.upright,
            "colours shift": self.colour_error > 2,
            "keeps GPS": self.keeps_place,
            "keeps the original": self.keeps_original,
        }
        return ", ".join(fault for fault, is_so in faults.items() if is_so)


def judge(folder: Path, source: Path) -> Verdict:
    data = source.read_bytes()
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    made = [file for file in files if file != data]
    pictures = [Image.open(BytesIO(file)) for file in made]
    largest = next(im for im in pictures if im.size == (512, 512))
    upright, colour_error = judge_patches(as_shown(largest))
    return Verdict(
        kilobytes=sum(map(len, made)) / 1000,
        upright=upright,
        colour_error=colour_error,
        keeps_place=any(im.getexif().get_ifd(GPS) for im in pictures),
        keeps_original=len(made) < len(files),
    )


def as_shown(im: Image.Image) -> Image.Image:
    """Return a picture as a browser shows it: rotated by its EXIF, converted from its profile."""
    profile = im.info.get("icc_profile")
    im = ImageOps.exif_transpose(im).convert("RGB")
    if profile:
        srgb = ImageCms.createProfile("sRGB")
        im = ImageCms.profileToProfile(im, ImageCms.ImageCmsProfile(BytesIO(profile)), srgb)
    return im


def judge_patches(im: Image.Image) -> tuple[bool, float]:
    """Return whether each patch is in its corner, and the mean colour error (ΔE2000)."""
    pixels = np.asarray(im) / 255
    found = [pixels[y - 9 : y + 9, x - 9 : x + 9].mean((0, 1)) for x, y in find_patches(im.width)]
    expected = np.array(PATCHES) / 255
    errors = deltaE_ciede2000(rgb2lab(np.array(found))[:, None], rgb2lab(expected)[None])
    return list(errors.argmin(1)) == [0, 1, 2, 3], float(errors.min(1).mean())
