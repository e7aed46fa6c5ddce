"""The folding of names, and the cursors of lists."""

import pytest

from profiles.search import decode_cursor, encode_cursor, fold


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


@pytest.mark.parametrize("pk", [0, 1, 24, 255, 2**32, 2**63 - 1])
def test_a_cursor_leads_back_to_its_row(pk: int) -> None:
    assert decode_cursor(encode_cursor(pk)) == pk


@pytest.mark.parametrize("pk", [0, 62, 63, 2**63 - 1])
def test_a_cursor_goes_into_an_address_as_it_is(pk: int) -> None:
    assert encode_cursor(pk).replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "cursor",
    ["", "A", "zzz", "!!!!", "AAAA", "\0", "é", "🦊", " AAAAAAAAAAE", "AAAAAAAAAAF", "A" * 9999],
)
def test_an_invalid_cursor_leads_nowhere(cursor: str) -> None:
    assert decode_cursor(cursor) is None


@pytest.mark.parametrize("cursor", ["_" * 11, "gAAAAAAAAAA"])
def test_a_row_that_no_database_can_have_leads_nowhere(cursor: str) -> None:
    assert decode_cursor(cursor) is None
