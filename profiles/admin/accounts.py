"""Accounts in the admin."""

import logging
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ..accounts.events import log_event
from ..accounts.factors import is_verified, remove_factors
from ..accounts.mails import send_template_mail
from ..accounts.notices import mail_owner, tell_of_removal
from ..models import Profile, User
from .base import ShortAdmin, warn_after_commit
from .lists import find_newest
from .ranks import RANKS, is_superuser, may_manage

logger = logging.getLogger(__name__)


@admin.register(User)
class UserAdmin(ShortAdmin, BaseUserAdmin):
    """Only superusers change accounts of staff, and who is staff or may do what."""

    list_display = ["username", "email", "is_active", "is_staff", "date_joined"]
    list_filter = ["is_active", "is_staff"]
    actions = ["end_sessions", "remove_factors"]
    fieldsets = [
        (None, {"fields": ["username", "password", "email"]}),
        (
            _("Permissions"),
            {"fields": ["is_active", *RANKS]},
        ),
        (_("Important dates"), {"fields": ["last_login", "date_joined"]}),
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        if search_term.strip():
            listed = Exists(queryset.filter(pk=OuterRef("user")))
            people = Profile.objects.filter(listed)
            found = Q(pk__in=find_newest(request, people, search_term, "user"))
            # Also one without a profile, which only SQL makes.
            queryset = queryset.filter(found | Q(username=search_term.strip().lower()))
        return queryset, False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and may_manage(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and may_manage(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if is_superuser(request) else RANKS

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        self.save_account(request, obj, form, change)
        self.log_account(request, obj, form, change)
        old = form.initial.get("email", "")
        if change and obj.email != old:
            obj.address_changes.all().delete()  # Nobody undoes what staff have put right.
            if old:
                subject, link = str(_("Your address was changed")), reverse("password_reset")
                send_template_mail(request, "moved", subject, old, user=obj, link=link)

    def log_account(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Log what of an account was changed that matters for who may do what."""
        if not change:
            return log_event(request, "account_created", obj)
        if "is_active" in form.changed_data:
            log_event(request, f"account_{'enabled' if obj.is_active else 'disabled'}", obj)
        if changed := sorted({*RANKS} & {*form.changed_data}):
            ranks = {"is_staff": obj.is_staff, "is_superuser": obj.is_superuser}
            log_event(request, "rank_changed", obj, changed=changed, **ranks)
        if "email" in form.changed_data:
            log_event(request, "address_changed", obj)

    def save_account(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save the account; say so if its picture could not be moved."""
        try:
            with warn_after_commit(request, Profile.objects.filter(user=obj.pk)):
                super().save_model(request, obj, form, change)
        except OSError:
            logger.exception("The picture store does not answer.")
            message = _(
                "The account is saved, but its picture is still where it was: we cannot reach our "
                "pictures just now. It is moved as soon as we can."
            )
            self.message_user(request, message, messages.WARNING)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> Any:
        """Mail the owner, beside what Django's does; one's own is changed with the old one."""
        user = self.get_object(request, unquote(id))
        if user == request.user:
            return redirect("password_change")
        if not is_verified(request):
            return redirect(reverse("ask-again", query={"next": request.path}))
        response = super().user_change_password(request, id, form_url)
        changed = User.objects.exclude(password=user.password).filter(pk=user.pk) if user else []
        for owner in changed:
            owner.address_changes.all().delete()
            log_event(request, "password_changed", owner)
            subject = str(_("Your password was changed"))
            mail_owner(request, owner, "changed_password", subject, by_staff=True)
        return response

    @admin.action(description=_("Sign out the selected accounts"), permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            if may_manage(request, user):
                number, _rows = user.sessions.all().delete()
                log_event(request, "sessions_ended", user, number=number)
        self.message_user(request, _("The accounts are signed out everywhere."))

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        pk = obj.pk
        with warn_after_commit(request, Profile.objects.filter(user=obj)):
            super().delete_model(request, obj)
        log_event(request, "account_deleted", pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        keys = list(queryset.values_list("pk", flat=True))
        with warn_after_commit(request, Profile.objects.filter(user__in=queryset)):
            super().delete_queryset(request, queryset)
        for pk in keys:
            log_event(request, "account_deleted", pk)

    def has_superuser_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    @admin.action(
        description=_("Remove the second factors of the selected accounts"),
        permissions=["superuser"],
    )
    def remove_factors(self, request: HttpRequest, queryset: QuerySet[User]) -> Any:
        if not is_verified(request):
            return redirect(reverse("ask-again", query={"next": request.path}))
        for user in queryset:
            remove_factors(user)
            self.log_change(request, user, "The second factors were removed.")
            log_event(request, "factor_removed", user, factor="all")
            tell_of_removal(request, user)
        self.message_user(request, _("The second factors are removed: a password is enough."))
        return None
