"""Serve media files where nginx or a bucket does not serve them itself."""

from typing import Any

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from .fields import AvatarField, find_field
from .names import ENDING, STEM, get_headers

# Only names of the form that an avatar's files have.
NAME = rf"(?:[\w-]+/)+{STEM}{ENDING}"


@require_safe
def media(request: HttpRequest, name: str) -> HttpResponseBase:
    """Serve a file of an avatar; a protected one only to those who may see its row."""
    field = find_field(name)
    if not field:
        raise Http404
    is_protected = field.store.is_protected(name)
    if is_protected and not may_see(request, field, name):
        raise Http404
    delivery = getattr(settings, "MEDIA_DELIVERY", "app")
    if delivery == "bucket":
        response: HttpResponseBase = redirect_to_bucket(field, name)
    elif is_protected and delivery == "nginx":
        headers = get_headers(name, is_protected) | {"X-Accel-Redirect": f"/{name}"}
        response = HttpResponse(headers=headers)
    else:
        response = serve_file(request, field, name)
    # Other sites and link previews may show what everybody may see.
    other_sites = "same-origin" if is_protected else "cross-origin"
    response["Cross-Origin-Resource-Policy"] = other_sites
    # If a browser is ever made to show the file as a page, that page can do nothing.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def may_see(request: HttpRequest, field: AvatarField, name: str) -> bool:
    """Return whether the visitor may see the row that a file belongs to."""
    if not field.visible_to:
        return False
    names = field.store.list_names(name)
    return field.visible_to(request.user).filter(**{f"{field.attname}__in": names}).exists()


def redirect_to_bucket(field: AvatarField, name: str) -> HttpResponse:
    """Redirect to the bucket.

    Each redirect to a protected file signs another URL, under which a browser knows no picture yet.
    So the browser may keep the redirect, for a minute less than the URL is valid.
    """
    storage: Any = field.store.get_storage(name)
    is_protected = field.store.is_protected(name)
    cache_control = "private, max-age=240" if is_protected else "public, max-age=3600"
    return HttpResponseRedirect(storage.direct_url(name), headers={"Cache-Control": cache_control})


def serve_file(request: HttpRequest, field: AvatarField, name: str) -> HttpResponseBase:
    """Serve the bytes, or 304 where the browser has them already."""
    try:
        file = field.store.get_storage(name).open(name)
    except FileNotFoundError as error:
        raise Http404 from error
    etag = f'"{name.rpartition("/")[2]}"'  # A name never changes its content.
    response: HttpResponseBase | None = get_conditional_response(request, etag=etag)
    if response:
        file.close()
    else:
        response = FileResponse(file)
    for header, value in get_headers(name, field.store.is_protected(name)).items():
        response[header] = value
    response["ETag"] = etag
    if response.status_code >= 400:
        response["Cache-Control"] = "no-store"  # An error must not be cached for the next visitor.
    return response
