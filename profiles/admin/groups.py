"""Groups in the admin."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from ..accounts.events import log_event
from .log import NumberedAdmin
from .ranks import is_superuser

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
