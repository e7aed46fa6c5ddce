"""The views of accounts, from joining to leaving."""

import json
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout, views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db.models import F
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ..answers import render_form, warn_of_files
from ..clients import remember_browser
from ..models import CodeApp, MemberRequest, Profile, User
from ..throttles import forget_passwords
from .addresses import (
    ask_for_change,
    cancel_change,
    confirm_change,
    find_pending,
    read_change,
    read_undone,
    undo_change,
)
from .events import log_event
from .forms import (
    EmailForm,
    NewPasswordForm,
    PasswordChangeForm,
    PasswordForm,
    ResetForm,
    SignupForm,
)
from .notices import mail_owner
from .sessions import clear_site_data
from .signing_in import enter


@sensitive_post_parameters("password1", "password2")
@require_http_methods(["GET", "HEAD", "POST"])
def signup(request: HttpRequest) -> HttpResponse:
    """Make an account, sign in, and go on to the profile."""
    if request.user.is_authenticated:
        return redirect("profiles:own")
    form = SignupForm(request.POST if request.method == "POST" else None)
    form.throttle("sign_up", request)
    if form.is_valid() and form.count_mail() and (user := form.save_unless_taken()):
        log_event(request, "account_created", user)
        response = enter(request, user, reverse("profiles:edit") + "?welcome")
        if settings.HAS_MAIL:
            welcome(request, form, ask_for_change(request, user, form.cleaned_data["email"]))
        return response
    return render_form(request, "registration/signup.html", form)


def welcome(request: HttpRequest, form: SignupForm, is_sent: bool) -> None:
    """Say what to do next; where the mail could not be sent, how to ask for another."""
    if is_sent:
        return messages.success(request, _("Welcome.") + " " + format_next_step(form))
    message = _(
        "Welcome. We could not send the mail that confirms your address. Ask for another in a few "
        "minutes: choose “Your account” on your page, then “Confirm an address”."
    )
    return messages.warning(request, message)


def format_next_step(form: SignupForm | EmailForm) -> str:
    """Return what to do next; it names the address, so that a typo is noticed."""
    sentence = _(
        "We sent a mail to %(email)s. Open its link within three days to confirm the address."
    )
    return sentence % form.cleaned_data


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: MemberRequest, token: str) -> HttpResponse:
    """Ask, and confirm an address on POST only, since mail programs open links by themselves."""
    try:
        change = read_change(request.user, token)
        if request.method == "POST":
            confirm_change(request, request.user, change)
        if request.method == "POST" or change.is_confirmed:
            messages.success(request, _("Your address is confirmed."))
            return redirect("profiles:own")
    except ValidationError as error:
        return render(request, "registration/confirm.html", {"error": error.message}, status=400)
    return render(request, "registration/confirm.html", {"change": change})


@require_http_methods(["GET", "HEAD", "POST"])
def undo(request: HttpRequest, token: str) -> HttpResponse:
    """Ask, and give an account its old address back; go on to a new password."""
    try:
        if request.method == "POST":
            user = undo_change(token)
            log_event(request, "address_taken_back", user)
            return redirect(make_reset_link(user))
        change = read_undone(token)
    except ValidationError as error:
        return render(request, "registration/undo.html", {"error": error.message}, status=400)
    return render(request, "registration/undo.html", {"change": change})


def make_reset_link(user: User) -> str:
    """Return the address of the page on which a password is chosen without the old one."""
    key = urlsafe_base64_encode(force_bytes(user.pk))
    token = default_token_generator.make_token(user)
    return reverse("password_reset_confirm", kwargs={"uidb64": key, "token": token})


@login_required
@require_POST
def cancel_email(request: MemberRequest) -> HttpResponse:
    """Cancel a change of the address that is not confirmed."""
    cancel_change(request.user)
    messages.success(request, _("Cancelled. The link no longer works."))
    return redirect("account")


@sensitive_post_parameters("password")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def change_email(request: MemberRequest) -> HttpResponse:
    """Mail a link to a new address, or again to one that is not confirmed."""
    if not settings.HAS_MAIL:
        raise Http404
    pending = find_pending(request.user)
    initial = {"email": pending.new if pending else ""}
    data = request.POST if request.method == "POST" else None
    form = EmailForm(data, user=request.user, initial=initial)
    form.throttle("mail", request.user.pk)
    if form.is_valid() and form.count_mail():
        if ask_for_change(request, request.user, form.cleaned_data["email"]):
            messages.success(request, format_next_step(form))
            return redirect("account")
        form.report_unsent()
    return render_form(request, "registration/email.html", form)


