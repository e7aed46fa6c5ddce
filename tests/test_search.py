"""The folding of names, and the cursors of lists."""

from base64 import b64decode

import pytest
from django.conf import LazySettings

from profiles.search.folding import fold
from profiles.search.pages import Place, decode_cursor, encode_cursor


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ada", "ada"),
        ("Dvořák", "dvorak"),
        ("ÉMILE", "emile"),
        ("E\u0301mile", "emile"),
        ("Straße", "strasse"),
        ("İpek", "ipek"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("σίσυφος", "σισυφοσ"),
        ("Ｍｉｋｉ", "miki"),
        ("ﬁlip", "filip"),
        ("𝓐𝓭𝓪", "ada"),
        ("℡", "tel"),
        ("a\0b", "ab"),
        ("李小龍", "李小龍"),
        ("", ""),
    ],
)
def test_case_and_accents_are_folded_away(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize("text", ["Dvořák", "𝐀𝐝𝐚", "℡", "ΐ", "ŉ", "ǰ", "Ⓐ", "ﷺ"])
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("pk", [0, 1, 24, 255, 2**32, 2**63 - 1])
def test_a_cursor_leads_back_to_its_row(part: int, pk: int) -> None:
    assert decode_cursor(encode_cursor(Place(part, pk))) == (part, pk)


@pytest.mark.parametrize("pk", [0, 62, 63, 2**63 - 1])
def test_a_cursor_goes_into_an_address_as_it_is(pk: int) -> None:
    assert encode_cursor(Place(0, pk)).replace("-", "").replace("_", "").isalnum()
    assert len(encode_cursor(Place(0, pk))) == 32


def test_neighbours_have_nothing_in_common() -> None:
    first, second = (b64decode(encode_cursor(Place(0, pk)), b"-_") for pk in (1000, 1001))
    assert sum(one == other for one, other in zip(first, second, strict=True)) < 6
    assert (1000).to_bytes(2) not in first


def test_a_cursor_of_an_earlier_key_still_leads_to_its_row(settings: LazySettings) -> None:
    cursor = encode_cursor(Place(0, 1000))
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another" * 8
    assert decode_cursor(cursor) is None
    settings.SECRET_KEY_FALLBACKS = [old]
    assert decode_cursor(cursor) == (0, 1000)


@pytest.mark.parametrize(
    "cursor",
    ["", "A", "zzz", "!!!!", "AAAA", "\0", "é", "🦊", "AAAAAAAAAAE", "A" * 32, "A" * 9999],
)
def test_an_invalid_cursor_leads_nowhere(cursor: str) -> None:
    assert decode_cursor(cursor) is None


def test_a_cursor_with_anything_changed_leads_nowhere() -> None:
    cursor = encode_cursor(Place(0, 1000))
    for at in range(len(cursor)):
        changed = "B" if cursor[at] == "A" else "A"
        assert decode_cursor(cursor[:at] + changed + cursor[at + 1 :]) is None
    assert decode_cursor(" " + cursor) is None
