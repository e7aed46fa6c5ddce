"""Pages of people, by keys instead of page numbers."""

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.conf import settings
from django.utils.crypto import salted_hmac

from ..models import Profile, ProfileQuerySet

PAGE_SIZE = 24


@dataclass(frozen=True)
class Page:
    """One page of people, newest first, with the cursors of the pages before and after."""

    people: list[Profile]
    before: str = ""
    after: str = ""


class Place(NamedTuple):
    """Where somebody is: in the first part of a list or in the second, and the row's key."""

    part: int
    key: int


def encode_cursor(place: Place) -> str:
    """Return a cursor for a row, encrypted: from keys in order, hidden people could be counted."""
    data = (place.part << 63 | place.key).to_bytes(8)
    return urlsafe_b64encode(make_cipher(settings.SECRET_KEY).encrypt(data, None)).decode()


def decode_cursor(cursor: str) -> Place | None:
    """Return where a cursor leads, or None for one that we did not make."""
    if not cursor:
        return None
    try:
        data = b64decode(cursor, altchars=b"-_", validate=True)
    except ValueError:
        return None
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        with suppress(InvalidTag):
            number = int.from_bytes(make_cipher(secret).decrypt(data, None))
            return Place(number >> 63, number & (1 << 63) - 1)
    return None


def make_cipher(secret: str | bytes) -> AESSIV:
    """Return the cipher of cursors: it needs no nonce, so a row has one cursor, and refuses others.

    Encrypting is not signing: from a signed cursor, the key could be read.
    """
    return AESSIV(salted_hmac("profiles.cursor", "", secret, algorithm="sha256").digest())


def paginate(parts: Sequence[ProfileQuerySet], after: str = "", before: str = "") -> Page:
    """Return the page after or before a cursor; the first page without a valid one.

    The list has one or two parts, each ordered by its alias `key`, the newest first. A page is
    selected by key, not by offset: page 1,000 costs as much as page 1, and nobody is shown twice
    when others join meanwhile.
    """
    start = decode_cursor(before)
    is_backward = start is not None
    start = start or decode_cursor(after)
    if start and start.part >= len(parts):  # A cursor of a search, without the search.
        start, is_backward = None, False
    rows = read(parts, start, is_backward)
    has_more, rows = len(rows) > PAGE_SIZE, rows[:PAGE_SIZE]
    if not rows:  # The people beyond the cursor have been deleted.
        return paginate(parts) if start else Page([])
    if is_backward:
        rows.reverse()
    has_newer = has_more if is_backward else start
    has_older = is_backward or has_more
    return Page(
        [person for _, person in rows],
        before=encode_cursor(rows[0][0]) if has_newer else "",
        after=encode_cursor(rows[-1][0]) if has_older else "",
    )


def read(
    parts: Sequence[ProfileQuerySet], start: Place | None, is_backward: bool
) -> list[tuple[Place, Profile]]:
    """Return the people of the next page, and one more if there is, in the order of reading."""
    order, beyond = ("key", "key__gt") if is_backward else ("-key", "key__lt")
    rows: list[tuple[Place, Profile]] = []
    first = start.part if start else 0
    for number in range(first, -1, -1) if is_backward else range(first, len(parts)):
        people = parts[number].order_by(order)
        if start and number == start.part:
            people = people.filter(**{beyond: start.key})
        some = people[: PAGE_SIZE + 1 - len(rows)]
        rows += [(Place(number, person.pk), person) for person in some]
    return rows
