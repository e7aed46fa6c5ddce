"""The health that /healthz reports: faults and warnings."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from profiles.search import index

MEDIA_CHECK_SECONDS = 30
# A disk with less free space is reported, before writing to it fails.
MIN_FREE_BYTES, MIN_FREE_PART = 100_000_000, 0.05
# A smaller one, such as a /tmp in memory, is reported by its part alone.
SMALL_BYTES = 1_000_000_000

_media_checked: dict[str, float] = {}
_answers: dict[bool, tuple[float, int, str]] = {}
_locks = {False: threading.Lock(), True: threading.Lock()}


def find_health(with_media: bool) -> tuple[int, str]:
    """Return the status and the text of the health, as they were found within the last second.

    Nothing limits how often it is asked for, and to find out takes as long as a page.
    """
    with _locks[with_media]:
        found, status, text = _answers.get(with_media, (-inf, 0, ""))
        if time.monotonic() - found >= 1:
            faults = find_faults(with_media)
            status = 503 if faults else 200
            warnings = [] if faults else find_search_warnings()
            text = "\n".join([*(faults or ["ok"]), *find_warnings(with_media), *warnings])
            _answers[with_media] = time.monotonic(), status, text
    return status, text


def find_faults(with_media: bool) -> list[str]:
    """Return the faults that keep this process from serving, one sentence each."""
    faults = []
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            faults.append("A migration is missing.")
    except DatabaseError:
        faults.append("The database does not answer.")
    if with_media and not can_write_media():
        faults.append("The media storage cannot be written.")
    return faults


def can_write_media() -> bool:
    """Return whether a file can be written, as it was found at most 30 seconds ago."""
    now = time.monotonic()
    if now - _media_checked.get("at", -MEDIA_CHECK_SECONDS) >= MEDIA_CHECK_SECONDS:
        _media_checked["at"] = now
        try:
            write_media()
            _media_checked.pop("fault", None)
        except OSError:
            _media_checked["fault"] = now
    return "fault" not in _media_checked


def write_media() -> None:
    """Write a file where pictures are stored, so that a killed process leaves none.

    Not below a prefix: its folder, if the check made it, would look as if the disk of the pictures
    were mounted.
    """
    storage = storages["protected"]
    try:
        folder = storage.path("")
    except NotImplementedError:
        # In a bucket each check deletes what an earlier one has left.
        storage.delete("healthz")
        with suppress(FileExistsError):  # Another machine has just written it.
            storage.save("healthz", ContentFile(b"ok"))
        storage.delete("healthz")
    else:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:  # It has no name.
            file.write(b"ok")


class Disk(NamedTuple):
    """A disk on which this machine stores something, and its bytes."""

    name: str
    total: int
    free: int

    @property
    def is_full(self) -> bool:
        least = MIN_FREE_BYTES if self.total > SMALL_BYTES else 0
        return self.free < max(least, MIN_FREE_PART * self.total)


def find_warnings(with_media: bool) -> list[str]:
    """Return which disks are nearly full, one sentence each. The site still serves."""
    return [
        f"The disk of {disk.name} has only {disk.free // 1_000_000} MB left."
        for disk in find_disks(with_media)
        if disk.is_full
    ]


def find_search_warnings() -> list[str]:
    """Return a sentence where somebody cannot be found, as when `migrate` was killed at its end."""
    with suppress(DatabaseError):
        if not index.is_complete(connection):
            return ["The index of names is incomplete: run `manage.py migrate`."]
    return []


def find_disks(with_media: bool) -> Iterator[Disk]:
    """Yield the disks that answer."""
    for name, folder in list_folders(with_media):
        with suppress(OSError):
            total, _, free = shutil.disk_usage(folder)
            yield Disk(name, total, free)


def list_folders(with_media: bool) -> Iterator[tuple[str, str]]:
    """Yield what this machine stores, and a folder of each.

    A network disk that does not answer would stop the whole check, so ask for it only if told to.
    """
    if connection.vendor == "sqlite":
        yield "the database", str(Path(connection.settings_dict["NAME"]).parent)
    if with_media and settings.MEDIA_DELIVERY != "bucket":
        yield "the media", str(settings.MEDIA_ROOT)
    with suppress(FileNotFoundError):  # Python looks for a folder that can be written.
        yield "temporary files", settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir()
