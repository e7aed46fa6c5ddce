"""How an owner undoes the first second factor of an account, if somebody else has set it up.

Whoever has a password, or finds a browser signed in, could lock the owner out with it for good. So
the mail that tells of it has a link that works once, for two weeks. Later factors need the first.
"""

from datetime import datetime, timedelta

from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ..models import User
from ..throttles import is_used, use_up
from .addresses import shut_out
from .factors import remove_factors

SALT, TIME_TO_UNDO = "profiles.undo-factors", timedelta(days=14)


def make_undo_link(user: User, since: datetime) -> str:
    """Return the address of the page that removes all factors set up since a time."""
    token = signing.dumps([user.pk, since.isoformat()], salt=SALT)
    return reverse("undo-factors", kwargs={"token": token})


def read_undo(token: str) -> tuple[User, datetime]:
    """Return whose factors a link removes, and since when; raise `ValidationError` in words."""
    try:
        key, since = signing.loads(token, salt=SALT, max_age=TIME_TO_UNDO)
        if not is_used("undo", token):
            return User.objects.get(pk=key), datetime.fromisoformat(since)
    except (signing.BadSignature, User.DoesNotExist):
        pass
    raise ValidationError(_("It was used already, or is older than two weeks."))


def undo_factors(token: str) -> User:
    """Remove the factors, the password and all sessions; raise `ValidationError` in words."""
    user, since = read_undo(token)
    with transaction.atomic():
        use_up("undo", token, timezone.now() + TIME_TO_UNDO)
        remove_factors(user, since)
        shut_out(user)
    return user
