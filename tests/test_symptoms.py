"""The faults of /how-it-works/symptoms/: each is made, and what is seen is what was recorded."""

import html
import json
import re
from pathlib import Path

import pytest
from django.test import Client
from django.utils import translation

from profiles.lesson.symptoms import GROUPS, Symptom

from .helpers.servers import ROOT
from .symptoms.recorded import RECORDED, VARIANTS, list_names, read_record, see

RECORDS: dict[str, dict[str, str]] = json.loads(RECORDED.read_text("utf-8"))
SYMPTOMS = [symptom for group in GROUPS for symptom in group.symptoms]
CAUSES = [cause for symptom in SYMPTOMS for cause in symptom.causes]


@pytest.mark.slow
@pytest.mark.parametrize("name", list_names())
def test_what_is_seen_is_what_was_recorded(name: str, example: Path, tmp_path: Path) -> None:
    assert see(name, example, tmp_path) == read_record(name)


def read(client: Client) -> str:
    page = client.get("/how-it-works/symptoms/").content.decode()
    return html.unescape(re.sub(r"<[^>]+>", "", page))


def test_every_variant_is_on_the_page_and_recorded(db: None, client: Client) -> None:
    variants = {variant.name for variant in VARIANTS}
    assert variants == {cause.variant for cause in CAUSES} == set(RECORDS)
    text = read(client)
    for cause in CAUSES:
        assert str(cause.why).replace("`", "") in text
        assert str(cause.helps).replace("`", "") in text
    for record in RECORDS.values():
        for part in (record["seen"], record["command"], record["answer"]):
            assert part in text
        for line in record["fix"].splitlines():
            assert line.startswith(("---", "+++")) or line in text


def test_each_symptom_has_an_address_of_its_own(db: None, client: Client) -> None:
    page = client.get("/how-it-works/symptoms/").content.decode()
    slugs = [symptom.slug for symptom in SYMPTOMS]
    assert len(slugs) == len(set(slugs))
    for slug in slugs:
        assert f'href="#{slug}"' in page
        assert page.count(f'id="{slug}"') == 1


@pytest.mark.parametrize("symptom", SYMPTOMS, ids=lambda symptom: symptom.slug)
def test_what_a_title_quotes_was_recorded(symptom: Symptom) -> None:
    quoted = re.findall("`([^`]+)`", str(symptom.title))
    records = [cause.record for cause in symptom.causes]
    text = " ".join(" ".join(record.values()) for record in records)
    missing = [part for code in quoted for part in code.split(" … ") if part not in text]
    assert missing == []


def test_the_checks_are_those_of_this_site() -> None:
    checks = (ROOT / "profiles/checks.py").read_text("utf-8")
    named = {check for cause in CAUSES for check in cause.checks}
    assert [check for check in named if f'id="{check}"' not in checks] == []


@pytest.mark.parametrize("language", ["de", "ar"])
def test_a_translation_quotes_the_same_code(language: str) -> None:
    texts = [text for cause in CAUSES for text in (cause.why, cause.helps)]
    for text in [*texts, *(symptom.title for symptom in SYMPTOMS)]:
        with translation.override("en"):
            english = sorted(re.findall("`([^`]+)`", str(text)))
        with translation.override(language):
            assert sorted(re.findall("`([^`]+)`", str(text))) == english
