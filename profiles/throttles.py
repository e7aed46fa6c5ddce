"""Limits on how often something is done: attempts are counted by an atomic update."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import wraps
from math import ceil
from typing import Any

from django import forms
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db.models import F
from django.forms.utils import ErrorDict
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import ngettext_lazy

from .accounts.events import log_event
from .clients import client_networks, is_known_browser
from .models import Attempts, User

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Attempts by which something secret is guessed; the others only cost.
GUESSES = {"password", "sign_in", "again", "code"}
# In minutes, since the visitor's time zone is unknown.
TOO_OFTEN = ngettext_lazy(
    "That was too often within a short time. You can try again in %(minutes)d minute.",
    "That was too often within a short time. You can try again in %(minutes)d minutes.",
    "minutes",
)


def count_visit(name: str, request: HttpRequest, *who: object) -> int:
    """Count an attempt from the networks of a visitor, as `count_attempt` does."""
    networks = client_networks(request).items()
    waits = (count_attempt(name, (*who, network), times) for network, times in networks)
    return next(filter(None, waits), 0)


def count_attempt(name: str, who: object, times: int = 1) -> int:
    """Count an attempt; return 0, or in how many seconds the next one is allowed.

    `name` is "password", "account" or one of `settings.THROTTLES`, whose limit is taken `times`;
    `who` is an address, a member, or both.
    """
    limit, period = find_limit(name)
    limit, now = limit * times, timezone.now()
    if not limit:
        return 0
    # Every attempt deletes the rows that are over, so the table needs no other cleaning.
    Attempts.objects.filter(ends__lte=now).delete()
    key = make_key(name, who)
    first = Attempts(key=key, limit=limit if name in GUESSES else 0, ends=now + period)
    Attempts.objects.bulk_create([first], ignore_conflicts=True)
    mine = Attempts.objects.filter(key=key)
    if mine.filter(number__lt=limit).update(number=F("number") + 1):
        return 0
    return count_seconds(mine.values_list("ends", flat=True).first())


def take_back_attempt(name: str, who: object) -> None:
    """Take back an attempt that failed because of the site, not of the visitor."""
    mine = Attempts.objects.filter(key=make_key(name, who), number__gt=0)
    mine.update(number=F("number") - 1)


def count_locked() -> int:
    """Return how many visitors and accounts have to wait, since too much was guessed."""
    full = Attempts.objects.filter(limit__gt=0, number__gte=F("limit"))
    return full.filter(ends__gt=timezone.now()).count()


def find_limit(name: str) -> tuple[int, timedelta]:
    """Return how many attempts are allowed, and within which period."""
    if name in ("password", "account"):
        return settings.LOCK_OUT_FAILURES, settings.LOCK_OUT_PERIOD
    return settings.THROTTLES[name], DAY if name == "code" else HOUR


def make_key(name: str, who: object) -> str:
    """Return a digest to count attempts under: no name and no address is stored."""
    return salted_hmac("profiles.throttles", f"{name} {who}", algorithm="sha256").hexdigest()


def count_seconds(end: datetime | None) -> int:
    """Return how many seconds are left, at least one."""
    return max(ceil((end - timezone.now()).total_seconds()), 1) if end else 1


class ThrottledForm(forms.Form):
    """A form that can be sent only so often: beyond that it keeps what was typed, unvalidated."""

    wait = 0
    too_often = TOO_OFTEN

    def throttle(self, name: str, who: object) -> bool:
        """Count that the form was sent; return whether it was allowed, else add an error to it.

        `who` is a member or an address; or a request, of which the networks count.
        """
        if self.is_bound:
            if isinstance(who, HttpRequest):
                self.wait = count_visit(name, who) or self.wait
            else:
                self.wait = count_attempt(name, who) or self.wait
        if self.wait:
            self._errors = None  # Errors found before do not matter now.
        return not self.wait

    def full_clean(self) -> None:
        if not self.wait:
            return super().full_clean()
        self._errors = ErrorDict(renderer=self.renderer)  # type: ignore[assignment]  # As Django.
        self.cleaned_data = {}
        message = self.too_often % {"minutes": ceil(self.wait / 60)}
        return self.add_error(None, ValidationError(message, code="throttled"))


def refuse(request: HttpRequest, wait: int) -> HttpResponse:
    """Return the page that says when to try again, `wait` seconds from now."""
    context = {"sentence": TOO_OFTEN % {"minutes": ceil(wait / 60)}}
    response = render(request, "429.html", context, status=429)
    response["Retry-After"] = str(wait)
    return response


class LockedOut(Exception):
    """Too many passwords of an account were wrong; the next is checked in `wait` seconds."""

    def __init__(self, wait: int, user: int | None) -> None:
        super().__init__(wait)
        self.wait, self.user = wait, user


NOBODY = "@"  # No user name has this sign.


@contextmanager
def lock_out(request: HttpRequest, typed: str) -> Iterator[str]:
    """Count the sign-in of a block, which raises `ValidationError` for a wrong password.

    `typed` is a user name or an address; the block gets the user name to check. It is counted
    before the password is checked, so that parallel ones cannot exceed the limit, at which
    `LockedOut` is raised.

    Both spellings of an account are also counted together. At that limit the block gets `NOBODY`,
    so that even the right password is refused as a wrong one: an answer of its own would show
    which address belongs to a user name.
    """
    typed, now = typed.lower(), timezone.now()
    accounts = User.with_email(typed) if "@" in typed else User.objects.filter(username=typed)
    user = accounts.first()
    number = user.pk if user else None
    account = number or repr(typed)  # In quotes, since a user name may be a number.
    is_known = user is not None and is_known_browser(request, user.username, user.password)
    if wait := count_password("password", request, typed, is_known, now):
        raise LockedOut(wait, number)
    is_refused = bool(count_password("account", request, account, is_known, now))
    try:
        yield user.username if user and not is_refused else NOBODY
    except ValidationError:
        log_event(request, "sign_in_failed", user, factor="password")
        limit, period = find_limit("password")
        # The lock-out begins with the last failure, not with the first.
        network, ends = next(iter(client_networks(request))), timezone.now() + period
        full = Attempts.objects.filter(number__gte=limit)
        if not is_refused:
            full.filter(key=make_key("account", (account, network))).update(ends=ends)
        if full.filter(key=make_key("password", (typed, network))).update(ends=ends):
            raise LockedOut(int(period.total_seconds()), number) from None
        raise
    if user:
        forget_passwords(request, user, typed)


def count_password(
    name: str, request: HttpRequest, who: object, is_known: bool, now: datetime
) -> int:
    """Count a password, from the networks of a visitor and from anywhere, as `count_attempt` does.

    From anywhere, browsers that the site knows do not count: others cannot keep a member out of
    these.
    """
    return count_visit(name, request, who) or (0 if is_known else count_guess(name, who, now))


# Wrong passwords for one account, from anywhere, until each further one has to wait.
PAUSES_AFTER = 10
MAX_PAUSE = timedelta(minutes=15)
GUESS = {"password": "guess", "account": "account guess"}


def count_guess(name: str, who: object, now: datetime) -> int:
    """Count a password for an account; return 0, or in how many seconds the next is allowed.

    The pause doubles with each one.
    """
    key = make_key(GUESS[name], who)
    limit = PAUSES_AFTER + 1 if name in GUESSES else 0
    first = Attempts(key=key, limit=limit, ends=now + DAY)
    Attempts.objects.bulk_create([first], ignore_conflicts=True)
    mine = Attempts.objects.filter(key=key)
    row = mine.get()
    if row.number > PAUSES_AFTER:
        # Not more than 2 to the 10th, which is more than the longest pause: it would overflow.
        doubled = min(row.number - PAUSES_AFTER - 1, 10)
        pause = min(timedelta(seconds=2**doubled), MAX_PAUSE)
        if (end := row.ends - DAY + pause) > now:
            return count_seconds(end)
        mine = mine.filter(number=row.number)  # Of several at once, one is allowed.
    return 0 if mine.update(number=F("number") + 1, ends=now + DAY) else 1


def forget_passwords(request: HttpRequest, user: User, typed: str = "") -> None:
    """Forget the wrong passwords for an account whose owner has set a new one, or has signed in.

    `typed` is what the sign-in was with. The pause of an address stays then: its end would show
    to whoever caused it that the address is a member's.

    The rows stay, since a parallel attempt may be about to count in them.
    """
    spellings = [typed] if typed else [user.username, user.email.lower()]
    counted = [("account", user.pk), *(("password", spelling) for spelling in spellings)]
    networks = client_networks(request)
    keys = [make_key(name, (who, network)) for name, who in counted for network in networks]
    keys += [
        make_key(GUESS[name], who) for name, who in counted if who != typed or "@" not in typed
    ]
    Attempts.objects.filter(key__in=keys).update(number=0)


def limit_sign_ins(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Limit the passwords tried from one network, and answer `LockedOut` with its page."""

    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_attempt = request.method == "POST"
        if is_attempt and (wait := count_visit("sign_in", request)):
            return refuse(request, wait)
        try:
            return view(request, *args, **kwargs)
        except LockedOut as locked:
            log_event(request, "locked_out", locked.user, seconds=locked.wait)
            return refuse(request, locked.wait)

    return limited


def count_search(request: HttpRequest) -> int:
    """Count a search from the networks of a visitor; return 0, or in how many seconds to try again.

    Each worker counts in its memory, by the hour of the clock: a page that only reads must not
    write to the database.
    """
    limit, period = find_limit("search")
    hour, seconds = divmod(int(timezone.now().timestamp()), int(period.total_seconds()))
    for network, times in client_networks(request).items():
        key = make_key("search", (network, hour))
        cache.add(key, 0, period.total_seconds())
        with suppress(ValueError):  # The cache was full, and has dropped it.
            if limit and cache.incr(key) > limit * times:
                return int(period.total_seconds()) - seconds
    return 0


def limit_searches(view: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """Limit the searches of people who have not signed in, by their network."""

    @wraps(view)
    def limited(request: HttpRequest) -> HttpResponse:
        is_search = request.GET.get("q", "").strip(" \0") and not request.user.is_authenticated
        if is_search and (wait := count_search(request)):
            return refuse(request, wait)
        return view(request)

    return limited
