"""The app's place in Django."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProfilesConfig(AppConfig):
    name = "profiles"
    verbose_name = _("People")

    def ready(self) -> None:
        # Both need the apps loaded.
        from . import checks  # noqa: F401  # Registers the checks.
        from .accounts import sessions  # noqa: F401  # Connects the receiver of a sign-in.
