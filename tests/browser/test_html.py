"""The HTML of every page in every state is valid."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from .pages import EMPTY_PAGES, PAGES


def test_every_page_is_valid(
    look: Callable[..., Page], sources: dict[str, str], tools: Path, tmp_path: Path
) -> None:
    for name in PAGES | EMPTY_PAGES:
        if name not in sources:
            look(name)
        (tmp_path / f"{name}.html").write_text(sources[name])
    command = ["node_modules/.bin/html-validate", "--config", "html-validate.json"]
    command += ["--formatter", "json", *map(str, sorted(tmp_path.iterdir()))]
    result = subprocess.run(command, cwd=tools, capture_output=True, text=True, timeout=600)
    assert result.stderr == ""
    assert [
        f"{Path(page['filePath']).stem}:{fault['line']}: {fault['message']} ({fault['ruleId']})"
        for page in json.loads(result.stdout)
        for fault in page["messages"]
    ] == []
