"""What is asked of people who join, change their address, or leave."""

import logging
from smtplib import SMTPException
from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm, PasswordResetForm, UserCreationForm
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import IntegrityError
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import User
from ..throttles import ThrottledForm, lock_out

logger = logging.getLogger(__name__)
CONFIRM_SALT = "profiles.confirm"
CONFIRM_SECONDS = 3 * 24 * 60 * 60


def send_confirmation(request: HttpRequest, user: User, email: str) -> None:
    """Mail a link that makes an address the user's; to a known address, that it is known.

    The page is the same in both cases, so that it does not tell who is a member.
    """
    owner = User.with_email(email).exclude(pk=user.pk).first()
    # With the address that it replaces: once another link was followed, this one is void.
    data = {"user": user.pk, "email": email, "was": user.email}
    token = signing.dumps(data, salt=CONFIRM_SALT)
    link = reverse("login") if owner else reverse("confirm", kwargs={"token": token})
    send(
        "known_address" if owner else "confirm",
        _("You have an account already") if owner else _("Confirm your address"),
        email,
        user=owner or user,
        link=request.build_absolute_uri(link),
    )


def send(name: str, subject: str, email: str, **context: Any) -> None:
    """Send the mail of a template, or note in the log that it could not be sent."""
    message = render_to_string(f"registration/{name}_email.txt", context)
    try:
        send_mail(f"Likeness: {subject}", message, None, [email])
    except (OSError, SMTPException):
        logger.exception("A mail could not be sent.")


def confirm_address(token: str) -> User:
    """Make the address of a mailed link its user's, and tell the one that it replaces.

    Raises `ValidationError` in the user's words.
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
        send("changed_address", _("Your address was changed"), old, user=user)
    return user


def read_token(token: str) -> dict[str, str]:
    """Return what a mailed link says; raise `ValidationError` for a forged or an old one."""
    try:
        return signing.loads(token, salt=CONFIRM_SALT, max_age=CONFIRM_SECONDS)
    except signing.BadSignature as error:
        message = _("This link is broken or older than three days. Sign in and ask for a new one.")
        raise ValidationError(message) from error


class SignInForm(AuthenticationForm):
    """Django's, with a lock-out after too many wrong passwords."""

    request: HttpRequest  # The views of Django and its admin always give it.

    def clean(self) -> dict[str, Any]:
        if self.errors:  # A field is missing, so no password is checked.
            return super().clean()
        with lock_out(self.request, self.cleaned_data["username"]):
            return super().clean()


class AdminSignInForm(SignInForm, AdminAuthenticationForm):
    """The same for the admin, which only staff may enter."""


class MailingForm(ThrottledForm):
    """Asks for an address that a mail then goes to."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        max_length=254,
        widget=forms.EmailInput({"autocomplete": "email"}),
    )

    def may_be_mailed(self) -> bool:
        """Count a mail to the address, whoever asks for it."""
        return self.throttle("recipient", self.cleaned_data["email"].lower())


class PasswordForm(forms.Form):
    """Asks for the password again: a browser that was left signed in may not take an account."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)

    def clean_password(self) -> str:
        if not self.user.check_password(self.cleaned_data["password"]):
            raise ValidationError(_("This is not your password. Nothing has changed."))
        return self.cleaned_data["password"]


class SignupForm(MailingForm, UserCreationForm):
    """Makes an account whose address is still to be confirmed."""

    class Meta:
        model = User
        fields = ["username"]
        widgets = {"username": forms.TextInput({"autocomplete": "username"})}
        help_texts = {
            "username": gettext_lazy(
                "Part of the address of your page. Letters a to z, digits, hyphens, underscores."
            )
        }

    field_order = ["username", "email", "password1", "password2"]

    def save_unless_taken(self) -> User | None:
        """Save the account; None where somebody has just taken the name."""
        try:
            return self.save()
        except IntegrityError:
            taken = User._meta.get_field("username").error_messages["unique"]
            self.add_error("username", taken)
            return None


class EmailForm(MailingForm, PasswordForm):
    """Asks for an address to send a link to."""

    field_order = ["email", "password"]


class ResetForm(MailingForm, PasswordResetForm):  # type: ignore[misc]  # Both have an address.
    """Asks for the address of an account whose password is forgotten.

    A mail goes to whatever address was typed, so that neither page nor time tells who is a member.
    """

    def get_users(self, email: str) -> list[User]:
        """Return the account of an address, or else a stand-in, for which the same is done."""
        users = User.with_email(email).filter(is_active=True)
        return [user for user in users if user.has_usable_password()] or [User(email=email)]
