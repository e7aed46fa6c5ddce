"""The faults of /how-it-works/symptoms/ that one sees in a browser's console."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ..symptoms.recorded import list_names, read_record, see


@pytest.mark.parametrize("name", list_names("browser"))
def test_what_the_console_says_is_what_was_recorded(
    name: str, example: Path, tmp_path: Path, browser: Browser
) -> None:
    assert see(name, example, tmp_path, browser) == read_record(name)
