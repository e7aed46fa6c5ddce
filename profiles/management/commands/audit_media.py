"""Compare the media storage with the database."""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.core.files.storage import Storage
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ...models import Profile
from ...pictures.fields import get_storage
from ...pictures.names import PROTECTED, list_names

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
        limit = timezone.now() - timedelta(hours=older_than)
        stored = orphaned = lost = 0
        for folder in list_folders():
            files, orphans, missing = compare(folder, limit)
            for name in orphans:
                self.stdout.write(f"orphan   {name}")
                if delete_orphans:
                    get_storage(name).delete(name)
            for name in missing:
                self.stdout.write(f"missing  {name}")
            stored, orphaned, lost = stored + files, orphaned + len(orphans), lost + len(missing)
        done = "deleted" if delete_orphans else "found"
        self.stdout.write(f"{stored} files, {orphaned} orphans {done}.")
        if lost:
            raise CommandError(f"{lost} files are missing.", returncode=1)


def list_folders() -> Iterator[str]:
    """Yield the parts in which the storage is looked through: a bucket may hold millions of files.

    The folders that pictures lie in, there or not, and whatever else lies beside them.
    """
    for prefix in PREFIXES:
        yield from sorted({f"{prefix}{number:02x}/" for number in range(256)} | list_top(prefix))


def list_top(prefix: str) -> set[str]:
    """Return what lies right below a prefix: folders, with a slash at the end, and files."""
    try:
        folders, files = get_storage(prefix).listdir(prefix.rstrip("/"))
    except FileNotFoundError:
        return set()
    return {f"{prefix}{name}/" for name in folders} | {f"{prefix}{name}" for name in files}


def compare(folder: str, limit: datetime) -> tuple[int, list[str], list[str]]:
    """Return how many files a folder has, those that no row names, and those that it lacks."""
    # Files before rows: whatever is stored in between is not taken for an orphan.
    stored = set(walk(get_storage(folder), folder)) if folder.endswith("/") else {folder}
    rows = Profile.objects.filter(avatar__startswith=folder).values_list("avatar", flat=True)
    wanted = {name for avatar in rows.iterator() for name in list_names(avatar)}
    orphans = [name for name in sorted(stored - wanted) if is_older(name, limit)]
    missing = [name for name in sorted(wanted - stored) if not get_storage(name).exists(name)]
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


def is_older(name: str, limit: Any) -> bool:
    """Return whether a file was written before a time; False for one that has gone meanwhile."""
    try:
        return get_storage(name).get_modified_time(name) <= limit
    except FileNotFoundError:
        return False
