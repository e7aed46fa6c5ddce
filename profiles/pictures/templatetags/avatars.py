"""Show an avatar."""

from typing import Any
from zlib import crc32

from django import template
from django.db.models import Model
from django.utils.translation import gettext as _

from ..fields import AvatarField
from ..files import AvatarFieldFile
from ..initials import get_initials
from ..names import MAX_PIXEL_ART_SIDE

register = template.Library()
HUES = 12


@register.inclusion_tag("pictures/avatar.html")
def avatar(
    owner: Model | AvatarFieldFile, size: int = 96, described: bool = False, lazy: bool = True
) -> dict[str, Any]:
    """Show an avatar `size` CSS pixels wide, or the initials of an owner who has none.

    `owner` is an instance of a model with an `AvatarField`, or its avatar where it has several.
    Its initials are those of its text, unless it has a property `initials`.
    Beside a name, a picture adds nothing, so its `alt` is empty. A picture that stands alone is
    `described`. `lazy=False` is for one that is in sight when the page is opened.
    """
    picture = owner if isinstance(owner, AvatarFieldFile) else find_avatar(owner)
    instance, field = picture.instance, picture.field
    widths = sorted(field.sizes.widths) if picture.has_sizes else []
    text = getattr(instance, field.description_field) if field.description_field else ""
    return {
        "picture": picture,
        "size": size,
        "src": picture.url_for_width(size),
        "srcset": ", ".join(f"{picture.url_for(f'{width}.webp')} {width}w" for width in widths),
        "alt": (text or _("Picture of %(name)s") % {"name": instance}) if described else "",
        "lazy": lazy,
        # Shown smaller than it is, it would lose rows.
        "is_pixel_art": picture.is_pixel_art and size >= MAX_PIXEL_ART_SIDE,
        "initials": getattr(instance, "initials", "") or get_initials(str(instance)),
        "hue": pick_hue(instance),
    }


def find_avatar(owner: Model) -> AvatarFieldFile:
    """Return the avatar of a model's first `AvatarField`."""
    fields = (field for field in owner._meta.concrete_fields if isinstance(field, AvatarField))
    return getattr(owner, next(fields).attname)


def pick_hue(owner: Model) -> int:
    """Return the number of the colour behind an owner's initials.

    It depends on the text alone, which is shown anyway: keys would tell how many others are hidden.
    """
    return crc32(str(owner).encode()) % HUES
