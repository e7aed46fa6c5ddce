"""What the picture editor in the browser (editor.js) has to know of the server."""

from typing import Any

from .pictures.avatar import SMALL_PIXELS_PER_COLOUR
from .pictures.limits import BRANDS, MAX_BYTES, MIN_SIDE, SIGNATURES
from .pictures.names import MAX_PIXEL_ART_SIDE, Sizes


def describe_server(sizes: Sizes) -> dict[str, Any]:
    """Return the facts, by the names that editor.js has for them; all can be written as JSON."""
    return {
        "minSide": MIN_SIDE,
        "maxBytes": MAX_BYTES,
        "signatures": [signature.decode("latin-1") for signature in SIGNATURES],
        "brands": [brand.decode("latin-1") for brand in BRANDS],
        "side": sizes.widths[0],
        "maxPixelArtSide": MAX_PIXEL_ART_SIDE,
        "pixelsPerColour": SMALL_PIXELS_PER_COLOUR,
    }
