"""How an e-mail address is confirmed: the link that is mailed, and what it does."""

import logging
from smtplib import SMTPException
from typing import Any, TypedDict

from django.core import signing
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import IntegrityError
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from ..models import User

logger = logging.getLogger(__name__)
CONFIRM_SALT = "profiles.confirm"
CONFIRM_SECONDS = 3 * 24 * 60 * 60


class Confirmation(TypedDict):
    """What the link contains."""

    user: int
    email: str
    was: str  # The address that it replaces: a link is void once another one was followed.


def send_confirmation(request: HttpRequest, user: User, email: str) -> None:
    """Mail a link that gives the address to the user; if another account has it, mail its owner.

    The page is the same in both cases, so that it does not show who is a member.
    """
    owner = User.with_email(email).exclude(pk=user.pk).first()
    token = signing.dumps(
        Confirmation(user=user.pk, email=email, was=user.email), salt=CONFIRM_SALT
    )
    link = reverse("login") if owner else reverse("confirm", kwargs={"token": token})
    send_template_mail(
        "known_address" if owner else "confirm",
        _("You have an account already") if owner else _("Confirm your address"),
        email,
        user=owner or user,
        link=request.build_absolute_uri(link),
    )


def send_template_mail(name: str, subject: str, email: str, **context: Any) -> None:
    """Render a template and mail it; log an error if the mail server does not take it."""
    message = render_to_string(f"registration/{name}_email.txt", context)
    try:
        send_mail(f"Likeness: {subject}", message, None, [email])
    except (OSError, SMTPException):
        logger.exception("A mail could not be sent.")


def confirm_address(token: str) -> User:
    """Set the address of a mailed link, and mail the address that it replaces.

    Raises `ValidationError`, with a message for the visitor.
    """
    data = read_token(token)
    try:
        addresses = [data["was"], data["email"]]
        user = User.objects.get(pk=data["user"], email__in=addresses, is_active=True)
        old, user.email = user.email, data["email"]
        user.save(update_fields=["email"])
    except User.DoesNotExist as error:
        message = _("The account is gone, or has another address by now.")
        raise ValidationError(message) from error
    except IntegrityError as error:
        raise ValidationError(_("This address belongs to another account by now.")) from error
    if old not in ("", user.email):
        send_template_mail("changed_address", _("Your address was changed"), old, user=user)
    return user


def read_token(token: str) -> Confirmation:
    """Return what a link contains; raise `ValidationError` if it is forged or too old."""
    try:
        return signing.loads(token, salt=CONFIRM_SALT, max_age=CONFIRM_SECONDS)
    except signing.BadSignature as error:
        message = _("This link is broken or older than three days. Sign in and ask for a new one.")
        raise ValidationError(message) from error
