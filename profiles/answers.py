"""How a form is answered: with its page, and in HTTP's words for what is wrong."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

# 400 for all the rest.
STATUS_CODES = {"bytes": 413, "busy": 503, "storage": 503, "unable": 503, "throttled": 429}
# In seconds; how long other outages last is unknown, they have 60.
RETRY_AFTER = {"busy": 5}


def show(request: HttpRequest, template: str, form: forms.BaseForm, **context: Any) -> HttpResponse:
    """Answer with the page of a form, and the focus on the first field that has a fault."""
    if wrong := [name for name in form.fields if name in form.errors]:
        for field in form.fields.values():
            field.widget.attrs.pop("autofocus", None)
        form.fields[wrong[0]].widget.attrs["autofocus"] = True
    return tell(render(request, template, {"form": form, **context}), form)


def tell(response: HttpResponse, form: forms.BaseForm) -> HttpResponse:
    """Give an answer the status of its form, and of what passes, when to come back."""
    codes = [error.code or "" for errors in form.errors.as_data().values() for error in errors]
    if codes:
        response.status_code = STATUS_CODES.get(codes[0], 400) if len(codes) == 1 else 400
    if response.status_code in (429, 503):
        wait = getattr(form, "wait", 0) or RETRY_AFTER.get(codes[0], 60)
        response["Retry-After"] = str(wait)
    return response
