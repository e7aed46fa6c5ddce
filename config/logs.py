"""What production writes of each request: one JSON object a line, on standard error."""

import logging
import re
import time

from django import template
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from profiles.clients import client_ip

from .middleware import GetResponse, get_request_id

access_log = logging.getLogger("likeness.access")
# Whoever reads the log must not be able to follow a link that was mailed to somebody.
MAILED_LINK = re.compile(r"(/accounts/(?:confirm|reset)/)[^\s\"'<>?\\]+")
FIELDS = ("levelname", "name", "request_id", "message")
NAMES = {"levelname": "level", "name": "logger", "exc_info": "traceback"}

register = template.Library()
# An error page has no context of its own: Django renders 500.html without one.
register.simple_tag(get_request_id, name="request_id")


class Formatter(JsonFormatter):
    """Writes a record and its extras as one line of JSON, without what must stay secret."""

    def __init__(self) -> None:
        # "request" is Django's extra; its text holds the query.
        hidden = [*RESERVED_ATTRS, "request"]
        super().__init__(FIELDS, rename_fields=NAMES, reserved_attrs=hidden, timestamp="time")

    def format(self, record: logging.LogRecord) -> str:
        return MAILED_LINK.sub(r"\1...", super().format(record))


def access(get_response: GetResponse) -> GetResponse:
    """Write a line for each request: who asked for what, and what came of it.

    Not gunicorn's own access log, which knows neither the member nor the request's id.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = get_response(request)
        line = {
            "client_ip": client_ip(request),
            "method": request.method,
            "path": request.path,  # Not the query: what people search for is theirs.
            "status": response.status_code,
            "bytes": count_bytes(response),
            "milliseconds": round((time.perf_counter() - started) * 1000, 1),
            # Only where the answer depended on it: asking costs two queries.
            "user": getattr(getattr(request, "_cached_user", None), "pk", None),
        }
        access_log.info("%(method)s %(path)s %(status)s", line, extra=line)
        return response

    return middleware


def count_bytes(response: HttpResponseBase) -> int | None:
    """Return the length of an answer's body, as far as it is known before it is sent."""
    if "Content-Length" in response.headers:
        return int(response.headers["Content-Length"])
    return len(response.content) if isinstance(response, HttpResponse) else None
