"""What is set up wrong with static or media files, each with an id, a sentence and a hint."""

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.checks import CheckMessage, Error, Warning, register

SECURITY = "django.middleware.security.SecurityMiddleware"
WHITENOISE = "whitenoise.middleware.WhiteNoiseMiddleware"


@register("likeness")
def check_files(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check where static and media files lie."""
    return [*check_folders(), *check_middleware()]


@register("likeness", deploy=True)
def check_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check what only serving needs: gunicorn's start runs this, `migrate` does not."""
    return [*check_manifest(), *check_delivery(), *check_mail()] if not settings.DEBUG else []


def check_folders() -> Iterator[CheckMessage]:
    media, static = Path(settings.MEDIA_ROOT).resolve(), Path(settings.STATIC_ROOT).resolve()
    folders = [static, *(Path(folder).resolve() for folder in settings.STATICFILES_DIRS)]
    if any(media.is_relative_to(folder) or folder.is_relative_to(media) for folder in folders):
        yield Error(
            "MEDIA_ROOT and the folders of static files lie one in the other.",
            hint="Visitors' files would be handed out as ours. Set MEDIA_ROOT to a folder apart.",
            id="profiles.E001",
        )
    existing = next(folder for folder in [media, *media.parents] if folder.exists())
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
    manifest = getattr(staticfiles_storage, "hashed_files", True)
    if not manifest:
        yield Error(
            "There is no manifest of static files in STATIC_ROOT.",
            hint="Each page would fail. Run `python manage.py collectstatic`.",
            id="profiles.E004",
        )


def check_delivery() -> Iterator[CheckMessage]:
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


def check_mail() -> Iterator[CheckMessage]:
    if not settings.HAS_MAIL:
        yield Warning(
            "No mail is sent: nobody can confirm an address or reset a password.",
            hint="Set EMAIL_URL, such as smtp+tls://user:password@mail.example.org:587.",
            id="profiles.W002",
        )
