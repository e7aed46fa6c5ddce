"""Who did what with which account: a line of the log each, with numbers and no names."""

import logging
from functools import partial
from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest

from ..clients import client_ip
from ..models import User

logger = logging.getLogger("likeness.events")


def log_event(request: HttpRequest, event: str, user: User | int | None, **facts: Any) -> None:
    """Log what happened to an account, and by whom if somebody else did it.

    In a transaction the line waits for the COMMIT. docs/deploying.md lists the events.
    """
    pk = user.pk if isinstance(user, User) else user
    line = {"event": event, "user": pk, "client_ip": client_ip(request), **facts}
    if request.user.is_authenticated and request.user.pk != pk:
        line["by"] = request.user.pk
    transaction.on_commit(partial(logger.info, "%(event)s: account %(user)s", line, extra=line))


def log_visibility(request: HttpRequest, user: User, form: forms.BaseForm) -> None:
    """Log from what to what a form has changed who may see somebody."""
    old, new = form.initial["visibility"], form.cleaned_data["visibility"]
    if "visibility" in form.changed_data and old != new:
        log_event(request, "visibility_changed", user, **{"from": old, "to": new})
