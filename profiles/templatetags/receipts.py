"""What the receipt of an upload and the list before it say."""

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

register = template.Library()


@register.simple_tag
def trace_names() -> dict[str, str]:
    """Return the kinds of traces in words: those of traces.py, and those of tells.js."""
    return {
        "place": _("place"),
        "date": _("date"),
        "camera": _("camera"),
        "lens": _("lens"),
        "serial": _("serial number"),
        "name": _("name"),
        "author": _("author"),
        "software": _("software"),
        "edits": _("software"),
        "comment": _("comment"),
        "preview": _("preview"),
    }


@register.filter
def trace_name(kind: str) -> str:
    """Return in words what kind of trace was thrown away."""
    return trace_names().get(kind, kind)


@register.filter
def filesize(count: int) -> str:
    """Return a number of bytes in words, in thousands as the browser counts them."""
    if count < 1_000_000:
        text = _("%(number)s kB") % {"number": number_format(round(count / 1000))}
    else:
        text = _("%(number)s MB") % {"number": number_format(count / 1_000_000, 1)}
    return text.replace(" ", "\xa0")  # A line does not break between a number and its unit.
