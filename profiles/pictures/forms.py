"""The form field of an avatar."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.base import File

from .making import REFUSALS, make_avatar
from .names import Sizes


class UploadField(forms.FileField):
    """A file field that says so if there was no room for the file (see uploads.py)."""

    def to_python(self, data: Any) -> Any:
        if getattr(data, "is_lost", False):
            raise ValidationError(REFUSALS["room"], code="room")
        return super().to_python(data)


class AvatarFormField(UploadField):
    """A file field whose `clean` makes the avatar, as an attribute of the upload.

    Not Django's `ImageField`, which opens the file with any decoder and before any limit.
    """

    def __init__(self, *, sizes: Sizes = Sizes(), **kwargs: Any) -> None:
        self.sizes = sizes
        super().__init__(**kwargs)

    def clean(self, data: Any, initial: Any = None) -> Any:
        content = super().clean(data, initial)
        if isinstance(content, File) and content is not initial:
            vars(content)["avatar"] = make_avatar(content, sizes=self.sizes)
        return content
