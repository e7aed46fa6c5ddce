"""Throw away a file's bytes past the limit while they stream in, and keep the other fields."""

import time
from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest

from .limits import MAX_BYTES
from .timings import Timings


class LimitUploadHandler(FileUploadHandler):
    """Runs before Django's handlers, which store what it passes on.

    The request is read to its end: an answer before that becomes a 502 behind a proxy. A file
    that was too large arrives at the form empty, but with its true size.
    """

    def handle_raw_input(self, *args: Any, **kwargs: Any) -> None:
        self.started = time.perf_counter()

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.size = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        self.size += len(raw_data)
        return raw_data if self.size <= MAX_BYTES else None

    def file_complete(self, file_size: int) -> UploadedFile | None:
        if self.size <= MAX_BYTES:
            return None
        for handler in self.request.upload_handlers if self.request else []:
            # The file that the next handler opened is not used, and nobody else closes it.
            if file := getattr(handler, "file", None):
                file.close()
        return UploadedFile(BytesIO(), self.file_name, size=self.size)

    def upload_complete(self) -> None:
        # Django reads the body where somebody first asks for a field: that may be any middleware.
        if self.request:
            get_timings(self.request).add("read", self.started)


def get_timings(request: HttpRequest) -> Timings:
    """Return the timings of a request; create them if it has none."""
    timings: Timings = vars(request).setdefault("timings", Timings())
    return timings
