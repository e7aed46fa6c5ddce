"""Who of the staff may change whom."""

from typing import cast

from django.http import HttpRequest

from ..models import MemberRequest, User

RANKS = ["is_staff", "is_superuser", "groups", "user_permissions"]


def is_superuser(request: HttpRequest) -> bool:
    return cast(MemberRequest, request).user.is_superuser


def may_manage(request: HttpRequest, account: User | None) -> bool:
    """Return whether staff may change an account: whoever sets its password or address owns it."""
    return is_superuser(request) or not account or not (account.is_staff or account.is_superuser)
