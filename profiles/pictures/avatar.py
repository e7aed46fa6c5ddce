"""The square that a visitor chooses, and the avatar that is made from it. No Django."""

from dataclasses import dataclass

from .limits import MIN_SIDE
from .names import MAX_PIXEL_ART_SIDE

# How many pixels each colour of a small drawing has at least, on average.
SMALL_PIXELS_PER_COLOUR = 4


@dataclass(frozen=True)
class Crop:
    """A square of the upright picture: `x`, `y` and `size` in pixels, or one that `keep` names.

    It is turned by `turn` degrees to the right after it was cut: 0, 90, 180 or 270.
    """

    keep: str = "middle"
    x: int = 0
    y: int = 0
    size: int | None = None
    turn: int = 0

    def square(self, width: int, height: int) -> tuple[int, int, int]:
        """Return left, top and side of the square, clamped to a picture of `width` × `height`."""
        short = min(width, height)
        if self.size is None:
            at = {"start": 0.0, "end": 1.0}.get(self.keep, 0.5)
            return int((width - short) * at), int((height - short) * at), short
        side = max(MIN_SIDE, min(self.size, short))
        return max(0, min(self.x, width - side)), max(0, min(self.y, height - side)), side


@dataclass(frozen=True)
class Avatar:
    """A finished avatar: its files by name ending, the largest first, and facts on the source."""

    files: dict[str, bytes]
    format: str
    width: int
    height: int
    side: int
    removed: tuple[str, ...]  # some of traces.TRACES

    @property
    def is_pixel_art(self) -> bool:
        """Whether pages should show its pixels: small, lossless, and from a format of drawings.

        Photos of few colours are stored lossless, too, so the format counts (RFC 9649, 3.4).
        """
        is_lossless = next(iter(self.files.values()))[12:16] == b"VP8L"
        is_small = self.side <= MAX_PIXEL_ART_SIDE
        return is_lossless and is_small and self.format in ("PNG", "GIF", "WebP")
