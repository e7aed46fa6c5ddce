"""The form field of an avatar."""

from typing import Any

from django import forms
from django.core.files.base import File

from .making import make_avatar
from .names import Sizes


class AvatarFormField(forms.FileField):
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
