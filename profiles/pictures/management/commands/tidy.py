"""Delete files that no row names, and move those that other people see than should."""

from argparse import ArgumentParser
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import router
from django.utils import timezone

from ... import journal
from ...fields import AvatarField, list_fields
from ...models import JournalEntry


class Command(BaseCommand):
    help = (
        "Deletes the files that no row names any more, and moves each picture to the storage that "
        "fits who may see it. Run it every minute."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--now", action="store_true", help="do not wait until files are due")

    def handle(self, *args: Any, now: bool, **options: Any) -> None:
        # Later than any entry is due.
        until = timezone.now() + (timedelta(days=1) if now else timedelta())
        fields = list(list_fields())
        failed = sum(tidy(field, until) for field in fields)
        for entry in JournalEntry.objects.exclude(field__in=map(str, fields)):
            failed += 1
            self.stderr.write(f"{entry.name}: there is no field {entry.field} any more.")
        if failed:
            raise CommandError(f"{failed} avatars could not be deleted or moved. See the log.")


def tidy(field: AvatarField, until: datetime) -> int:
    """Clear the entries of a field and move what is misplaced; return how often that failed."""
    using = router.db_for_write(field.model)
    rows = field.list_misplaced(using)
    avatars = (getattr(row, field.attname) for row in rows)
    moves = ((str(avatar), partial(avatar.replace, using=using)) for avatar in avatars)
    return journal.clear_due(field, using, until) + journal.count_failures(moves)
