"""The second factor of an account: a passkey, a code from an app, or a recovery code.

After the right password, a sign-in is held until the second factor is given: meanwhile the session
has no user, so no page needs to ask whether somebody is only half signed in.
"""

import re
import secrets
import time
from base64 import b32encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import pyotp
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.auth import login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare, salted_hmac
from pyotp.exceptions import OTPVerificationError

from ..models import CodeApp, MemberRequest, RecoveryCode, User
from .events import log_event

HELD, FACTOR, VERIFIED, ADMIN_USED = "held", "factor", "verified", "admin_used"
# In seconds: how long a password waits for the second factor, how long afterwards it is not asked
# for again, and how long the admin stays open without being used.
TIME_TO_STEP = TIME_TO_CHANGE = 10 * 60
ADMIN_IDLE = 60 * 60


def has_factor(user: User) -> bool:
    """Return whether the account asks for more than its password."""
    return user.passkeys.exists() or CodeApp.objects.filter(user=user).exists()


class Held(NamedTuple):
    """Who has given the right password, and which page they wanted."""

    user: User
    next: str


def hold_sign_in(request: HttpRequest, user: User, next_page: str) -> None:
    """Remember in the session that the password was right."""
    request.session.cycle_key()
    data = {"user": user.pk, "hash": user.get_session_auth_hash(), "next": next_page}
    request.session[HELD] = data | {"at": time.time()}


def find_held(request: HttpRequest) -> Held | None:
    """Return the sign-in that waits, unless it is too old or the password has changed."""
    held = request.session.get(HELD)
    if not held or time.time() - held["at"] > TIME_TO_STEP:
        return None
    user = User.objects.filter(pk=held["user"], is_active=True).first()
    if user and constant_time_compare(held["hash"], user.get_session_auth_hash()):
        return Held(user, held["next"])
    return None


def admit(request: HttpRequest, user: User, factor: str = "") -> None:
    """Sign somebody in, by a second factor or without one: the only way to sign in."""
    request.session.pop(HELD, None)
    login(request, user)
    mark_verified(request, factor)
    log_event(request, "signed_in", user, factor=factor or "password")


def mark_verified(request: HttpRequest, factor: str) -> None:
    """Remember in the session when, and by which factor, somebody last proved who they are."""
    request.session[VERIFIED] = time.time()
    request.session[FACTOR] = factor or request.session.get(FACTOR, "")


def is_verified(request: HttpRequest) -> bool:
    """Return whether somebody has just proved who they are."""
    return time.time() - request.session.get(VERIFIED, 0) < TIME_TO_CHANGE


def use_admin(request: HttpRequest) -> bool:
    """Return whether the admin is open in this session, and note that it is used."""
    idle = time.time() - request.session.get(ADMIN_USED, 0)
    if idle >= ADMIN_IDLE and not is_verified(request):
        return False
    if idle > 60:  # Not at each request: it costs a write.
        request.session[ADMIN_USED] = time.time()
    return True


def remove_factors(user: User, since: datetime | None = None) -> None:
    """Remove the factors that were set up since a time, or all; and recovery codes and sessions."""
    for factors in (user.passkeys.all(), CodeApp.objects.filter(user=user)):
        (factors.filter(created__gte=since) if since else factors).delete()
    user.recovery_codes.all().delete()
    user.sessions.all().delete()


@contextmanager
def lock_account(user: User) -> Iterator[None]:
    """Run a block while nobody changes the password; refuse if it has changed since signing in.

    Else a factor could be added after the owner has taken the account back.
    """
    with transaction.atomic():
        if not list(User.objects.select_for_update().filter(pk=user.pk, password=user.password)):
            raise PermissionDenied
        yield


def drop_unused_codes(request: MemberRequest) -> None:
    """Delete the recovery codes of an account that asks for its password alone."""
    if not has_factor(request.user):
        request.user.recovery_codes.all().delete()
        request.session[FACTOR] = ""


# Sign-in codes from an app


def make_key() -> str:
    """Return a new random key for an app, in base32."""
    return pyotp.random_base32()


def make_app_url(key: str, user: User) -> str:
    """Return the URL that the QR code holds, which an app reads (otpauth)."""
    return pyotp.TOTP(key).provisioning_uri(name=user.username, issuer_name="Likeness")


def find_step(key: str, code: str) -> int | None:
    """Return which 30 seconds a code belongs to, or None: now, or one step before or after."""
    if not re.fullmatch(r"[0-9]{6}", code):
        return None
    try:
        return pyotp.TOTP(key).verify_and_get_timecode(code, valid_window=1)
    except OTPVerificationError:
        return None


def set_app(user: User, key: str, step: int) -> None:
    """Store the key of an app, in place of another one."""
    CodeApp.objects.filter(user=user).delete()
    CodeApp.objects.create(user=user, sealed_key=seal(key), last_step=step)


def use_app_code(user: User, code: str) -> bool:
    """Return whether a code is right; the same one, or an older one, is not right again."""
    app = CodeApp.objects.filter(user=user).first()
    key = app and unseal(app.sealed_key)
    step = key and find_step(key, code)
    if not key or not step:
        return False
    # Sealed again, in case SECRET_KEY is being replaced.
    values = {"last_step": step, "sealed_key": seal(key)}
    return CodeApp.objects.filter(user=user, last_step__lt=step).update(**values) == 1


def seal(key: str) -> str:
    """Encrypt the key of an app, so that a copy of the database is not enough to make codes."""
    return make_cipher().encrypt(key.encode()).decode()


def unseal(sealed: str) -> str | None:
    """Decrypt the key of an app; None if SECRET_KEY has changed, without its fallback."""
    try:
        return make_cipher().decrypt(sealed).decode()
    except InvalidToken:
        return None


def make_cipher() -> MultiFernet:
    secret_keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = [
        salted_hmac("profiles.factors", "app", secret=secret, algorithm="sha256").digest()
        for secret in secret_keys
    ]
    return MultiFernet([Fernet(urlsafe_b64encode(digest)) for digest in digests])


# Recovery codes

CODES = 10


def make_recovery_codes(user: User) -> list[str]:
    """Return new codes, in groups of four letters and digits; all earlier ones are void."""
    codes = [b32encode(secrets.token_bytes(15)).decode().lower() for _ in range(CODES)]
    user.recovery_codes.all().delete()
    rows = [RecoveryCode(user=user, digest=make_digest(user, code)) for code in codes]
    RecoveryCode.objects.bulk_create(rows)
    return ["-".join(re.findall("....", code)) for code in codes]


def use_recovery_code(user: User, code: str) -> bool:
    """Return whether a code is right; it does not work again."""
    plain = re.sub(r"[\s-]", "", code).lower()
    return user.recovery_codes.filter(digest=make_digest(user, plain)).delete()[0] == 1


def make_digest(user: User, code: str) -> str:
    """Return what is stored of a code. Its 120 random bits need no slow hash."""
    return sha256(f"{user.pk} {code}".encode()).hexdigest()
