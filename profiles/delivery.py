"""Hand out media files where nginx or a bucket does not do it alone."""

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from .fields import ENDINGS, PROTECTED, get_storage, list_names
from .models import Profile

# Only names of the shape that the site writes.
NAME = rf"(?:avatars|protected)/[0-9a-f]{{2}}/[0-9a-f]{{32}}-(?:{'|'.join(ENDINGS)})"
CONTENT_TYPES = {"webp": "image/webp", "jpg": "image/jpeg"}
# A name never changes its meaning, so browsers keep it for a year. A shared cache asks again
# after an hour, so that what was deleted or hidden is gone from there by then.
PUBLIC = "public, max-age=31536000, s-maxage=3600, immutable"
PRIVATE = "private, max-age=3600"


@require_safe
def media(request: HttpRequest, name: str) -> HttpResponseBase:
    """Answer with a picture; with a protected one only to those who may see the profile."""
    is_protected = name.startswith(PROTECTED)
    if is_protected and not may_see(request, name):
        raise Http404
    if is_protected and settings.MEDIA_DELIVERY == "nginx":
        response: HttpResponseBase = HttpResponse(headers={"X-Accel-Redirect": f"/{name}"})
    else:
        response = send(request, name)
    response["Content-Type"] = CONTENT_TYPES[name.rpartition(".")[2]]
    response["Cache-Control"] = PRIVATE if is_protected else PUBLIC
    # Should a browser ever be brought to show the file as a page, that page can do nothing.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def may_see(request: HttpRequest, name: str) -> bool:
    """Return whether the visitor may see the profile whose avatar a file belongs to."""
    return Profile.objects.visible_to(request.user).filter(avatar__in=list_names(name)).exists()


def send(request: HttpRequest, name: str) -> HttpResponseBase:
    """Answer with the bytes, or that the browser has them already."""
    try:
        file = get_storage(name).open(name)
    except FileNotFoundError as error:
        raise Http404 from error
    etag = f'"{name.rpartition("/")[2]}"'  # The name stands for the content.
    response: HttpResponseBase | None = get_conditional_response(request, etag=etag)
    if response:
        file.close()
    else:
        response = FileResponse(file)
    response["ETag"] = etag
    return response
