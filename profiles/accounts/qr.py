"""Draws QR codes."""

import segno
from django.utils.safestring import SafeString, mark_safe


def draw_qr(text: str) -> SafeString:
    """Return an SVG element, dark on light in every theme, as cameras expect it."""
    code = segno.make(text, error="m", micro=False)
    return mark_safe(code.svg_inline(omitsize=True, dark="#000", light="#fff"))  # noqa: S308  # No markup of `text` gets in.
