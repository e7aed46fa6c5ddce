"""Make an avatar of an upload, or explain in a visitor's words why that cannot be done."""

import sys
from typing import BinaryIO, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.utils.translation import gettext_lazy as _

from . import cell
from .avatar import Avatar, Crop
from .limits import Refused, refuse_bytes
from .names import Sizes
from .timings import Timings

REFUSALS = {
    "bytes": _("This photo is %(megabytes)s MB; the limit is %(limit)s MB. Choose a smaller copy."),
    "unreadable": _(
        "This file is not a picture we can read. Choose a JPEG, PNG, WebP, GIF, AVIF or HEIC file."
    ),
    "broken": _("This file is damaged and cannot be opened. Save it as a JPEG, or choose another."),
    "cut": _("This file breaks off part-way. Download it again, or choose another."),
    "small": _(
        "This picture is %(width)s × %(height)s pixels; each side must have at least %(limit)s. "
        "Choose a larger one."
    ),
    "large": _(
        "This %(format)s picture has %(megapixels)s megapixels; the limit is %(limit)s. "
        "Choose a smaller copy."
    ),
    "enormous": _(
        "This picture has over 170 megapixels, more than we can open. Choose a smaller copy."
    ),
    "progressive": _(
        "This JPEG has %(megapixels)s megapixels and is saved as a progressive one; the limit for "
        "these is %(limit)s. Save it without that option, or choose a smaller copy."
    ),
    "unusual": _(
        "This HEIC is built in a way that no phone uses. Save it as a JPEG, or choose another."
    ),
    "apple": _(
        "This PNG was made for an iPhone app, and only Apple's programs open it. "
        "Take a screenshot of it, or choose another picture."
    ),
    "blank": _(
        "This square is completely transparent. Choose another picture, or another part of it."
    ),
    "heavy": _(
        "This picture takes more time or memory to open than we can give. "
        "Save it as a JPEG, or choose a smaller copy."
    ),
    "crashed": _("This file cannot be opened safely. Save it as a JPEG, or choose another."),
    "unsafe": _(
        "We cannot open HEIC and AVIF files safely just now. Save it as a JPEG, or choose another."
    ),
    "unable": _(
        "We cannot open this picture just now. Nothing has changed; try again in a minute."
    ),
    "room": _(
        "We have no room for a picture of this size just now. Nothing has changed; "
        "choose a smaller copy, or try again in a minute."
    ),
    "busy": _("Many pictures are being made just now. Nothing has changed; try again in a minute."),
}


def make_avatar(
    content: File,
    crop: Crop = Crop(),
    timings: Timings | None = None,
    sizes: Sizes = Sizes(),
) -> Avatar:
    """Return the avatar made of a picture; raise `ValidationError` in a visitor's words."""
    try:
        refuse_bytes(content.size)
        return open_in_cell(cast(BinaryIO, content.file), crop, timings, sizes)
    except Refused as refused:
        message = REFUSALS[refused.code]
        raise ValidationError(message, code=refused.code, params=refused.facts) from refused


def open_in_cell(
    file: BinaryIO,
    crop: Crop = Crop(),
    timings: Timings | None = None,
    sizes: Sizes = Sizes(),
) -> Avatar:
    """Return the avatar made of a picture; raise `Refused` with the reason."""
    needs_filter = sys.platform == "linux" and not settings.DEBUG
    return cell.make_avatar(file, crop, timings, sizes, needs_filter)
