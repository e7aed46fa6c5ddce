"""What the site is measured against in the same gunicorn: an empty Django view, and WhiteNoise."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import re_path
from whitenoise import WhiteNoise


def answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [re_path("", answer)]
settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="of nobody",  # noqa: S106  # It signs nothing: there are no sessions.
    ALLOWED_HOSTS=["127.0.0.1"],
)
view = get_wsgi_application()


def answer_nothing(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "0")])
    return []


whitenoise = WhiteNoise(answer_nothing, os.environ.get("STATIC_ROOT"), "static/")
