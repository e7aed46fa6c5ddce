"""How a visitor would have the whole site look."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

THEMES = ("light", "dark")
YEAR = 365 * 24 * 60 * 60  # seconds


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """Ask for language and colours; light or dark is kept in a cookie, the rest follows the device.

    A page of its own, since its forms need a token, and with it a cookie: others set none.
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
