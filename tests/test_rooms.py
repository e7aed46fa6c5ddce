"""Which way imports run."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from .helpers.servers import ROOT

IN_CELL = """
zygote sandbox images decoding encoding colours png jpeg boxes heic metadata answer
""".split()
PICTURES = sorted((ROOT / "profiles" / "pictures").glob("*.py"))


def list_imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, relative ones with their dots."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_what_makes_pictures_can_be_copied_whole(path: Path) -> None:
    for name in list_imports(path):
        assert not name.startswith(("..", "profiles", "config"))


@pytest.mark.parametrize(
    "name", ["cell", "answer", "avatar", "limits", "names", "timings", "uploads"]
)
def test_what_the_site_loads_of_it_knows_no_decoder(name: str) -> None:
    imports = set(list_imports(ROOT / "profiles" / "pictures" / f"{name}.py"))
    assert not imports & {
        ".images",
        ".decoding",
        ".encoding",
        ".colours",
        ".png",
        ".jpeg",
        ".heic",
        ".metadata",
        ".zygote",
        ".sandbox",
        "PIL",
        "pillow_heif",
    }


@pytest.mark.parametrize("name", IN_CELL)
def test_what_runs_in_a_cell_knows_nothing_of_the_site(name: str) -> None:
    imports = set(list_imports(ROOT / "profiles" / "pictures" / f"{name}.py"))
    assert not {i for i in imports if i in (".cell", ".fields", ".storages") or "django" in i}
