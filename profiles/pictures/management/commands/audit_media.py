"""Compare the media storage with the database."""

import os
import re
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, SuspiciousFileOperation
from django.core.files.storage import Storage
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections, router
from django.db.models import Q, QuerySet
from django.utils import timezone

from ...fields import AvatarField, list_fields
from ...journal import list_entries
from ...models import JournalEntry, LastRun
from ...names import find_stem
from ..long_run import LongRun

KINDS, FAULTS = ("stored", "orphan"), ("missing", "damaged", "misplaced", "failed")
# How many files beside folders are compared at once: a former `ImageField` may have a million.
GROUP = 1000


class Place(NamedTuple):
    """A folder of one field's files, with a slash at its end, or some files beside such folders."""

    field: AvatarField
    storage: Storage
    position: list[Any]  # Each place has a greater one than those before it.
    folder: str
    files: Sequence[str] = ()


class Command(BaseCommand):
    help = (
        "Lists files that belong to no row, and rows whose files are missing, damaged, or stored "
        "where other people see them than should. Fails if there is such a row."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--delete-orphans", action="store_true", help="delete such files")
        parser.add_argument("--fix", action="store_true", help="move what is misplaced")
        parser.add_argument("--names", action="store_true", help="open no file: quick in a bucket")
        parser.add_argument(
            "--resume", action="store_true", help="go on with an audit that was interrupted today"
        )
        parser.add_argument(
            "--older-than",
            type=float,
            default=24,
            metavar="HOURS",
            help="pass over younger orphans, which a transaction may have written (24)",
        )

    def handle(
        self,
        *args: Any,
        delete_orphans: bool,
        fix: bool,
        names: bool,
        resume: bool,
        older_than: float,
        **options: Any,
    ) -> None:
        limit = timezone.now() - timedelta(hours=older_than)
        given = [delete_orphans, fix, names, older_than]
        with LongRun(self, "audit", KINDS, FAULTS, given, resume) as self.run:
            self.counts = self.run.counts
            for place, files in watch(compare_all(self.run.position or [], limit)):
                self.judge(place, files, names, delete_orphans)
            for name in watch(list_lost()):
                self.report("missing", name)
            for field in list_fields():
                for row in field.list_misplaced(router.db_for_write(field.model)):
                    avatar = getattr(row, field.attname)
                    self.report("misplaced", str(avatar), avatar.replace, fix)
            for path in list_uploads(limit):
                self.report("orphan", str(path), path.unlink, delete_orphans)
        self.record(fix, names)
        self.sum_up("deleted" if delete_orphans else "found", fix)

    def judge(self, place: Place, files: "Files", names: bool, delete_orphans: bool) -> None:
        """Report what is wrong in a place."""
        self.counts["stored"] += len(files.stored)
        for name in files.orphans:
            self.report("orphan", name, partial(place.storage.delete, name), delete_orphans)
        for name in files.missing:
            self.report("missing", name)
        for name in [] if names else files.stored & files.wanted:
            if not is_whole(place.storage, name):
                self.report("damaged", name)
        folder = make_plain(place.folder) or place.position[0]
        self.run.step(place.position, f"{folder}: {self.counts['stored']:,} files so far")

    def report(
        self, kind: str, name: str, repair: Callable[[], Any] | None = None, is_asked: bool = False
    ) -> None:
        """Print what is wrong with a file, and do something about it if that was asked for."""
        self.counts[kind] += 1
        self.run.write(f"{kind:9} {name}")
        try:
            if repair and is_asked:
                repair()
        except ObjectDoesNotExist:
            pass  # Somebody left meanwhile.
        except OSError as error:
            self.counts["failed"] += 1
            self.run.write_error(f"{name}: {error}")

    def record(self, fix: bool, names: bool) -> None:
        """Store what is wrong now. Without files opened, those found damaged before still are."""
        found = {kind: self.counts[kind] for kind in ("missing", "damaged", "misplaced")}
        if fix:
            found["misplaced"] = min(found["misplaced"], self.counts["failed"])
        if names:
            del found["damaged"]
        try:
            LastRun.objects.update_or_create({"finished": timezone.now(), **found}, name="audit")
        except DatabaseError as error:
            self.stderr.write(f"That this audit has ended could not be stored: {error}")

    def sum_up(self, done: str, fix: bool) -> None:
        """Print how many files and orphans there are; raise an error for the rest."""
        self.stdout.write(f"{self.counts['stored']} files, {self.counts['orphan']} orphans {done}.")
        faults = [f"{self.counts[kind]} files are {kind}" for kind in ("missing", "damaged")]
        if not fix:
            faults.append(f"{self.counts['misplaced']} pictures are misplaced")
        faults.append(f"{self.counts['failed']} files could not be deleted or moved")
        faults.append(f"{count_overdue()} avatars wait to be deleted for an hour: see tidy's log")
        if faults := [fault for fault in faults if not fault.startswith("0 ")]:
            raise CommandError(", ".join(faults) + ".", returncode=1)


def count_overdue() -> int:
    """Return how many entries of the journal are due for an hour, or were tried for that long."""
    is_old = Q(due__lt=timezone.now() - timedelta(hours=1)) | Q(tries__gt=8)
    return JournalEntry.objects.filter(is_old).count()


def list_places(after: list[Any]) -> Iterator[Place]:
    """Yield the parts in which the storages are compared: a bucket may hold millions of files.

    These are the 256 folders of each prefix, even if they are missing, and all that is beside them
    but the prefixes of other fields; of all these, the ones after a position.
    """
    owners = {prefix: field for field in list_fields() for prefix in field.prefixes}

    def is_others(name: str) -> bool:
        return any(prefix.startswith(name) for prefix in owners)

    for prefix, field in sorted(owners.items()):
        storage = field.store.select_storage(prefix)
        folders, files = list_top(storage, prefix)
        folders |= {f"{prefix}{number:02x}/" for number in range(256)}
        for name in sorted(folders):
            position: list[Any] = [prefix, 0, make_sortable(name)]
            if position > after and not is_others(name):
                yield Place(field, storage, position, name)
        for start in range(0, len(files), GROUP):
            names = [prefix + name for name in files[start : start + GROUP]]
            position = [prefix, 1, make_sortable(names[-1])]
            if position > after:
                names = [name for name in names if not is_others(name)]
                yield Place(field, storage, position, "", names)


def list_top(storage: Storage, prefix: str) -> tuple[set[str], list[str]]:
    """Return the folders below a prefix, and the names of files and links beside them, sorted."""
    try:
        folders, files = storage.listdir(prefix.rstrip("/"))
    except FileNotFoundError:
        return set(), []
    links = {name for name in folders if is_link(storage, prefix + name)}
    files += links
    files.sort()  # In place, as there may be a million.
    return {f"{prefix}{name}/" for name in set(folders) - links}, files


def list_lost() -> Iterator[str]:
    """Yield the names in rows of files that do not exist, and whose folder does not, either.

    The database passes over names in the 256 folders, which are compared anyway.
    """
    for field in list_fields():
        tops: set[str] = set()  # What is directly below the prefixes.
        for prefix in field.prefixes:
            folders, files = list_top(field.store.select_storage(prefix), prefix)
            tops.update(folders, (prefix + name for name in files))
        usual = f"^({'|'.join(map(re.escape, field.prefixes))})[0-9a-f]{{2}}/"
        rows = field.model._base_manager.using(router.db_for_write(field.model))
        rows = rows.exclude(**{f"{field.attname}__regex": usual})
        rows = rows.exclude(**{field.attname: ""}).exclude(**{field.attname: None})
        for name in rows.values_list(field.attname, flat=True).iterator():
            parents = (f"{parent}/" for parent in PurePath(name).parents)
            if tops.isdisjoint([name, *parents]) and not exists(
                field.store.get_storage(name), name
            ):
                yield name


def exists(storage: Storage, name: str) -> bool:
    """Return whether a file exists; one outside of the storage, such as "../a.png", does not."""
    with suppress(SuspiciousFileOperation):
        return storage.exists(name)
    return False


def compare_all(after: list[Any], limit: datetime) -> Iterator[tuple[Place, "Files"]]:
    """Yield what was found of each place after a position."""
    yield from ((place, compare(place, limit)) for place in list_places(after))


def watch(found: Iterator[Any]) -> Iterator[Any]:
    """Yield what was found; report in one line that a storage does not answer."""
    try:
        yield from found
    except OSError as error:
        raise CommandError(
            f"The storage of pictures does not answer: {error}. Check AWS_STORAGE_BUCKET_NAME and "
            "the other variables of the bucket or, without one, MEDIA_ROOT."
        )


class Files(NamedTuple):
    """What was found of one place."""

    stored: set[str]
    wanted: set[str]  # By rows.
    orphans: list[str]
    missing: list[str]


def compare(place: Place, limit: datetime) -> Files:
    """Compare a place with the rows that name files in it."""
    field, storage, using = place.field, place.storage, router.db_for_write(place.field.model)
    # Files, then the journal, then rows: whatever is stored in between is not taken for an orphan.
    stored = set(walk(storage, place.folder)) if place.folder else set(place.files)
    waiting = select(list_entries(field, using), "name", place)
    known = list_files(field, waiting)
    rows = field.model._base_manager.using(using)
    wanted = list_files(field, select(rows, field.attname, place))
    orphans = [name for name in stored - wanted - known if is_older(storage, name, limit)]
    missing = [name for name in wanted - stored if not storage.exists(name)]
    return Files(stored, wanted, sorted(orphans), sorted(missing))


def select(rows: QuerySet, column: str, place: Place) -> Iterator[str]:
    """Yield those names of a column that are in a place, found by its index."""
    start = make_plain(place.folder)
    if not start:
        rows = rows.filter(**{f"{column}__in": map(make_plain, place.files)})
    else:
        rows = rows.filter(**{f"{column}__startswith": start})
        if connections[rows.db].vendor == "sqlite":  # It uses no index for LIKE.
            rows = rows.filter(**{f"{column}__gte": start, f"{column}__lt": f"{start[:-1]}0"})
    yield from rows.values_list(column, flat=True).iterator()


def make_plain(name: str) -> str:
    """Return a name as a row could hold it: one that is not UTF-8 is in no row."""
    return name.encode(errors="replace").decode()


def make_sortable(name: str) -> str:
    """Return a name as any database stores it, in the order of names, also if it is not UTF-8."""
    return name.encode(errors="surrogatepass").decode("latin-1")


def list_files(field: AvatarField, names: Iterable[str]) -> set[str]:
    """Return the names of all files of some avatars."""
    return {file_name for name in names for file_name in field.store.list_names(name)}


def walk(storage: Storage, folder: str) -> Iterator[str]:
    """Yield the names of all files below a folder of a storage, and of links to folders."""
    folder = folder.rstrip("/")
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    yield from (f"{folder}/{name}" for name in files)
    for name in folders:
        if is_link(storage, f"{folder}/{name}"):
            yield f"{folder}/{name}"  # It may lead out of the storage, so do not follow it.
        else:
            yield from walk(storage, f"{folder}/{name}")


def is_link(storage: Storage, name: str) -> bool:
    """Return whether a folder of a disk is a symbolic link."""
    try:
        return Path(storage.path(name)).is_symlink()
    except NotImplementedError:
        return False


def is_older(storage: Storage, name: str, limit: datetime) -> bool:
    """Return whether a file was written before a time; False where it is missing by now."""
    with suppress(FileNotFoundError):
        try:
            # On a disk, the time of modification says nothing: see `store.forget_time`.
            return storage.get_created_time(name) <= limit
        except NotImplementedError:  # by a bucket
            return storage.get_modified_time(name) <= limit
    return False


def is_whole(storage: Storage, name: str) -> bool:
    """Return whether a file begins and ends as its format does, or is missing by now."""
    try:
        with storage.open(name) as file:
            data = file.read()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    if name.endswith(".webp"):
        return data[:4] == b"RIFF" and int.from_bytes(data[4:8], "little") + 8 == len(data)
    return bool(data) if not find_stem(name) else data[:2] + data[-2:] == b"\xff\xd8\xff\xd9"


def list_uploads(limit: datetime) -> Iterator[Path]:
    """Yield this user's temporary files of uploads, which a killed process of Django's leaves."""
    folder = Path(settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir())
    for path in folder.glob("tmp*.upload*"):
        with suppress(FileNotFoundError):
            status = path.lstat()
            if status.st_uid == os.getuid() and status.st_mtime <= limit.timestamp():
                yield path
