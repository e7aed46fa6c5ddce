import json
import re
import shutil
from pathlib import Path

import pytest

from .helpers.servers import GUNICORN, ROOT, find, get, make_environment, serve

pytestmark = pytest.mark.slow

TEMPLATES = [*ROOT.glob("templates/**/*.*"), *ROOT.glob("profiles/templates/**/*.*")]
LITERALS = {
    name for path in TEMPLATES for name in re.findall(r"{% static [\"']([^\"']+)", path.read_text())
} | {"pictures/placeholder.svg"}


@pytest.fixture
def collected(prepared: Path) -> Path:
    return prepared / "staticfiles"


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


def test_static_files_may_come_from_another_host(prepared: Path, tmp_path: Path) -> None:
    cdn = "https://static.example"
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    environment = make_environment(tmp_path, STATIC_HOST=cdn)
    with serve(environment, *GUNICORN) as port:
        page, body = get(port, "/")
        url = find(rf"{cdn}/static/css/site\.[0-9a-f]{{12}}\.css", body.decode())
        policy = str(page.headers["Content-Security-Policy"])
        assert cdn in find("style-src [^;]+", policy)
        assert cdn in find("script-src [^;]+", policy)
        sheet, _ = get(port, url.removeprefix(cdn))
    assert sheet.status == 200
    assert sheet.headers["Access-Control-Allow-Origin"] == "*"
    assert sheet.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert sheet.headers["Timing-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("editor.*.js", 4_400),
        ("editor.*.css", 4_000),
        ("editor/camera.*.js", 1_000),
        ("editor/tells.*.js", 3_200),
        ("editor/blocks.*.js", 2_300),
        ("removal.*.js", 400),
    ],
)
def test_what_the_editor_needs_is_small(kind: str, limit: int, collected: Path) -> None:
    (file,) = (collected / "profiles").glob(kind + ".br")
    assert file.stat().st_size <= limit


def test_scripts_import_each_other_by_names_that_change_with_them(collected: Path) -> None:
    scripts = [collected / "profiles" / name for name in ("editor.*.js", "editor/*.*.js")]
    found = [path for pattern in scripts for path in pattern.parent.glob(pattern.name)]
    imports = [
        path.parent / name
        for path in found
        for name in re.findall(r"""(?:from |import\()"([./][^"]+)\"""", path.read_text("utf-8"))
    ]
    assert len(imports) >= len(found) > 5
    for path in imports:
        assert re.search(r"\.[0-9a-f]{12}\.js$", path.name)
        for ending in ("", ".gz", ".br"):
            assert path.with_name(path.name + ending).exists()


def test_no_template_names_a_static_or_media_file_by_its_address() -> None:
    for path in TEMPLATES:
        assert not re.search(r"[\"'(](/static/|/media/)", path.read_text()), path


def test_the_admin_has_the_colours_of_the_site() -> None:
    # The name of each can be another: the admin has an `--accent` of its own.
    site, admin = (
        set(
            re.findall(
                r": (light-dark\(.+?\));", (ROOT / "static/css" / name).read_text(encoding="utf-8")
            )
        )
        for name in ("site.css", "admin.css")
    )
    assert len(admin) > 8
    assert admin <= site
