"""The storage of static files."""

import os
from collections.abc import Iterable, Iterator

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's, but the compressed files are as readable as the others, whatever the umask."""

    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        for name, compressed in super().compress_files(paths):
            os.chmod(self.path(compressed), self.file_permissions_mode or 0o644)
            yield name, compressed
