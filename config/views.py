"""The page of a visitor's preferences: language and colours."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

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
