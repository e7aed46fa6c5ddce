"""The forms of a profile and of its picture."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from .editor import describe_server
from .models import Profile
from .names import NameField, is_visible
from .pictures.avatar import Avatar, Crop
from .pictures.files import KEEP
from .pictures.forms import UploadField
from .pictures.timings import Timings
from .throttles import ThrottledForm

logger = logging.getLogger(__name__)

# The direction follows the text. An empty field follows the page, by `:placeholder-shown`, which
# needs a placeholder.
EITHER_WAY = {"dir": "auto", "placeholder": " "}


@contextmanager
def report_outage(form: forms.BaseForm) -> Iterator[None]:
    """Add an error to a form whose picture could not be stored."""
    try:
        yield
    except OSError:
        logger.exception("The picture store does not answer.")
        message = _(
            "We cannot reach our pictures just now. Nothing has changed; your old picture is still "
            "there. Try again in a minute."
        )
        field = "avatar" if "avatar" in form.fields else None
        form.add_error(field, ValidationError(message, code="storage"))


class LinesInput(forms.Textarea):
    """A text area in which a line break counts as one character, as it does in the browser."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        value = super().value_from_datadict(data, files, name)
        return value.replace("\r\n", "\n") if value else value


class ChangeForm(forms.ModelForm):
    """Writes the columns that were changed, and moves the picture with them."""

    instance: Profile

    def save(self, commit: bool = True) -> Profile:
        """Change the profile; raise `OSError`, and change nothing, if its picture cannot move."""
        self.instance.change(**{name: self.cleaned_data[name] for name in self.changed_data})
        return self.instance


class ProfileForm(ChangeForm):
    """Everything of a profile but its picture."""

    website = forms.URLField(
        label=_("Website"),
        required=False,
        assume_scheme="https",
        widget=forms.URLInput({"autocomplete": "url", "placeholder": "https://"}),
    )

    class Meta:
        model = Profile
        fields = ["display_name", "location", "website", "bio", "visibility"]
        field_classes = {"display_name": NameField, "location": NameField}
        widgets = {
            "display_name": forms.TextInput({"autocomplete": "name", **EITHER_WAY}),
            "location": forms.TextInput({"autocomplete": "address-level2", **EITHER_WAY}),
            "bio": LinesInput({"rows": 5, **EITHER_WAY}),
            "visibility": forms.RadioSelect,
        }
        help_texts = {
            "display_name": _(
                "The name that people look for. Without one, they see your user name."
            ),
            "bio": _("Up to 600 characters."),
            "visibility": _(
                "Where fewer people may see you, your picture may still be seen for up to an hour. "
                "Copies that others saved stay with them."
            ),
        }


class WelcomeForm(ChangeForm):
    """The first questions to a new member."""

    class Meta(ProfileForm.Meta):
        fields = ["display_name", "visibility"]


