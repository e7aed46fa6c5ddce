"""The page "Your account", and the views that set up and remove second factors."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ..answers import render_form
from ..models import CodeApp, MemberRequest, User
from ..throttles import count_attempt, refuse
from .addresses import find_pending, mark_point
from .events import log_event
from .factors import (
    drop_unused_codes,
    has_factor,
    is_verified,
    lock_account,
    make_app_url,
    make_key,
    make_recovery_codes,
    mark_verified,
    seal,
    set_app,
    unseal,
)
from .forms import AppForm, PasskeyForm
from .notices import tell_of_factor
from .passkeys import ask_to_create, create_passkey, find_rp_id
from .qr import draw_qr
from .sessions import end_sessions, find_sessions, list_sessions

View = Callable[..., HttpResponse]
SHOWN_ONCE = gettext_lazy(
    "Recovery codes are shown only once. If you did not keep them, make new ones."
)
NEW_KEY = "new_key"  # In the session: the sealed key of an app that is not confirmed.


def verified(view: View) -> View:
    """Ask again who somebody is, unless they have just proved it."""

    @wraps(view)
    def asking(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if is_verified(request):
            return view(request, *args, **kwargs)
        return redirect(reverse("ask-again", query={"next": request.path}))

    return login_required(asking)


@login_required
@require_safe
def account(request: MemberRequest) -> HttpResponse:
    """Show everything that can be changed about an account."""
    user = request.user
    context = {
        "has_mail": settings.HAS_MAIL,
        "pending": find_pending(user),
        "passkeys": user.passkeys.order_by("pk"),
        "passkey_host": find_rp_id(request),
        "app": CodeApp.objects.filter(user=user).first(),
        "codes": user.recovery_codes.count(),
        "sessions": len(list_sessions(user)),
    }
    return render(request, "registration/account.html", context)


@sensitive_post_parameters("code")
@verified
@require_http_methods(["GET", "HEAD", "POST"])
def add_app(request: MemberRequest) -> HttpResponse:
    """Show a key to an app, and store it once the app has made a right code from it."""
    if CodeApp.objects.filter(user=request.user).exists():  # Also for who reloads the codes.
        sentence = _("Codes from an app are on. To use another app, switch them off first.")
        messages.info(request, sentence)
        if request.method == "POST":
            messages.warning(request, SHOWN_ONCE)
        return redirect("account")
    # The key of a page that was left stays nowhere: who has seen it could be somebody else.
    sealed = request.session.pop(NEW_KEY, "") if request.method == "POST" else ""
    key = unseal(sealed) or make_key()
    form = AppForm(request.POST if request.method == "POST" else None, key=key)
    form.throttle("mail", request.user.pk)
    if form.is_valid():
        with lock_account(request.user):
            undo = mark_point(request.user)
            set_app(request.user, key, form.cleaned_data["code"])
        sentence = _("Codes from an app are set up.")
        return finish(request, sentence, sentence, "code", undo)
    request.session[NEW_KEY] = seal(key)
    url = make_app_url(key, request.user)
    context = {"key": " ".join(key[start : start + 4] for start in range(0, len(key), 4))}
    return render_form(request, "registration/app.html", form, url=url, qr=draw_qr(url), **context)


@verified
@require_http_methods(["GET", "HEAD", "POST"])
def add_passkey(request: MemberRequest) -> HttpResponse:
    """Ask for the name of a passkey, and store the one that the browser has made."""
    if not find_rp_id(request):
        raise Http404
    form = PasskeyForm(request.POST if request.method == "POST" else None)
    form.throttle("mail", request.user.pk)
    if form.is_valid():
        name, answer = form.cleaned_data["name"], form.cleaned_data["credential"]
        try:
            with lock_account(request.user):
                undo = mark_point(request.user)
                create_passkey(request, request.user, name, answer)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            sentence = _("The passkey “%s” is set up.") % name
            return finish(request, sentence, _("A passkey is set up."), "passkey", undo)
    context = {"options_url": reverse("passkey-create-options")}
    return render_form(request, "registration/passkey.html", form, **context)


@verified
@require_POST
def create_options(request: MemberRequest) -> HttpResponse:
    """Return what a browser needs to make a passkey."""
    if not find_rp_id(request):
        raise Http404
    return JsonResponse(ask_to_create(request, request.user))


def finish(
    request: MemberRequest, sentence: str, mailed: str, factor: str, undo: str
) -> HttpResponse:
    """Say by a message and a mail what was set up; show recovery codes with the first factor."""
    mark_verified(request, factor)
    log_event(request, "factor_added", request.user, factor=factor)
    tell(request, sentence, mailed, undo)
    if request.user.recovery_codes.exists():
        return redirect("account")
    codes = replace_codes(request, "")
    return render(request, "registration/codes.html", {"codes": codes})


def tell(request: MemberRequest, sentence: str, mailed: str, undo: str = "") -> None:
    """Say what has changed, here and by mail, and end all sessions but this one.

    The mail has no name of a passkey, which could be somebody's advertisement.
    """
    end_sessions(request, find_sessions(request, "others"))
    messages.success(request, sentence)
    tell_of_factor(request, request.user, mailed, undo)


@verified
@require_http_methods(["GET", "HEAD", "POST"])
def codes(request: MemberRequest) -> HttpResponse:
    """Ask whether to make new recovery codes, and show them once.

    The form names the newest code that it replaces, so that a reload does not replace those shown.
    """
    if not has_factor(request.user):
        raise Http404
    if request.method == "POST":
        if wait := count_attempt("mail", request.user.pk):
            return refuse(request, wait)
        if codes := replace_codes(request, request.POST.get("replaces", "")):
            sentence = _("Your new recovery codes are ready. The old ones no longer work.")
            tell(request, sentence, sentence)
            return render(request, "registration/codes.html", {"codes": codes})
        messages.warning(request, SHOWN_ONCE)
    context = {"left": request.user.recovery_codes.count(), "newest": name_newest(request.user)}
    return render(request, "registration/codes.html", context)


def replace_codes(request: MemberRequest, newest: str) -> list[str]:
    """Make new recovery codes if the newest one is still this; return them."""
    with lock_account(request.user):
        if name_newest(request.user) != newest:
            return []
        log_event(request, "recovery_codes_made", request.user)
        return make_recovery_codes(request.user)


def name_newest(user: User) -> str:
    """Return the number of the newest recovery code, or ""."""
    return str(user.recovery_codes.aggregate(pk=Max("pk"))["pk"] or "")


@verified
@require_http_methods(["GET", "HEAD", "POST"])
def remove_factor(request: MemberRequest, pk: int | None = None) -> HttpResponse:
    """Ask whether to remove a passkey, or the app if no passkey is named, and remove it."""
    if pk is None:
        factor: Any = get_object_or_404(CodeApp, user=request.user)
        mailed = sentence = _("Codes from an app are switched off.")
    else:
        factor = get_object_or_404(request.user.passkeys, pk=pk)
        sentence = _("The passkey “%s” is removed.") % factor.name
        mailed = _("A passkey is removed.")
    if request.method == "POST":
        factor.delete()
        log_event(request, "factor_removed", request.user, factor="passkey" if pk else "code")
        drop_unused_codes(request)
        tell(request, sentence, mailed)
        return redirect("account")
    return render(request, "registration/remove_factor.html", {"passkey": pk and factor})
