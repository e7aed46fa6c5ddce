"""The lesson about the two kinds of file, taught with the site's own."""

import textwrap
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.staticfiles.finders import get_finders
from django.core.files.storage import FileSystemStorage, storages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from .models import Profile

STYLESHEET = "css/site.css"
# What a template says, as text: inside a template it would be done instead of shown.
TAGS = {
    "static": f'{{% static "{STYLESHEET}" %}}',
    "plain": f"/static/{STYLESHEET}",
    "hashed": "/static/css/site.3f9a….css",
    "media": "/media/",
    "if": "{% if %}",
    "avatar": "{% avatar %}",
}


class Snippet(NamedTuple):
    """Lines of the smallest example, from where one text begins to where another ends."""

    file: str
    first: str
    last: str

    @property
    def lines(self) -> str:
        """The lines as they are in the source now; empty where they are not to be found."""
        try:
            source = (settings.BASE_DIR / "examples" / "smallest" / self.file).read_text()
            begin = source.index(self.first)
            end = source.index(self.last, begin) + len(self.last)
        except (OSError, ValueError):  # A visitor does without; the tests do not.
            return ""
        line = source.rfind("\n", 0, begin) + 1  # With its indentation, for dedent.
        return textwrap.dedent(source[line:end])


SNIPPETS = {
    "stylesheet": Snippet("static/css/site.css", "body {", "}"),
    "form": Snippet("templates/profile.html", "<form", "</form>"),
    "files": Snippet("urls.py", "if request.method", "\n        )"),
    "static_folders": Snippet("settings.py", "STATIC_URL", '"staticfiles"'),
    "media_folder": Snippet("settings.py", "MEDIA_URL", '"media"'),
    "field": Snippet("people/models.py", "class Profile", "'avatars/')"),
    "link": Snippet("templates/profile.html", "{% load static %}", '%}">'),
    "picture": Snippet("templates/profile.html", "{% if user", "{% endif %}"),
    "app": Snippet("settings.py", "INSTALLED_APPS", "]"),
    "route": Snippet("urls.py", "urlpatterns += static", ")"),
    "hashes": Snippet("settings.py", "STORAGES", "\n}"),
    "save": Snippet("urls.py", "if form.is_valid", '"edit")'),
}


@require_safe
def how_it_works(request: HttpRequest) -> HttpResponse:
    """Teach the two kinds of file with a stylesheet and a picture of this site."""
    example = find_example(request)
    context = {"example": example, "here": describe(request, example)}
    context |= {"snippets": SNIPPETS, "tags": TAGS}
    return render(request, "how_it_works.html", context)


def find_example(request: HttpRequest) -> Profile | None:
    """Return the viewer's own profile where it has a picture, else the newest public one."""
    pictured = Profile.objects.exclude(avatar="").select_related("user")
    own = pictured.filter(user=request.user.pk).first()
    return own or pictured.visible_to(AnonymousUser()).order_by("-pk").first()


def describe(request: HttpRequest, example: Profile | None) -> dict[str, Any]:
    """Return what is so in this installation, without a path, a version or a bucket's name."""
    in_bucket = not isinstance(storages["default"], FileSystemStorage)
    url = example.avatar.url if example else ""
    address = static(STYLESHEET)
    field = Profile._meta.get_field("avatar")
    return {
        "static_name": STYLESHEET,
        "static_url": hide_host(address),
        "static_curl": request.build_absolute_uri(address),
        "static_file": Path(address).name,
        "static_count": sum(1 for finder in get_finders() for _ in finder.list([])),
        "static_stage": "many" if settings.STATIC_HOST else find_stage(),
        "media_url": hide_bucket(url, example.avatar.name) if example else "",
        "media_curl": write_curl(request, example) if example else "",
        "media_stage": "many" if in_bucket else find_stage(),
        "media_count": len(field.sizes.endings),
        "in_bucket": in_bucket,
        "placeholder_url": hide_host(static(field.placeholder)),
        "debug": settings.DEBUG,
        "static_host": bool(settings.STATIC_HOST),
        "media_delivery": settings.MEDIA_DELIVERY,
    }


def find_stage() -> str:
    return "development" if settings.DEBUG else "one"


def write_curl(request: HttpRequest, example: Profile) -> str:
    """Return what to tell curl, so that it is shown the picture's headers."""
    url = hide_bucket(example.avatar.url, example.avatar.name)
    cookie = "" if example.is_public else f'--cookie "{settings.SESSION_COOKIE_NAME}=…" '
    return cookie + request.build_absolute_uri(url)


def hide_host(url: str) -> str:
    """Return a URL without the name of another host."""
    return f"https://…{urlsplit(url).path}" if urlsplit(url).netloc else url


def hide_bucket(url: str, name: str) -> str:
    """Return a picture's URL without another host and what of the path may be a bucket's name."""
    return f"https://…/{name}" if urlsplit(url).netloc else url
