"""Compare the media storage with the database."""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.core.files.storage import Storage
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ...fields import get_storage
from ...models import Profile
from ...names import PROTECTED, list_names

PREFIXES = (Profile._meta.get_field("avatar").upload_to, PROTECTED)


class Command(BaseCommand):
    help = (
        "Lists files that belong to no profile, and profiles whose files are missing. "
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
        # Files before rows: whatever is stored in between is not taken for an orphan.
        stored = {name for prefix in PREFIXES for name in walk(get_storage(prefix), prefix)}
        rows = Profile.objects.exclude(avatar="").values_list("avatar", flat=True)
        wanted = {name for avatar in rows.iterator() for name in list_names(avatar)}
        limit = timezone.now() - timedelta(hours=older_than)
        orphans = [name for name in sorted(stored - wanted) if is_older(name, limit)]
        for name in orphans:
            self.stdout.write(f"orphan   {name}")
            if delete_orphans:
                get_storage(name).delete(name)
        missing = [name for name in sorted(wanted - stored) if not get_storage(name).exists(name)]
        for name in missing:
            self.stdout.write(f"missing  {name}")
        done = "deleted" if delete_orphans else "found"
        self.stdout.write(f"{len(stored)} files, {len(orphans)} orphans {done}.")
        if missing:
            raise CommandError(f"{len(missing)} files are missing.", returncode=1)


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


def is_older(name: str, limit: Any) -> bool:
    """Return whether a file was written before a time; False for one that has gone meanwhile."""
    try:
        return get_storage(name).get_modified_time(name) <= limit
    except FileNotFoundError:
        return False
