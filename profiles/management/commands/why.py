"""Say what keeps a static or a media file from the browser. Any Django project may copy this."""

import json
import logging
import re
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from gzip import decompress
from mimetypes import guess_type
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen
from wsgiref.headers import Headers
from wsgiref.util import setup_testing_defaults

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles import checks, finders, handlers
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import ERROR
from django.core.files.storage import FileSystemStorage, storages
from django.core.management import get_commands
from django.core.management.base import BaseCommand
from django.core.servers.basehttp import get_internal_wsgi_application
from django.db.models import FileField
from django.db.models.fields.files import FieldFile
from django.urls import Resolver404, ResolverMatch, resolve
from django.views.static import serve

SHOWN = ("content-type", "cache-control", "content-encoding", "location")
HASH = re.compile(r"\.[0-9a-f]{12}(?=\.|$)")  # As ManifestStaticFilesStorage adds it.
ADDED = re.compile(r"([-_.][^-_./]*)?\.\w+$")  # What the name of a size has beside its row's.
ADVICE = {400: "Is the host in ALLOWED_HOSTS?", 403: "May its user read the file?"}
NOBODY = "nothing here: a server in front has to"


class Station(NamedTuple):
    """What is so at one place on the way. `fault` says what keeps the file from going on."""

    place: str
    says: str
    fault: str = ""


class Command(BaseCommand):
    help = "Follow a static or a media file to the browser; exit with 1 if it does not get there."
    requires_system_checks: list[str] = []  # It says what is wrong even where they fail.

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="css/site.css, avatars/me.jpg, /media/… or https://…")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        stations: list[dict[str, str]] = []
        for station in follow(options["file"]):
            stations.append(station._asdict())
            style = self.style.ERROR if station.fault else self.style.SUCCESS
            if not options["json"]:
                self.stdout.write(f"{style(f'{station.place:>9}')}  {station.says}")
        conclusion = station.fault or "The file arrives as it is stored now."
        found = json.dumps({"stations": stations, "conclusion": conclusion}, indent=2)
        self.stdout.write(found if options["json"] else style(conclusion))
        if station.fault:
            raise SystemExit(1)


def follow(file: str) -> Iterator[Station]:
    """Yield the stations of a file, up to the one that it does not pass."""
    try:
        for station in choose_way(file):
            yield station
            if station.fault:
                return
    except Exception as error:  # Whatever it is, it is what is wrong.
        yield Station("error", type(error).__name__, f"{type(error).__name__}: {error}")


def choose_way(file: str) -> Iterator[Station]:
    """Return the stations of a static or of a media file."""
    requested = file if urlsplit(file).netloc else f"/{file.lstrip('/')}"
    if name := cut(requested, settings.STATIC_URL):
        return follow_static(name, requested)
    if name := cut(requested, settings.MEDIA_URL):
        return follow_media(name, requested)
    if requested == file:
        says = f"STATIC_URL is {settings.STATIC_URL!r}, MEDIA_URL is {settings.MEDIA_URL!r}"
        return iter([Station("settings", says, f"{file} begins with neither.")])
    return follow_media(file, "") if is_media(file) else follow_static(file, "")


def cut(requested: str, prefix: str | None) -> str:
    """Return a path or URL without STATIC_URL or MEDIA_URL; "" if it does not begin with it."""
    if urlsplit(prefix or "").netloc and requested.startswith(prefix or ""):
        return unquote(requested.removeprefix(prefix or ""))
    start, path = urlsplit(prefix or "").path, unquote(urlsplit(requested).path)
    return path.removeprefix(start) if len(start) > 1 and path.startswith(start) else ""


def is_media(name: str) -> bool:
    """Return whether a name is that of an upload: by its first folder, if by nothing else."""
    folders = [str(field.upload_to).partition("/")[0] for _, field in list_fields()]
    is_known = name.partition("/")[0] in folders or bool(list_files(name, "exact"))
    return is_known and name not in list_sources()


def follow_static(name: str, requested: str) -> Iterator[Station]:
    yield check_static_settings()
    plain = name if name in list_sources() else HASH.sub("", name)
    yield describe_sources(plain)
    yield describe_copy(plain, list_sources()[plain][0])
    address = staticfiles_storage.url(plain)
    yield Station("name", f'{{% static "{plain}" %}} is {address}')
    servers = [each for each in settings.MIDDLEWARE if "whitenoise" in each.lower()]
    servers += ["runserver, while DEBUG is on"] if settings.DEBUG else [NOBODY]
    yield Station("served by", urlsplit(address).netloc or servers[0])
    stored = cut(address, settings.STATIC_URL)
    content = None if settings.DEBUG else read(staticfiles_storage, stored)
    yield request_file(requested or address, content)


