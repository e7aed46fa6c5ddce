"""Show an avatar."""

from functools import cache
from zlib import crc32

from django import template
from django.db.models import Model
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..fields import AvatarField
from ..files import AvatarFieldFile
from ..initials import get_initials
from ..names import MAX_PIXEL_ART_SIDE

register = template.Library()
HUES = 12
INITIALS = (
    '<svg class="avatar hue-{hue}" viewBox="0 0 64 64" width="{size}" height="{size}" '
    'aria-hidden="true" focusable="false"><rect width="64" height="64"/><text x="32" y="33" '
    'text-anchor="middle" dominant-baseline="central">{initials}</text></svg>'
)


@register.simple_tag
def avatar(
    owner: Model | AvatarFieldFile, size: int = 96, described: bool = False, lazy: bool = True
) -> SafeString:
    """Show an avatar `size` CSS pixels wide, or the initials of an owner who has none.

    `owner` is an instance of a model with an `AvatarField`, or its avatar where it has several.
    Its initials are those of its text, unless it has a property `initials`.
    Beside a name, a picture adds nothing, so its `alt` is empty. A picture that stands alone is
    `described`. `lazy=False` is for one that is in sight when the page is opened.
    """
    picture = owner if isinstance(owner, AvatarFieldFile) else find_avatar(owner)
    if not picture:
        return show_initials(picture.instance, size)
    urls = picture.urls
    # Shown smaller than it is, it would lose rows.
    is_pixel_art = picture.is_pixel_art and size >= MAX_PIXEL_ART_SIDE
    # Not a template, which takes ten times as long: a page shows many avatars.
    parts = (
        '<img class="avatar pixel-art" src="{src}"'
        if is_pixel_art
        else '<img class="avatar" src="{src}"',
        ' srcset="{srcset}" sizes="{size}px"' if urls else "",
        ' width="{size}" height="{size}" alt="{alt}"',
        ' loading="lazy"' if lazy else "",
        ' decoding="async">',
    )
    return format_html(
        "".join(parts),
        src=urls[picture.field.sizes.find_width(size)] if urls else picture.url,
        size=size,
        srcset=", ".join([f"{url} {width}w" for width, url in urls.items()]),
        alt=describe(picture) if described else "",
    )


def show_initials(owner: Model, size: int) -> SafeString:
    initials = getattr(owner, "initials", "") or get_initials(str(owner))
    return format_html(INITIALS, hue=pick_hue(owner), size=size, initials=initials)


def describe(picture: AvatarFieldFile) -> str:
    """Return what its owner wrote about a picture, else whose picture it is."""
    instance, column = picture.instance, picture.field.description_field
    text: str = getattr(instance, column) if column else ""
    return text or _("Picture of %(name)s") % {"name": instance}


def find_avatar(owner: Model) -> AvatarFieldFile:
    """Return the avatar of a model's first `AvatarField`."""
    avatar: AvatarFieldFile = getattr(owner, find_name(type(owner)))
    return avatar


@cache
def find_name(model: type[Model]) -> str:
    fields = (field for field in model._meta.concrete_fields if isinstance(field, AvatarField))
    return next(fields).attname


def pick_hue(owner: Model) -> int:
    """Return the number of the colour behind an owner's initials.

    It depends on the text alone, which is shown anyway: keys would tell how many others are hidden.
    """
    return crc32(str(owner).encode()) % HUES
