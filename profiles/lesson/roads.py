"""The ways of a static and of a media file to the browser, in development and in production."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages
from django.templatetags.static import static
from django.utils.translation import gettext as _

from ..models import Profile

STYLESHEET = "css/site.css"
TOKEN = re.compile(r"([0-9a-f]{4})[0-9a-f]{28}")


class Stop(NamedTuple):
    """What is at a place of the way, and which station of the page says more of it."""

    drawing: str
    label: str
    name: str
    station: str
    says: str
    code: str
    url: str = ""  # Its headers are shown: that of the file, where it is served so here.
    badge: str = ""  # A drawing on the road to the next place.


class Road(NamedTuple):
    kind: str
    title: str
    only: str
    stops: list[Stop]


class State(NamedTuple):
    """How it is in development or in production; one of them is how it is here."""

    slug: str
    title: str
    is_here: bool
    roads: list[Road]


def list_states(example: Profile | None) -> list[State]:
    """Return both states, with a picture of `example` where there is one."""
    return [
        make_state("development", _("While you develop"), settings.DEBUG, example),
        make_state("production", _("In production"), not settings.DEBUG, example),
    ]


def make_state(slug: str, title: str, is_here: bool, example: Profile | None) -> State:
    only_static = _("Only a static file has a hash, a fingerprint of its content, in its name.")
    if slug == "development":
        only_static = _(
            "Nothing is copied, and no name is changed: the browser gets the source itself."
        )
    only_media = _("Only a picture may be locked: a visitor who may not see it does not get it.")
    static_stops = list(list_static_stops(slug, is_here))
    media_stops = list(list_media_stops(slug, is_here, example))
    roads = [
        Road("static", _("Static"), only_static, static_stops),
        Road("media", _("Media"), only_media, media_stops),
    ]
    return State(slug, title, is_here, roads)


def list_static_stops(state: str, is_here: bool) -> Iterator[Stop]:
    """Yield where a stylesheet passes."""
    is_production = state == "production"
    url = static(STYLESHEET) if is_here else ""
    name = "css/site.3f9a….css" if is_production else STYLESHEET
    address = hide_host(url) if url else f"/static/{name}"
    says = _("A developer writes it. It is part of the source, as the page's template is.")
    yield Stop(
        "file", _("Source"), STYLESHEET, "who", says, 'STATICFILES_DIRS = [BASE_DIR / "static"]'
    )
    if is_production:
        says = _(
            "At each deploy, this command copies the files of all apps into one folder. It adds a "
            "hash of the content to each name."
        )
        code = "manage.py collectstatic"
        yield Stop("copies", "collectstatic", "manage.py", "where", says, code, badge="hash")
        says = _("The folder of the copies. Nobody edits them: the next deploy makes them again.")
        code = 'STATIC_ROOT = BASE_DIR / "staticfiles"'
        copy = address.rpartition("/static/")[2]
        yield Stop("folder", "STATIC_ROOT", copy, "where", says, code)
        says = _(
            "WhiteNoise, a library in this site, serves the copy, compressed. Caches may keep it "
            "for years."
        )
        server = "WhiteNoise"
        if is_here and settings.STATIC_HOST:
            server = "CDN, WhiteNoise"
            says = _(
                "A CDN, which is a set of caches near the visitors, asks WhiteNoise in this site "
                "once, and keeps the answer for years."
            )
    else:
        server = "runserver"
        says = _(
            "While you develop, runserver with WhiteNoise serves files from the source, so that "
            "each change is seen at once. Nothing is collected."
        )
    code = 'MIDDLEWARE = [..., "whitenoise.middleware.WhiteNoiseMiddleware", ...]'
    yield Stop("server", server, address, "handover", says, code, url)
    says = _("The page names the file. The browser asks for it each time, as it may have changed.")
    if is_production:
        says = _(
            "The page names the file, and the browser requests it. New content has a new name, so "
            "an old copy in a cache does no harm."
        )
    yield Stop("browser", _("Browser"), address, "name", says, f'{{% static "{STYLESHEET}" %}}')


def list_media_stops(state: str, is_here: bool, example: Profile | None) -> Iterator[Stop]:
    """Yield where a picture passes."""
    name = example.avatar.name if example else "avatars/3f/3f9a…-512.webp"
    url = example.avatar.url if example and is_here else ""
    address = TOKEN.sub(r"\1…", hide_bucket(url, name) if url else f"/media/{name}")
    name = TOKEN.sub(r"\1…", name)
    in_bucket = is_here and not isinstance(storages["default"], FileSystemStorage)
    says = _(
        "A visitor chooses a photo. The form sends it, and the view, the code of the page, takes "
        "it from request.FILES."
    )
    code = '<form method="post" enctype="multipart/form-data">'
    yield Stop("form", _("Form"), "request.FILES", "who", says, code)
    says = _(
        "A field of the model gives it a name. The row in the database stores this name alone."
    )
    code = 'avatar = models.ImageField(upload_to="avatars/")'
    yield Stop("table", _("Model and database"), name, "who", says, code)
    says = _("The file itself is stored in the folder of uploads, which no deploy may touch.")
    place, code = "MEDIA_ROOT", 'MEDIA_ROOT = BASE_DIR / "media"'
    if in_bucket:
        says = _("The file itself is stored in a bucket: a storage on the network.")
        place, code = _("Bucket"), "AWS_STORAGE_BUCKET_NAME=…"
    yield Stop("folder", place, name, "where", says, code)
    is_public = example is None or example.is_public
    server, says, code = describe_media_server(state, is_here, in_bucket, is_public)
    url, badge = "" if in_bucket else url, "" if server == "static()" else "lock"
    yield Stop("server", server, address, "handover", says, code, url, badge)
    says = _(
        "The page takes the name from the row. A new upload has a new name, so browsers may keep a "
        "public one for a year."
    )
    yield Stop("browser", _("Browser"), address, "name", says, "{{ profile.avatar.url }}")


def describe_media_server(
    state: str, is_here: bool, in_bucket: bool, is_public: bool
) -> tuple[str, str, str]:
    """Return who serves a picture, what is to be said of it, and the line that chooses it."""
    if state == "development" and is_public and not in_bucket:
        says = _("Django serves it itself, by this line, as long as DEBUG is on.")
        return "static()", says, "urlpatterns += static(settings.MEDIA_URL, …)"
    if in_bucket:
        says = _(
            "The bucket serves it, or a CDN before it. For a picture that not everybody may see, "
            "the site checks who asks, and gives the browser an address that is valid for minutes."
        )
        return _("Bucket"), says, "AWS_STORAGE_BUCKET_NAME=…"
    if state == "development" or (is_here and settings.MEDIA_DELIVERY == "app"):
        says = _(
            "The site serves it itself, after it has checked who asks. On one small machine, that "
            "is fine."
        )
        return _("View"), says, "MEDIA_DELIVERY=app"
    says = _(
        "nginx, a web server in front of the site, serves it. For a picture that not everybody may "
        "see, it asks the site first."
    )
    return "nginx", says, "MEDIA_DELIVERY=nginx"


def hide_host(url: str) -> str:
    """Return a URL, with another host's name replaced by an ellipsis."""
    return f"https://…{urlsplit(url).path}" if urlsplit(url).netloc else url


def hide_bucket(url: str, name: str) -> str:
    """Return a picture's URL without another host, and without a path that may name the bucket."""
    return f"https://…/{name}" if urlsplit(url).netloc else url
