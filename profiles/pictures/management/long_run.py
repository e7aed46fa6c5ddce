"""A command that takes long: it shows how far it is, and goes on there after an interruption."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from ..fields import list_fields
from ..models import Progress

# What came no further since then is begun again: too much may have changed.
MAX_AGE = timedelta(days=1)
# How many seconds pass before a position is stored and shown again.
PERIOD = 1.0


class LongRun:
    """A block in which a command works through positions, which are any JSON.

    `position` is where the run before was interrupted, or `None`; `counts` include those of it.
    It stays before the first of the counted `faults`, which may be gone when the command goes on.
    `options` are any JSON: with others, it begins again.
    """

    def __init__(
        self,
        command: BaseCommand,
        name: str,
        counts: Iterable[str],
        faults: Iterable[str],
        options: list[Any],
        resume: bool,
    ) -> None:
        self.command, self.stored = command, Progress.objects.filter(name=name)
        self.name, self.options = name, [options, list(describe_fields())]
        self.faults, self.counts = list(faults), dict.fromkeys([*counts, *faults], 0)
        self.position: Any = None
        self.counted, self.changed = dict(self.counts), timezone.now()  # At that position.
        self.last, self.is_shown, self.can_store = time.monotonic(), False, True
        self._try(self._resume if resume else self.stored.delete)

    def _resume(self) -> None:
        known = self.stored.first()
        if not known:
            return
        if known.options != self.options or known.changed <= timezone.now() - MAX_AGE:
            self.write("Beginning again: what was interrupted had other options, or is too old.")
            return
        self.position, self.counts = known.position, self.counts | known.counts
        self.counted, self.changed = dict(self.counts), known.changed
        self.write(f"Going on from where it was at {known.changed:%H:%M} UTC.")

    def _has_faults(self) -> bool:
        return any(self.counts[kind] for kind in self.faults)

    def step(self, position: Any, text: str) -> None:
        """Note that all up to a position is done; show a text on a terminal."""
        if not self._has_faults():
            self.position, self.counted = position, dict(self.counts)
            self.changed = timezone.now()
        if time.monotonic() - self.last < PERIOD:
            return
        self.last = time.monotonic()
        if self.position is not None:
            self._try(self._store)
        if self.command.stderr.isatty():
            self.command.stderr.write(f"\r\x1b[K{text}", ending="")
            self.command.stderr.flush()
            self.is_shown = True

    def write(self, text: str) -> None:
        self._clear()
        self.command.stdout.write(text)

    def write_error(self, text: str) -> None:
        self._clear()
        self.command.stderr.write(text)

    def _clear(self) -> None:
        """Remove what is shown, before a line is printed."""
        if self.is_shown:
            self.command.stderr.write("\r\x1b[K", ending="")
            self.is_shown = False

    def _store(self) -> None:
        facts = {"position": self.position, "counts": self.counted, "changed": self.changed}
        self.stored.update_or_create(facts | {"options": self.options}, name=self.name)

    def _try(self, act: Callable[[], Any]) -> None:
        """Write to the database, which may be read-only or older than this table."""
        try:
            if self.can_store:
                act()
        except DatabaseError as error:
            self.can_store = False
            self.write_error(
                f"How far this is cannot be stored, so --resume cannot go on from there: {error}"
            )

    def __enter__(self) -> "LongRun":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._clear()
        has_more = kind and self.position is not None
        self._try(self._store if has_more else self.stored.delete)
        if has_more and self.can_store:
            place = "before the first fault" if self._has_faults() else "here"
            self.write_error(f"With --resume it goes on from {place}.")
        if kind and issubclass(kind, KeyboardInterrupt):
            raise CommandError("Interrupted.", returncode=130)


def describe_fields() -> Iterator[list[str]]:
    """Yield the fields, the endings of their files, and the storages of these."""
    for field in list_fields():
        yield [str(field), *field.sizes.endings]
        for prefix in sorted(field.prefixes):
            storage = field.store.select_storage(prefix)
            places = ("endpoint_url", "bucket_name", "location")
            yield [prefix, *(str(getattr(storage, place, "")) for place in places)]
