"""Hand out media files where nginx or a bucket does not do it alone."""

import re
from typing import Any

from django.conf import settings
from django.core.files import File
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from .models import Profile
from .pictures.fields import get_storage
from .pictures.names import ENDINGS, PIXEL_ART, PROTECTED, get_headers, list_names

# Only names of the shape that the site writes.
NAME = (
    r"(?:avatars|protected)/[0-9a-f]{2}/[0-9a-f]{32}"
    rf"(?:{PIXEL_ART})?-(?:{'|'.join(ENDINGS)})"
)
# One range (RFC 9110, 14.1.2). Several are answered with the whole file, as any server may.
RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))", re.IGNORECASE)


@require_safe
def media(request: HttpRequest, name: str) -> HttpResponseBase:
    """Answer with a picture; with a protected one only to those who may see the profile."""
    is_protected = name.startswith(PROTECTED)
    if is_protected and not may_see(request, name):
        raise Http404
    if settings.MEDIA_DELIVERY == "bucket":
        response: HttpResponseBase = send_on(name)
    elif is_protected and settings.MEDIA_DELIVERY == "nginx":
        headers = get_headers(name) | {"X-Accel-Redirect": f"/{name}"}
        response = HttpResponse(headers=headers)
    else:
        response = send(request, name)
    # Other sites and link previews may show what everybody may see.
    other_sites = "same-origin" if is_protected else "cross-origin"
    response["Cross-Origin-Resource-Policy"] = other_sites
    # Should a browser ever be brought to show the file as a page, that page can do nothing.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def may_see(request: HttpRequest, name: str) -> bool:
    """Return whether the visitor may see the profile whose avatar a file belongs to."""
    return Profile.objects.visible_to(request.user).filter(avatar__in=list_names(name)).exists()


def send_on(name: str) -> HttpResponse:
    """Send the visitor on to the bucket; the way to a protected file is good for a minute."""
    storage: Any = get_storage(name)
    cache_control = "private, no-store" if name.startswith(PROTECTED) else "public, max-age=3600"
    headers = {"Cache-Control": cache_control}
    return HttpResponseRedirect(storage.direct_url(name), headers=headers)


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
    elif (part := find_range(request, etag, file.size)) is not None:
        response = send_range(file, part)
    else:
        response = FileResponse(file)
    for header, value in {**get_headers(name), "ETag": etag, "Accept-Ranges": "bytes"}.items():
        response[header] = value
    if response.status_code >= 400:
        response["Cache-Control"] = "no-store"  # The next visitor asks for something else.
    return response


def find_range(request: HttpRequest, etag: str, size: int) -> range | None:
    """Return which bytes are asked for: none of a range beyond the end, `None` for all."""
    match = RANGE.fullmatch(request.headers.get("Range", ""))
    # A date in `If-Range` is never that of the file: an answer tells of none.
    if request.method != "GET" or not match or request.headers.get("If-Range", etag) != etag:
        return None
    first, last, suffix = (int(digits) if digits else None for digits in match.groups())
    if suffix is not None:
        return range(max(size - suffix, 0), size)
    if first is None or (last is not None and last < first):
        return None
    return range(size)[first : None if last is None else last + 1]


def send_range(file: File, part: range) -> HttpResponse:
    """Answer with a part of a file; it is small enough to be read at once."""
    with file:
        if not part:
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{file.size}"})
        file.seek(part.start)
        place = f"bytes {part.start}-{part.stop - 1}/{file.size}"
        return HttpResponse(file.read(len(part)), status=206, headers={"Content-Range": place})
