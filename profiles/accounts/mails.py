"""The mails of the site: rendered, sent, and what is logged of one that could not be sent."""

import logging
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host
from django.template.loader import render_to_string
from django.urls import reverse

from ..clients import is_loopback

logger = logging.getLogger(__name__)


def send_template_mail(
    request: HttpRequest, name: str, subject: str, email: str, *, link: str, **context: Any
) -> bool:
    """Render a template and mail it; return whether the mail server has taken it."""
    host = find_host(request)
    site = f"{request.scheme}://{host}"
    context |= {"link": site + link, "reset": site + reverse("password_reset"), "host": host}
    message = render_to_string(f"registration/{name}_email.txt", context)
    return deliver(f"Likeness: {subject}", message, email)


def find_host(request: HttpRequest) -> str:
    """Return the host for links in mails: as it was asked for, but with a port of the settings.

    Whoever asks for a mail to somebody else could name the port of another service of the host.
    """
    host = request.get_host()
    name, port = split_domain_port(host)
    if settings.DEBUG or is_loopback(name.strip("[]")):  # Nobody else can use such a link.
        return host
    ports = ["".join(rest) for pattern, *rest in settings.HOSTS if validate_host(name, [pattern])]
    port = port if port in ports else "".join(ports[:1])
    return f"{name}:{port}" if port else name


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
