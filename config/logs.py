"""The format of the log: one JSON object a line, with the id of the request."""

import logging
import re
from contextvars import ContextVar

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

# Hide the secrets of mailed links from those who read the log.
MAILED_LINK = re.compile(r"(/accounts/(?:confirm|undo|reset)/)[^\s\"'<>?\\]+")
FIELDS = ("levelname", "name", "request_id", "message")
NAMES = {"levelname": "level", "name": "logger", "exc_info": "traceback"}

current_request_id: ContextVar[str] = ContextVar("request_id", default="-")


class Formatter(JsonFormatter):
    """Formats a record and its extras as one line of JSON, without secrets."""

    def __init__(self) -> None:
        # Django adds "request", whose text contains the query string.
        hidden = [*RESERVED_ATTRS, "request"]
        super().__init__(FIELDS, rename_fields=NAMES, reserved_attrs=hidden, timestamp="time")

    def format(self, record: logging.LogRecord) -> str:
        return MAILED_LINK.sub(r"\1...", super().format(record))


class RequestIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id.get()
        return True
