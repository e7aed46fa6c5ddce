"""The lesson about static and media files, with the site's own files as examples."""

import textwrap
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.staticfiles.finders import get_finders
from django.core.files.storage import FileSystemStorage, storages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.http import require_safe

from ..models import Profile
from .roads import STYLESHEET, hide_bucket, hide_host, list_states
from .symptoms import find_symptoms

# Template code to show as text: written inside a template, it would be executed.
TAGS = {
    "static": f'{{% static "{STYLESHEET}" %}}',
    "plain": f"/static/{STYLESHEET}",
    "hashed": "/static/css/site.3f9a….css",
    "media": "/media/",
    "if": "{% if %}",
    "avatar": "{% avatar %}",
}


class Snippet(NamedTuple):
    """Lines of a file of the smallest example: from `first` to `last`, both included."""

    file: str
    first: str
    last: str

    @property
    def lines(self) -> str:
        """The lines as they are in the source now, or "" if they cannot be found."""
        try:
            source = (settings.BASE_DIR / "examples" / "smallest" / self.file).read_text("utf-8")
            begin = source.index(self.first)
            end = source.index(self.last, begin) + len(self.last)
        except (OSError, ValueError):  # The page leaves the snippet out; a test fails.
            return ""
        line = source.rfind("\n", 0, begin) + 1  # Include the indentation, for dedent.
        return textwrap.dedent(source[line:end])


SNIPPETS = {
    "stylesheet": Snippet("people/static/people/style.css", "body {", "}"),
    "form": Snippet("templates/profile.html", "<form", "</form>"),
    "files": Snippet("urls.py", "if request.method", "\n        )"),
    "static_folders": Snippet("settings.py", "STATIC_URL", '"staticfiles"'),
    "media_folder": Snippet("settings.py", "MEDIA_URL", '"media"'),
    "field": Snippet("people/models.py", "class Profile", '"avatars/")'),
    "link": Snippet("templates/profile.html", "{% load static %}", '%}">'),
    "picture": Snippet("templates/profile.html", "{% if user", "{% endif %}"),
    "app": Snippet("settings.py", "INSTALLED_APPS", "]"),
    "route": Snippet("urls.py", "urlpatterns += static", ")"),
    "hashes": Snippet("settings.py", "STORAGES", "\n}"),
    "save": Snippet("urls.py", "if form.is_valid", '"edit")'),
}

# What goes wrong at each station, with static files and with media files: see symptoms.py.
WRONG = {
    "who_static": ["style-404-in-development"],
    "who_media": ["form-saves-no-picture", "pillow-missing"],
    "where_static": ["static-root-or-dirs", "missing-manifest-entry"],
    "where_media": ["permission-denied-on-upload", "uploads-gone-after-deploy"],
    "name_static": ["invalid-block-tag-static", "files-in-css-and-javascript"],
    "name_media": ["everybody-has-my-face", "no-file-associated", "upload-404-in-development"],
    "handover_static": ["no-style-without-debug", "refused-to-apply-style"],
    "handover_media": ["pictures-404-without-debug", "nginx-404", "413-from-nginx"],
    "change_static": ["old-style-after-deploy"],
    "change_media": ["old-file-stays", "suffix-in-name"],
}


@require_safe
def how_it_works(request: HttpRequest) -> HttpResponse:
    example = find_example(request)
    context: dict[str, Any] = {"example": example, "here": describe(request, example)}
    context |= {"snippets": SNIPPETS, "tags": TAGS, "states": list_states(example)}
    context["wrong"] = {place: find_symptoms(slugs) for place, slugs in WRONG.items()}
    return render(request, "how_it_works.html", context)


def find_example(request: HttpRequest) -> Profile | None:
    """Return the viewer's profile if it has a picture, otherwise the newest public one."""
    pictured = Profile.objects.exclude(avatar="").select_related("user")
    own = pictured.filter(user=request.user.pk).first()
    return own or pictured.visible_to(AnonymousUser()).order_by("-pk").first()


def describe(request: HttpRequest, example: Profile | None) -> dict[str, Any]:
    """Return facts about this installation, without paths, versions or the bucket's name."""
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
    """Return curl's arguments for a request of the picture's headers."""
    url = hide_bucket(example.avatar.url, example.avatar.name)
    cookie = "" if example.is_public else f'--cookie "{settings.SESSION_COOKIE_NAME}=…" '
    return cookie + request.build_absolute_uri(url)
