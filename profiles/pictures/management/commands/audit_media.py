"""Compare the media storage with the database."""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.core.files.storage import Storage
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ...fields import AvatarField, list_fields


class Place(NamedTuple):
    """A folder of one field's files, with a slash at its end, or a file beside such folders."""

    field: AvatarField
    storage: Storage
    name: str


class Command(BaseCommand):
    help = (
        "Lists files that belong to no row, and rows whose files are missing. "
        "Fails when a file is missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--delete-orphans", action="store_true", help="delete such files")
        parser.add_argument(
            "--older-than",
            type=float,
            default=24,
            metavar="HOURS",
            help="pass over younger orphans, which a running upload may have written (24)",
        )

    def handle(self, *args: Any, delete_orphans: bool, older_than: float, **options: Any) -> None:
        limit = timezone.now() - timedelta(hours=older_than)
        stored = orphaned = lost = 0
        for place in list_places():
            files, orphans, missing = compare(place, limit)
            for name in orphans:
                self.stdout.write(f"orphan   {name}")
                if delete_orphans:
                    place.storage.delete(name)
            for name in missing:
                self.stdout.write(f"missing  {name}")
            stored, orphaned, lost = stored + files, orphaned + len(orphans), lost + len(missing)
        done = "deleted" if delete_orphans else "found"
        self.stdout.write(f"{stored} files, {orphaned} orphans {done}.")
        if lost:
            raise CommandError(f"{lost} files are missing.", returncode=1)


def list_places() -> Iterator[Place]:
    """Yield the parts in which the storages are compared: a bucket may hold millions of files.

    These are the 256 folders of each prefix, even if they are missing, and all that is beside them
    but the prefixes of other fields.
    """
    prefixes = [prefix for field in list_fields() for prefix in field.prefixes]
    for field in list_fields():
        for prefix in field.prefixes:
            storage = field.store.select_storage(prefix)
            names = {f"{prefix}{number:02x}/" for number in range(256)} | list_top(storage, prefix)
            for name in sorted(names):
                if not any(other.startswith(name) for other in prefixes):
                    yield Place(field, storage, name)


def list_top(storage: Storage, prefix: str) -> set[str]:
    """Return what is directly below a prefix: folders, with a slash at the end, and files."""
    try:
        folders, files = storage.listdir(prefix.rstrip("/"))
    except FileNotFoundError:
        return set()
    return {f"{prefix}{name}/" for name in folders} | {f"{prefix}{name}" for name in files}


def compare(place: Place, limit: datetime) -> tuple[int, list[str], list[str]]:
    """Return how many files a place has, those that no row names, and those that it lacks."""
    field, storage, folder = place
    # Files before rows: whatever is stored in between is not taken for an orphan.
    stored = set(walk(storage, folder)) if folder.endswith("/") else {folder}
    column = field.attname
    rows = field.model._base_manager.filter(**{f"{column}__startswith": folder})
    names = rows.values_list(column, flat=True).iterator()
    wanted = {file_name for name in names for file_name in field.store.list_names(name)}
    orphans = [name for name in sorted(stored - wanted) if is_older(storage, name, limit)]
    missing = [name for name in sorted(wanted - stored) if not storage.exists(name)]
    return len(stored), orphans, missing


def walk(storage: Storage, folder: str) -> Iterator[str]:
    """Yield the names of all files below a folder of a storage."""
    folder = folder.rstrip("/")
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    yield from (f"{folder}/{name}" for name in files)
    for name in folders:
        yield from walk(storage, f"{folder}/{name}")


def is_older(storage: Storage, name: str, limit: datetime) -> bool:
    """Return whether a file was written before a time; False where it is missing by now."""
    try:
        return storage.get_modified_time(name) <= limit
    except FileNotFoundError:
        return False
