"""The conversations about accounts, from joining to leaving."""

import json
from io import BytesIO
from typing import Any
from zipfile import ZipFile

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout, views
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from ..answers import show
from ..clients import client_network
from ..models import MemberRequest, Profile, User
from .forms import (
    EmailForm,
    PasswordForm,
    ResetForm,
    SignupForm,
    confirm_address,
    read_token,
    send_confirmation,
)


@sensitive_post_parameters("password1", "password2")
@require_http_methods(["GET", "HEAD", "POST"])
def signup(request: HttpRequest) -> HttpResponse:
    """Make an account, sign in, and go on to the first questions."""
    if request.user.is_authenticated:
        return redirect("profiles:own")
    form = SignupForm(request.POST if request.method == "POST" else None)
    form.throttle("sign_up", client_network(request))
    if form.is_valid() and form.may_be_mailed() and (user := form.save_unless_taken()):
        login(request, user)
        send_confirmation(request, user, form.cleaned_data["email"])
        if settings.HAS_MAIL:
            messages.success(request, _("Welcome.") + " " + say_mailed(form))
        return redirect(reverse("profiles:edit") + "?welcome")
    return show(request, "registration/signup.html", form)


def say_mailed(form: SignupForm | EmailForm) -> str:
    """Return what to do next; with the address, in which a slip of the finger is seen."""
    return _("Follow the link in the mail that we sent to %(email)s.") % form.cleaned_data


@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether an address is to be confirmed, and do it: programs that read mail only ask."""
    try:
        if request.method == "POST":
            confirm_address(token)
            messages.success(request, _("Your address is confirmed."))
            return redirect("profiles:own")
        data = read_token(token)
    except ValidationError as error:
        return render(request, "registration/confirm.html", {"error": error.message}, status=400)
    username = User.objects.filter(pk=data["user"]).values_list("username", flat=True).first()
    context = {"email": data["email"], "username": username}
    return render(request, "registration/confirm.html", context)


@sensitive_post_parameters("password")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def change_email(request: MemberRequest) -> HttpResponse:
    """Send a link to a new address, or once more to one that was not confirmed."""
    if not settings.HAS_MAIL:
        raise Http404
    form = EmailForm(request.POST if request.method == "POST" else None, user=request.user)
    form.throttle("mail", request.user.pk)
    if form.is_valid() and form.may_be_mailed():
        send_confirmation(request, request.user, form.cleaned_data["email"])
        messages.success(request, say_mailed(form))
        return redirect("profiles:edit")
    return show(request, "registration/email.html", form)


@sensitive_post_parameters("password")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: MemberRequest) -> HttpResponse:
    """Ask whether to erase an account and everything with it, and do it."""
    user = request.user
    form = PasswordForm(request.POST if request.method == "POST" else None, user=user)
    if form.is_valid():
        with transaction.atomic():
            # Under the lock of the row, so that no upload comes between it and its files.
            Profile.objects.select_for_update().filter(user=user).first()
            User.objects.filter(pk=user.pk).delete()
        logout(request)
        messages.success(request, _("Your account and everything in it are deleted."))
        return redirect("home")
    return show(request, "registration/delete.html", form)


@login_required
@require_safe
def export(request: MemberRequest) -> FileResponse:
    """Send a ZIP with all that is kept about somebody: a JSON file and the pictures."""
    profile = request.user.profile
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr("likeness.json", json.dumps(describe(profile), indent=2, default=str))
        for ending, data in profile.avatar.field.store.read(profile.avatar.name or "").items():
            archive.writestr(f"picture-{ending}", data)
    file.seek(0)
    name = f"likeness-{request.user.username}.zip"
    return FileResponse(file, as_attachment=True, filename=name)


def describe(profile: Profile) -> dict[str, Any]:
    """Return what the database holds about a person, but the hash of the password."""
    account = {name: getattr(profile.user, name) for name in ("username", "email", "date_joined")}
    account["last_login"] = profile.user.last_login
    names = ["display_name", "bio", "location", "website", "visibility", "avatar", "description"]
    return {"account": account, "profile": {name: getattr(profile, name) for name in names}}


class PasswordResetView(views.PasswordResetView):
    """Django's, where mail can be sent, and not too often."""

    form_class = ResetForm

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.HAS_MAIL:
            raise Http404
        return super().dispatch(*args, **kwargs)

    def get_form(self, form_class: Any = None) -> ResetForm:
        form = super().get_form(form_class)
        form.throttle("mail", client_network(self.request))
        return form

    def form_valid(self, form: ResetForm) -> HttpResponse:
        return super().form_valid(form) if form.may_be_mailed() else self.form_invalid(form)

    def form_invalid(self, form: ResetForm) -> HttpResponse:
        return show(self.request, "registration/password_reset_form.html", form)
