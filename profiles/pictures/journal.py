"""The journal of files: nothing lingers, whatever fails and whenever the process is killed.

A row and its files cannot change in one step. So each set of files that no row names has an entry
in the database:

- *Arriving*: committed before the first file is written. The transaction in which a row names the
  files deletes the entry. If `tidy` has taken the entry before, the files are written again.
- *Leaving*: written in the transaction in which a row stops naming the files. It is deleted once
  the files are.

A request that succeeds leaves no entry. After a kill or a failed write, and while the storage is
down, entries stay. `tidy` deletes their files once they are due, so nobody has to list a storage
to find them. It takes the entry first, so that an upload that is still running cannot name the
files.

In a transaction of the caller's, an arriving entry is committed together with it. What a kill or a
rollback leaves there, only `audit_media` finds.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from .models import JournalEntry

logger = logging.getLogger(__name__)

# Longer than it takes to write an avatar, also where a bucket is slow.
ARRIVAL = timedelta(minutes=5)
# After a failure; each further one doubles it.
PAUSE, MAX_PAUSE = timedelta(minutes=1), timedelta(minutes=10)
# After so many failures one after the other, nothing else is tried: the storage does not answer.
MAX_FAILURES = 3


class Arrival:
    """A block in which files are written; those that no row names at its end are deleted.

    Without a name, it does nothing.
    """

    def __init__(self, field: Any, name: str, using: str) -> None:
        due = timezone.now() + ARRIVAL
        self.field, self.is_over = field, not name
        self.entry = JournalEntry(field=str(field), name=name, due=due, written_until=due)
        self.entries = list_entries(field, using)

    def __enter__(self) -> "Arrival":
        if not self.is_over:
            self.entry.save(using=self.entries.db)
        return self

    def write(self, files: dict[str, bytes]) -> bool:
        """Write the files; return False if `tidy` has taken the entry, and deleted some of them."""
        try:
            self.field.store.write(self.entry.name, files)
        except FileNotFoundError:
            if self.entries.filter(pk=self.entry.pk, is_leaving=False).exists():
                raise
            return False
        return True

    def claim(self) -> bool:
        """Delete the entry, in the transaction in which a row is to name the files.

        Returns False if `tidy` has taken it, and deleted the files.
        """
        if self.is_over:
            return True
        # Not only `delete()`, which may read first and then delete what `tidy` has taken meanwhile.
        mine = self.entries.filter(pk=self.entry.pk)
        is_ours = bool(mine.filter(is_leaving=False).update(is_leaving=True))
        if is_ours:
            mine.delete()
        return is_ours

    def __exit__(self, error: type[BaseException] | None, *rest: object) -> None:
        """Delete the files. If a write failed, the entry stays: a bucket may still carry it out."""
        if not self.is_over:
            has_failed = error and not issubclass(error, (DatabaseError, ObjectDoesNotExist))
            try_to_delete(self.field, self.entry, keep_entry=bool(has_failed))


def delete_after_commit(field: Any, name: str, using: str) -> None:
    """Delete an avatar's files once no row names them; call it in the transaction."""
    if not name:
        return
    due = timezone.now() + PAUSE
    facts = {"field": str(field), "name": name, "is_leaving": True, "due": due}
    entry = JournalEntry.objects.using(using).create(**facts)
    after_commit(using, partial(try_to_delete, field, entry))


def after_commit(using: str, act: Callable[[], Any]) -> None:
    """Do something after the commit; an error is logged, since what was asked for is done."""

    def run() -> None:
        act()  # Django logs the name of a function, which a `partial` does not have.

    transaction.on_commit(run, using, robust=True)


def try_to_delete(field: Any, entry: JournalEntry, keep_entry: bool = False) -> None:
    """Delete files and then their entry; where that fails, the entry stays for `tidy`."""
    try:
        field.store.delete(entry.name)
        if not keep_entry:
            entry.delete(using=entry._state.db)
    except (OSError, DatabaseError) as error:
        logger.warning("%s cannot be deleted now: %s", entry.name, error)


def list_entries(field: Any, using: str) -> QuerySet[JournalEntry]:
    """Return the entries of a field."""
    return JournalEntry.objects.using(using).filter(field=str(field))


def is_waiting(*names: str | None) -> bool:
    """Return whether files are still to be deleted, because the storage failed."""
    return JournalEntry.objects.filter(name__in=names).exists()


def clear_due(
    field: Any, using: str, until: datetime | None = None, limit: int | None = None
) -> int:
    """Delete the files of entries that are due; return how many entries could not be cleared."""
    due = list_entries(field, using).filter(due__lte=until or timezone.now()).order_by("due")
    clears = ((entry.name, partial(clear, field, entry, using)) for entry in due[:limit])
    return count_failures(clears)


def count_failures(actions: Iterable[tuple[str, Callable[[], None]]]) -> int:
    """Do one after the other, until several have failed in a row; return how many failed.

    With each comes the name of the picture, for the log.
    """
    failed = in_a_row = 0
    for name, act in actions:
        try:
            act()
            in_a_row = 0
        except ObjectDoesNotExist:
            continue  # Somebody left meanwhile.
        except (OSError, DatabaseError) as error:
            logger.warning("%s cannot be deleted or moved now: %s", name, error)
            failed, in_a_row = failed + 1, in_a_row + 1
            if in_a_row == MAX_FAILURES:
                break
    return failed


def clear(field: Any, entry: JournalEntry, using: str) -> None:
    """Delete the files of an entry that is due, unless somebody else does it just now."""
    now = timezone.now()
    pause = min(PAUSE * 2 ** min(entry.tries, 10), MAX_PAUSE)
    seen = list_entries(field, using).filter(pk=entry.pk, tries=entry.tries)
    if not seen.update(is_leaving=True, tries=F("tries") + 1, due=now + pause):
        return
    # A name that somebody wrote into a row without this module stays.
    if not field.model._base_manager.using(using).filter(**{field.attname: entry.name}).exists():
        field.store.delete(entry.name)
    if not entry.written_until or entry.written_until <= now:
        entry.delete(using=using)
