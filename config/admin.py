"""The admin's door: the site's own sign-in, a second factor, and a limit on idle sessions."""

from typing import Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from profiles.accounts.factors import FACTOR, has_factor, use_admin
from profiles.models import User


def lacks_factor(request: HttpRequest) -> bool:
    """Return whether the site asks staff for a second factor that this one has not set up."""
    return settings.STAFF_SECOND_FACTOR and not has_factor(cast(User, request.user))


class AdminSite(admin.AdminSite):
    """Django's, for staff who have proved who they are within the last hour of use."""

    site_header = site_title = "Likeness"
    index_title = gettext_lazy("Accounts, profiles and groups")

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the admin is open, and note that it is used."""
        is_enough = bool(request.session.get(FACTOR)) or not settings.STAFF_SECOND_FACTOR
        return super().has_permission(request) and is_enough and use_admin(request)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Lead to what is missing: signing in, a second factor, or proving again who it is."""
        query = {"next": request.GET.get("next", reverse("admin:index"))}
        if not request.user.is_authenticated:
            return redirect(reverse("login", query=query))
        if not super().has_permission(request):
            raise PermissionDenied
        if lacks_factor(request):
            messages.warning(request, _("The admin needs a second factor. Set one up here."))
            return redirect("account")
        if self.has_permission(request):
            return redirect("admin:index")
        return redirect(reverse("ask-again", query=query))
