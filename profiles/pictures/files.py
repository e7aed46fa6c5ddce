"""The avatar of one row: its URLs, and the one way in which it is replaced."""

from contextlib import suppress
from enum import Enum
from typing import Any

from django.core.files.base import File
from django.db import router, transaction
from django.db.models import Model
from django.db.models.fields.files import ImageFieldFile
from django.templatetags.static import static

from .avatar import Avatar
from .names import find_stem, is_marked


class Keep(Enum):
    """The type of `KEEP`, which stands for the avatar that the row has."""

    KEEP = "keep"


KEEP = Keep.KEEP


class AvatarFieldFile(ImageFieldFile):
    """The avatar of one row. Without one it is false, and its `url` is that of the placeholder."""

    instance: Any
    field: Any  # The `AvatarField`, which imports this file.
    _committed: bool
    # Set while `Model.save()` runs, which the bulk methods of a queryset do not call.
    is_in_save = False

    @property
    def url(self) -> str:
        """The URL of the largest size."""
        return self.url_for(self.field.sizes.endings[0])

    def url_for(self, ending: str) -> str:
        """Return the URL of the file with an ending such as "64.webp", without any I/O.

        The file of a former `ImageField` has one size, and one URL.
        """
        if not self.name or not self._committed:
            return static(self.field.placeholder)
        stem = find_stem(self.name)
        return self.field.store.get_storage(self.name).url(stem + ending if stem else self.name)

    def url_for_width(self, width: int) -> str:
        """Return the URL of the smallest size of at least `width` pixels, else of the largest."""
        widths = self.field.sizes.widths
        fitting = [each for each in widths if each >= width] or widths[:1]
        return self.url_for(f"{fitting[-1]}.webp")

    @property
    def link_preview_url(self) -> str:
        """The URL of the JPEG, or where the field has none, of the smallest size."""
        return self.url_for(self.field.sizes.endings[-1])

    @property
    def has_sizes(self) -> bool:
        """Whether it is stored in all sizes, and not as a former `ImageField` left it."""
        return self._committed and bool(find_stem(self.name or ""))

    @property
    def is_pixel_art(self) -> bool:
        """Whether its name marks it as so small a drawing that its pixels should be seen."""
        return is_marked(self.name or "")

    @property
    def assigned(self) -> Avatar | Keep | None:
        """What was assigned since the row was read: an avatar, `None` to remove it, or `KEEP`.

        Raises `ValidationError` for a picture that is refused.
        """
        if self._committed:
            return KEEP
        if not self:
            return None
        if not hasattr(self.file, "avatar"):
            self.file.avatar = self.field.make_avatar(self.file)
        return self.file.avatar

    def save(self, name: str | None, content: File, save: bool = True) -> None:
        """Replace the avatar by one made of a picture.

        The name is the sender's and is not used. With `save=False` nothing is stored before the
        instance is saved. Unlike Django's method, it writes only this column of an existing row: a
        stale instance would restore old values of the others. Raises `ValidationError` for a
        picture that is refused.
        """
        self._assign(File(content.file, name or "picture"), save)

    def delete(self, save: bool = True) -> None:
        """Remove the avatar; its files are deleted after the commit."""
        self._assign("", save)

    def _assign(self, value: File | str, save: bool) -> None:
        setattr(self.instance, self.field.name, value)
        if save:
            is_new = self.instance._state.adding
            self.instance.save(update_fields=None if is_new else [self.field.name])
            current = getattr(self.instance, self.field.name)
            self.name, self._committed = current.name, current._committed

    def replace(
        self,
        avatar: Avatar | Keep | None = KEEP,
        *,
        only_if: str | None = None,
        **changes: Any,
    ) -> None:
        """Replace or remove the avatar, and change other columns in the same transaction.

        No other code writes the column. Files are written first and deleted last, so that the row
        never names a missing file, whatever fails in between. Files move to another prefix, under
        a new name, where the row or `changes` say that other people may see them now.
        With `only_if`, an avatar of another name stays as it is.
        """
        while not self._try_replace(avatar, only_if, changes):
            pass  # The row changed while the files were being written: start again.

    # Django's mark for what a template must not call; mypy knows of no attributes of methods.
    save.alters_data = delete.alters_data = replace.alters_data = True  # type: ignore[attr-defined]

    def _try_replace(
        self, avatar: Avatar | Keep | None, only_if: str | None, changes: dict[str, Any]
    ) -> bool:
        column, store = self.field.attname, self.field.store
        model = type(self.instance)
        rows = model._base_manager.using(router.db_for_write(model, instance=self.instance))
        row = set_columns(rows.get(pk=self.instance.pk), changes)
        seen = str(getattr(row, column))
        prefix = self.field.find_place(row)
        name, written = seen, ""
        if avatar is not KEEP or not self.field.is_in_place(seen, prefix):
            is_pixel_art = avatar.is_pixel_art if isinstance(avatar, Avatar) else is_marked(seen)
            files = store.restore(seen) if avatar is KEEP else avatar.files if avatar else {}
            name = written = store.write(files, prefix, is_pixel_art) if files else ""
        try:
            with transaction.atomic(using=rows.db):
                row = set_columns(rows.select_for_update().get(pk=row.pk), changes)
                old = str(getattr(row, column))
                if only_if not in (None, old):
                    return True
                if self.field.find_place(row) != prefix:
                    return False
                if avatar is KEEP and old != seen:
                    return False
                rows.filter(pk=row.pk).update(**changes, **{column: name})
                if old != name:
                    store.delete_after_commit(old, rows.db)
                written = ""  # If COMMIT itself fails, nobody knows whether the row names them.
        finally:
            with suppress(OSError):
                store.delete(written)
        self.instance.refresh_from_db(rows.db, [column, *changes])
        self.name, self._committed = name, True
        return True


def set_columns(row: Model, changes: dict[str, Any]) -> Model:
    """Return a row as it will be once the changes are written."""
    for name, value in changes.items():
        setattr(row, name, value)
    return row
