"""The site's own middleware: health, the log, headers, the request id, and the language."""

import logging
import re
import secrets
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.middleware import locale
from django.shortcuts import render
from django.utils import translation

from profiles.clients import client_ip

from .health import find_faults
from .logs import current_request_id

GetResponse = Callable[[HttpRequest], HttpResponseBase]

logger = logging.getLogger(__name__)
access_log = logging.getLogger("likeness.access")


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
        current_request_id.set(number)  # Not reset: Django logs a 404 after the last middleware.
        response = get_response(request)
        response["X-Request-ID"] = number
        return response

    return middleware


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
