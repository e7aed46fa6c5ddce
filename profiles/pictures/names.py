"""The sizes of an avatar, the names of its files, and the headers they are served with.

No Django.
"""

import re
from dataclasses import dataclass
from functools import cached_property

# Part of the name of a drawing so small that pages should show its pixels, not blur them.
PIXEL_ART, MAX_PIXEL_ART_SIDE = "-pixels", 64
# What follows the prefix: two digits of the token as a folder, and the token itself.
STEM = rf"[0-9a-f]{{2}}/[0-9a-f]{{32}}(?:{PIXEL_ART})?-"
ENDING = r"[0-9]{1,4}\.(?:webp|jpg)"
STORED_NAME = re.compile(rf"((.+/){STEM}){ENDING}")
CONTENT_TYPES = {"webp": "image/webp", "jpg": "image/jpeg"}
# A name never changes its meaning, so browsers keep it for a year. A shared cache asks again
# after an hour, so that what was deleted or hidden is gone from there by then.
PUBLIC = "public, max-age=31536000, s-maxage=3600, immutable"
PRIVATE = "private, max-age=3600"


@dataclass(frozen=True)
class Sizes:
    """The files of an avatar: a WebP of each width, the largest first, and one JPEG.

    `link_preview` is the width of the JPEG, one of `widths`; 0 for none.
    """

    widths: tuple[int, ...] = (512, 256, 128, 64)
    link_preview: int = 256

    def __post_init__(self) -> None:
        if not self.widths or list(self.widths) != sorted(set(self.widths), reverse=True):
            raise ValueError("The widths of an avatar are given once each, the largest first.")
        if self.link_preview not in (0, *self.widths):
            raise ValueError("The link preview of an avatar has one of its widths, or is 0.")

    @cached_property
    def endings(self) -> list[str]:
        """How the names of the files end; the row holds the name of the first, the largest."""
        webp = [f"{width}.webp" for width in self.widths]
        return webp + ([f"{self.link_preview}.jpg"] if self.link_preview else [])

    def find_width(self, width: int) -> int:
        """Return the smallest width of at least `width` pixels, else the largest."""
        return min((each for each in self.widths if each >= width), default=self.widths[0])


def make_stem(prefix: str, token: str, is_pixel_art: bool) -> str:
    """Return what the names of an avatar's files begin with."""
    return f"{prefix}{token[:2]}/{token}{PIXEL_ART * is_pixel_art}-"


def find_stem(name: str) -> str:
    """Return what the names of an avatar's files begin with; "" for a name that is not ours."""
    match = STORED_NAME.fullmatch(name)
    return match[1] if match else ""


def find_prefix(name: str) -> str:
    """Return the prefix of a name; "" for a name that is not ours."""
    match = STORED_NAME.fullmatch(name)
    return match[2] if match else ""


def is_marked(name: str) -> bool:
    """Return whether a name says that pages should show the pixels."""
    return find_stem(name).endswith(f"{PIXEL_ART}-")


def get_headers(name: str, is_protected: bool) -> dict[str, str]:
    """Return the headers of a file: its type, and who may store it for how long."""
    content_type = CONTENT_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    return {"Content-Type": content_type, "Cache-Control": PRIVATE if is_protected else PUBLIC}
