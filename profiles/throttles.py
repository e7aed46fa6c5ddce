"""How often a thing may be done: attempts within an hour, counted by an atomic update."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from math import ceil
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_cool_off
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import F, Max
from django.forms.utils import ErrorDict
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext_lazy

from .clients import client_network
from .models import Attempts

PERIOD = timedelta(hours=1)
# In minutes: nobody's time zone is known.
TOO_OFTEN = ngettext_lazy(
    "That was too often within a short time. You can try again in %(minutes)d minute.",
    "That was too often within a short time. You can try again in %(minutes)d minutes.",
    "minutes",
)


def attempt(name: str, who: object) -> int:
    """Count an attempt; return 0, or for how many seconds there may be no more of them.

    `name` is one of `settings.THROTTLES`, `who` an address, a member or whoever counts as one.
    """
    limit, now = settings.THROTTLES[name], timezone.now()
    if not limit:
        return 0
    # The table holds what counts now and nothing else: each attempt clears away what is over.
    Attempts.objects.filter(ends__lte=now).delete()
    key = make_key(name, who)
    Attempts.objects.bulk_create([Attempts(key=key, ends=now + PERIOD)], ignore_conflicts=True)
    mine = Attempts.objects.filter(key=key)
    if mine.filter(number__lt=limit).update(number=F("number") + 1):
        return 0
    return count_seconds(mine.values_list("ends", flat=True).first())


def forgive(name: str, who: object) -> None:
    """Take back an attempt that failed through no fault of who made it."""
    mine = Attempts.objects.filter(key=make_key(name, who), number__gt=0)
    mine.update(number=F("number") - 1)


def make_key(name: str, who: object) -> str:
    """Return what attempts are counted under; nobody's address is stored, of network or mail."""
    return salted_hmac("profiles.throttles", f"{name} {who}", algorithm="sha256").hexdigest()


def count_seconds(end: datetime | None) -> int:
    """Return how many seconds are left, at least one."""
    return max(ceil((end - timezone.now()).total_seconds()), 1) if end else 1


class ThrottledForm(forms.Form):
    """A form that may be sent so often only: beyond that it keeps what was typed, unread."""

    wait = 0
    too_often = TOO_OFTEN

    def throttle(self, name: str, who: object) -> bool:
        """Count that the form was sent; return whether that may be, and say so in it if not."""
        if self.is_bound and (wait := attempt(name, who)):
            self.wait = wait
            self._errors = None  # What was found before does not matter now.
        return not self.wait

    def full_clean(self) -> None:
        if not self.wait:
            return super().full_clean()
        self._errors = ErrorDict(renderer=self.renderer)  # type: ignore[assignment]  # As Django.
        self.cleaned_data = {}
        message = self.too_often % {"minutes": ceil(self.wait / 60)}
        return self.add_error(None, ValidationError(message, code="throttled"))


def refuse(request: HttpRequest, wait: int) -> HttpResponse:
    """Answer with a page that says when to come back, `wait` seconds from now."""
    context = {"sentence": TOO_OFTEN % {"minutes": ceil(wait / 60)}}
    response = render(request, "429.html", context, status=429)
    response["Retry-After"] = str(wait)
    return response


def limit_sign_ins(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let nobody try many passwords: django-axes counts by name and address together only."""

    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_attempt = request.method == "POST"
        if is_attempt and (wait := attempt("sign_in", client_network(request))):
            return refuse(request, wait)
        return view(request, *args, **kwargs)

    return limited


def lock_out(request: HttpRequest, response: HttpResponse, credentials: Any) -> HttpResponse:
    """Answer whom django-axes has locked out, with when that ends."""
    [mine] = AxesProxyHandler.get_implementation().get_user_attempts(request, credentials)
    # None when the right password, in another window, has just cleared them away.
    last = mine.aggregate(last=Max("attempt_time"))["last"]
    return refuse(request, count_seconds(last and last + get_cool_off(request)))


def get_username(request: HttpRequest, credentials: dict[str, str] | None = None) -> str:
    """Return the name that somebody signs in by, as it is looked for: in lower case."""
    return ((credentials or request.POST).get("username") or "").lower()
