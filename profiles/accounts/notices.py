"""Mails that tell members what was done with their account, in case it was not they who did it."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from ..models import User
from .addresses import send_template_mail


def mail_owner(request: HttpRequest, user: User, name: str, subject: str, **context: Any) -> None:
    """Mail the owner of an account, if the address is confirmed."""
    if user.email:
        link = reverse("account")
        send_template_mail(request, name, subject, user.email, user=user, link=link, **context)


def tell_of_factor(request: HttpRequest, user: User, sentence: str, undo: str = "") -> None:
    """Mail the owner of an account how signing in has changed, and the link that undoes it."""
    subject = _("A change of how you sign in")
    context = {"sentence": sentence, "is_undo": bool(undo), "link": undo or reverse("account")}
    mail_owner(request, user, "changed_factor", subject, **context)


def tell_of_removal(request: HttpRequest, user: User) -> None:
    """Mail the owner of an account that staff have removed its second factors."""
    sentence = _("The people who run the site have removed your passkeys, your app and your codes.")
    tell_of_factor(request, user, sentence)
