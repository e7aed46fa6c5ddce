"""Profiles in the admin."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from ..accounts.events import log_event, log_visibility
from ..models import Profile, User
from ..names import NameField
from .base import ShortAdmin, warn_after_commit
from .lists import find_newest


@admin.register(Profile)
class ProfileAdmin(ShortAdmin):
    list_display = ["thumbnail", "user", "display_name", "visibility"]
    list_display_links = ["user"]
    list_filter = ["visibility"]
    readonly_fields = ["user", "thumbnail"]
    fields = ["user", "thumbnail", "avatar", "description", "display_name", "location"]
    fields += ["website", "bio", "visibility"]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    actions = ["remove_avatar"]

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        if search_term.strip():
            queryset = queryset.filter(pk__in=find_newest(request, queryset, search_term, "pk"))
        return queryset, False

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
