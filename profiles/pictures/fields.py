"""The avatar field: a `FileField` that stores finished avatars, and never what was sent."""

import random
from collections.abc import Callable, Collection, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.files.base import File
from django.db import models
from django.db.models import signals
from django.db.models.fields.files import FileDescriptor

from . import journal
from .avatar import Avatar, Crop
from .files import KEEP, AvatarFieldFile, Keep
from .forms import AvatarFormField
from .making import make_avatar
from .names import Sizes, find_prefix
from .store import AvatarStore
from .timings import Timings


class AvatarDescriptor(FileDescriptor):
    """Checks what is assigned, and lets pass what Django sets itself when it reads a row."""

    field: "AvatarField"

    def __set__(self, instance: models.Model, value: Any) -> None:
        is_loaded = self.field.attname in instance.__dict__
        # A deferred column is read into a file, so a text is assigned.
        is_text = not instance._state.adding and not isinstance(value, File)
        if not self.field.is_in_migration and (is_loaded or is_text):
            value = self._check(instance, value)
        super().__set__(instance, value)

    def _check(self, instance: models.Model, value: Any) -> Any:
        current: AvatarFieldFile = getattr(instance, self.field.attname)
        if isinstance(value, File) and not getattr(value, "_committed", False):
            return value  # A new picture.
        if self.field.is_in_save(instance) and isinstance(value, str):
            return current  # Django 6 reads back what `save()` wrote; `_after_save` sets the name.
        if not value and current:
            removed = AvatarFieldFile(instance, self.field, "")
            removed._committed = False
            return removed
        if not value or (current._committed and str(value) == str(current)):
            return current  # Nothing new. An instance without an avatar may be stale.
        if isinstance(value, AvatarFieldFile) and value.instance == instance:
            return value  # Set by `refresh_from_db()`, which reads the row into another instance.
        raise ValueError(
            f"{str(value)!r} is the name of a stored file, which only one row may have. "
            "Assign an open file instead."
        )


