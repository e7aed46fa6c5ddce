"""The folders of real pictures that LIKENESS_CORPUS names: the corpus, then cases that failed."""

import csv
import os
from pathlib import Path

FOLDERS = [Path(folder) for folder in os.environ.get("LIKENESS_CORPUS", "").split(":") if folder]
CORPUS, CASES = (*FOLDERS, Path("no corpus"), Path("no cases"))[:2]


def read_table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table; none where it is missing."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
