"""Accounts and profiles in Django's admin."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from .models import Profile, User

admin.site.site_header = admin.site.site_title = "Likeness"


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
    list_display_links = ["thumbnail", "user"]
    list_filter = ["visibility"]
    list_select_related = ["user"]
    search_fields = ["user__username", "display_name"]
    readonly_fields = ["user", "thumbnail"]
    fields = ["user", "thumbnail", "avatar", "description", "display_name", "location"]
    fields += ["website", "bio", "visibility"]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    actions = ["remove_avatar"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # An account comes with its profile.

    @admin.display(description=_("picture"))
    def thumbnail(self, profile: Profile) -> str:
        url = profile.avatar.url_for("128.webp")
        return format_html('<img src="{}" alt="" width="64" height="64">', url)

    @admin.action(description=_("Remove the pictures of the selected profiles"))
    def remove_avatar(self, request: HttpRequest, queryset: QuerySet[Profile]) -> None:
        for profile in queryset:
            profile.avatar.replace(None, description="")
        self.message_user(request, _("The pictures are removed."))
