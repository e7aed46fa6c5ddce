"""The app's place in Django."""

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _

from .search import index


class ProfilesConfig(AppConfig):
    name = "profiles"
    verbose_name = _("People")

    def ready(self) -> None:
        # All need the apps loaded.
        from . import checks  # noqa: F401  # Registers the checks.
        from .accounts import sessions  # noqa: F401  # Connects the receiver of a sign-in.
        from .search import checks as search_checks  # noqa: F401  # Registers the checks.

        pre_migrate.connect(drop_triggers, sender=self)
        post_migrate.connect(create_index, sender=self)


def drop_triggers(using: str, plan: list[tuple[Any, bool]], **kwargs: Any) -> None:
    """Drop the triggers of the search where they would be in the way.

    SQLite renames no table, as most of Django's migrations do there, that another one's trigger
    names. On PostgreSQL, they go with their column.
    """
    mine = [(each.name, is_undone) for each, is_undone in plan if each.app_label == "profiles"]
    if (mine and connections[using].vendor == "sqlite") or ("0015_index_names", True) in mine:
        index.drop_triggers(connections[using])


def create_index(using: str, **kwargs: Any) -> None:
    """Create what is missing of the search's index, if migrations have come as far."""
    if index.has_column(connections[using]):
        index.create(connections[using])
