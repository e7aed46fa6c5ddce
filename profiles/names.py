"""What names and texts may contain, so that they do not pretend to be something else."""

import re
import unicodedata
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

# They turn text around, or cannot be seen. Not the joiners, which Persian and emoji need.
HIDDEN = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
# Letters and signs of the Unicode standard that are drawn as nothing.
BLANK = set("\u115f\u1160\u2800\u3164\uffa0")
# More than any language writes on one letter.
MAX_MARKS = 4


class NameField(forms.CharField):
    """Asks for a name; leaves out characters that nobody sees, which would imitate another name."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(HIDDEN.sub("", value) if value else value)


def is_visible(text: str) -> bool:
    """Return whether anything of a text can be seen."""
    seen = set(text) - BLANK
    return any(unicodedata.category(character)[0] in "LNPS" for character in seen)


def validate_visible(name: str) -> None:
    """Refuse a name without a visible character: in lists, it would be a link without text."""
    if not is_visible(name):
        raise ValidationError(_("Nothing of this name can be seen."))


def validate_plain(name: str) -> None:
    """Refuse a name or place that looks like a user name, or runs into the lines around it."""
    if name.lstrip().startswith(("@", "\uff20", "\ufe6b")):
        raise ValidationError(_("Leave out the @: your user name is shown beside your name."))
    validate_marks(name)


def validate_marks(text: str) -> None:
    """Refuse a text that runs into the lines around it."""
    plain = unicodedata.normalize("NFD", text)
    marks = "".join("m" if unicodedata.combining(each) else " " for each in plain)
    if "m" * (MAX_MARKS + 1) in marks:
        raise ValidationError(_("There are too many accents on one letter."))
