"""The app's place in Django."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProfilesConfig(AppConfig):
    name = "profiles"
    verbose_name = _("People")

    def ready(self) -> None:
        # They register the checks and the receiver, and need the apps loaded.
        from . import checks  # noqa: F401
        from .accounts import sessions  # noqa: F401
