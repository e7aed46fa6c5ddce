"""Mails that tell the owner of an account what happened to it."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ..clients import find_network, name_browser, translate_browser
from ..models import User
from .addresses import send_template_mail


def mail_owner(request: HttpRequest, user: User, name: str, subject: str, **context: Any) -> None:
    """Mail what has just happened to an account to its confirmed address, if it has one.

    Renders `registration/NAME_email.txt`, which may include `registration/where.txt`: when, and
    with which browser in which network; with `by_staff`, an administrator instead of these. In the
    template, `link` is the page of the sessions, and `reset` that of a new password. If the mail
    cannot be sent, an error is logged.
    """
    if not user.email:
        return
    browser = name_browser(request)
    where = {
        "when": timezone.now(),
        "browser": browser and translate_browser(browser),
        "network": find_network(request),
        "link": reverse("account-sessions"),
    }
    send_template_mail(request, name, subject, user.email, user=user, **{**where, **context})


def tell_of_factor(request: HttpRequest, user: User, sentence: str, undo: str = "") -> None:
    """Mail the owner of an account how signing in has changed, and the link that undoes it."""
    subject = _("A change of how you sign in")
    context = {"sentence": sentence, "is_undo": bool(undo), "link": undo or reverse("account")}
    mail_owner(request, user, "changed_factor", subject, **context)


def tell_of_removal(request: HttpRequest, user: User) -> None:
    """Mail the owner of an account that staff have removed its second factors."""
    sentence = _("The people who run the site have removed your passkeys, your app and your codes.")
    context = {"sentence": sentence, "by_staff": True, "link": reverse("account")}
    mail_owner(request, user, "changed_factor", _("A change of how you sign in"), **context)
