"""How a form is answered: with its page, and with the HTTP status of its errors."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html
from django.utils.translation import gettext as _

from .pictures.journal import is_waiting

# By the code of the error; any other is a 400.
STATUS_CODES = {"bytes": 413, "throttled": 429} | dict.fromkeys(
    ("busy", "mail", "room", "storage", "unable"), 503
)
# In seconds; 60 for other outages, since nobody knows how long they last.
RETRY_AFTER = {"busy": 5}


def render_form(
    request: HttpRequest, template: str, form: forms.BaseForm, **context: Any
) -> HttpResponse:
    """Render the page of a form, with the focus on the first field that has to be filled in again.

    That is one with an error, or a password, since browsers do not get these back.
    """
    emptied = [name for name in form.fields if form.errors and form[name].data]
    emptied = [name for name in emptied if form[name].widget_type == "password"]
    if again := [name for name in form.fields if name in form.errors or name in emptied]:
        for field in form.fields.values():
            field.widget.attrs.pop("autofocus", None)
        form.fields[again[0]].widget.attrs["autofocus"] = True
    for name in emptied:
        if name not in form.errors:
            note = _("This field was emptied. Type it once more.")
            form[name].help_text = format_html("{}<p>{}</p>", form[name].help_text, note)
    return set_status(render(request, template, {"form": form, **context}), form)


def set_status(response: HttpResponse, form: forms.BaseForm) -> HttpResponse:
    """Set the status for a form's errors, and Retry-After if waiting helps; return the response."""
    codes = [error.code or "" for errors in form.errors.as_data().values() for error in errors]
    if codes:
        response.status_code = STATUS_CODES.get(codes[0], 400) if len(codes) == 1 else 400
    if response.status_code in (429, 503):
        wait = getattr(form, "wait", 0) or RETRY_AFTER.get(codes[0], 60)
        response["Retry-After"] = str(wait)
    return response


def warn_of_files(request: HttpRequest, *names: str | None) -> None:
    """Say so if the files of pictures that were removed or hidden could not be deleted yet."""
    if is_waiting(*names):
        message = _(
            "We cannot reach our pictures just now. The files of your old picture are deleted as "
            "soon as we can."
        )
        messages.warning(request, message)
