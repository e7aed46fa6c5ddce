"""What accounts and profiles have in common in the admin."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from django.contrib.admin import ShowFacets
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..answers import warn_of_files
from ..models import Profile
from ..pictures.journal import after_commit
from .lists import OLDER, NewestList
from .log import NumberedAdmin, Unnamed


@contextmanager
def warn_after_commit(request: HttpRequest, profiles: QuerySet[Profile]) -> Iterator[None]:
    """Delete or move pictures in a block; say so if their old files could not be deleted yet."""
    names = list(profiles.exclude(avatar="").values_list("avatar", flat=True))
    yield
    after_commit(profiles.db, partial(warn_of_files, request, *names))


class ShortAdmin(NumberedAdmin):
    """Saves without Django's transaction, and says so if the account is deleted meanwhile.

    The transaction would hold SQLite's write lock while a picture is made, and the journal could
    not remember the files of a picture that moves.
    """

    ordering = ["-pk"]
    show_facets = ShowFacets.NEVER  # They and the full count read every row.
    show_full_result_count = False
    search_fields = ["pk"]  # Shows the field; `get_search_results` says where it searches.
    search_help_text = _("A part of the name or the user name, or a whole e-mail address.")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: Any = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        # Neither this method, which is inside the transaction, nor the other is in the stubs.
        try:
            return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined]
        except ObjectDoesNotExist:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[NewestList]:
        return NewestList

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Allow the filters that the list shows, and the link to older rows.

        Django also allows the primary key of related rows, which of a session is its secret.
        """
        name, _separator, operator = lookup.partition("__")
        is_shown = name in self.list_filter and operator in ("", "exact", "isnull")
        is_shown = is_shown or lookup == OLDER
        return is_shown and bool(super().lookup_allowed(lookup, value, request))

    def message_user(self, *args: Any, **kwargs: Any) -> None:
        # Django says that an account is deleted before the COMMIT, which may fail.
        transaction.on_commit(partial(super().message_user, *args, **kwargs))

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super().log_addition(request, cast(Any, Unnamed(obj)), message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super().log_change(request, cast(Any, Unnamed(obj)), message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return super().log_deletions(request, cast(Any, list(map(Unnamed, queryset))))
