"""Check the running site with external tools: make audit."""

import sys
import tempfile
from pathlib import Path

from ..helpers import environment as _environment  # noqa: F401  # First: its settings are the tests'.
from . import advisories, lighthouse, observatory, wapiti
from .site import open_site


def main() -> None:
    """Run all of them on one site, the attacking one last; fail if any finds a fault."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with open_site(folder) as site:
            faults = advisories.audit()
            faults += lighthouse.audit(site, folder) + observatory.audit(site)
            faults += wapiti.audit(site, folder)
    sys.exit("\n".join(["", *faults]) if faults else 0)


if __name__ == "__main__":
    main()
