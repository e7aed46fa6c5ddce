"""Receive files: throw away the bytes past the limit, and give those on the disk no name."""

import time
from contextlib import suppress
from io import BytesIO
from tempfile import TemporaryFile
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser
from django.utils.datastructures import MultiValueDict

from .limits import MAX_BYTES
from .timings import Timings


class LimitUploadHandler(FileUploadHandler):
    """Runs before Django's handlers, which store what it passes on.

    The request is read to its end: an answer before that becomes a 502 behind a proxy. A file
    that was too large arrives at the form empty, but with its true size.
    """

    is_parsing = False

    def handle_raw_input(
        self,
        input_data: Any,
        meta: dict[str, Any],
        content_length: int,
        boundary: Any,
        encoding: str | None = None,
    ) -> tuple[QueryDict, MultiValueDict[str, UploadedFile]] | None:
        """Parse the body as Django does; if it breaks off, close the file that was arriving.

        Django forgets to: the file would keep its room until a garbage collection.
        """
        if self.is_parsing or not self.request:  # The parser asks each handler once more.
            return None
        self.is_parsing = True
        self.started = time.perf_counter()
        try:
            handlers = self.request.upload_handlers
            return MultiPartParser(meta, input_data, handlers, encoding).parse()
        except Exception:
            self._close_files()
            raise

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.size = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        self.size += len(raw_data)
        return raw_data if self.size <= MAX_BYTES else None

    def file_complete(self, file_size: int) -> UploadedFile | None:
        if self.size <= MAX_BYTES:
            return None
        self._close_files()  # The one that the next handler opened is not used.
        return UploadedFile(BytesIO(), self.file_name, size=self.size)

    def _close_files(self) -> None:
        for handler in self.request.upload_handlers if self.request else []:
            if file := getattr(handler, "file", None):
                with suppress(OSError):  # It tries once more to write.
                    file.close()

    def upload_complete(self) -> None:
        # Django reads the body where somebody first asks for a field: that may be any middleware.
        if self.request:
            get_timings(self.request).add("read", self.started)


class UnnamedFileUploadHandler(FileUploadHandler):
    """Stores a file on the disk without a name: when the process is killed, nothing of it is left.

    If there is no room for it, it arrives at the form empty and marked as lost.
    """

    file: UploadedFile | None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.file = None
        with suppress(OSError):
            # Django closes it after the response.
            content = TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115
            self.file = UploadedFile(content, self.file_name, self.content_type)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        try:
            if self.file:
                self.file.write(raw_data)
        except OSError:
            self.upload_interrupted()

    def file_complete(self, file_size: int) -> UploadedFile:
        try:
            if self.file:
                self.file.seek(0)  # It writes the rest, which may fail as well.
        except OSError:
            self.upload_interrupted()
        if self.file:
            self.file.size = file_size
            return self.file
        lost = UploadedFile(BytesIO(), self.file_name, size=0)  # Other forms refuse it as empty.
        vars(lost)["is_lost"] = True
        return lost

    def upload_interrupted(self) -> None:
        if self.file:
            with suppress(OSError):  # It tries once more to write.
                self.file.close()
        self.file = None


def get_timings(request: HttpRequest) -> Timings:
    """Return the timings of a request; create them if it has none."""
    timings: Timings = vars(request).setdefault("timings", Timings())
    return timings
