"""The preferences, language and colours; forms that are refused; who is signed in, for nginx."""

import logging
import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_safe

THEMES = ("light", "dark")
YEAR = 365 * 24 * 60 * 60  # seconds
# The end excludes an address with a password in it.
ORIGIN = re.compile(r"(null|[a-z]{1,10}://[\w.:\[\]-]{1,270})(?=[/?#]|$)", re.ASCII)

logger = logging.getLogger(__name__)


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """Show the forms for language and colours, and store the theme in a cookie.

    They have a separate page, since a form needs a CSRF cookie, which other pages do not set.
    """
    if request.method != "POST":
        return render(request, "preferences.html")
    response = redirect("preferences")
    if (theme := request.POST.get("theme", "")) in THEMES:
        response.set_cookie(
            "theme", theme, YEAR, secure=settings.HTTPS, httponly=True, samesite="Lax"
        )
    else:
        response.delete_cookie("theme", samesite="Lax")
    return response


@require_safe
def xray(request: HttpRequest) -> HttpResponse:
    """Return the panel of the X-ray, with its texts, which few visitors need."""
    response = render(request, "xray.html")
    response["X-Robots-Tag"] = "noindex"
    response["Cache-Control"] = "private"  # The language may be in a cookie.
    return response


def render_alone(request: HttpRequest, template: str, status: int, **context: str) -> HttpResponse:
    """Render a page in the visitor's colours, without context processors, which ask the database.

    Such a page does not know who is signed in.
    """
    text = render_to_string(template, {"request": request, **context})
    return HttpResponse(text, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what cannot be read; Django renders its page without the visitor's colours."""
    return render_alone(request, "400.html", 400)


def refuse_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form without its token, or one that is not from this site by what the browser says.

    Log why. Django's own line would have the whole Referer, with search terms.
    """
    if is_foreign := "checking failed" in reason:  # of the Origin or the Referer
        sent = ORIGIN.match(request.headers.get("Origin") or request.headers.get("Referer", ""))
        ours = [f"{request.scheme}://{request.get_host()}", *settings.CSRF_TRUSTED_ORIGINS]
        reason = (
            f"the browser says that it is from {sent[1] if sent else 'nowhere'}, but this site is "
            f"{' or '.join(ours)}. Does the proxy keep the Host with its port, and set "
            "X-Forwarded-Proto?"
        )
    logger.warning("A form was refused: %s", reason)
    context = {"is_foreign": is_foreign, "form_url": "" if is_foreign else find_form(request)}
    return render(request, "403_csrf.html", context, status=403)


def find_form(request: HttpRequest) -> str:
    """Return the page of this site that a form was sent from; "" if the browser does not say."""
    url = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(url, {request.get_host()}, request.is_secure())
    return url if is_ours else ""


@require_safe
def signed_in(request: HttpRequest, staff: bool = False) -> HttpResponse:
    """Say to nginx, before it takes an upload, which member asks (deploy/nginx/site.conf)."""
    user = request.user
    if not (user.is_staff if staff else user.is_authenticated):
        return HttpResponse(status=401)
    return HttpResponse(status=204, headers={"X-Member": str(user.pk)})
