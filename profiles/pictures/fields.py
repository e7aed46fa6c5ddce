"""The avatar field: an `ImageField` that stores finished avatars, and never what was sent."""

import secrets
import sys
from contextlib import suppress
from enum import Enum
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from django import forms
from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation, ValidationError
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages
from django.db import models, router, transaction
from django.db.models.fields.files import ImageFieldFile
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

from . import cell
from .avatar import Avatar, Crop
from .limits import Refused, refuse_bytes
from .names import ENDINGS, NAME_ENDING, PROTECTED, is_marked, list_names, make_name
from .timings import Timings

PLACEHOLDER = "profiles/placeholder.svg"
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
        "This PNG is made for the inside of an iPhone app, and only Apple's programs open it. "
        "Take a screenshot of it, or choose another picture."
    ),
    "blank": _(
        "Nothing would show: this square is transparent all over. "
        "Choose another picture, or another part of it."
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
    "busy": _("Many pictures are being made just now. Nothing has changed; try again in a minute."),
}


class Keep(Enum):
    """The type of `KEEP`, which stands for “the avatar that is there now”."""

    KEEP = "keep"


KEEP = Keep.KEEP


def make_avatar(content: File, crop: Crop = Crop(), timings: Timings | None = None) -> Avatar:
    """Return the avatar made of a picture; raise `ValidationError` in a visitor's words."""
    try:
        refuse_bytes(content.size)
        needs_filter = sys.platform == "linux" and not settings.DEBUG
        return cell.make_avatar(cast(BinaryIO, content.file), crop, timings, needs_filter)
    except Refused as refused:
        message = REFUSALS[refused.code]
        raise ValidationError(message, code=refused.code, params=refused.facts) from refused


def get_storage(name: str) -> Storage:
    """Return the storage of an avatar: the prefix of its name picks it."""
    return storages["protected" if name.startswith(PROTECTED) else "default"]


def read_files(name: str) -> dict[str, bytes]:
    """Return the bytes of those of an avatar's files that are there, by name ending."""
    files = {}
    for file_name in list_names(name):
        with suppress(FileNotFoundError), get_storage(name).open(file_name) as file:
            files[file_name.rpartition("-")[2]] = file.read()
    return files


def restore_files(name: str) -> dict[str, bytes]:
    """Return an avatar's files, missing sizes made anew; none where the largest is missing.

    Raises `OSError` where that cannot be done now.
    """
    files = read_files(name)
    if set(files) >= set(ENDINGS):
        return {ending: files[ending] for ending in ENDINGS}
    try:
        return cell.make_avatar(BytesIO(files[name.rpartition("-")[2]])).files
    except (KeyError, Refused) as error:
        if getattr(error, "code", "") in ("busy", "unable"):  # It may succeed in a minute.
            raise TimeoutError("Too many pictures are being made.") from error
        return {}  # Nothing is left that could be shown.


def write_files(files: dict[str, bytes], prefix: str, is_pixel_art: bool) -> str:
    """Write an avatar's files under a fresh name that cannot be guessed; return the name."""
    name = make_name(prefix, secrets.token_hex(16), is_pixel_art)
    stem = name.removesuffix(NAME_ENDING)
    storage = get_storage(prefix)
    try:
        for ending, data in files.items():
            written = storage.save(stem + ending, ContentFile(data))
            if written != stem + ending:
                storage.delete(written)
                raise SuspiciousFileOperation(f"The storage renamed {stem + ending} to {written}.")
    except BaseException:
        with suppress(OSError):  # What cannot be deleted now is for audit_media.
            delete_files(name)
        raise
    return name


def delete_files(name: str) -> None:
    """Delete all files of an avatar."""
    for file_name in list_names(name):
        get_storage(name).delete(file_name)


def delete_after_commit(name: str, using: str) -> None:
    """Delete an avatar's files once no row names them; where that fails, audit_media finds them."""
    # A function of its own, no `partial`: Django logs a failure under its name.
    transaction.on_commit(lambda: delete_files(name), using, robust=True)


