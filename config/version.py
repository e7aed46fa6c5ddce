"""Which version of the site this is."""

import tomllib
from functools import cache
from pathlib import Path


@cache
def find_version() -> str:
    """Return the version that pyproject.toml names. The settings need not be right for that."""
    with (Path(__file__).resolve().parent.parent / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
