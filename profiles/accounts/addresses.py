"""How an e-mail address changes: by a link that is mailed to the new one.

The old address gets a link that undoes the change, for the owner of an account that was taken; so
does the address when a second factor is set up. It leads the account back to where it was before.
Each link works once. Whoever has only a link cannot use it: the first asks for being signed in, and
is void once the password has changed; the second leads to a new password, as a reset does.
"""

from datetime import timedelta

from django.core import signing
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext as _

from ..models import AddressChange, User
from .events import log_event
from .factors import remove_factors
from .mails import send_template_mail

CONFIRM_SALT, UNDO_SALT = "profiles.confirm", "profiles.undo"
TIME_TO_CONFIRM, TIME_TO_UNDO = timedelta(days=3), timedelta(days=14)


def find_pending(user: User) -> AddressChange | None:
    """Return the change of an account that waits for its link to be followed."""
    return user.address_changes.filter(is_confirmed=False, ends__gt=timezone.now()).first()


def ask_for_change(request: HttpRequest, user: User, email: str) -> bool:
    """Mail a link that gives the address to the user; if another account has it, mail its owner.

    All else is the same in both cases, so that nothing shows who is a member. Returns whether the
    mail could be sent; if not, nothing has changed.
    """
    AddressChange.objects.filter(ends__lte=timezone.now()).delete()
    ends = timezone.now() + TIME_TO_CONFIRM
    change = AddressChange.objects.create(user=user, new=email, ends=ends)
    owner = User.with_email(email).exclude(pk=user.pk).first()
    token = signing.dumps(change.pk, salt=make_confirm_salt(user))
    is_sent = send_template_mail(
        request,
        "known_address" if owner else "confirm",
        _("You have an account already") if owner else _("Confirm your address"),
        email,
        user=owner or user,
        link=reverse("login") if owner else reverse("confirm", kwargs={"token": token}),
    )
    pending = user.address_changes.filter(is_confirmed=False)
    # An earlier change waits until the link of the new one is sent.
    (pending.filter(pk__lt=change.pk) if is_sent else pending.filter(pk=change.pk)).delete()
    return is_sent


def cancel_change(user: User) -> None:
    """Forget a change that is not confirmed; its link is void."""
    user.address_changes.filter(is_confirmed=False).delete()


def make_confirm_salt(user: User) -> str:
    """Return what the link's signature depends on: among others, the hash of the password."""
    return f"{CONFIRM_SALT} {user.password}"


def read_change(user: User, token: str) -> AddressChange:
    """Return the change that a link confirms, or has confirmed if the address is still that one.

    Raises `ValidationError` in a visitor's words.
    """
    try:
        key = signing.loads(token, salt=make_confirm_salt(user), max_age=TIME_TO_CONFIRM)
        return user.address_changes.get(Q(is_confirmed=False) | Q(new=user.email), pk=key)
    except (signing.BadSignature, AddressChange.DoesNotExist) as error:
        message = _(
            "It was used, cancelled or replaced by a newer one, is older than three days, or "
            "belongs to another account than @%(username)s, with which you are signed in."
        )
        raise ValidationError(message % {"username": user.username}) from error


def confirm_change(request: HttpRequest, user: User, change: AddressChange) -> None:
    """Give the account the address of a change, and mail the old address how to undo that.

    Raises `ValidationError` in a visitor's words.
    """
    old, ends = user.email, timezone.now() + TIME_TO_UNDO
    mine = AddressChange.objects.filter(pk=change.pk, is_confirmed=False)
    try:
        with transaction.atomic():
            if not mine.update(is_confirmed=True, old=old, ends=ends):
                return  # The same link was followed before.
            User.objects.filter(pk=user.pk).update(email=change.new)
    except IntegrityError as error:
        raise ValidationError(_("This address belongs to another account by now.")) from error
    log_event(request, "address_changed", user)
    if old in ("", change.new) or is_return(change):
        return
    subject, link = _("Your address was changed"), make_undo_link(change)
    send_template_mail(request, "changed_address", subject, old, user=user, link=link)


def is_return(change: AddressChange) -> bool:
    """Return whether an address is taken back that was given away; then forget what came since.

    Else whoever had taken the account would get a link that undoes this.
    """
    changes = change.user.address_changes.filter(is_confirmed=True)
    given_away = changes.filter(old=change.new).exclude(new=F("old")).order_by("-ends").first()
    if given_away:
        changes.filter(ends__gte=given_away.ends).delete()
    return given_away is not None


def mark_point(user: User) -> str:
    """Return a link that undoes what happens to an account from now on; "" without an address."""
    if not user.email:
        return ""
    point = {"old": user.email, "new": user.email, "is_confirmed": True}
    ends = timezone.now() + TIME_TO_UNDO
    return make_undo_link(user.address_changes.create(**point, ends=ends))


def make_undo_link(change: AddressChange) -> str:
    return reverse("undo", kwargs={"token": signing.dumps(change.pk, salt=UNDO_SALT)})


def read_undone(token: str) -> AddressChange:
    """Return the change that a link undoes; raise `ValidationError` in a visitor's words."""
    try:
        key = signing.loads(token, salt=UNDO_SALT, max_age=TIME_TO_UNDO)
        return AddressChange.objects.select_related("user").get(pk=key, is_confirmed=True)
    except (signing.BadSignature, AddressChange.DoesNotExist) as error:
        message = _("It was used already, or is older than two weeks.")
        raise ValidationError(message) from error


def undo_change(token: str) -> User:
    """Lead an account back to where it was before a change, and take the password away.

    The address is the old one, factors that were set up since are removed, as are recovery codes,
    sessions, and the links that undo later changes. Raises `ValidationError` in a visitor's words.
    """
    change = read_undone(token)
    user = change.user
    user.email = change.old
    user.set_password(get_random_string(40))  # Not an unusable one, which cannot be reset.
    later = Q(is_confirmed=True, ends__gte=change.ends) | Q(is_confirmed=False)
    try:
        with transaction.atomic():
            # First, so that no factor is added that is not removed below: see `lock_account`.
            user.save(update_fields=["email", "password"])
            user.address_changes.filter(later).delete()
            remove_factors(user, since=change.ends - TIME_TO_UNDO)
    except IntegrityError as error:
        raise ValidationError(_("This address belongs to another account by now.")) from error
    return user
