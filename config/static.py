"""The storage of static files."""

import os
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from django.conf import settings
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's, but the compressed files are as readable as the others, whatever the umask.

    The URL of a file is found once: with DEBUG off, it does not change while a process runs.
    """

    support_js_module_import_aggregation = True  # Imports in scripts get the names with hashes.

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.find_url = cache(super().url)

    def url(self, name: str, force: bool = False) -> str:
        return super().url(name, force) if settings.DEBUG else self.find_url(name, force)

    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        for name, compressed in super().compress_files(paths):
            os.chmod(self.path(compressed), self.file_permissions_mode or 0o644)
            yield name, compressed
