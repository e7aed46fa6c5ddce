"""Whether the documents name files that are there."""

import re

import pytest

from .helpers.servers import ROOT

DOCUMENTS = [
    "README.md",
    "examples/smallest/README.md",
    "examples/steps/README.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")),
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_files_that_a_document_names_are_there(document: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    named = re.findall(r"`((?:profiles|config|deploy|tests|bench)/[\w./-]+\.\w+)`", text)
    places = [ROOT, ROOT / "profiles" / "static"]  # A static file is named from there.
    assert [name for name in named if not any((place / name).exists() for place in places)] == []
