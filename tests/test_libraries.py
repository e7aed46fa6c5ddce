import re

import pytest

from .helpers.libraries import FLOORS, list_versions
from .helpers.servers import ROOT


@pytest.mark.parametrize("name", FLOORS)
def test_no_library_with_known_vulnerabilities_comes_back(name: str) -> None:
    assert list_versions()[name] >= FLOORS[name]


def test_every_library_is_maintained() -> None:
    """pi-heif ended with 1.4.0, so the libraries in it are not fixed any more."""
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.txt").read_text(), re.M))
    assert "pillow-heif" in locked
    assert not {"pi-heif", "pyseccomp"} & locked
