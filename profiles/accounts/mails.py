"""The mails of the site: rendered, sent, and what is logged of one that could not be sent."""

import logging
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any

from django.core.mail import send_mail
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse

logger = logging.getLogger(__name__)


def send_template_mail(
    request: HttpRequest, name: str, subject: str, email: str, *, link: str, **context: Any
) -> bool:
    """Render a template and mail it; return whether the mail server has taken it."""
    context["link"] = request.build_absolute_uri(link)
    context["reset"] = request.build_absolute_uri(reverse("password_reset"))
    message = render_to_string(f"registration/{name}_email.txt", context)
    return deliver(f"Likeness: {subject}", message, email)


def deliver(subject: str, message: str, email: str) -> bool:
    """Mail a text; log an error, and return False, if the mail server does not take it."""
    try:
        send_mail(subject, message, None, [email])
    except (OSError, ValueError) as error:  # A host name may be too long for a mail.
        # Without a traceback, which would end in the server's words and so in the address.
        logger.error("A mail could not be sent: %s", describe(error))
        return False
    return True


def describe(error: Exception) -> str:
    """Return what an operator needs to know of an error, without anybody's address."""
    if isinstance(error, SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
    else:
        codes = [error.smtp_code] if isinstance(error, SMTPResponseException) else []
    is_of_the_system = isinstance(error, OSError) and not isinstance(error, SMTPException)
    details = [str(error)] if is_of_the_system else map(str, codes)
    return " ".join([type(error).__name__, *details])