@sensitive_post_parameters("password")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: MemberRequest) -> HttpResponse:
    """Ask for the password, and delete the account and everything in it."""
    user = request.user
    form = PasswordForm(request.POST if request.method == "POST" else None, user=user)
    if form.is_valid():
        picture = Profile.objects.filter(user=user).values_list("avatar", flat=True).first()
        User.objects.filter(pk=user.pk).delete()
        log_event(request, "account_deleted", user)
        logout(request)
        messages.success(request, _("Your account and everything in it are deleted."))
        warn_of_files(request, picture)
        response = redirect("home")
        clear_site_data(response)
        return response
    return render_form(request, "registration/delete.html", form)


@login_required
@require_safe
def export(request: MemberRequest) -> FileResponse:
    """Send a ZIP with everything stored about the member: a JSON file and the pictures."""
    profile = request.user.profile
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr("likeness.json", json.dumps(describe(profile), indent=2, default=str))
        for ending, data in profile.avatar.field.store.read(profile.avatar.name or "").items():
            archive.writestr(f"picture-{ending}", data)
    file.seek(0)
    log_event(request, "export_taken", request.user)
    name = f"likeness-{request.user.username}.zip"
    return FileResponse(file, as_attachment=True, filename=name)


def describe(profile: Profile) -> dict[str, Any]:
    """Return what the database stores about a member, except for the hash of the password."""
    account = {name: getattr(profile.user, name) for name in ("username", "email", "date_joined")}
    account["last_login"] = profile.user.last_login
    changes = profile.user.address_changes.exclude(new=F("old")).order_by("pk")
    account["passkeys"] = list(profile.user.passkeys.values("name", "created", "used"))
    account["code_app"] = CodeApp.objects.filter(user=profile.user).values("created").first()
    account["recovery_codes"] = profile.user.recovery_codes.count()
    account["address_changes"] = list(changes.values("old", "new", "is_confirmed", "ends"))
    sessions = profile.user.sessions.order_by("begun")
    account["sessions"] = list(sessions.values("browser", "network", "begun", "seen"))
    names = ["display_name", "bio", "location", "website", "visibility", "avatar", "description"]
    return {"account": account, "profile": {name: getattr(profile, name) for name in names}}


class PasswordResetView(views.PasswordResetView):
    """Django's, with limits, and only where the site can send mail."""

    form_class = ResetForm

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.HAS_MAIL:
            raise Http404
        return super().dispatch(*args, **kwargs)

    def get_form(self, form_class: Any = None) -> ResetForm:
        form = super().get_form(form_class)
        form.throttle("mail", self.request)
        return form

    def form_valid(self, form: ResetForm) -> HttpResponse:
        response = super().form_valid(form) if form.count_mail() else None
        # Sending the mail, too, may have added an error.
        return response if response and form.is_valid() else self.form_invalid(form)

    def form_invalid(self, form: ResetForm) -> HttpResponse:
        return render_form(self.request, "registration/password_reset_form.html", form)


class PasswordChangeView(views.PasswordChangeView):
    """Django's, which mails the member that it happened, and remembers the browser again."""

    form_class = PasswordChangeForm

    def form_invalid(self, form: Any) -> HttpResponse:
        return render_form(self.request, "registration/password_change_form.html", form)

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        log_event(self.request, "password_changed", form.user)
        remember_browser(self.request, response, form.user)
        subject = _("Your password was changed")
        mail_owner(self.request, form.user, "changed_password", subject)
        return response


class PasswordResetConfirmView(views.PasswordResetConfirmView):
    """Django's, which mails the member, and signs this browser out as well."""

    form_class = NewPasswordForm

    def form_invalid(self, form: Any) -> HttpResponse:
        page = "registration/password_reset_confirm.html"
        return render_form(self.request, page, form, validlink=True)

    def form_valid(self, form: Any) -> HttpResponse:
        is_own = form.user == self.request.user
        response = super().form_valid(form)
        if is_own:
            logout(self.request)  # The new password has deleted the row, so none can be saved.
        log_event(self.request, "password_reset", form.user)
        forget_passwords(self.request, form.user)
        remember_browser(self.request, response, form.user)
        subject = _("Your password was changed")
        mail_owner(self.request, form.user, "changed_password", subject)
        return response
