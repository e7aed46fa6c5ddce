"""Search for people by any part of their names, and paginate lists."""

from base64 import b64decode, urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.conf import settings
from django.db.models import Q
from django.utils.crypto import salted_hmac

from .models import Profile, ProfileQuerySet, fold

PAGE_SIZE = 24


def search(profiles: ProfileQuerySet, query: str) -> ProfileQuerySet:
    """Return the profiles that have every word of the query in the user name or the name."""
    # Pages show user names with "@", which no user name contains.
    for word in fold(query).replace("@", " ").split():
        profiles = profiles.filter(Q(user__username__contains=word) | Q(folded_name__contains=word))
    return profiles


@dataclass(frozen=True)
class Page:
    """One page of people, newest first, with the cursors of the pages before and after."""

    people: list[Profile]
    before: str = ""
    after: str = ""


def encode_cursor(pk: int) -> str:
    """Return a cursor for a row, encrypted: from keys in order, hidden people could be counted."""
    cipher = make_cipher(settings.SECRET_KEY)
    return urlsafe_b64encode(cipher.encrypt(pk.to_bytes(8), None)).decode()


def decode_cursor(cursor: str) -> int | None:
    """Return the row's key, or None for a cursor that we did not make."""
    try:
        data = b64decode(cursor, altchars=b"-_", validate=True)
    except ValueError:
        return None
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        with suppress(InvalidTag):
            return int.from_bytes(make_cipher(secret).decrypt(data, None))
    return None


def make_cipher(secret: str | bytes) -> AESSIV:
    """Return the cipher of cursors: it needs no nonce, so a row has one cursor, and refuses others.

    Encrypting is not signing: from a signed cursor, the key could be read.
    """
    return AESSIV(salted_hmac("profiles.cursor", "", secret, algorithm="sha256").digest())


def paginate(profiles: ProfileQuerySet, after: str = "", before: str = "") -> Page:
    """Return the page after or before a cursor; the first page without a valid one.

    It selects by key, not by offset: page 1,000 costs as much as page 1, and nobody is shown twice
    when others join meanwhile.
    """
    newer_than, older_than = decode_cursor(before), decode_cursor(after)
    if newer_than is not None:
        rows = list(profiles.filter(pk__gt=newer_than).order_by("pk")[: PAGE_SIZE + 1])
        people = rows[:PAGE_SIZE][::-1]
        has_newer, has_older = len(rows) > PAGE_SIZE, True
    else:
        older = profiles if older_than is None else profiles.filter(pk__lt=older_than)
        rows = list(older.order_by("-pk")[: PAGE_SIZE + 1])
        people = rows[:PAGE_SIZE]
        has_newer, has_older = older_than is not None, len(rows) > PAGE_SIZE
    if not people:  # The people beyond the cursor have been deleted.
        return paginate(profiles) if after or before else Page([])
    return Page(
        people,
        before=encode_cursor(people[0].pk) if has_newer else "",
        after=encode_cursor(people[-1].pk) if has_older else "",
    )
