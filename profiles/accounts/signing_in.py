"""The views of signing in: by a password and a second factor, or by a passkey alone."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from ..answers import render_form
from ..clients import remember_browser
from ..models import MemberRequest, User
from .events import log_event
from .factors import admit, find_held, has_factor, hold_sign_in, mark_verified
from .forms import FactorForm, PasswordForm, SignInForm
from .passkeys import ask_to_use, find_rp_id, use_passkey


def enter(request: HttpRequest, user: User, url: str, factor: str = "") -> HttpResponse:
    """Sign somebody in, remember their browser, and go on to a page."""
    admit(request, user, factor)
    response = HttpResponseRedirect(url)
    remember_browser(request, response, user)
    return response


def find_next(request: HttpRequest) -> str:
    """Return the page that the visitor wanted, if it is one of this site and no sign-in."""
    url = request.POST.get("next", request.GET.get("next", ""))
    hosts, is_secure = {request.get_host()}, request.is_secure()
    is_ours = url_has_allowed_host_and_scheme(url, hosts, require_https=is_secure)
    is_path = url.startswith("/") and not url.startswith(reverse("login"))
    return url if is_ours and is_path else resolve_url(settings.LOGIN_REDIRECT_URL)


class LoginView(views.LoginView):
    """Django's, which asks for the second factor of accounts that have one."""

    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        user = form.get_user()
        if has_factor(user):
            hold_sign_in(self.request, user, self.get_success_url())
            return redirect("second-step")
        return enter(self.request, user, self.get_success_url())

    def get_success_url(self) -> str:
        return find_next(self.request)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        # Without mail, no link to a password reset is shown.
        context = {"has_mail": settings.HAS_MAIL, "passkey_host": find_rp_id(self.request)}
        return super().get_context_data(**kwargs, **context)


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    """Ask for the second factor after the right password."""
    held = find_held(request)
    if held is None:
        messages.info(request, _("That took longer than ten minutes. Start again."))
        return redirect("login")
    form = FactorForm(
        request.POST if request.method == "POST" else None, request=request, user=held.user
    )
    if form.is_valid():
        return enter(request, held.user, held.next, form.factor)
    return render_form(request, "registration/second_step.html", form, **show_passkeys(request))


@sensitive_post_parameters("code", "password")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def ask_again(request: MemberRequest) -> HttpResponse:
    """Ask for the second factor, or for the password where there is none, before what matters."""
    user = request.user
    form: FactorForm | PasswordForm = PasswordForm(
        request.POST if request.method == "POST" else None, user=user
    )
    if has_factor(user):
        form = FactorForm(
            request.POST if request.method == "POST" else None, request=request, user=user
        )
    if form.is_valid():
        request.session.cycle_key()
        mark_verified(request, getattr(form, "factor", ""))
        return HttpResponseRedirect(find_next(request))
    context = {"next": find_next(request), **show_passkeys(request)}
    return render_form(request, "registration/ask_again.html", form, **context)


def show_passkeys(request: HttpRequest) -> dict[str, str]:
    """Return what a page with the button for passkeys needs."""
    return {"passkey_host": find_rp_id(request), "options_url": reverse("passkey-options")}


@never_cache
@require_POST
def passkey_options(request: HttpRequest, anybody: bool = False) -> HttpResponse:
    """Return what a browser needs to use a passkey: anybody's, or of who is signing in."""
    if not find_rp_id(request):
        raise Http404
    if anybody:
        return JsonResponse(ask_to_use(request, None))
    held = find_held(request)
    user = request.user if request.user.is_authenticated else held and held.user
    if not user:
        raise Http404
    return JsonResponse(ask_to_use(request, user))


@require_POST
def passkey_sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in whoever a passkey belongs to."""
    try:
        user = use_passkey(request, request.POST.get("credential", ""))
    except ValidationError as error:
        log_event(request, "sign_in_failed", None, factor="passkey")
        messages.error(request, error.message)
        return redirect(reverse("login", query={"next": find_next(request)}))
    return enter(request, user, find_next(request), "passkey")