class AvatarFieldFile(ImageFieldFile):
    """One person's avatar, or none: then it is false, and its `url` is the placeholder's."""

    instance: Any
    field: "AvatarField"
    _committed: bool

    @property
    def url(self) -> str:
        """The URL of the largest size."""
        return self.url_for(NAME_ENDING)

    def url_for(self, ending: str) -> str:
        """Return the URL of the file with an ending such as "64.webp", without any I/O."""
        if not self.name or self.is_pending:
            return static(PLACEHOLDER)
        return get_storage(self.name).url(f"{self.name.rpartition('-')[0]}-{ending}")

    @property
    def is_pixel_art(self) -> bool:
        """Whether it is a drawing so small that its pixels should be seen, by its name."""
        return is_marked(str(self.name))

    @property
    def is_pending(self) -> bool:
        """Whether a picture was assigned and is not stored yet."""
        return bool(self) and not self._committed

    def make(self) -> Avatar:
        """Return the avatar made of the pending picture, by the form or else here and now."""
        return getattr(self.file, "avatar", None) or make_avatar(self.file)

    def save(self, name: str | None, content: File, save: bool = True) -> None:
        """Make an avatar of a picture and put it in the place of the old one.

        The name is the sender's and is not used. With `save=False` nothing is stored before the
        instance is saved. Raises `ValidationError` for a picture that is not taken.
        """
        self._assign(File(content.file, name or "picture"), save)

    def delete(self, save: bool = True) -> None:
        """Take the avatar away; its files go after the commit."""
        self._assign("", save)

    def _assign(self, value: File | str, save: bool) -> None:
        setattr(self.instance, self.field.name, value)
        if save:
            self.instance.save()
            self.name = str(getattr(self.instance, self.field.name))

    def replace(
        self,
        avatar: Avatar | Keep | None = KEEP,
        *,
        only_if: str | None = None,
        **changes: Any,
    ) -> None:
        """Put an avatar, or none, in the place of the old one; change other columns with it.

        The one way in which the column is ever written. Files are written first and deleted last,
        so that the row never names a missing file, whatever breaks in between. `changes` may
        decide who sees the avatar: then its files move to the other prefix, under a fresh name.
        `only_if` names the avatar to replace: another that has come instead stays.
        """
        while not self._try_replace(avatar, only_if, changes):
            pass  # The row changed while the files were being written: start over.

    # Django's mark for what a template must not call; mypy knows of no attributes of methods.
    save.alters_data = delete.alters_data = replace.alters_data = True  # type: ignore[attr-defined]

    def _try_replace(
        self, avatar: Avatar | Keep | None, only_if: str | None, changes: dict[str, Any]
    ) -> bool:
        column = self.field.name
        rows = type(self.instance)._base_manager.using(router.db_for_write(type(self.instance)))
        row = rows.get(pk=self.instance.pk)
        seen = str(getattr(row, column))
        prefix = self.field.get_prefix(row, changes)
        name, written = seen, ""
        if avatar is not KEEP or not seen.startswith(prefix):
            is_pixel_art = avatar.is_pixel_art if isinstance(avatar, Avatar) else is_marked(seen)
            files = restore_files(seen) if avatar is KEEP else avatar.files if avatar else {}
            name = written = write_files(files, prefix, is_pixel_art) if files else ""
        try:
            with transaction.atomic(using=rows.db):
                row = rows.select_for_update().get(pk=row.pk)
                old = str(getattr(row, column))
                if only_if not in (None, old):
                    return True
                if self.field.get_prefix(row, changes) != prefix:
                    return False
                if avatar is KEEP and old != seen:
                    return False
                rows.filter(pk=row.pk).update(**changes, **{column: name})
                if old != name:
                    delete_after_commit(old, rows.db)
                written = ""  # Should COMMIT itself break, nobody knows whether they are in use.
        finally:
            with suppress(OSError):
                delete_files(written)
        self.instance.refresh_from_db(rows.db, [column, *changes])
        self.name, self._committed = name, True
        return True


class AvatarFormField(forms.FileField):
    """A file field whose `clean` makes the avatar, as an attribute of the upload.

    Not Django's `ImageField`, which opens the file with any decoder and before any limit.
    """

    def clean(self, data: Any, initial: Any = None) -> Any:
        content = super().clean(data, initial)
        is_new = isinstance(content, File) and content is not initial
        if is_new:
            content.avatar = make_avatar(content)
        return content


class AvatarField(models.ImageField):
    """An `ImageField` for avatars.

    Public ones lie under `upload_to`. Where the model has a property `is_public` that says no,
    they lie in the storage "protected", and their URL is that of the view that asks who is there.
    The model's `save` must leave the column to `AvatarFieldFile.replace`, as `Profile.save` does.
    """

    attr_class = AvatarFieldFile
    upload_to: str

    if TYPE_CHECKING:  # What Django's descriptor does, for mypy.

        def __get__(self, instance: Any, owner: Any) -> Any: ...

    def get_prefix(self, instance: models.Model, changes: dict[str, Any]) -> str:
        """Return where the avatar of an instance belongs once these columns are changed."""
        for attribute, value in changes.items():
            setattr(instance, attribute, value)
        return self.upload_to if getattr(instance, "is_public", True) else PROTECTED

    def contribute_to_class(self, cls: type[models.Model], *args: Any, **kwargs: Any) -> None:
        super().contribute_to_class(cls, *args, **kwargs)
        if not cls._meta.abstract:  # Cascades do not call `delete()`: only the signal sees them.
            models.signals.post_delete.connect(self._delete_files, sender=cls)

    def _delete_files(self, instance: models.Model, using: str, **kwargs: Any) -> None:
        name = str(getattr(instance, self.attname))
        delete_after_commit(name, using)

    def pre_save(self, instance: models.Model, add: bool) -> AvatarFieldFile:
        file: AvatarFieldFile = getattr(instance, self.attname)
        if file.is_pending:  # Django would store what was sent, under its own name.
            raise ValueError("An avatar is stored by `Profile.save` or `avatar.save` only.")
        return file

    def formfield(self, *args: Any, **kwargs: Any) -> Any:
        return super().formfield(
            *args, **{"form_class": AvatarFormField, "max_length": None, **kwargs}
        )
