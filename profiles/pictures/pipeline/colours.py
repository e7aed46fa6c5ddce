"""Convert a picture's colours to sRGB.

A picture declares its colours by an ICC profile, by numbers (CICP: ITU-T H.273), or, in a PNG, by
gamma and primaries. If it has no profile, one is built, so that there is one way to convert. Only
HDR uses a table, which reduces its range.
"""

import math
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

from .hdr import AS_CHROMIUM, HLG, KEEPING_WHITE, PQ, convert_from_hdr
from .icc import BT709, D65, build_profile

# ITU-T H.273, table 2.
PRIMARIES = {
    1: BT709,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
# ITU-T H.273, table 3, as the parameters of an ICC curve (ICC.1:2022, 10.18).
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
# The curves of television describe the camera; these are shown with the screen's (ITU-R BT.1886).
TELEVISION = dict.fromkeys((1, 6, 14, 15), (2.4,))
CURVES: dict[int, tuple[float, ...]] = {
    4: (2.2,),
    5: (2.8,),
    8: (1.0,),
    13: SRGB_CURVE,
    **TELEVISION,
}

# Pillow's decoder truncates a 10-bit AVIF to 8 bits instead of rounding: the mean errors.
DEEP_AVIF_ERRORS = (-0.7, 0.3, -0.7)

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
# A printer's CMYK profile has about 2 MB; a camera's has 600 bytes.
MAX_PROFILE_BYTES = 4 * 1000 * 1000
# Tags that may repeat a stage any number of times, each evaluated separately (ICC.1:2022, 10.16).
# No camera writes them, and 16 kB of them would take 15 seconds.
STAGES = {tag + digit for tag in (b"D2B", b"B2D") for digit in (b"0", b"1", b"2", b"3")}


def convert_to_srgb(im: Image.Image, info: dict[Any, Any], kind: str) -> Image.Image:
    """Return the picture in RGB, or RGBA if it has transparent pixels, without any metadata."""
    primaries, curve = find_numbers(info, kind)
    if curve in (PQ, HLG):
        # Show PNG and AVIF as Chromium does. A HEIC is shown by Safari only.
        look = KEEPING_WHITE if kind == "HEIF" else AS_CHROMIUM
        numbers = PRIMARIES[primaries], curve, info.get("peak", 0), look
        is_deep_avif = kind == "AVIF" and info.get("depth", 8) > 8
        im = convert_from_hdr(im, *numbers, DEEP_AVIF_ERRORS if is_deep_avif else (0, 0, 0))
    elif profile := find_profile(info, kind):
        im = apply_profile(im, profile)
    if im.mode != "RGBA" or im.getchannel("A").getextrema() == (255, 255):
        im = im.convert("RGB")
    im.info = {}  # `save` would copy profile and comment from it.
    return im


def find_numbers(info: dict[Any, Any], kind: str) -> tuple[int, int]:
    """Return the numbers of primaries and curve that apply; 2 for none.

    In a PNG they override the profile (PNG 3, 4.3). In HEIC and AVIF the profile overrides them, as
    in browsers: encoders write numbers beside it that do not describe the picture.
    """
    primaries, curve = info.get("cicp", (2, 2))
    if kind != "PNG" and curve in {2, *TELEVISION}:
        curve = 13  # As browsers do.
    is_known = primaries in PRIMARIES and curve in {*CURVES, PQ, HLG}
    if not is_known or (kind != "PNG" and info.get("icc_profile")):
        return 2, 2
    return primaries, curve


def find_profile(info: dict[Any, Any], kind: str) -> bytes:
    """Return the ICC profile of a picture, its own or one built for it; b"" for sRGB."""
    primaries, curve = find_numbers(info, kind)
    if (primaries, curve) == (1, 13):
        return b""
    if primaries != 2:
        return build_profile(PRIMARIES[primaries], CURVES[curve])
    profile = info.get("icc_profile") or b""
    gamma, chromaticity = info.get("gamma"), info.get("chromaticity")
    if profile or not gamma or "srgb" in info:
        return bytes(profile)
    # Programs write this gamma without primaries when they mean sRGB.
    is_srgb = not chromaticity and math.isclose(gamma, 1 / 2.2, abs_tol=0.0005)
    return b"" if is_srgb else build_profile(chromaticity or BT709, (1 / gamma,))


def apply_profile(im: Image.Image, profile: bytes) -> Image.Image:
    """Return a picture converted from a profile to sRGB; unchanged if the profile does not fit."""
    is_grey = profile[16:20] == b"GRAY"
    colour = im
    if is_grey and im.mode == "RGBA" and len({band.tobytes() for band in im.split()[:3]}) == 1:
        colour = im.getchannel("R")
    elif im.mode == "L" and not is_grey:
        colour = im.convert("RGB")
    if not (transform := build_transform(profile, colour.mode)):
        return im
    converted = transform.apply(colour)
    if im.mode == "RGBA" and colour.mode == "L":
        converted.putalpha(im.getchannel("A"))
    return converted


def build_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion from a profile to sRGB, or None if the profile cannot be used."""
    tags = {profile[at : at + 4] for at in range(132, min(len(profile), 132 + 12 * 100), 12)}
    if len(profile) > MAX_PROFILE_BYTES or tags & STAGES:
        return None
    try:
        return ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            SRGB,
            mode,
            "RGBA" if mode == "RGBA" else "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
