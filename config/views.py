"""The page of a visitor's preferences, language and colours; and who is signed in, for nginx."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

THEMES = ("light", "dark")
YEAR = 365 * 24 * 60 * 60  # seconds


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
def signed_in(request: HttpRequest, staff: bool = False) -> HttpResponse:
    """Say to nginx, before it takes an upload, which member asks (deploy/nginx/site.conf)."""
    user = request.user
    if not (user.is_staff if staff else user.is_authenticated):
        return HttpResponse(status=401)
    return HttpResponse(status=204, headers={"X-Member": str(user.pk)})
