"""Where somebody is signed in: what is stored of it when it begins, and how it ends."""

from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, logout, user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from ..clients import find_network, name_browser
from ..models import MemberRequest, Session, User


@receiver(user_logged_in)
def store_sign_in(request: HttpRequest, **kwargs: Any) -> None:
    """Store where a session begins; a signal, since it begins in the admin too, and in tests."""
    request.session["sign_in"] = {
        "browser": name_browser(request),
        "network": find_network(request),
        "begun": timezone.now().isoformat(),
    }


def list_sessions(user: User) -> list[Session]:
    """Return the sessions of a member that have not ended, the latest visit first."""
    sessions = user.sessions.filter(expire_date__gt=timezone.now()).order_by("-seen", "pk")
    return [session for session in sessions if is_valid(session, user)]


def is_valid(session: Session, user: User) -> bool:
    """Return whether a session is one of the current password, and of the current secret key."""
    known = session.get_decoded().get(HASH_SESSION_KEY, "")
    return constant_time_compare(known, user.get_session_auth_hash())


def find_sessions(request: MemberRequest, name: str) -> list[Session]:
    """Return the member's session of a handle; or of "others" or "all", these."""
    sessions = list_sessions(request.user)
    if name == "others":
        return [session for session in sessions if session.pk != request.session.session_key]
    return [session for session in sessions if name in ("all", session.handle)]


def end_sessions(request: MemberRequest, sessions: list[Session]) -> bool:
    """Delete sessions of the member; return whether the one of the request is among them."""
    keys = [session.pk for session in sessions]
    is_here = request.session.session_key in keys
    request.user.sessions.filter(pk__in=keys).delete()
    if is_here:
        logout(request)
    return is_here


def clear_site_data(response: HttpResponseBase) -> None:
    """Let the browser forget what it has kept of a member's pages, as somebody leaves.

    Not the cookies: that would also take those of other sites on the same domain, and language,
    colours, and the mark of a known browser. Browsers do it over HTTPS only.
    """
    response["Clear-Site-Data"] = '"cache", "storage"'
