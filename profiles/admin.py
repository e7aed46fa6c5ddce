import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ObjectDoesNotExist
from django.db import models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from .accounts.events import log_event, log_visibility
from .accounts.factors import is_verified, remove_factors
from .accounts.mails import send_template_mail
from .accounts.notices import mail_owner, tell_of_removal
from .answers import warn_of_files
from .models import MemberRequest, Profile, User
from .names import NameField
from .pictures.journal import after_commit

logger = logging.getLogger(__name__)


@contextmanager
def warn_after_commit(request: HttpRequest, profiles: QuerySet[Profile]) -> Iterator[None]:
    """Delete or move pictures in a block; say so if their old files could not be deleted yet."""
    names = list(profiles.exclude(avatar="").values_list("avatar", flat=True))
    yield
    after_commit(profiles.db, partial(warn_of_files, request, *names))


class Unnamed:
    """Stands for a row in the admin's log, where its name would outlive the account."""

    def __init__(self, row: models.Model) -> None:
        self.pk, self._meta = row.pk, row._meta

    def __str__(self) -> str:
        return f"#{self.pk}"


class NumberedAdmin(admin.ModelAdmin):
    """Shows the number of somebody who has done something and whose account is deleted."""

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        response = super().history_view(request, *args, **kwargs)
        entries = getattr(response, "context_data", {}).get("action_list", ())
        users = User.objects.in_bulk({entry.user_id for entry in entries})
        for entry in entries:
            number = entry.user_id
            entry.user = users.get(number) or User(pk=number, username=f"#{number}")
        return response


class ShortAdmin(NumberedAdmin):
    """Saves without Django's transaction, and says so if the account is deleted meanwhile.

    The transaction would hold SQLite's write lock while a picture is made, and the journal could
    not remember the files of a picture that moves.
    """

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

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Allow the filters that the list shows.

        Django also allows the primary key of related rows, which of a session is its secret.
        """
        return lookup.partition("__")[0] in self.list_filter and bool(
            super().lookup_allowed(lookup, value, request)
        )

    def message_user(self, *args: Any, **kwargs: Any) -> None:
        # Django says that an account is deleted before the COMMIT, which may fail.
        transaction.on_commit(partial(super().message_user, *args, **kwargs))

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super().log_addition(request, cast(Any, Unnamed(obj)), message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super().log_change(request, cast(Any, Unnamed(obj)), message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        return super().log_deletions(request, cast(Any, list(map(Unnamed, queryset))))


RANKS = ["is_staff", "is_superuser", "groups", "user_permissions"]


def is_superuser(request: HttpRequest) -> bool:
    return cast(MemberRequest, request).user.is_superuser


def may_manage(request: HttpRequest, account: User | None) -> bool:
    """Return whether staff may change an account: whoever sets its password or address owns it."""
    return is_superuser(request) or not account or not (account.is_staff or account.is_superuser)


@admin.register(User)
class UserAdmin(ShortAdmin, BaseUserAdmin):
    """Only superusers change accounts of staff, and who is staff or may do what."""

    list_display = ["username", "email", "is_active", "is_staff", "date_joined"]
    list_filter = ["is_active", "is_staff"]
    search_fields = ["username", "email"]
    actions = ["end_sessions", "remove_factors"]
    fieldsets = [
        (None, {"fields": ["username", "password", "email"]}),
        (
            _("Permissions"),
            {"fields": ["is_active", *RANKS]},
        ),
        (_("Important dates"), {"fields": ["last_login", "date_joined"]}),
    ]

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
                "The account is saved, but its picture is still where it was: our picture store "
                "does not answer. It is moved as soon as the store does."
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


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(NumberedAdmin, BaseGroupAdmin):
    """Only superusers change what the members of a group may do."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        log_event(request, "group_changed", None, group=obj.pk)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        log_event(request, "group_changed", None, group=obj.pk)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for group in queryset:
            log_event(request, "group_changed", None, group=group.pk)
        return super().log_deletions(request, queryset)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return is_superuser(request)


@admin.register(Profile)
class ProfileAdmin(ShortAdmin):
    list_display = ["thumbnail", "user", "display_name", "visibility"]
    list_display_links = ["user"]
    list_filter = ["visibility"]
    search_fields = ["user__username", "display_name"]
    readonly_fields = ["user", "thumbnail"]
    fields = ["user", "thumbnail", "avatar", "description", "display_name", "location"]
    fields += ["website", "bio", "visibility"]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    actions = ["remove_avatar"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # Each profile is created with its account.

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        # Detect changes against the form's initial value: a value that the owner has changed since
        # then is not changed back.
        if db_field.name in ("description", "visibility"):
            kwargs["show_hidden_initial"] = True
        if db_field.name in ("display_name", "location"):
            kwargs["form_class"] = NameField
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Profile, form: Any, change: bool) -> None:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        if "avatar" in changes:
            changes["avatar"] = obj.avatar.assigned
            if obj.description == form.initial["description"]:
                changes["description"] = ""  # It describes the old picture.
        with warn_after_commit(request, Profile.objects.filter(pk=obj.pk)):
            obj.change(**changes)
        log_visibility(request, obj.user, form)
        if "avatar" in changes:
            what = "changed" if changes["avatar"] else "removed"
            log_event(request, f"picture_{what}", obj.user)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """List the accounts, which are deleted with their profiles and need that permission."""
        return super().get_deleted_objects([profile.user for profile in objs], request)

    def delete_model(self, request: HttpRequest, obj: Profile) -> None:
        with warn_after_commit(request, Profile.objects.filter(pk=obj.pk)):
            obj.user.delete()  # An account needs a profile, so delete both.
        log_event(request, "account_deleted", obj.user_id)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> None:
        keys = list(queryset.values_list("user", flat=True))
        with warn_after_commit(request, queryset):
            User.objects.filter(profile__in=queryset).delete()
        for pk in keys:
            log_event(request, "account_deleted", pk)

    @admin.display(description=_("picture"))
    def thumbnail(self, profile: Profile) -> str:
        url = profile.avatar.url_for_width(128)
        return format_html('<img src="{}" alt="" width="64" height="64">', url)

    @admin.action(
        description=_("Remove the pictures of the selected profiles"), permissions=["change"]
    )
    def remove_avatar(self, request: HttpRequest, queryset: QuerySet[Profile]) -> None:
        with warn_after_commit(request, queryset):
            for profile in queryset:
                profile.avatar.replace(None, description="")
                log_event(request, "picture_removed", profile.user)
        self.message_user(request, _("The pictures are removed."))
