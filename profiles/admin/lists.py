"""Lists that are as quick among a million rows: each ends, and a link leads to older rows."""

from typing import Any, cast

from django.contrib.admin.views.main import ChangeList
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from ..models import MemberRequest, ProfileQuerySet, User
from ..search.words import Query

LONGEST = 500  # A form may have 1,000 fields: that of deleting all of a list has one for each row.
OLDER = "id__lt"


class NewestList(ChangeList):
    """The newest rows that are searched for; Django counts, sorts and paginates only these."""

    older_url = newest_url = ""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        found = super().get_queryset(request, exclude_parameters)
        keys = list(found.order_by("-pk").values_list("pk", flat=True)[: LONGEST + 1])
        if OLDER in self.filter_params:
            self.newest_url = self.get_query_string(remove=[OLDER])
            self.params.pop(OLDER, None)  # A search begins with the newest.
        if len(keys) > LONGEST:
            self.older_url = self.get_query_string({OLDER: keys[LONGEST - 1]})
            end = _("The list ends after %(number)d; the link “Older” below it leads to the next.")
            help_text = self.model_admin.search_help_text
            self.search_help_text = f"{help_text} {end % {'number': LONGEST}}"
        rows = self.root_queryset.filter(pk__in=keys[:LONGEST])
        return self.apply_select_related(rows).order_by(*found.query.order_by)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.get_filters_params():
            self.full_result_count = self.result_count  # Hides "Show all", which these are.

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        if remove:  # As the links of filters do, which begin with the newest.
            remove = [*remove, OLDER]
            new_params = {name: new_params[name] for name in new_params or () if name != OLDER}
        return super().get_query_string(new_params, remove)


def find_newest(request: HttpRequest, profiles: ProfileQuerySet, text: str, key: str) -> list[int]:
    """Return keys of the newest with all words in their names, or with it as their address.

    They are as many as the list needs. A part of an address is not found: no index has it. Nor is
    one at all by staff who may not see accounts.
    """
    owner, query = User.with_email(text.strip()).first(), Query(text)
    staff = cast(MemberRequest, request).user
    if owner and (staff.has_perm("profiles.view_user") or staff.has_perm("profiles.change_user")):
        found = profiles.filter(user=owner).alias(key=F("pk"))
    else:
        found = profiles.search(query) if query.words else profiles.called(query)
    return list(found.order_by("-key").values_list(key, flat=True)[: LONGEST + 1])
