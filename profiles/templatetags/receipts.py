"""What the receipt of an upload says."""

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from ..pictures.traces import TRACES

register = template.Library()


@register.filter
def trace_name(kind: str) -> str:
    """Return in words what kind of trace was thrown away."""
    names = {
        "place": _("the place"),
        "camera": _("the camera"),
        "date": _("the date"),
        "author": _("the author"),
        "edits": _("the program it was edited with"),
        "comment": _("a comment"),
    }
    return names.get(kind, kind)


@register.simple_tag
def trace_names() -> dict[str, str]:
    """Return all kinds of traces, in words."""
    return {kind: trace_name(kind) for kind in TRACES}


@register.filter
def filesize(count: int) -> str:
    """Return a number of bytes in words, in thousands as the browser counts them."""
    if count < 1_000_000:
        text = _("%(number)s kB") % {"number": number_format(round(count / 1000))}
    else:
        text = _("%(number)s MB") % {"number": number_format(count / 1_000_000, 1)}
    return text.replace(" ", "\xa0")  # A line does not break between a number and its unit.