def check_static_settings() -> Station:
    says = f"STATIC_URL is {settings.STATIC_URL}, STATIC_ROOT is {settings.STATIC_ROOT}"
    faults = [error.msg for error in checks.check_finders(None) if error.level >= ERROR]
    if not apps.is_installed("django.contrib.staticfiles"):
        faults = ["Add django.contrib.staticfiles to INSTALLED_APPS: it serves the files."]
    return Station("settings", says, "".join(faults[:1]))


@cache
def list_sources() -> dict[str, list[Path]]:
    """Return the files that the finders find by their names; of several, the first counts."""
    sources: dict[str, list[Path]] = {}
    for finder in finders.get_finders():
        for path, storage in finder.list([]):
            prefix = getattr(storage, "prefix", None)
            name = (f"{prefix}/{path}" if prefix else path).replace("\\", "/")
            sources.setdefault(name, []).append(Path(storage.path(path)))
    return sources


def describe_sources(name: str) -> Station:
    if paths := list_sources().get(name):
        return Station("source", "; it hides ".join(map(str, paths)))
    similar = get_close_matches(name, list_sources(), cutoff=0.7)
    base = Path(getattr(settings, "BASE_DIR", "."))
    unknown = [*base.glob(f"static/{name}"), *base.glob(f"*/static/{name}")]
    if unknown:
        fault = f"{unknown[0]} is in no app of INSTALLED_APPS, and in none of STATICFILES_DIRS."
    elif settings.STATIC_ROOT and (Path(settings.STATIC_ROOT) / name).is_file():
        fault = f"{name} is in STATIC_ROOT alone, which is for copies: move it to a static folder."
    else:
        hint = f"Is it {' or '.join(similar)}?" if similar else "Add it to that of an app."
        hint = "It is an upload: use the .url of its field." if is_media(name) else hint
        fault = f"No static folder has {name}. {hint}"
    return Station("source", "no finder finds it", fault)


def describe_copy(name: str, source: Path) -> Station:
    """Say whether `collectstatic` has copied the file, as it is now."""
    if settings.DEBUG:
        return Station("collected", "not needed while DEBUG is on")
    try:
        stored = getattr(staticfiles_storage, "stored_name", str)(name)
    except ValueError as error:  # It has no entry in the manifest.
        return Station("collected", str(error), f"Run collectstatic: it has not seen {name} yet.")
    fault = ""
    if not staticfiles_storage.exists(stored):
        fault = f"Run collectstatic: there is no {stored} in STATIC_ROOT."
    elif (
        staticfiles_storage.exists(name) and read(staticfiles_storage, name) != source.read_bytes()
    ):
        fault = f"Run collectstatic: {source} has changed since."
    return Station("collected", f"{stored} in STATIC_ROOT", fault)


def read(storage: Any, name: str) -> bytes:
    with storage.open(name) as file:
        return bytes(file.read())


def follow_media(name: str, requested: str) -> Iterator[Station]:
    files = list_files(name, "exact")
    near = files or list_files(ADDED.sub("", name), "startswith")
    own = (type(each)(each.instance, each.field, name).storage for each in near)  # By the field.
    storage = next(own, storages["default"])
    yield check_storage(storage)
    rows = [f"{each.instance._meta.label} {each.instance.pk} has {each}" for each in near]
    says = "; ".join(rows) or "it was replaced, deleted, or never saved"
    yield Station("row", says if files else f"no row has this name; {says}")
    yield describe_file(storage, name, bool(files))
    address = storage.url(name)
    yield Station("name", f".url is {address}")
    path = urlsplit(address).path
    view, other = find_view(path), find_view(f"{path.rpartition('/')[0]}/a.jpg")
    if other and not view:
        yield Station("served by", "no view", f"The route {other.route} leaves out this name.")
    by = view.view_name if view else NOBODY
    if view and view.func is serve and settings.DEBUG:
        by = "static() in urls.py, while DEBUG is on"
    yield Station("served by", urlsplit(address).netloc or by)
    yield request_file(requested or address, read(storage, name), view)


