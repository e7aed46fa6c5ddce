"""The page of one's own sessions, and signing out."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import views
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from ..answers import render_form
from ..models import MemberRequest
from .events import log_event
from .forms import PasswordForm
from .sessions import clear_site_data, end_sessions, find_sessions, list_sessions


@login_required
@require_safe
def sessions(request: MemberRequest) -> HttpResponse:
    """List where the member is signed in, this browser first."""
    key = request.session.session_key
    listed = sorted(list_sessions(request.user), key=lambda session: session.pk != key)
    context = {"sessions": listed, "key": key}
    return render(request, "registration/sessions.html", context)


@sensitive_post_parameters("password")
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def end(request: MemberRequest, name: str) -> HttpResponse:
    """Ask for the password, and end a session, all others, or all."""
    ending = find_sessions(request, name)
    if not ending and name != "others":
        raise Http404
    form = PasswordForm(request.POST if request.method == "POST" else None, user=request.user)
    if not form.is_valid():
        context = {"name": name, "session": ending[0] if ending else None}
        return render_form(request, "registration/session_end.html", form, **context)
    user, number = request.user, len(ending)
    is_here = end_sessions(request, ending)
    log_event(request, "sessions_ended", user, number=number)
    message = ngettext("%d browser is signed out.", "%d browsers are signed out.", number)
    messages.success(request, message % number)
    response = redirect("home" if is_here else "account-sessions")
    if is_here:
        clear_site_data(response)
    return response


class LogoutView(views.LogoutView):
    """Django's, after which the browser has nothing left of the member's pages."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = request.user
        response = super().post(request, *args, **kwargs)
        if user.is_authenticated:
            log_event(request, "signed_out", user)
            messages.success(request, _("You are signed out."))
        clear_site_data(response)
        return response
