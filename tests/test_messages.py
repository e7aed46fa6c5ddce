"""All texts are translated. These tests need gettext, as `make messages` does."""

import gettext
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .helpers.servers import ROOT

LANGUAGES = ("de", "ar")
pytestmark = pytest.mark.skipif(
    not shutil.which("msgcmp"), reason="Install gettext: the translations are compared by it."
)


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of every text in the source, collected as in `make messages`."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("config", "profiles", "templates"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "locale").mkdir()
    command = ["-m", "django", "makemessages", "--locale", "de", "--keep-pot"]
    subprocess.run([sys.executable, *command], cwd=folder, check=True, capture_output=True)
    return folder / "locale" / "django.pot"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated(language: str, texts: Path) -> None:
    translated = ROOT / "locale" / language / "LC_MESSAGES" / "django.po"
    run("msgcmp", "--no-fuzzy-matching", str(translated), str(texts))


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_the_compiled_catalogues_are_up_to_date(language: str, tmp_path: Path) -> None:
    folder = ROOT / "locale" / language / "LC_MESSAGES"
    run("msgfmt", "--check", "-o", str(tmp_path / "fresh.mo"), str(folder / "django.po"))
    assert read(folder / "django.mo") == read(tmp_path / "fresh.mo"), "Run `make messages`."


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def read(path: Path) -> dict[Any, str]:
    with path.open("rb") as file:
        catalog = gettext.GNUTranslations(file)._catalog.copy()  # type: ignore[attr-defined]
    del catalog[""]  # Its date.
    return catalog
