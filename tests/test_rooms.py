"""Which files there are, and which way imports run, as docs/architecture.md says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .helpers.servers import ROOT

TABLE = re.findall(
    r"^\| `([\w./]+)` \| .+ \|$", (ROOT / "docs" / "architecture.md").read_text("utf-8"), re.M
)
PICTURES = "profiles/pictures/"
PIPELINE = [path for path in TABLE if "/pipeline/" in path]


def find_files(suffix: str, *folders: str) -> set[str]:
    """Return the paths of the site's source files of a kind."""
    found = [path for folder in folders for path in (ROOT / folder).rglob(f"*{suffix}")]
    return {
        str(path.relative_to(ROOT))
        for path in found
        if "migrations" not in path.parts and path.name != "__init__.py"
    }


def list_imports(path: str) -> Iterator[str]:
    """Yield the modules that a file imports, by their names from the top."""
    package = Path(path).parent.parts
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *(node.module.split(".") if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def test_every_file_is_in_the_architecture() -> None:
    files = find_files(".py", "config", "profiles")
    files |= find_files(".js", "static", "profiles")
    assert sorted(TABLE) == sorted(files)


@pytest.mark.parametrize("path", [path for path in TABLE if path.endswith(".py")])
def test_a_file_imports_only_files_further_down(path: str) -> None:
    below = TABLE[TABLE.index(path) + 1 :]
    own = {path.removesuffix(".py").replace("/", "."): path for path in TABLE}
    imported = {own[name] for name in list_imports(path) if name in own}
    assert imported <= set(below)


@pytest.mark.parametrize("path", [path for path in TABLE if path.endswith(".js")])
def test_a_script_imports_only_scripts_further_down(path: str) -> None:
    names = re.findall(r"""(?:from |import\()"([./][^"]+)\"""", (ROOT / path).read_text("utf-8"))
    imported = {str(Path(path).parent / name) for name in names}
    assert imported <= set(TABLE[TABLE.index(path) + 1 :])


def test_the_room_of_people_is_small() -> None:
    assert len(list((ROOT / "profiles").glob("*.py"))) <= 16


@pytest.mark.parametrize("path", [path for path in TABLE if path.startswith(PICTURES)])
def test_the_pictures_app_can_be_copied_alone(path: str) -> None:
    if path.endswith(".py"):
        site = {"config", "profiles"} - {"profiles.pictures"}
        assert not {
            name
            for name in list_imports(path)
            if name.split(".")[0] in site and not name.startswith("profiles.pictures")
        }


@pytest.mark.parametrize("path", [path for path in TABLE if path not in PIPELINE])
def test_the_site_loads_no_decoder(path: str) -> None:
    if path.endswith(".py") and path != "profiles/demo/busts.py":
        for name in list_imports(path):
            assert "pipeline" not in name
            assert name.split(".")[0] not in ("PIL", "pillow_heif")


@pytest.mark.parametrize("path", PIPELINE)
def test_code_of_the_cell_imports_nothing_of_the_site(path: str) -> None:
    known = {"answer", "avatar", "limits", "names", "timings", "traces", "pipeline"}
    for name in list_imports(path):
        assert not name.startswith("django")
        if name.startswith("profiles.pictures."):
            assert name.split(".")[2] in known
