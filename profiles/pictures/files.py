"""The avatar of one row: its URLs, and the one way in which it is replaced."""

from enum import Enum
from functools import partial
from typing import Any

from django.core.files.base import File
from django.core.files.storage import Storage
from django.db import router, transaction
from django.db.models import Model, QuerySet
from django.db.models.fields.files import FieldFile
from django.templatetags.static import static

from . import journal
from .avatar import Avatar
from .names import find_stem, is_marked


class Keep(Enum):
    """The type of `KEEP`, which stands for the avatar that the row has."""

    KEEP = "keep"


KEEP = Keep.KEEP
# How often the row may change while files are being written, by another request each time.
MAX_TRIES = 20


class AvatarFieldFile(FieldFile):
    """The avatar of one row. Without one it is false, and its `url` is that of the placeholder."""

    instance: Any
    field: Any  # The `AvatarField`, which imports this file.
    _committed: bool

    @property
    def storage(self) -> Storage:
        """The storage of its files, which depends on its name."""
        return self.field.store.get_storage(self.name or "")

    @storage.setter
    def storage(self, value: Storage) -> None:
        """Ignore what `FieldFile` sets, the storage of public files."""

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
        return self.storage.url(stem + ending if stem else self.name)

    def url_for_width(self, width: int) -> str:
        """Return the URL of the smallest size of at least `width` pixels, else of the largest."""
        return self.url_for(f"{self.field.sizes.find_width(width)}.webp")

    @property
    def urls(self) -> dict[int, str]:
        """The URLs of all widths, the smallest first; none if it is not stored in all sizes.

        The storage is asked for one of them, since the others differ only in how they end, unless
        the storage adds something, such as a signature.
        """
        if not self.has_sizes:
            return {}
        widths = reversed(self.field.sizes.widths)
        url, ending = self.url, self.field.sizes.endings[0]
        if not url.endswith(ending):
            return {width: self.url_for(f"{width}.webp") for width in widths}
        start = url.removesuffix(ending)
        return {width: f"{start}{width}.webp" for width in widths}

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
        file = getattr(self, "_file", None)
        if file is None:
            return None
        made: Avatar | None = getattr(file, "avatar", None)  # By the form, or for another field.
        if made is None or list(made.files) != self.field.sizes.endings:
            made = file.avatar = self.field.make_avatar(file)
        return made

    def save(self, name: str | None, content: File, save: bool = True) -> None:
        """Replace the avatar by one made of a picture.

        The name is the sender's and is not used. With `save=False` nothing is stored before the
        instance is saved. Unlike Django's method, it writes only this column of an existing row: a
        stale instance would restore old values of the others. Raises `ValidationError` for a
        picture that is refused.
        """
        if isinstance(content, FieldFile):
            content = File(content.file, name)
        self._assign(content, save)

    def delete(self, save: bool = True) -> None:
        """Remove the avatar; its files are deleted after the commit."""
        if self:
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
        using: str | None = None,
        **changes: Any,
    ) -> None:
        """Replace or remove the avatar, and change other columns in the same transaction.

        No other code writes the column. Files are written first and deleted last, so that the row
        never names a missing file, whatever fails in between. Files move to another prefix, under
        a new name, where the row or `changes` say that other people may see them now.
        The description of the old avatar is cleared, unless `changes` have another. With `only_if`,
        the name of the old avatar, nothing changes if the row has another one, and the description
        stays. Raises `OSError` if files cannot be stored; then nothing has changed.
        """
        if self.field.description_field and avatar is not KEEP and only_if is None:
            changes = {self.field.description_field: "", **changes}
        model = type(self.instance)
        using = using or router.db_for_write(model, instance=self.instance)
        rows = model._base_manager.using(using)
        for _ in range(MAX_TRIES):
            if self._try_replace(rows, avatar, only_if, changes):
                return
        raise TimeoutError("The row changed each time while the files were being written.")

    # Django's mark for what a template must not call; mypy knows of no attributes of methods.
    save.alters_data = delete.alters_data = replace.alters_data = True  # type: ignore[attr-defined]

    def _try_replace(
        self,
        rows: QuerySet,
        avatar: Avatar | Keep | None,
        only_if: str | None,
        changes: dict[str, Any],
    ) -> bool:
        """Replace the avatar; return False if the row changed while the files were written."""
        column, field, using = self.field.attname, self.field, rows.db
        row = set_columns(rows.get(pk=self.instance.pk), changes)
        seen = str(getattr(row, column))
        place = field.find_place(row)
        name, files = self._prepare(avatar, seen, place)
        if files:
            self._check_folder(rows, place)
        with journal.Arrival(field, name if files else "", using) as arrival:
            if not arrival.write(files):
                return False
            with transaction.atomic(using):
                row = set_columns(rows.select_for_update().get(pk=row.pk), changes)
                old = str(getattr(row, column))
                if only_if not in (None, old):
                    return True
                is_as_seen = field.find_place(row) == place and (avatar is not KEEP or old == seen)
                if not is_as_seen or not arrival.claim():
                    return False
                rows.filter(pk=row.pk).update(**changes, **{column: name})
                if old != name:
                    journal.delete_after_commit(field, old, using)
                if files:
                    journal.after_commit(using, partial(journal.clear_due, field, using, limit=2))
                # If COMMIT itself fails, nobody knows whether the row names the files.
                arrival.is_over = True
        self.instance.refresh_from_db(using, [column, *changes])
        self.name, self._committed = name, True
        return True

    def _prepare(
        self, avatar: Avatar | Keep | None, seen: str, place: str
    ) -> tuple[str, dict[str, bytes]]:
        """Return the name that the row will have, and the files to write under it, if any."""
        store = self.field.store
        if avatar is KEEP:
            if self.field.is_in_place(seen, place):
                return seen, {}
            files, is_pixel_art = store.restore(seen), is_marked(seen)
        elif avatar:
            files, is_pixel_art = avatar.files, avatar.is_pixel_art
        else:
            files, is_pixel_art = {}, False
        return (store.make_name(place, is_pixel_art), files) if files else ("", {})

    def _check_folder(self, rows: QuerySet, place: str) -> None:
        """Make the folder of all avatars for the first of them.

        Where it is missing later, no disk is mounted. If it were made then, the files of other
        rows would look as if they had been deleted.
        """
        field = self.field
        if field.store.has_folder(place):
            return
        named = rows.filter(**{f"{field.attname}__startswith": place}).exists()
        if named or journal.list_entries(field, rows.db).filter(name__startswith=place).exists():
            raise FileNotFoundError(
                f"The folder {place} is missing, and rows name files in it. Mount the disk. If the "
                "files are lost, make the folder."
            )
        field.store.make_folder(place)


def set_columns(row: Model, changes: dict[str, Any]) -> Model:
    """Return a row as it will be once the changes are written."""
    for name, value in changes.items():
        setattr(row, name, value)
    return row
