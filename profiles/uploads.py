"""Throw away a file's bytes past the limit while they stream in, and keep the other fields."""

from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from .limits import MAX_BYTES


class LimitUploadHandler(FileUploadHandler):
    """Stands before Django's handlers, which store what it lets through.

    The request is read to its end: an answer before that becomes a 502 behind a proxy. A file
    that was too large arrives at the form empty, but with its true size.
    """

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
            # Nobody takes the file that the next handler began, so nobody else would close it.
            if file := getattr(handler, "file", None):
                file.close()
        return UploadedFile(BytesIO(), self.file_name, size=self.size)
