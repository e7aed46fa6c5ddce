"""The forms to join, sign in, change the address, and leave."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import forms as auth_forms
from django.contrib.auth.forms import AuthenticationForm, PasswordResetForm, UserCreationForm
from django.contrib.auth.hashers import check_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import User
from ..names import NameField, validate_visible
from ..throttles import LockedOut, ThrottledForm, count_attempt, lock_out, take_back_attempt
from .events import log_event
from .factors import find_step, use_app_code, use_recovery_code
from .mails import deliver, find_host
from .passkeys import use_passkey


class SignInForm(AuthenticationForm):
    """Django's, which also takes a confirmed address, with a lock-out after wrong passwords."""

    username = auth_forms.UsernameField(
        label=gettext_lazy("User name or e-mail address"),
        widget=forms.TextInput({"autofocus": True, "inputmode": "email"}),
    )
    error_messages = AuthenticationForm.error_messages | {
        "invalid_login": gettext_lazy(
            "This name or address and this password do not match. After several wrong attempts, "
            "the right password is refused too, for a while. An address works only once it is "
            "confirmed; until then, use your user name."
        )
    }

    request: HttpRequest  # The views of Django and its admin always give it.

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["username"]  # Django has set the length of a user name.
        field.max_length = field.widget.attrs["maxlength"] = 254

    def clean(self) -> dict[str, Any]:
        if self.errors:  # A field is missing, so no password is checked.
            return super().clean()
        with lock_out(self.request, self.cleaned_data["username"]) as username:
            self.cleaned_data["username"] = username
            return super().clean()


class CodeField(forms.CharField):
    """A code that is typed from a phone or a sheet of paper."""

    def __init__(self, **kwargs: Any) -> None:
        attributes = {"autocomplete": "one-time-code", "autocapitalize": "none", "dir": "ltr"}
        widget = forms.TextInput(attributes | {"spellcheck": "false"})
        super().__init__(label=gettext_lazy("Code"), max_length=60, widget=widget, **kwargs)

    def clean(self, value: Any) -> Any:
        value = super().clean(value)
        return re.sub(r"\s", "", value) if re.fullmatch(r"[0-9\s]*", value) else value


