"""What a person's name may contain, so that it does not pretend to be something else."""

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


def validate_visible(name: str) -> None:
    """Refuse a name without a visible character: in lists, it would be a link without text."""
    seen = set(name) - BLANK
    if not any(unicodedata.category(character)[0] in "LNPS" for character in seen):
        raise ValidationError(_("Nothing of this name can be seen."))


def validate_plain(name: str) -> None:
    """Refuse a name that looks like a user name, or that runs into the lines around it."""
    if name.lstrip().startswith(("@", "\uff20", "\ufe6b")):
        raise ValidationError(_("Leave out the @: your user name is shown beside your name."))
    plain = unicodedata.normalize("NFD", name)
    marks = "".join("m" if unicodedata.combining(each) else " " for each in plain)
    if "m" * (MAX_MARKS + 1) in marks:
        raise ValidationError(_("There are too many accents on one letter."))
