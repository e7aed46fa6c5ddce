"""What is set up wrong, each with an id, a sentence and a hint."""

import os
import re
import sys
from collections.abc import Iterator
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.files.storage import FileSystemStorage, storages
from django.template import engines
from django.urls import Resolver404, resolve

from .pictures import cell

STATIC_TAG = re.compile(r"{%\s*static\s+[\"']([^\"'{]+)[\"']")
SECURITY = "django.middleware.security.SecurityMiddleware"
WHITENOISE = "whitenoise.middleware.WhiteNoiseMiddleware"


@register("likeness")
def check_files(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check where static and media files lie."""
    return [*check_folders(), *check_middleware()]


@register("likeness", deploy=True)
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check what only serving needs: gunicorn's start runs this, `migrate` does not."""
    if settings.DEBUG:
        return []
    files = [*check_manifest(), *check_delivery(), *check_owner(), *check_bucket()]
    return [*files, *check_proxies(), *check_origins(), *check_mail(), *check_cell()]


def check_folders() -> Iterator[CheckMessage]:
    media, static = Path(settings.MEDIA_ROOT).resolve(), Path(settings.STATIC_ROOT).resolve()
    folders = [static, *(Path(folder).resolve() for folder in settings.STATICFILES_DIRS)]
    if any(media.is_relative_to(folder) or folder.is_relative_to(media) for folder in folders):
        yield Error(
            "MEDIA_ROOT and the folders of static files lie one in the other.",
            hint="Visitors' files would be handed out as ours. Set MEDIA_ROOT to a folder apart.",
            id="profiles.E001",
        )
    if settings.AWS_STORAGE_BUCKET_NAME:
        return
    existing = next(folder for folder in [media, *media.parents] if os.path.exists(folder))
    if not os.access(existing, os.W_OK | os.X_OK) or not existing.is_dir():
        yield Error(
            "MEDIA_ROOT cannot be written by this user.",
            hint="No picture could be stored. Give the folder to the user that runs the site.",
            id="profiles.E002",
        )


def check_middleware() -> Iterator[CheckMessage]:
    if (SECURITY, WHITENOISE) not in pairwise(settings.MIDDLEWARE):
        yield Error(
            "WhiteNoise does not stand right after SecurityMiddleware in MIDDLEWARE.",
            hint="Further down, static files pass what they need not: sessions, locks, redirects.",
            id="profiles.E003",
        )


def check_manifest() -> Iterator[CheckMessage]:
    manifest = getattr(staticfiles_storage, "hashed_files", None)
    if manifest is None:  # A storage without one.
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
            hint="That page would fail. Mend the name, or run `python manage.py collectstatic`.",
            id="profiles.E006",
        )


def list_static_names() -> Iterator[tuple[str, Path]]:
    """Yield the name of each static file that a template names outright, and the template."""
    for folder in engines["django"].template_dirs:
        for template in sorted(Path(folder).rglob("*.html")):
            for name in STATIC_TAG.findall(template.read_text()):
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
            "This process hands out the media files itself, and nobody said that it should.",
            hint="Fine on one small machine: set MEDIA_DELIVERY=app to say so.",
            id="profiles.W001",
        )
    try:
        resolve(f"{settings.MEDIA_URL}avatars/00/{'0' * 32}-64.webp")
    except Resolver404:
        yield Error(
            "No view hands out media files: pictures are shown with DEBUG on only.",
            hint="`static()` in urls.py does nothing in production. Route MEDIA_URL to delivery.",
            id="profiles.E007",
        )


def check_owner() -> Iterator[CheckMessage]:
    if not isinstance(storages["default"], FileSystemStorage):
        return
    media = Path(settings.MEDIA_ROOT)
    folders = [media, *media.glob("*/"), *media.glob("*/*/")]
    strange = [folder for folder in folders if folder.is_dir() and not is_ours(folder)]
    if strange:
        yield Warning(
            f"{strange[0]} belongs to another user than the one that runs this.",
            hint="Uploads or deletions fail there. Run commands as the site's user, never as root, "
            "and give it MEDIA_ROOT: chown -R.",
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
            hint='No cache keeps them. Set "querystring_auth": False for the storage "default".',
            id="profiles.W004",
        )
    if isinstance(public, FileSystemStorage) and os.environ.get("AWS_S3_ENDPOINT_URL"):
        yield Warning(
            "A bucket's server is named, but no bucket: pictures are stored in MEDIA_ROOT.",
            hint="Set AWS_STORAGE_BUCKET_NAME, or remove AWS_S3_ENDPOINT_URL.",
            id="profiles.W005",
        )


