"""Show a person's avatar."""

from typing import Any
from unicodedata import bidirectional

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from ..models import Profile
from ..pictures.names import MAX_PIXEL_ART_SIDE, SIZES

register = template.Library()
HUES = 12


@register.inclusion_tag("includes/avatar.html")
def avatar(
    profile: Profile, size: int = 96, described: bool = False, lazy: bool = True
) -> dict[str, Any]:
    """Show an avatar `size` CSS pixels wide; initials, drawn in the page, where there is none.

    Beside a name it says nothing new, and its `alt` is empty, as that of initials always is. A
    picture that stands for itself is `described`. `lazy=False` is for one that is in sight at once.
    """
    sources = [(profile.avatar.url_for(f"{width}.webp"), width) for width in reversed(SIZES)]
    fitting = [url for url, width in sources if width >= size] or [sources[-1][0]]
    text = profile.description or _("Picture of %(name)s") % {"name": profile}
    return {
        "profile": profile,
        "size": size,
        "src": fitting[0],
        "srcset": ", ".join(f"{url} {width}w" for url, width in sources),
        "alt": text if described and profile.avatar else "",
        "lazy": lazy,
        # Shown smaller than it is, it would lose rows.
        "is_pixel_art": profile.avatar.is_pixel_art and size >= MAX_PIXEL_ART_SIDE,
        "initials": get_initials(str(profile)) or get_initials(profile.user.username),
        "hue": profile.user_id % HUES,
    }


def get_initials(name: str) -> str:
    """Return the first letters of the first and the last word of a name."""
    words = [word for word in name.split() if word[0].isalnum()]
    letters = [word[0].upper()[0] for word in words[:1] + words[1:][-1:]]
    # Two Arabic letters would join and make a word, such as "no".
    return letters[0] if letters and bidirectional(letters[0]) == "AL" else "".join(letters)


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


@register.filter
def filesize(count: int) -> str:
    """Return a number of bytes in words, in thousands as the browser counts them."""
    if count < 1_000_000:
        text = _("%(number)s kB") % {"number": number_format(round(count / 1000))}
    else:
        text = _("%(number)s MB") % {"number": number_format(count / 1_000_000, 1)}
    return text.replace(" ", "\xa0")  # A line does not break between a number and its unit.
