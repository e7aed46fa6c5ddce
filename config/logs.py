"""The format of the log: one JSON object a line, with the id of the request."""

import logging
import re
from contextvars import ContextVar

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

# Whoever reads the log must not be able to follow a link that was mailed to somebody.
MAILED_LINK = re.compile(r"(/accounts/(?:confirm|reset)/)[^\s\"'<>?\\]+")
FIELDS = ("levelname", "name", "request_id", "message")
NAMES = {"levelname": "level", "name": "logger", "exc_info": "traceback"}

current_request_id: ContextVar[str] = ContextVar("request_id", default="-")


class Formatter(JsonFormatter):
    """Writes a record and its extras as one line of JSON, without what must stay secret."""

    def __init__(self) -> None:
        # "request" is Django's extra; its text holds the query.
        hidden = [*RESERVED_ATTRS, "request"]
        super().__init__(FIELDS, rename_fields=NAMES, reserved_attrs=hidden, timestamp="time")

    def format(self, record: logging.LogRecord) -> str:
        return MAILED_LINK.sub(r"\1...", super().format(record))


class RequestIdFilter(logging.Filter):
    """Adds the id of the request to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id.get()
        return True
