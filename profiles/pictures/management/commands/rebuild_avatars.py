"""Make every avatar again, after the sizes or the encoder have changed."""

import hashlib
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from ...fields import AvatarField, list_fields
from ...files import AvatarFieldFile
from ..long_run import LongRun
from ..processes import count_processors, share_out

# How many keys are read at once.
BATCH = 1000
# More would be quicker, but need more memory than a container may have.
MAX_PROCESSES = 4
# A process takes a second to start, in which it could make ten.
SHARE = 20


class Command(BaseCommand):
    help = (
        "Makes all sizes of every avatar again from its largest file, under new names. "
        "Takes over the files of a former ImageField."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--processes",
            type=int,
            default=min(MAX_PROCESSES, count_processors()),
            metavar="N",
            help="how many at once, each of some 100 MB of memory (%(default)s)",
        )
        parser.add_argument(
            "--resume", action="store_true", help="go on where it was interrupted today"
        )

    def handle(self, *args: Any, processes: int, resume: bool, **options: Any) -> None:
        encoder = [version("pillow"), hash_pipeline()]
        with LongRun(self, "rebuild", ("done", "gone"), ("failed",), encoder, resume) as run:
            for field in list_fields():
                rebuild_all(field, run, processes)
        self.stdout.write(f"{run.counts['done']} avatars made anew.")
        if failed := run.counts["failed"]:
            raise CommandError(
                f"{failed} avatars could not be read, and are as they were. "
                "Run it again when they can be read."
            )


def hash_pipeline() -> str:
    """Return a digest of the code that makes avatars."""
    files = sorted((Path(__file__).parents[2] / "pipeline").glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def rebuild_all(field: AvatarField, run: LongRun, processes: int) -> None:
    """Make all avatars of a field again, after the one where that was interrupted."""
    label, positions = str(field), run.position or {}
    rows = list_rows(field)
    total = rows.count()
    keys = list_keys(rows, positions.get(label))
    results = share_out(partial(rebuild, field), keys, min(processes, total // SHARE))
    with closing(results):  # At Ctrl+C, let each process finish its avatar.
        for key, (kind, error) in results:
            run.counts[kind] += 1
            if error:
                run.write_error(error)
            if key is not None:
                text = f"{sum(run.counts.values()):,} avatars; {field} has {total:,}"
                run.step(positions | {label: str(key)}, text)


def list_rows(field: AvatarField) -> QuerySet:
    """Return the rows that have an avatar."""
    rows = field.model._base_manager.exclude(**{field.attname: ""})
    return rows.exclude(**{field.attname: None})


def list_keys(rows: QuerySet, after: Any) -> Iterator[Any]:
    """Yield the keys of rows in their order, up to the last of now: others are added meanwhile.

    Not by an open cursor, which would keep others from writing to SQLite.
    """
    last = rows.order_by("pk").values_list("pk", flat=True).last()
    while last is not None:
        some = rows.filter(pk__lte=last)
        if after is not None:
            some = some.filter(pk__gt=after)
        keys = list(some.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not keys:
            return
        yield from keys
        after = keys[-1]


def rebuild(field: AvatarField, key: Any) -> tuple[str, str]:
    """Make an avatar again; return what to count, and the error if it failed."""
    rows = list_rows(field)
    row = rows.filter(pk=key).first()
    if not row:
        return "gone", ""
    avatar: AvatarFieldFile = getattr(row, field.attname)
    name = avatar.name or ""
    try:
        with field.store.get_storage(name).open(name) as file:
            avatar.replace(field.make_avatar(file), only_if=name)
    except ObjectDoesNotExist:
        return "gone", ""
    except (OSError, ValidationError) as error:
        if not rows.filter(pk=key, **{field.attname: name}).exists():
            return "gone", ""  # It was replaced or removed meanwhile.
        return "failed", f"{name}: {error}"
    return "done", ""
