"""The faults that /healthz reports."""

import secrets
import time

from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

MEDIA_CHECK_SECONDS = 30

_media_checked: dict[str, float] = {}


def find_faults(with_media: bool) -> list[str]:
    """Return the faults that keep this process from serving, one sentence each."""
    faults = []
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            faults.append("A migration is missing.")
    except DatabaseError:
        faults.append("The database does not answer.")
    # The check writes a file, so run it at most every 30 seconds, however often it is requested.
    now = time.monotonic()
    if with_media and now - _media_checked.get("at", -MEDIA_CHECK_SECONDS) >= MEDIA_CHECK_SECONDS:
        _media_checked["at"] = now
        try:
            storage = storages["protected"]
            name = f"protected/healthz-{secrets.token_hex(8)}"  # Other machines write one as well.
            storage.delete(storage.save(name, ContentFile(b"ok")))
            _media_checked.pop("fault", None)
        except OSError:
            _media_checked["fault"] = now
    if with_media and "fault" in _media_checked:
        faults.append("The media storage cannot be written.")
    return faults
