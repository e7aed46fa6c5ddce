"""What every request passes: health, headers, the request id, and the language."""

import logging
import re
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.middleware import locale
from django.shortcuts import render
from django.utils import translation

GetResponse = Callable[[HttpRequest], HttpResponseBase]
MEDIA_CHECK_SECONDS = 30

logger = logging.getLogger(__name__)

_request_id: ContextVar[str] = ContextVar("request_id", default="-")
_media_checked: dict[str, float] = {}


def health(get_response: GetResponse) -> GetResponse:
    """Answer /healthz before the check of the host and the redirect to HTTPS."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path_info != "/healthz":
            return get_response(request)
        faults = find_faults(with_media="media" in request.GET)
        status = 503 if faults else 200
        headers = {"Cache-Control": "no-store"}
        return HttpResponse("\n".join(faults or ["ok"]), "text/plain", status, headers=headers)

    return middleware


def find_faults(with_media: bool) -> list[str]:
    """Return what keeps this process from serving, a sentence each."""
    faults = []
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            faults.append("A migration is missing.")
    except DatabaseError:
        faults.append("The database does not answer.")
    # A write, so at most every 30 seconds, whoever asks how often.
    now = time.monotonic()
    if with_media and now - _media_checked.get("at", -MEDIA_CHECK_SECONDS) >= MEDIA_CHECK_SECONDS:
        _media_checked["at"] = now
        try:
            storage = storages["protected"]
            name = f"protected/healthz-{secrets.token_hex(8)}"  # Other machines ask as well.
            storage.delete(storage.save(name, ContentFile(b"ok")))
            _media_checked.pop("fault", None)
        except OSError:
            _media_checked["fault"] = now
    if with_media and "fault" in _media_checked:
        faults.append("The media storage cannot be written.")
    return faults


# Everything that browsers know and the site has no use for: the camera opens from a file field.
PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer autoplay camera display-capture encrypted-media fullscreen geolocation "
        "gyroscope magnetometer microphone midi payment picture-in-picture "
        "publickey-credentials-get screen-wake-lock usb xr-spatial-tracking"
    ).split()
)


def headers(get_response: GetResponse) -> GetResponse:
    """Keep pages to this site, and those that depend on who asks out of caches.

    A member's page is not stored at all: after signing out, "back" does not show it.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        if response.status_code == 304:
            # CommonMiddleware's 0 would be said of the picture itself (RFC 9110, 8.6).
            del response["Content-Length"]
        if hasattr(request, "session") and request.session.accessed:
            # First the status: where the database has failed, who asks is not to be known.
            unkept = response.status_code >= 500 or request.user.is_authenticated
            kept = "private, no-store" if unkept else "private"
            response.headers.setdefault("Cache-Control", kept)
        return response

    return middleware


def head(get_response: GetResponse) -> GetResponse:
    """Answer HEAD without the body: Django makes one, and gunicorn warns of each that it drops."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.method == "HEAD" and isinstance(response, StreamingHttpResponse):
            response.streaming_content = []
        elif request.method == "HEAD" and isinstance(response, HttpResponse):
            response.content = b""
        return response

    return middleware


def request_id(get_response: GetResponse) -> GetResponse:
    """Give each request an id, the proxy's or our own, for the log and the answer's headers."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        number = given if re.fullmatch(r"[\w-]{8,64}", given, re.ASCII) else secrets.token_hex(8)
        _request_id.set(number)  # Not reset: Django logs a 404 after the last middleware.
        response = get_response(request)
        response["X-Request-ID"] = number
        return response

    return middleware


def get_request_id() -> str:
    """Return the id of the request that is being answered."""
    return _request_id.get()


class RequestIdFilter(logging.Filter):
    """Puts the request's id on each line of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = get_request_id()
        return True


class OutageMiddleware:
    """Says that the picture store does not answer, where a view has no form to say it in."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, OSError) or isinstance(error, UnreadablePostError):
            return None
        logger.error("The picture store does not answer.", exc_info=error)
        response = render(request, "503.html", status=503)
        response["Retry-After"] = "60"
        return response


class LocaleMiddleware(locale.LocaleMiddleware):
    """Django's, except for media files: their answers are the same in every language.

    A `Vary` on them would make a shared cache keep a copy for each browser's languages.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not request.path_info.startswith(settings.MEDIA_URL):
            response = super().process_response(request, response)
        # The next visitor may be refused before this thread hears of their language.
        translation.deactivate()
        return response
