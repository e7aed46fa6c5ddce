"""The views of people and their pictures."""

import logging
from contextlib import nullcontext
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from .accounts.events import log_visibility
from .answers import render_form, set_status, warn_of_files
from .forms import AvatarForm, ProfileForm, WelcomeForm, report_outage
from .models import MemberRequest, Profile
from .pictures.uploads import get_timings
from .search.limits import TooSlow, limit_time
from .search.pages import Page, paginate
from .search.words import Query
from .throttles import limit_searches, take_back_attempt

upload_log = logging.getLogger("likeness.uploads")


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Describe the site, and show the newest people who have a picture."""
    people = Profile.objects.visible_to(request.user).for_list()
    newest = people.exclude(avatar="").order_by("-pk")[:12]
    return render(request, "home.html", {"newest": newest})


@require_safe
@limit_searches
def profile_list(request: HttpRequest) -> HttpResponse:
    """Browse people, newest first, or search for some."""
    query = Query(request.GET.get("q", ""))
    people = Profile.objects.visible_to(request.user).for_list().alias(key=F("pk"))
    parts = [people]
    if query:
        found = people.search(query, only_public=not request.user.is_authenticated)
        parts = [people.called(query), found.not_called(query)]
    cursors = request.GET.get("after", ""), request.GET.get("before", "")
    context: dict[str, Any] = {"query": query}
    try:
        with limit_time() if query else nullcontext():
            context["page"] = paginate(parts, *cursors)
    except TooSlow:
        context |= {"page": Page([]), "is_too_slow": True}
    return render(request, "profiles/list.html", context)


@require_safe
def profile_detail(request: HttpRequest, username: str) -> HttpResponse:
    """Show a person to those who may see them."""
    people = Profile.objects.visible_to(request.user).select_related("user")
    profile = get_object_or_404(people, user__username=username)
    is_owner = profile.user == request.user
    shows_receipt = is_owner and request.method == "GET"
    receipt = request.session.pop("receipt", None) if shows_receipt else None
    context = {"profile": profile, "is_owner": is_owner, "receipt": receipt}
    context["address"] = request.build_absolute_uri(profile.get_absolute_url())
    context["preview"] = request.build_absolute_uri(profile.avatar.link_preview_url)
    return render(request, "profiles/detail.html", context)


@login_required
def own_profile(request: MemberRequest) -> HttpResponse:
    """Redirect members to their own page."""
    return redirect(request.user.profile)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile_edit(request: MemberRequest) -> HttpResponse:
    """Change one's profile; a new member is first asked for the most important fields."""
    welcome = "welcome" in request.GET
    form_class = WelcomeForm if welcome else ProfileForm
    # A second instance: a form changes it even if it is not valid.
    form = form_class(
        request.POST if request.method == "POST" else None,
        instance=get_object_or_404(Profile, user=request.user),
    )
    old = form.instance.avatar.name
    if form.is_valid():
        with report_outage(form):
            form.save()
            log_visibility(request, request.user, form)
            warn_of_files(request, old)
            if welcome:
                return redirect(reverse("profiles:avatar") + "?welcome")
            messages.success(request, _("Saved."))
            return redirect(request.user.profile)
    context = {"profile": request.user.profile, "welcome": welcome}
    return render_form(request, "profiles/edit.html", form, **context)


@require_http_methods(["GET", "HEAD", "POST"])
def avatar_edit(request: HttpRequest) -> HttpResponse:
    """Let members upload a picture or change its description; redirect others to sign in."""
    if request.user.is_authenticated:
        return save_avatar(cast(MemberRequest, request))
    if wants_json(request):
        errors = {"__all__": [_("You are not signed in any more.")]}
        return JsonResponse({"errors": errors}, status=401)
    return redirect_to_login(request.get_full_path())


def save_avatar(request: MemberRequest) -> HttpResponse:
    """Store what was sent, or answer with the form."""
    profile = request.user.profile
    sent = (request.POST, request.FILES) if request.method == "POST" else ()
    form = AvatarForm(*sent, profile=profile, timings=get_timings(request))
    if request.FILES:
        form.throttle("upload", request.user.pk)
    response = None
    if form.is_valid():
        with report_outage(form):
            response = answer_saved(request, form)
    response = response or answer_form(request, form)
    if form.has_error("avatar", "busy"):
        take_back_attempt("upload", request.user.pk)
    if "avatar" in request.FILES:
        response["Server-Timing"] = str(form.timings)
        report = form.write_report()
        upload_log.info("Upload: %(outcome)s.", report, extra=report)
    return response


def answer_form(request: MemberRequest, form: AvatarForm) -> HttpResponse:
    """Answer with the form and its errors."""
    if form.is_bound and wants_json(request):
        return set_status(JsonResponse({"errors": form.errors}), form)
    context = {"profile": form.profile, "welcome": "welcome" in request.GET}
    return render_form(request, "profiles/avatar.html", form, **context)


def wants_json(request: HttpRequest) -> bool:
    """Return whether the client prefers JSON to a page, as the editor's script does."""
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def answer_saved(request: MemberRequest, form: AvatarForm) -> HttpResponse:
    """Save the picture, and answer with its receipt or redirect to the page that shows it."""
    profile = request.user.profile
    old = profile.avatar.name
    receipt = form.save()
    warn_of_files(request, old)
    if wants_json(request):
        return JsonResponse({"url": profile.avatar.url, "receipt": receipt}, status=201)
    if receipt:
        request.session["receipt"] = receipt
    else:
        messages.success(request, _("Saved."))
    return redirect(profile)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def avatar_delete(request: MemberRequest) -> HttpResponse:
    """Ask whether to remove one's picture, and remove it."""
    profile = request.user.profile
    if request.method != "POST":
        return render(request, "profiles/avatar_delete.html", {"profile": profile})
    old = profile.avatar.name
    profile.avatar.replace(None, description="")
    messages.success(request, _("Your picture has been removed."))
    warn_of_files(request, old)
    return redirect(profile)
