"""The HTML of every page in every state is valid."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Response

from .pages import EMPTY_PAGES, PAGES


def test_every_page_is_valid(visit: Callable[..., Page], tools: Path, tmp_path: Path) -> None:
    for name in PAGES | EMPTY_PAGES:
        (tmp_path / f"{name}.html").write_text(read_page(visit, name))
    command = ["node_modules/.bin/html-validate", "--config", "html-validate.json"]
    command += ["--formatter", "json", *map(str, sorted(tmp_path.iterdir()))]
    result = subprocess.run(command, cwd=tools, capture_output=True, text=True, timeout=600)
    assert result.stderr == ""
    assert [
        f"{Path(page['filePath']).stem}:{fault['line']}: {fault['message']} ({fault['ruleId']})"
        for page in json.loads(result.stdout)
        for fault in page["messages"]
    ] == []


def read_page(visit: Callable[..., Page], name: str) -> str:
    """Return a page as it was sent, before the browser tidied it and scripts changed it."""
    answers: list[Response] = []
    page = visit(name, answers)
    pages = [answer for answer in answers if answer.request.is_navigation_request()]
    text = pages[-1].text()
    page.context.close()  # There are many of them.
    return text
