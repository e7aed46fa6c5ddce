"""The admin's log: it names nobody, and outlives who is named in it."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from ..models import User


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