def check_proxies() -> Iterator[CheckMessage]:
    trusted = settings.FORWARDED_ALLOW_IPS
    if settings.HTTPS and not is_loopback(settings.HOST) and all(map(is_loopback, trusted)):
        yield Warning(
            "No proxy beyond this machine or container is believed when it says HTTPS.",
            hint="Every page would redirect to itself. Set FORWARDED_ALLOW_IPS to the proxy's "
            "address, as it is seen from here.",
            id="profiles.W006",
        )
    if settings.TRUSTED_PROXIES:
        return
    if any(host == "*" or host.endswith("/0") for host in trusted):
        yield Warning(
            "Everybody's X-Forwarded-Proto is believed, though no proxy stands in front.",
            hint="Set DJANGO_TRUSTED_PROXIES to the number of proxies, or FORWARDED_ALLOW_IPS to "
            "their addresses.",
            id="profiles.W007",
        )
    elif settings.HTTPS:
        yield Warning(
            "All visitors have the address of the proxy that speaks TLS.",
            hint="One who fails to sign in would lock out all. Set DJANGO_TRUSTED_PROXIES to the "
            "number of proxies in front.",
            id="profiles.W008",
        )


def is_loopback(host: str) -> bool:
    """Return whether an address, a network or a name is within this machine or container."""
    try:
        return ip_network(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_origins() -> Iterator[CheckMessage]:
    """Behind TLS that Django does not know of, each form would come from a foreign origin."""
    # Names without a dot, and addresses, are for trying the site out.
    names = [host for host in settings.ALLOWED_HOSTS if re.search(r"\.[a-z]", host)]
    if names and not settings.HTTPS and not settings.CSRF_TRUSTED_ORIGINS:
        yield Warning(
            f"With DJANGO_HTTPS=off, no form that is sent from https://{names[0]} is taken.",
            hint="Behind TLS, remove DJANGO_HTTPS. Where TLS must stay unknown to the site, set "
            f"DJANGO_CSRF_TRUSTED_ORIGINS=https://{names[0]}.",
            id="profiles.W009",
        )
    if wrong := [host for host in settings.ALLOWED_HOSTS if "/" in host]:
        yield Error(
            f"DJANGO_ALLOWED_HOSTS has {wrong[0]!r}, which is no name of a host.",
            hint="Every request would be refused. Set it to names alone: likeness.example.",
            id="profiles.E011",
        )
    if "://" in (domain := settings.AWS_S3_CUSTOM_DOMAIN) or domain.endswith("/"):
        yield Error(
            f"AWS_S3_CUSTOM_DOMAIN is {domain!r}.",
            hint="No picture would be shown. Set it to a host, with a path if need be, without "
            "https:// and without a slash at its end.",
            id="profiles.E012",
        )
    if settings.STATIC_HOST and "://" not in settings.STATIC_HOST:
        yield Error(
            f"STATIC_HOST is {settings.STATIC_HOST!r}, without https:// before it.",
            hint=f"Browsers would look for static files here. Set https://{settings.STATIC_HOST}.",
            id="profiles.E010",
        )


def check_mail() -> Iterator[CheckMessage]:
    if not settings.HAS_MAIL:
        yield Warning(
            "No mail is sent: nobody can confirm an address or reset a password.",
            hint="Set EMAIL_URL, such as smtp+tls://user:password@mail.example.org:587.",
            id="profiles.W002",
        )


def check_cell() -> Iterator[CheckMessage]:
    try:
        is_safe = cell.has_filter() or sys.platform != "linux"
    except (EOFError, OSError):
        yield Error(
            "The process that opens visitors' pictures cannot be started.",
            hint="No picture could be uploaded. What is wrong is on standard error, above.",
            id="profiles.E014",
        )
        return
    if not is_safe:
        yield Error(
            "Nothing filters the system calls of the process that opens visitors' pictures.",
            hint="HEIC and AVIF would be refused. Install libseccomp (Debian: libseccomp2).",
            id="profiles.E013",
        )
