"""Make every avatar again, after the sizes or the encoder have changed."""

from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import BaseCommand, CommandError

from ...fields import AvatarField, list_fields
from ...files import AvatarFieldFile


class Command(BaseCommand):
    help = (
        "Makes all sizes of every avatar again from its largest file, under new names. "
        "Takes over the files of a former ImageField."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.done = self.failed = 0
        for field in list_fields():
            self.rebuild_all(field)
        self.stdout.write(f"{self.done} avatars made anew.")
        if self.failed:
            raise CommandError(f"{self.failed} avatars could not be read; they are as they were.")

    def rebuild_all(self, field: AvatarField) -> None:
        rows = field.model._base_manager.exclude(**{field.attname: ""}).exclude(
            **{field.attname: None}
        )
        # The keys first: an open cursor would keep others from writing to SQLite meanwhile.
        for key in list(rows.order_by("pk").values_list("pk", flat=True)):
            row = rows.filter(pk=key).first()
            if not row:
                continue
            avatar: AvatarFieldFile = getattr(row, field.attname)
            name = avatar.name or ""
            try:
                with field.store.get_storage(name).open(name) as file:
                    avatar.replace(field.make_avatar(file), only_if=name)
                self.done += 1
            except ObjectDoesNotExist:
                continue
            except (OSError, ValidationError) as error:
                if rows.filter(pk=key, **{field.attname: name}).exists():
                    self.failed += 1
                    self.stderr.write(f"{name}: {error}")