class FactorForm(forms.Form):
    """Asks for the second factor: a code, or a passkey, which a script fills in."""

    code = CodeField(
        required=False,
        help_text=gettext_lazy("Six digits from your app, or one of your recovery codes."),
    )
    credential = forms.CharField(required=False, widget=forms.HiddenInput)

    factor, wait = "", 0

    def __init__(self, *args: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
        self.request, self.user = request, user
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        credential, code = map(self.cleaned_data.get, ("credential", "code"))
        if not credential and not code and not self.errors:
            raise ValidationError({"code": _("Enter the code, or use a passkey.")})
        try:
            if credential:
                use_passkey(self.request, credential, self.user)
                self.factor = "passkey"
            elif code:
                self.check_code(code)
        except ValidationError:
            kind = "passkey" if credential else "code"
            log_event(self.request, "factor_failed", self.user, factor=kind)
            raise
        return self.cleaned_data

    def check_code(self, code: str) -> None:
        """Add an error if it is not right. Recovery codes need no limit: they cannot be guessed."""
        if not code.isdigit():
            self.factor = "recovery" if use_recovery_code(self.user, code) else ""
        elif wait := count_attempt("code", self.user.pk):
            self.wait = wait
            message = _(
                "Those were too many wrong codes today. Use a passkey or a recovery code, or try "
                "again tomorrow."
            )
            raise ValidationError({"code": ValidationError(message, code="throttled")})
        elif use_app_code(self.user, code):
            self.factor = "code"
            take_back_attempt("code", self.user.pk)
        if not self.factor:
            message = _(
                "This code is not right, or was used already. Codes of an app change every 30 "
                "seconds: type the one that it shows now."
            )
            raise ValidationError({"code": message})


class AppForm(ThrottledForm):
    """Asks for a code, to see that the app has the key; gives the 30 seconds that it is of."""

    code = CodeField(help_text=gettext_lazy("The six digits that the app shows now."))

    def __init__(self, *args: Any, key: str, **kwargs: Any) -> None:
        self.key = key
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["inputmode"] = "numeric"

    def clean_code(self) -> int:
        step = find_step(self.key, self.cleaned_data["code"])
        if step is None:
            raise ValidationError(
                _(
                    "This code does not fit. Type the one that the app shows now, "
                    "and check your phone's clock."
                )
            )
        return step


class PasskeyForm(ThrottledForm):
    """Asks for the name of a passkey, which a script makes."""

    name = NameField(
        label=gettext_lazy("Name of the passkey"),
        max_length=60,
        validators=[validate_visible],
        help_text=gettext_lazy("So that you know it again, such as “My phone”."),
    )
    credential = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        if not self.errors and not self.cleaned_data.get("credential"):
            raise ValidationError(_("Your browser has made no passkey. Try again."))
        return self.cleaned_data


class MailingForm(ThrottledForm):
    """Asks for an e-mail address to send a mail to."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        max_length=254,
        widget=forms.EmailInput({"autocomplete": "email"}),
    )

    throttle_name = "recipient"

    def count_mail(self) -> bool:
        """Count a mail to the mailbox, from whichever visitor; return whether it may be sent."""
        return self.throttle(self.throttle_name, find_mailbox(self.cleaned_data["email"]))

    def report_unsent(self) -> None:
        """Add an error, the same for any address, and take the mail back that was counted."""
        take_back_attempt(self.throttle_name, find_mailbox(self.cleaned_data["email"]))
        message = _("We could not send the mail. Check the address, or try again in a few minutes.")
        self.add_error(None, ValidationError(message, code="mail"))


def find_mailbox(email: str) -> str:
    """Return one address for all that lead to the same mailbox: with "+" and words, or dots."""
    name, _, domain = email.lower().rpartition("@")
    name = name.partition("+")[0]
    if domain in ("gmail.com", "googlemail.com"):
        name, domain = name.replace(".", ""), "gmail.com"
    return f"{name}@{domain}"


def check_again(user: User, password: str) -> bool:
    """Return whether it is the password; raise `LockedOut` after too many wrong ones.

    Counted by account: whoever found a browser signed in may guess from many addresses.
    """
    if wait := count_attempt("again", user.pk):
        raise LockedOut(wait, user.pk)
    # Without a new hash, which would end the session of this request: a sign-in replaces it.
    is_right = check_password(password, user.password)
    if is_right:
        take_back_attempt("again", user.pk)
    return is_right


class NewPasswordMixin(auth_forms.SetPasswordMixin):
    """Checks the rules at the first password: Django does at the second, unless the two differ."""

    def validate_password_for_user(self, user: User, name: str = "password2") -> None:
        super().validate_password_for_user(user, name.replace("2", "1"))


class NewPasswordForm(NewPasswordMixin, auth_forms.SetPasswordForm):
    """Django's, for whoever has the link of a mail."""


class PasswordChangeForm(NewPasswordMixin, auth_forms.PasswordChangeForm):
    """Django's, with a limit on guesses at the old password."""

    user: User

    def clean_old_password(self) -> str:
        password: str = self.cleaned_data["old_password"]
        if not check_again(self.user, password):
            message = self.error_messages["password_incorrect"]
            raise ValidationError(message, code="password_incorrect")
        return password


class PasswordForm(forms.Form):
    """Asks for the password again, since somebody may have left a browser signed in."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)

    def clean_password(self) -> str:
        if not check_again(self.user, self.cleaned_data["password"]):
            raise ValidationError(_("This is not your password. Nothing has changed."))
        return self.cleaned_data["password"]


class SignupForm(MailingForm, NewPasswordMixin, UserCreationForm):
    """Makes an account without an address: it is set when it is confirmed."""

    class Meta:
        model = User
        fields = ["username"]
        widgets = {"username": forms.TextInput({"autocomplete": "username"})}
        help_texts = {
            "username": gettext_lazy(
                "3 to 30 characters: a to z, 0 to 9, - and _. Start with a letter or a digit. "
                "It becomes part of the address of your page."
            )
        }

    field_order = ["username", "email", "password1", "password2"]

    def clean_username(self) -> str:
        name: str = super().clean_username() or ""  # Django's returns None for a taken one.
        if re.sub(r"[\d_-]", "", name.lower()) in settings.RESERVED_USERNAMES:
            raise ValidationError(_("This user name is reserved for the site. Choose another."))
        return name

    def validate_password_for_user(self, user: User, name: str = "password2") -> None:
        """Compare the password with what was typed as name and address, right or wrong."""
        typed = {name: self.data.get(name, "")[:254] for name in ("username", "email")}
        super().validate_password_for_user(User(**typed), name)

    def save_unless_taken(self) -> User | None:
        """Save the account; add an error and return None if the name has just been taken."""
        try:
            return self.save()
        except IntegrityError:
            taken = User._meta.get_field("username").error_messages["unique"]
            self.add_error("username", taken)
            return None


class EmailForm(MailingForm, PasswordForm):
    field_order = ["email", "password"]

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if email == self.user.email:
            raise ValidationError(_("This is your address already."))
        return email


class ResetForm(MailingForm, PasswordResetForm):  # type: ignore[misc]  # Both have an address.
    """Mails any address that is typed, so that neither page nor time shows who is a member."""

    throttle_name = "reset"  # Not used up by who signs up with the address of another.

    def get_users(self, email: str) -> list[User]:
        """Return the account with the address, or an unsaved one that causes the same work."""
        users = User.with_email(email).filter(is_active=True)
        return [user for user in users if user.has_usable_password()] or [User(email=email)]

    # The view gives all else by name, so it is not listed again.
    def save(self, domain_override: str | None = None, **options: Any) -> None:  # type: ignore[override]
        """Send the mail, with a link whose port is one of the settings."""
        self.request = options["request"]
        super().save(domain_override or find_host(options["request"]), **options)

    def send_mail(
        self,
        subject_template_name: str,
        email_template_name: str,
        context: dict[str, Any],
        from_email: str | None,
        to_email: str,
        html_email_template_name: str | None = None,
    ) -> None:
        """Send the mail as all others are sent, since Django would log whose account it is."""
        log_event(self.request, "password_reset_asked", context["user"])
        subject = "".join(render_to_string(subject_template_name, context).splitlines())
        if not deliver(subject, render_to_string(email_template_name, context), to_email):
            self.report_unsent()