def check_storage(storage: Any) -> Station:
    if not isinstance(storage, FileSystemStorage):
        return Station("settings", f"files are in {storage.__class__.__name__}")
    says = f"files are in {storage.location}, and their URLs begin with {storage.base_url}"
    is_fixed = Path(storage.base_location).is_absolute()
    fault = "" if is_fixed else "MEDIA_ROOT is not absolute: files go where the site is started."
    if storage.base_url in (None, "", "/"):
        fault = 'Set MEDIA_URL = "/media/": without it, .url does not lead to a file.'
    return Station("settings", says, fault)


def list_fields() -> list[tuple[Any, FileField]]:
    fields = [(model, field) for model in apps.get_models() for field in model._meta.local_fields]
    return [(model, field) for model, field in fields if isinstance(field, FileField)]


def list_files(name: str, lookup: str) -> list[FieldFile]:
    """Return the files of at most three rows of each model that have such a name."""
    files: list[FieldFile] = []
    for model, field in list_fields():
        rows = model._base_manager.filter(**{f"{field.name}__{lookup}": name})[:3]
        files += [getattr(row, field.name) for row in rows]
    return files


def describe_file(storage: Any, name: str, is_in_row: bool) -> Station:
    if storage.exists(name) and not Path(getattr(storage, "location", ""), name).is_dir():
        return Station("stored", f"{storage.size(name):,} bytes")
    gone = f"A row has {name}, but the file is gone: deleted, elsewhere, or on a lost disk."
    fault = gone if is_in_row else f"There is no file {name}, and no row that has it."
    return Station("stored", "nowhere", fault)


def find_view(path: str) -> ResolverMatch | None:
    """Return what a path leads to, unless every path leads there."""
    with suppress(Resolver404):
        match = resolve(path)
        with suppress(Resolver404):
            return None if resolve("/no/such/page.html").func is match.func else match
        return match
    return None


def request_file(url: str, content: bytes | None, view: ResolverMatch | None = None) -> Station:
    """Say what is answered. A view of this project may refuse a file to some visitors."""
    host = urlsplit(url).netloc
    try:
        status, headers, body = request_from_server(url) if host else request_here(url)
    except OSError as error:
        return Station("answer", str(error), f"{host} does not answer: {error}")
    says = f"{status}" + "".join(f", {each}: {headers[each]}" for each in SHOWN if headers[each])
    if view and view.func is not serve and status in (302, 401, 403, 404):
        return Station("answer", f"{says}, to those who have not signed in")
    is_page = (headers["content-type"] or "").startswith("text/html")
    if status == 200:
        body = decompress(body) if headers["content-encoding"] == "gzip" else body
        fault = "" if content in (None, body) else "It is another file: an old copy, .gz or .br?"
        if is_page and guess_type(urlsplit(url).path)[0] != "text/html":
            fault = "A page is served instead of the file."
        return Station("answer", says, fault)
    missing = "With DEBUG off, a server in front has to (ask its URL), or WhiteNoise if static."
    missing = "Is this path served there?" if host or settings.DEBUG else missing
    advice = (ADVICE | {404: missing}).get(status, "")
    return Station("answer", says, f"{host or 'This project'} answers {status}. {advice}".strip())


def request_from_server(url: str) -> tuple[int, Any, bytes]:
    request = Request(url, headers={"Accept-Encoding": "gzip"})  # noqa: S310  # As typed.
    try:
        with urlopen(request, timeout=10) as reply:  # noqa: S310  # The same.
            return reply.status if reply.url == url else 302, reply.headers, reply.read()
    except HTTPError as error:
        return error.code, error.headers, b""


def request_here(path: str) -> tuple[int, Any, bytes]:
    """Let this project answer, as under runserver if DEBUG is on, or else as under gunicorn."""
    hosts = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"] + ["localhost"]
    environ: dict[str, Any] = {"PATH_INFO": unquote(urlsplit(path).path).encode().decode("latin-1")}
    environ |= {"HTTP_HOST": hosts[0], "HTTP_ACCEPT_ENCODING": "gzip"}
    environ |= dict([settings.SECURE_PROXY_SSL_HEADER or ("wsgi.url_scheme", "https")])
    setup_testing_defaults(environ)
    site: Any = get_internal_wsgi_application()
    if settings.DEBUG and get_commands().get("runserver") == "django.contrib.staticfiles":
        site = handlers.StaticFilesHandler(site)
    logging.disable()  # Django writes a line for a 404.
    answer: list[Any] = []
    body = site(environ, lambda *status_and_headers: answer.extend(status_and_headers))
    content = b"".join(body)
    getattr(body, "close", list)()
    logging.disable(logging.NOTSET)
    return int(answer[0][:3]), Headers(answer[1]), content
