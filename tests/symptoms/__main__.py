"""Make each fault, and record what is seen: `make symptoms`, with ARGS for some of them."""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from ..browser.conftest import ARGUMENTS
from .project import Project, prepare
from .recorded import RECORDED, VARIANTS


def main(*names: str) -> None:
    records = json.loads(RECORDED.read_text("utf-8")) if RECORDED.exists() else {}
    path = os.environ.get("LIKENESS_CHROMIUM") or None
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        prepare(Path(folder, "whole"))
        for variant in VARIANTS:
            if names and variant.name not in names:
                continue
            if not variant.is_possible():
                print(f"{variant.name}: needs {variant.needs}", file=sys.stderr)
                continue
            copy = Path(folder, variant.name)
            shutil.copytree(Path(folder, "whole"), copy)
            print(variant.name, file=sys.stderr)
            records[variant.name] = variant.record(Project(copy, browser))
    known = {variant.name: records[variant.name] for variant in VARIANTS if variant.name in records}
    RECORDED.write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
