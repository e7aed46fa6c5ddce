"""What machines look for at addresses of their own. robots.txt and favicon.ico: `static/root/`."""

from datetime import timedelta

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

SECURITY_TXT = """\
Contact: {contact}
Expires: {expires:%Y-%m-%d}T00:00:00Z
Preferred-Languages: {language}
Canonical: https://{host}/.well-known/security.txt
"""


@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """Say whom to report a vulnerability to (RFC 9116), if the operator has said so."""
    if not settings.SECURITY_CONTACT:
        raise Http404
    text = SECURITY_TXT.format(
        contact=settings.SECURITY_CONTACT,
        # It must be less than a year ahead. The date alone, so that the text changes once a day.
        expires=timezone.now() + timedelta(days=180),
        language=settings.LANGUAGE_CODE,
        host=request.get_host(),
    )
    return HttpResponse(text, "text/plain; charset=utf-8")
