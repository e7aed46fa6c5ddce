"""What `make symptoms` has recorded, and what is seen now."""

import json
import shutil
from pathlib import Path
from typing import Any

from ..helpers.servers import ROOT
from . import buckets, containers, servers, styles, uploads
from .project import Project
from .variant import Variant

KINDS = (styles, uploads, servers, buckets, containers)
VARIANTS: list[Variant] = [variant for kind in KINDS for variant in kind.VARIANTS]
RECORDED = ROOT / "profiles/lesson/symptoms.json"


def list_names(needs: str = "") -> list[str]:
    return [variant.name for variant in VARIANTS if variant.needs == needs]


def read_record(name: str) -> dict[str, str]:
    """Return what was recorded. Where a test fails on it, run `make symptoms`, and read."""
    record: dict[str, str] = json.loads(RECORDED.read_text("utf-8"))[name]
    return record


def see(name: str, example: Path, folder: Path, browser: Any = None) -> dict[str, str]:
    """Make a fault in a copy of the example, fix it, and return what was seen."""
    [variant] = [variant for variant in VARIANTS if variant.name == name]
    shutil.copytree(example, folder, dirs_exist_ok=True)
    return variant.record(Project(folder, browser))