class AvatarField(models.FileField):
    """A `FileField` that stores a picture as an avatar of several sizes.

    Everybody may see an avatar, unless `is_public(instance)` is false. Then it is stored under
    `protected_to`, in the storage `protected_storage`, and served only to users for whom the
    queryset `visible_to(user)` contains the row: to nobody if there is no `visible_to`.
    `misplaced()` is a queryset of the rows whose avatar may be stored in the wrong place, for
    models so large that not all rows should be read to find them.
    `sizes` are the widths of its files, `placeholder` is the static file shown without an avatar,
    and `description_field` names the column of its alternative text, which a new avatar clears.
    """

    attr_class = AvatarFieldFile
    descriptor_class = AvatarDescriptor
    upload_to: str
    # Models of migrations do not know who may see an avatar: they read and write the name alone.
    is_in_migration = False

    if TYPE_CHECKING:  # What Django's descriptor does, for mypy.

        def __get__(self, instance: Any, owner: Any) -> Any: ...

    def __init__(
        self,
        verbose_name: Any = None,
        name: str | None = None,
        *,
        is_public: Callable[[Any], bool] | None = None,
        visible_to: Callable[[Any], models.QuerySet] | None = None,
        misplaced: Callable[[], models.QuerySet] | None = None,
        protected_to: str = "",
        protected_storage: str = "protected",
        sizes: Sizes = Sizes(),
        placeholder: str = "pictures/placeholder.svg",
        description_field: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(verbose_name, name, **kwargs)
        if isinstance(self.upload_to, str) and not self.upload_to.endswith("/"):
            self.upload_to += "/"
        self.is_public, self.visible_to, self.misplaced = is_public, visible_to, misplaced
        self.protected_to = protected_to or f"protected/{self.upload_to}"
        self.protected_storage = protected_storage
        self.sizes, self.placeholder = sizes, placeholder
        self.description_field = description_field

    @property
    def prefixes(self) -> set[str]:
        """What the names of its avatars begin with: public ones, and protected ones if any."""
        return {self.upload_to, self.protected_to} if self.is_public else {self.upload_to}

    @cached_property
    def store(self) -> AvatarStore:
        places = (self.upload_to, self.protected_to, self.storage, self.protected_storage)
        return AvatarStore(*places, self.sizes)

    def make_avatar(
        self, content: File, crop: Crop = Crop(), timings: Timings | None = None
    ) -> Avatar:
        """Return the avatar made of a picture; raise `ValidationError` in a visitor's words."""
        return make_avatar(content, crop, timings, self.sizes)

    def find_place(self, instance: models.Model) -> str:
        """Return the prefix under which the avatar of a row belongs."""
        is_public = self.is_public is None or self.is_public(instance)
        return self.upload_to if is_public else self.protected_to

    def is_in_place(self, name: str, place: str) -> bool:
        """Return whether a name has the prefix `place`; a file that is not ours is public."""
        return not name or (find_prefix(name) or self.upload_to) == place

    def list_misplaced(self, using: str) -> Iterator[models.Model]:
        """Yield the rows whose avatar is stored where other people see it than see the row.

        Nobody called `save()` on these: they were changed by `QuerySet.update()`, by SQL, or
        through another model. Without `misplaced`, all rows with an avatar are read.
        """
        if not self.is_public:
            return
        rows = self.model._base_manager.using(using)
        some = (
            self.misplaced().using(using) if self.misplaced else rows.exclude(**{self.attname: ""})
        )
        # The keys first: an open cursor would keep others from writing to SQLite meanwhile.
        keys = list(some.values_list("pk", flat=True))
        # Those that cannot be moved must not keep `tidy` from the others, each time.
        random.shuffle(keys)
        for start in range(0, len(keys), 500):
            some_keys = keys[start : start + 500]
            found = rows.in_bulk(some_keys)
            for row in filter(None, map(found.get, some_keys)):
                name = str(getattr(row, self.attname) or "")
                if not self.is_in_place(name, self.find_place(row)):
                    yield row

    # Saving

    def contribute_to_class(self, cls: type[models.Model], *args: Any, **kwargs: Any) -> None:
        super().contribute_to_class(cls, *args, **kwargs)
        self.is_in_migration = cls.__module__ == "__fake__"  # As `ModelState.render` names it.
        if not cls._meta.abstract and not self.is_in_migration:
            signals.class_prepared.connect(self._connect)

    def _connect(self, sender: type[models.Model], **kwargs: Any) -> None:
        """Connect the signals of the model and its subclasses: a signal's sender is one class."""
        if issubclass(sender, self.model):
            signals.pre_save.connect(self._before_save, sender=sender)
            signals.post_save.connect(self._after_save, sender=sender)
        # A cascade and a queryset do not call `Model.delete()`. A child may leave its parent.
        if sender._meta.concrete_model is self.model:
            signals.pre_delete.connect(self._before_delete, sender=sender)

    def is_in_save(self, instance: models.Model) -> bool:
        """Return whether `save()` is running, which bulk methods do not call."""
        return self.attname in vars(instance._state).get("avatars", {})

    def _before_save(
        self,
        instance: models.Model,
        raw: bool,
        using: str,
        update_fields: Collection[str] | None,
        **kwargs: Any,
    ) -> None:
        """Make an assigned avatar, or refuse it, before anything is written."""
        avatar: Avatar | Keep | None = KEEP
        changes: dict[str, str] = {}
        is_written = update_fields is None or self.name in update_fields
        if not raw and is_written and self.attname in instance.__dict__:
            avatar = getattr(instance, self.attname).assigned
            name = self.description_field
            if name and avatar is not KEEP and update_fields is None:
                changes = self._find_description(instance, using)
        vars(instance._state).setdefault("avatars", {})[self.attname] = avatar, changes

    def _find_description(self, instance: models.Model, using: str) -> dict[str, str]:
        """Return the description of a new avatar, if it is not still that of the old one."""
        text = {self.description_field: getattr(instance, self.description_field)}
        rows = type(instance)._base_manager.using(using)
        return {} if rows.filter(pk=instance.pk, **text).exists() else text

    def pre_save(self, instance: models.Model, add: bool) -> Any:
        """Return what `save()` writes: "" into a new row; for an existing one the column itself.

        So a stale instance cannot restore an old name.
        """
        file: AvatarFieldFile = getattr(instance, self.attname)
        if self.is_in_migration and file._committed:
            return file
        if not add and not self.is_in_migration:
            return models.F(self.attname)
        if file if file._committed else not self.is_in_save(instance):
            raise ValueError(
                f"An avatar is stored by `save()`, from an open file: {self} of a new row cannot "
                "name the file of another row, nor be written by `bulk_create()` or a migration."
            )
        return ""

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if isinstance(value, AvatarFieldFile) and not (
            self.is_in_migration or self.is_in_save(value.instance)
        ):
            raise ValueError(
                f"An avatar is stored by `save()`: `bulk_update()` cannot write {self}."
            )
        return super().get_db_prep_save(value, connection)

    def _after_save(
        self, instance: models.Model, created: bool, raw: bool, using: str, **kwargs: Any
    ) -> None:
        """Store an assigned avatar; move one if other people may see it now."""
        avatar, changes = vars(instance._state)["avatars"].pop(self.attname)
        file: AvatarFieldFile = getattr(instance, self.attname)
        if avatar is not KEEP:
            file.replace(avatar, using=using, **changes)
        elif not raw and not created:
            # Not by the instance, which may be a stale copy of the row.
            row = type(instance)._base_manager.using(using).filter(pk=instance.pk)
            name = row.values_list(self.attname, flat=True).first() or ""
            if not self.is_in_place(name, self.find_place(instance)):
                moved = getattr(row.get(), self.attname)
                moved.replace(using=using)
                name = moved.name
            if file._committed:
                file.name = name

    def _before_delete(
        self, sender: type[models.Model], instance: models.Model, using: str, **kwargs: Any
    ) -> None:
        """Delete the files that the row names, which a stale instance does not know."""
        rows = sender._base_manager.using(using).select_for_update().filter(pk=instance.pk)
        for name in rows.values_list(self.attname, flat=True):
            journal.delete_after_commit(self, name or "", using)

    # What Django asks of a field

    def formfield(self, *args: Any, **kwargs: Any) -> Any:
        options = {"form_class": AvatarFormField, "max_length": None, "sizes": self.sizes}
        return super().formfield(*args, **{**options, **kwargs})

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        return [*super().check(**kwargs), *self._check_places(), *self._check_model()]

    def _check_places(self) -> Iterator[CheckMessage]:
        if not isinstance(self.upload_to, str) or self.upload_to == "/" or "%" in self.upload_to:
            yield Error(
                "`upload_to` of an AvatarField must be the name of a folder.",
                hint='Such as upload_to="sellers/". The names of the files are random.',
                obj=self,
                id="pictures.E001",
            )
        if self.is_public and self.protected_storage not in settings.STORAGES:
            yield Error(
                f"STORAGES has no {self.protected_storage!r}, where hidden avatars are stored.",
                hint="Add it, with a location that nobody serves.",
                obj=self,
                id="pictures.E002",
            )
        if any(self.prefixes & field.prefixes for field in list_fields() if field is not self):
            yield Error(
                f"Another AvatarField stores its files in {self.upload_to!r} as well.",
                hint="Give each an `upload_to` of its own, by which a file's field is found.",
                obj=self,
                id="pictures.E003",
            )

    def _check_model(self) -> Iterator[CheckMessage]:
        names = {field.name for field in self.model._meta.get_fields()}
        if self.description_field and self.description_field not in names:
            yield Error(
                f"`description_field` names {self.description_field!r}, which is no field.",
                obj=self,
                id="pictures.E004",
            )


def list_fields() -> Iterator[AvatarField]:
    """Yield the avatar fields of all models."""
    for model in apps.get_models():
        yield from (each for each in model._meta.local_fields if isinstance(each, AvatarField))


def find_field(name: str) -> AvatarField | None:
    """Return the field that stores files under the prefix of a name, if there is one."""
    prefix = find_prefix(name)
    return next((field for field in list_fields() if prefix in field.prefixes), None)
