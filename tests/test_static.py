import json
import re
from pathlib import Path

import pytest

from .servers import ROOT, make_environment, manage

TEMPLATES = [*ROOT.glob("templates/**/*.*"), *ROOT.glob("profiles/templates/**/*.*")]
LITERALS = {
    name for path in TEMPLATES for name in re.findall(r"{% static [\"']([^\"']+)", path.read_text())
} | {"profiles/placeholder.svg"}


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("collected")
    result = manage(make_environment(folder), "collectstatic", "--noinput")
    assert result.returncode == 0, result.stderr
    return folder / "staticfiles"


def test_every_static_file_that_a_template_names_is_collected(collected: Path) -> None:
    paths = json.loads((collected / "staticfiles.json").read_text())["paths"]
    assert len(LITERALS) > 3
    assert {name: paths.get(name) for name in LITERALS if name not in paths} == {}
    for name in LITERALS:
        assert re.search(r"\.[0-9a-f]{12}\.", paths[name])
        assert (collected / paths[name]).exists()


def test_collected_stylesheets_are_compressed_twice(collected: Path) -> None:
    sheets = list((collected / "css").glob("site.*.css"))
    assert sheets
    for sheet in sheets:
        assert sheet.with_name(sheet.name + ".gz").exists()
        assert sheet.with_name(sheet.name + ".br").exists()


def test_no_template_names_a_static_or_media_file_by_its_address() -> None:
    for path in TEMPLATES:
        assert not re.search(r"[\"'(](/static/|/media/)", path.read_text()), path
