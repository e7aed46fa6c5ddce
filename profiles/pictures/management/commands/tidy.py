"""Delete files that no row names, and move those that other people see than should."""

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import router
from django.utils import timezone

from ... import journal
from ...fields import AvatarField, list_fields


class Command(BaseCommand):
    help = (
        "Deletes the files that the journal holds, and moves pictures to where those who may see "
        "them do. Run it every minute."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--now", action="store_true", help="also what is due later, such as after a kill"
        )

    def handle(self, *args: Any, now: bool, **options: Any) -> None:
        # Later than any entry is due.
        until = timezone.now() + (timedelta(days=1) if now else timedelta())
        failed = sum(tidy(field, until) for field in list_fields())
        if failed:
            raise CommandError(f"{failed} pictures could not be tidied; the log says why.")


def tidy(field: AvatarField, until: datetime) -> int:
    """Clear the entries of a field and move what is misplaced; return how often that failed."""
    using = router.db_for_write(field.model)
    failed = journal.tidy(field, using, until)
    for row in field.list_misplaced(using):
        try:
            getattr(row, field.attname).replace(using=using)
        except OSError as error:
            failed += 1
            journal.logger.warning("The picture of %s cannot be moved: %s", row.pk, error)
    return failed
