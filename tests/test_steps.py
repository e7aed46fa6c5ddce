"""`/how-it-works/steps/`: the diffs as the page shows them. tests/production applies them."""

import html
import re
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client

from profiles.lesson.steps import DIFFS

from .helpers.servers import ROOT

STEPS = ROOT / "examples/steps"


def read(client: Client) -> str:
    response = client.get("/how-it-works/steps/")
    assert response.status_code == 200
    return response.content.decode()


def show(page: str, tag: str) -> str:
    """Return the text of all elements of a kind."""
    return html.unescape("".join(re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)))


def test_every_diff_is_on_the_page(client: Client) -> None:
    page = read(client)
    assert sorted(DIFFS.values()) == sorted(path.name for path in STEPS.glob("*.diff"))
    lines = [line for name in DIFFS.values() for line in (STEPS / name).read_text().splitlines()]
    lines = [line for line in lines if not line.startswith(("--- ", "+++ "))]
    assert show(page, "pre").replace("</code>", "").count("\n") == len(lines)
    for tag, sign in {"ins": "+", "del": "-"}.items():
        assert show(page, tag).splitlines() == [line for line in lines if line.startswith(sign)]


def test_each_changed_file_is_named(client: Client) -> None:
    names = re.findall(r"<figcaption><code>([^<]+)", read(client))
    for expected in ("settings.py", "wsgi.py", "people/pictures.py", "urls.py", "nginx.conf"):
        assert expected in names


def test_each_step_says_what_is_still_missing(client: Client) -> None:
    assert read(client).count("Still missing:") == len(DIFFS)


@pytest.mark.parametrize("name", DIFFS.values())
def test_a_missing_diff_is_left_out(
    name: str, client: Client, settings: LazySettings, tmp_path: Path
) -> None:
    settings.BASE_DIR = tmp_path
    steps = tmp_path / "examples/steps"
    steps.mkdir(parents=True)
    for other in set(DIFFS.values()) - {name}:
        (steps / other).write_text((STEPS / other).read_text())
    page = read(client)
    lost = re.findall(
        r"^\+(def \w+|\s+server_name \S+|.*whitenoise)", (STEPS / name).read_text(), re.M
    )
    assert lost
    assert [line for line in lost if line in show(page, "ins")] == []
    assert "<ins>" in page
