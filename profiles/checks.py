"""The system checks of the site's configuration."""

import os
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.files.storage import FileSystemStorage, storages
from django.template import engines
from django.urls import Resolver404, resolve

from .clients import is_loopback
from .pictures import cell

STATIC_TAG = re.compile(r"{%\s*static\s+[\"']([^\"'{]+)[\"']")
# Django takes a dot before a name, and `*.` in an origin, for all names below it.
NAME = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
NAMES = rf"{NAME}(\.{NAME})*|\[[0-9a-f:.]+\]"
HOST = re.compile(rf"\*|\.?({NAMES})", re.IGNORECASE)
ORIGIN = re.compile(rf"https?://(\*\.)?({NAMES})(:\d+)?")
SECURITY = "django.middleware.security.SecurityMiddleware"
WHITENOISE = "whitenoise.middleware.WhiteNoiseMiddleware"


@register("likeness")
def check_files(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check the folders of static and media files, and the middleware."""
    return [*check_folders(), *check_middleware()]


@register("likeness", deploy=True)
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check what only a running site needs: gunicorn runs these checks, `migrate` does not."""
    if settings.DEBUG:
        return [*check_debug()]
    files = [*check_manifest(), *check_media(), *check_delivery(), *check_owner(), *check_bucket()]
    names = [*check_proxies(), *check_origins(), *check_mail(), *check_path(), *check_operator()]
    return [*files, *names, *check_metrics(), *check_cell()]


def check_folders() -> Iterator[CheckMessage]:
    media, static = Path(settings.MEDIA_ROOT).resolve(), Path(settings.STATIC_ROOT).resolve()
    folders = [static, *(Path(folder).resolve() for folder in settings.STATICFILES_DIRS)]
    if any(media.is_relative_to(folder) or folder.is_relative_to(media) for folder in folders):
        yield Error(
            "MEDIA_ROOT is inside a folder of static files, or contains one.",
            hint="Visitors' files would be served as static files. Set MEDIA_ROOT to a separate "
            "folder.",
            id="profiles.E001",
        )


def check_middleware() -> Iterator[CheckMessage]:
    if (SECURITY, WHITENOISE) not in pairwise(settings.MIDDLEWARE):
        yield Error(
            "WhiteNoise is not right after SecurityMiddleware in MIDDLEWARE.",
            hint="Further down, static files would pass through middleware that they do not need, "
            "such as sessions and redirects.",
            id="profiles.E003",
        )


def check_debug() -> Iterator[CheckMessage]:
    if "LIKENESS_GUNICORN" in os.environ and not settings.DEBUG_UNDER_GUNICORN:
        yield Error(
            "gunicorn is to serve the site with DJANGO_DEBUG on.",
            hint="Visitors would see the code and the settings. Set DJANGO_DEBUG=off; if a file "
            ".env turns it on, set an empty DJANGO_DOTENV. DJANGO_DEBUG_UNDER_GUNICORN=on allows "
            "it.",
            id="profiles.E018",
        )


def check_media() -> Iterator[CheckMessage]:
    """Check that pictures can be stored. Where they cannot, commands still run."""
    if settings.AWS_STORAGE_BUCKET_NAME:
        return
    media = Path(settings.MEDIA_ROOT).resolve()
    existing = next(folder for folder in [media, *media.parents] if os.path.exists(folder))
    if not os.access(existing, os.W_OK | os.X_OK) or not existing.is_dir():
        yield Error(
            "MEDIA_ROOT is not writable for this user.",
            hint="No picture could be stored. Change the folder's owner to the user that runs the "
            "site.",
            id="profiles.E002",
        )


def check_manifest() -> Iterator[CheckMessage]:
    manifest = getattr(staticfiles_storage, "hashed_files", None)
    if manifest is None:  # This storage has no manifest.
        return
    if not manifest:
        yield Error(
            "There is no manifest of static files in STATIC_ROOT.",
            hint="Each page would fail. Run `python manage.py collectstatic`.",
            id="profiles.E004",
        )
        return
    missing = {name: template for name, template in list_static_names() if name not in manifest}
    for name, template in missing.items():
        yield Error(
            f"{template} names the static file {name!r}, which is not in the manifest.",
            hint="That page would fail. Fix the name, or run `python manage.py collectstatic`.",
            id="profiles.E006",
        )


def list_static_names() -> Iterator[tuple[str, Path]]:
    """Yield each static file's name that is written out in a template, and the template."""
    for folder in engines["django"].template_dirs:
        for template in sorted(Path(folder).rglob("*.html")):
            for name in STATIC_TAG.findall(template.read_text("utf-8")):
                yield name, template


def check_delivery() -> Iterator[CheckMessage]:
    if settings.AWS_STORAGE_BUCKET_NAME:
        return
    if settings.MEDIA_DELIVERY not in ("app", "nginx"):
        yield Error(
            f"MEDIA_DELIVERY is {settings.MEDIA_DELIVERY!r}.",
            hint='Set it to "app" or "nginx".',
            id="profiles.E005",
        )
    if not settings.MEDIA_DELIVERY_CHOSEN:
        yield Warning(
            "The site serves media files itself, because MEDIA_DELIVERY is not set.",
            hint="If this is intended, as on one small machine, set MEDIA_DELIVERY=app.",
            id="profiles.W001",
        )
    try:
        resolve(f"{settings.MEDIA_URL}avatars/00/{'0' * 32}-64.webp")
    except Resolver404:
        yield Error(
            "No view serves media files: pictures are shown only with DEBUG on.",
            hint="`static()` in urls.py does nothing in production. Include the URLs of "
            "profiles.pictures under MEDIA_URL.",
            id="profiles.E007",
        )


def check_owner() -> Iterator[CheckMessage]:
    if not isinstance(storages["default"], FileSystemStorage):
        return
    media = Path(settings.MEDIA_ROOT)
    if not os.access(media, os.R_OK | os.X_OK):  # Then E002 is reported.
        return
    folders = [media, *media.glob("*/"), *media.glob("*/*/")]
    foreign = [folder for folder in folders if folder.is_dir() and not is_ours(folder)]
    if foreign:
        yield Warning(
            f"{foreign[0]} does not belong to the user that runs this process.",
            hint="Uploads or deletions fail there. Run commands as the site's user, never as root, "
            "and change the owner of MEDIA_ROOT: chown -R.",
            id="profiles.W003",
        )


def is_ours(folder: Path) -> bool:
    return folder.stat().st_uid == os.geteuid()


def check_bucket() -> Iterator[CheckMessage]:
    public, protected = storages["default"], storages["protected"]
    if any(getattr(storage, "file_overwrite", False) for storage in (public, protected)):
        yield Error(
            "The bucket's storage overwrites files of the same name.",
            hint='Set "file_overwrite": False in STORAGES.',
            id="profiles.E008",
        )
    is_signed = getattr(protected, "querystring_auth", True)
    is_public = "public" in (getattr(protected, "default_acl", None) or "")
    if not is_signed or is_public or getattr(protected, "custom_domain", None):
        yield Error(
            "Anybody can fetch members-only pictures from the bucket.",
            hint='The storage "protected" needs "querystring_auth": True, no "custom_domain" and '
            'no public "default_acl": see STORAGES and AWS_DEFAULT_ACL.',
            id="profiles.E009",
        )
    if getattr(public, "querystring_auth", False):
        yield Warning(
            "The URLs of public pictures are signed, and expire.",
            hint='No cache can keep them. Set "querystring_auth": False for the storage "default".',
            id="profiles.W004",
        )
    if isinstance(public, FileSystemStorage) and os.environ.get("AWS_S3_ENDPOINT_URL"):
        yield Warning(
            "AWS_S3_ENDPOINT_URL is set, but no bucket: pictures are stored in MEDIA_ROOT.",
            hint="Set AWS_STORAGE_BUCKET_NAME, or remove AWS_S3_ENDPOINT_URL.",
            id="profiles.W005",
        )


def check_proxies() -> Iterator[CheckMessage]:
    trusted = settings.FORWARDED_ALLOW_IPS
    if settings.HTTPS and not is_loopback(settings.HOST) and all(map(is_loopback, trusted)):
        yield Warning(
            "No proxy outside this machine or container is trusted to set X-Forwarded-Proto.",
            hint="Every page would redirect to itself. Set FORWARDED_ALLOW_IPS to the proxy's "
            "address, as this process sees it.",
            id="profiles.W006",
        )
    if settings.TRUSTED_PROXIES:
        return
    if any(host == "*" or host.endswith("/0") for host in trusted):
        yield Warning(
            "Everybody's X-Forwarded-Proto is trusted, but DJANGO_TRUSTED_PROXIES is 0.",
            hint="Set DJANGO_TRUSTED_PROXIES to the number of proxies, or FORWARDED_ALLOW_IPS to "
            "their addresses.",
            id="profiles.W007",
        )
    elif settings.HTTPS:
        yield Warning(
            "All visitors have the address of the proxy that terminates TLS.",
            hint="One visitor's failed sign-ins would lock out everybody. Set "
            "DJANGO_TRUSTED_PROXIES to the number of proxies in front.",
            id="profiles.W008",
        )


def check_origins() -> Iterator[CheckMessage]:
    """Check the names of hosts. With TLS that Django does not know of, it refuses all forms."""
    # Names without a dot, and addresses, are for trying out the site.
    names = [host for host in settings.ALLOWED_HOSTS if re.search(r"\.[a-z]", host)]
    if names and not settings.HTTPS and not settings.CSRF_TRUSTED_ORIGINS:
        yield Warning(
            f"With DJANGO_HTTPS=off, every form from https://{names[0]} is refused.",
            hint="Behind TLS, remove DJANGO_HTTPS. If the site must not know of TLS, set "
            f"DJANGO_CSRF_TRUSTED_ORIGINS=https://{names[0]}.",
            id="profiles.W009",
        )
    if wrong := [host for host in settings.ALLOWED_HOSTS if not HOST.fullmatch(host)]:
        yield Error(
            f"DJANGO_ALLOWED_HOSTS contains {wrong[0]!r}, which is not a host name.",
            hint="Every request would be refused. Set it to host names, with a port if "
            "the site has its own: likeness.example, likeness.example:8443, [2001:db8::1].",
            id="profiles.E011",
        )
    origins = settings.CSRF_TRUSTED_ORIGINS
    if wrong := [origin for origin in origins if not ORIGIN.fullmatch(origin)]:
        yield Error(
            f"DJANGO_CSRF_TRUSTED_ORIGINS contains {wrong[0]!r}, which is not an origin.",
            hint="Forms from there would be refused. Set it to a scheme, a host in lower case and "
            "a port if the site has its own, nothing after it: https://likeness.example.",
            id="profiles.E011",
        )
    if "://" in (domain := settings.AWS_S3_CUSTOM_DOMAIN) or domain.endswith("/"):
        yield Error(
            f"AWS_S3_CUSTOM_DOMAIN is {domain!r}.",
            hint="No picture would be shown. Set it to a host, and a path if needed, without "
            "https:// and without a slash at the end.",
            id="profiles.E012",
        )
    for name in ("STATIC_HOST", "AWS_S3_ENDPOINT_URL"):
        origin = getattr(settings, name, "")
        if origin and "://" not in origin:
            yield Error(
                f"{name} is {origin!r}, without https:// before it.",
                hint=f"No file could be fetched from there. Set {name}=https://{origin}.",
                id="profiles.E010",
            )


def check_mail() -> Iterator[CheckMessage]:
    if not settings.HAS_MAIL:
        yield Warning(
            "No mail is sent: nobody can confirm an address or reset a password.",
            hint="Set EMAIL_URL, such as smtp+tls://user:password@mail.example.org:587.",
            id="profiles.W002",
        )


def check_path() -> Iterator[CheckMessage]:
    if path := settings.FORCE_SCRIPT_NAME or os.environ.get("SCRIPT_NAME"):
        yield Error(
            f"The site is to be below a path: SCRIPT_NAME is {path!r}.",
            hint="Pictures and static files would be missing, and the cookies' names (__Host-) "
            "need the path /. Remove SCRIPT_NAME, and give the site a host name of its own.",
            id="profiles.E015",
        )


def check_operator() -> Iterator[CheckMessage]:
    contact, imprint = settings.SECURITY_CONTACT, settings.IMPRINT_URL
    if contact and not re.fullmatch(r"(mailto:[!-~]+@|https://|tel:)[!-~]+", contact):
        yield Error(
            f"SECURITY_CONTACT is {contact!r}, which is not a mailto:, https:// or tel: URI.",
            hint="Nobody could be reached by it. Set it to a URI such as "
            "mailto:security@likeness.example.",
            id="profiles.E016",
        )
    if imprint and not re.fullmatch(r"(https?://|/(?!/))\S+", imprint):
        yield Error(
            f"IMPRINT_URL is {imprint!r}, which is neither a URL nor a path.",
            hint="The link at the foot of each page would lead nowhere. Set it to a URL such as "
            "https://likeness.example/imprint, or to a path such as /imprint.",
            id="profiles.E017",
        )


def check_cell() -> Iterator[CheckMessage]:
    try:
        is_safe = cell.has_filter() or sys.platform != "linux"
    except (EOFError, OSError):
        yield Error(
            "The process that opens visitors' pictures cannot be started.",
            hint="No picture could be uploaded. The cause is on standard error, above.",
            id="profiles.E014",
        )
        return
    if not is_safe:
        yield Error(
            "The process that opens visitors' pictures runs without a system call filter.",
            hint="HEIC and AVIF would be refused. Install libseccomp (Debian: libseccomp2).",
            id="profiles.E013",
        )


def check_metrics() -> Iterator[CheckMessage]:
    if (token := settings.METRICS_TOKEN) and not re.fullmatch(r"[!-~]{20,}", token):
        yield Error(
            "METRICS_TOKEN is shorter than 20 characters, or has others than ASCII's visible ones.",
            hint="Anybody who guesses it reads /metrics. Make one: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
            id="profiles.E019",
        )
