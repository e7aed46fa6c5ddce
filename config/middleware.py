"""The site's own middleware: health, the log, headers, the request id, and the language."""

import logging
import re
import secrets
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    JsonResponse,
    StreamingHttpResponse,
    UnreadablePostError,
)
from django.http.response import HttpResponseBase
from django.middleware import locale
from django.utils import translation
from django.utils.translation import gettext as _
from django.views import defaults

from profiles.clients import client_ip
from profiles.views import wants_json

from .health import find_health
from .logs import current_request_id
from .metrics import metrics
from .outages import explain_write_error
from .views import render_alone

GetResponse = Callable[[HttpRequest], HttpResponseBase]

logger = logging.getLogger(__name__)
access_log = logging.getLogger("likeness.access")


def health(get_response: GetResponse) -> GetResponse:
    """Answer /healthz and /metrics before the check of the host and the redirect to HTTPS."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if request.path_info == "/metrics" and settings.METRICS_TOKEN:
            return metrics(request)
        if request.path_info != "/healthz":
            return get_response(request)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"], headers=headers)
        status, text = find_health("media" in request.GET)
        return HttpResponse(text, "text/plain", status, headers=headers)

    return middleware


# Deny all features but passkeys, which the site alone uses, not what it might frame. A file field
# can open the camera without permission; a page that shows what the camera sees cannot.
PERMISSIONS = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer autoplay camera display-capture encrypted-media fullscreen geolocation "
        "gyroscope magnetometer microphone midi payment picture-in-picture "
        "screen-wake-lock usb xr-spatial-tracking"
    ).split()
)
CAMERA_PERMISSIONS = PERMISSIONS.replace("camera=()", "camera=(self)")
CAMERA_PAGE = "profiles:avatar"


def headers(get_response: GetResponse) -> GetResponse:
    """Set the default headers of a response: for other origins, permissions and caches.

    Pages of members are `no-store`, so that "back" does not show them after signing out.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        match = request.resolver_match
        has_camera = match is not None and match.view_name == CAMERA_PAGE
        permissions = CAMERA_PERMISSIONS if has_camera else PERMISSIONS
        response.headers.setdefault("Permissions-Policy", permissions)
        if response.status_code == 304:
            # CommonMiddleware sets 0, but only the picture's length is allowed (RFC 9110, 8.6).
            del response["Content-Length"]
        if hasattr(request, "session") and request.session.accessed:
            # Check the status first: after a database error `request.user` cannot be loaded.
            unkept = response.status_code >= 500 or request.user.is_authenticated
            kept = "private, no-store" if unkept else "private"
            response.headers.setdefault("Cache-Control", kept)
        return response

    return middleware


def access(get_response: GetResponse) -> GetResponse:
    """Log each request. gunicorn's access log has neither the member nor the request's id."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response = get_response(request)
        line = {
            "client_ip": client_ip(request),
            "method": request.method,
            "path": request.path,  # Without the query: search terms are private.
            "status": response.status_code,
            "bytes": count_bytes(response),
            "milliseconds": round((time.perf_counter() - started) * 1000, 1),
            # Only if the view has loaded the user: loading costs two queries.
            "user": getattr(getattr(request, "_cached_user", None), "pk", None),
        }
        access_log.info("%(method)s %(path)s %(status)s", line, extra=line)
        return response

    return middleware


def count_bytes(response: HttpResponseBase) -> int | None:
    """Return the length of a response's body, or None if it is not known before sending."""
    if "Content-Length" in response.headers:
        return int(response.headers["Content-Length"])
    return len(response.content) if isinstance(response, HttpResponse) else None


def head(get_response: GetResponse) -> GetResponse:
    """Remove the body of a response to HEAD, which Django makes and gunicorn warns about."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.method == "HEAD" and isinstance(response, StreamingHttpResponse):
            response.streaming_content = []
        elif request.method == "HEAD" and isinstance(response, HttpResponse):
            response.content = b""
        return response

    return middleware


def request_id(get_response: GetResponse) -> GetResponse:
    """Give each request an id, the proxy's or a new one, for the log and the response's headers."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-ID", "")
        number = given if re.fullmatch(r"[\w-]{8,64}", given, re.ASCII) else secrets.token_hex(8)
        current_request_id.set(number)  # Not reset: Django logs a 404 after the last middleware.
        response = get_response(request)
        response["X-Request-ID"] = number
        return response

    return middleware


class ExceptionMiddleware:
    """Renders a page for what no view can prevent: an outage, and an account that is gone."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, OSError) and not isinstance(error, UnreadablePostError):
            logger.error("The picture store does not answer.", exc_info=error)
            advice = _(
                "Nothing has changed; your old picture is still there. Try again in a minute."
            )
            return answer_outage(request, _("We cannot reach our pictures just now"), advice)
        if isinstance(error, ObjectDoesNotExist | DatabaseError) and has_left(request):
            return defaults.page_not_found(request, error)
        return None


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer an error of any code; of a database that cannot be written, say so.

    Not in `process_exception`, which does not get the errors of other middleware: after the view,
    Django's saves the session.
    """
    if advice := explain_write_error(sys.exception()):
        return answer_outage(request, _("We cannot save anything just now"), _(advice))
    return render_alone(request, "500.html", 500)


def answer_outage(request: HttpRequest, heading: str, advice: str) -> HttpResponse:
    """Return a page, or JSON for a script, that says what does not work just now."""
    response: HttpResponse
    if wants_json(request):
        response = JsonResponse({"errors": {"__all__": [f"{heading}. {advice}"]}}, status=503)
    else:
        response = render_alone(request, "503.html", 503, heading=heading, advice=advice)
    response["Retry-After"] = "60"
    return response


def has_left(request: HttpRequest) -> bool:
    """Return whether the account was deleted while this request of its owner was running."""
    with suppress(DatabaseError):
        user = request.user
        return user.is_authenticated and not get_user_model().objects.filter(pk=user.pk).exists()
    return False


class LocaleMiddleware(locale.LocaleMiddleware):
    """Django's, but without `Vary: Accept-Language` on media files.

    With it, a shared cache would keep a copy of each picture for every `Accept-Language`.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not request.path_info.startswith(settings.MEDIA_URL):
            response = super().process_response(request, response)
        # The thread's next request may be refused before its own language is activated.
        translation.deactivate()
        return response