class AvatarForm(ThrottledForm):
    """A picture and which part of it to keep; or, without a picture, its description alone."""

    avatar = UploadField(
        label=_("Choose a photo"),
        required=False,
        widget=forms.FileInput({"accept": "image/*,.heic,.heif"}),
        help_text=_("JPEG, PNG, WebP, GIF, AVIF or HEIC, up to 20 MB."),
        error_messages={"empty": _("This file is empty. Choose another.")},
    )
    crop_keep = forms.ChoiceField(
        label=_("Which part to keep"),
        required=False,
        choices=[
            ("start", _("The top or left")),
            ("middle", _("The middle")),
            ("end", _("The bottom or right")),
        ],
        initial="middle",
        widget=forms.RadioSelect,
    )
    crop_x = forms.IntegerField(required=False, widget=forms.HiddenInput)
    crop_y = forms.IntegerField(required=False, widget=forms.HiddenInput)
    crop_size = forms.IntegerField(required=False, widget=forms.HiddenInput)
    turn = forms.ChoiceField(
        required=False,
        choices=[(degrees, degrees) for degrees in (0, 90, 180, 270)],
        widget=forms.HiddenInput,
    )
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=250,
        # Browsers may restore the last text, which would then describe another picture.
        widget=forms.TextInput({**EITHER_WAY, "autocomplete": "off"}),
        help_text=_(
            "Read aloud to people who cannot see the picture. "
            "What would a friend notice? Leave out your name."
        ),
    )
    too_often = ngettext_lazy(
        "You can change your picture again in %(minutes)d minute. Nothing has changed so far.",
        "You can change your picture again in %(minutes)d minutes. Nothing has changed so far.",
        "minutes",
    )

    def __init__(self, *args: Any, profile: Profile, timings: Timings, **kwargs: Any) -> None:
        self.profile = profile
        self.timings = timings
        kwargs.setdefault("initial", {"description": profile.description})
        super().__init__(*args, **kwargs)
        facts = describe_server(profile.avatar.field.sizes)
        self.fields["avatar"].widget.attrs["data-server"] = json.dumps(facts)

    def clean_description(self) -> str:
        """Return no description for one of which nothing is read aloud: pages have another then."""
        text: str = self.cleaned_data["description"]
        return text if is_visible(text) else ""

    def clean(self) -> dict[str, Any]:
        """Make the avatar, once, before anything is stored and outside any transaction.

        Here and not in the field of the file: the square comes from the other fields.
        """
        cleaned = super().clean() or {}
        content = cleaned.get("avatar")
        names = ("crop_x", "crop_y", "crop_size")
        x, y, size = (cleaned.get(name) for name in names)
        # Of hidden fields, the page would not show what is wrong with each.
        if self.errors.keys() & set(names) or len({x is None, y is None, size is None}) > 1:
            raise ValidationError(_("A square has three numbers: crop_x, crop_y and crop_size."))
        if "turn" in self.errors:
            raise ValidationError(_("A turn has 0, 90, 180 or 270 degrees."))
        if content and not self.errors:
            keep, turn = cleaned.get("crop_keep") or "middle", int(cleaned.get("turn") or 0)
            crop = Crop(keep, x or 0, y or 0, size, turn)
            try:
                field = self.profile.avatar.field
                cleaned["made"] = field.make_avatar(content, crop, self.timings)
            except ValidationError as error:
                self.add_error("avatar", error)
        elif not content and not self.profile.avatar and not self.errors:
            self.add_error("avatar", _("Choose a picture first."))
        return cleaned

    def save(self) -> dict[str, Any] | None:
        """Store the picture and its description; return the receipt of a new picture."""
        avatar: Avatar | None = self.cleaned_data.get("made")
        description = self.cleaned_data["description"]
        with self.timings.measure("store"):
            self.profile.avatar.replace(avatar or KEEP, description=description)
        return self.write_receipt(avatar) if avatar else None

    def write_receipt(self, avatar: Avatar) -> dict[str, Any]:
        """Return what arrived, the kinds of metadata that were removed, and what is stored."""
        return {
            "arrived": self.list_facts(avatar),
            "thrown_away": list(avatar.removed),
            "is_pixel_art": avatar.is_pixel_art,
            "kept": {
                "side": min(avatar.side, self.profile.avatar.field.sizes.widths[0]),
                "files": {ending: len(data) for ending, data in avatar.files.items()},
                "bytes": sum(map(len, avatar.files.values())),
            },
        }

    def list_facts(self, avatar: Avatar) -> dict[str, Any]:
        """Return the facts of what arrived that say nothing about a person."""
        facts = {"format": avatar.format, "width": avatar.width, "height": avatar.height}
        return facts | {"bytes": self.upload.size}

    @property
    def upload(self) -> UploadedFile:
        """The file that was sent, also where it was refused."""
        return cast(UploadedFile, self.files["avatar"])

    def write_report(self) -> dict[str, Any]:
        """Return what is logged of an upload: neither its name nor what it contained."""
        made: Avatar | None = self.cleaned_data.get("made")
        report: dict[str, Any] = self.list_facts(made) if made else {"bytes": self.upload.size}
        errors = self.errors.as_data()
        for error in errors.get("avatar", [])[:1]:
            report |= {**(error.params or {}), "outcome": error.code}
        refused = "throttled" if self.wait else "invalid"
        report.setdefault("outcome", refused if errors else "saved")
        return report | {"milliseconds": dict(self.timings)}
