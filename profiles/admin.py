"""Accounts and profiles in Django's admin."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from .accounts.forms import AdminSignInForm
from .models import Profile, User

admin.site.site_header = admin.site.site_title = "Likeness"
admin.site.login_form = AdminSignInForm


@admin.register(User)
class UserAdmin(BaseUserAdmin):
    list_display = ["username", "email", "is_active", "is_staff", "date_joined"]
    list_filter = ["is_active", "is_staff"]
    search_fields = ["username", "email"]
    fieldsets = [
        (None, {"fields": ["username", "password", "email"]}),
        (
            _("Permissions"),
            {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]},
        ),
        (_("Important dates"), {"fields": ["last_login", "date_joined"]}),
    ]


@admin.register(Profile)
class ProfileAdmin(admin.ModelAdmin):
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
        return False  # An account comes with its profile.

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: Any = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        # Without Django's transaction: it would hold SQLite's lock while a picture is made. The
        # method that Django wraps in it is not in the stubs.
        return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined]

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        # So that what the owner changed after the form was opened is not changed back.
        shows = db_field.name in ("description", "visibility")
        return super().formfield_for_dbfield(
            db_field, request, **kwargs, **({"show_hidden_initial": True} if shows else {})
        )

    def save_model(self, request: HttpRequest, obj: Profile, form: Any, change: bool) -> None:
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        if "avatar" in changes:
            # The old description is that of the old picture.
            changes = {"description": "", **changes, "avatar": obj.avatar.assigned}
        obj.change(**changes)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """List the accounts that go as well: whoever may not delete them deletes no profile."""
        return super().get_deleted_objects([profile.user for profile in objs], request)

    def delete_model(self, request: HttpRequest, obj: Profile) -> None:
        obj.user.delete()  # Without a profile an account is of no use.

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Profile]) -> None:
        User.objects.filter(profile__in=queryset).delete()

    @admin.display(description=_("picture"))
    def thumbnail(self, profile: Profile) -> str:
        url = profile.avatar.url_for("128.webp")
        return format_html('<img src="{}" alt="" width="64" height="64">', url)

    @admin.action(
        description=_("Remove the pictures of the selected profiles"), permissions=["change"]
    )
    def remove_avatar(self, request: HttpRequest, queryset: QuerySet[Profile]) -> None:
        for profile in queryset:
            profile.avatar.replace(None, description="")
        self.message_user(request, _("The pictures are removed."))
