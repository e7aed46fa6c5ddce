"""The C libraries in the wheels of Pillow and pillow-heif, and their minimum versions.

A floor is raised with the lock when an advisory says so; below it stand holes that are known.
"""

import re
from importlib import import_module

import pillow_heif
from PIL import features

FLOORS = {
    "libjpeg-turbo": (3, 2, 0),
    "libwebp": (1, 6, 0),  # 1.3.2 for CVE-2023-4863
    "libavif": (1, 4, 2),
    "dav1d": (1, 5, 3),
    "libheif": (1, 23, 6),  # 1.23.4 for CVE-2026-84383 and those after it
    "libde265": (1, 1, 3),
    "lcms": (2, 19),
    "zlib-ng": (2, 3, 3),
}


def list_versions() -> dict[str, tuple[int, ...]]:
    """Return the version of each library in the installed wheels."""
    avif = import_module("PIL._avif").codec_versions()
    heif = pillow_heif.libheif_info()
    texts = {
        "libjpeg-turbo": features.version("libjpeg_turbo"),
        "libwebp": features.version("webp"),
        "libavif": features.version("avif"),
        "dav1d": find(r"dav1d \[dec\]:(\S+)", avif),
        "libheif": heif["libheif"],
        "libde265": find(r"version (\S+)", heif["decoders"]["libde265"]),
        "lcms": features.version("littlecms2"),
        "zlib-ng": features.version("zlib_ng"),
    }
    return {name: read_version(text or "") for name, text in texts.items()}


def find(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else ""


def read_version(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text.partition("-")[0])))
