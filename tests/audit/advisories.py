"""Known vulnerabilities of the pinned packages, and the C libraries in them."""

import json
import subprocess
from pathlib import Path

from ..helpers.libraries import list_versions

ROOT = Path(__file__).parent.parent.parent


def audit() -> list[str]:
    """Print the libraries and how many packages were looked up; return the advisories."""
    versions = {name: ".".join(map(str, version)) for name, version in list_versions().items()}
    print("\nIn the wheels:", ", ".join(f"{name} {version}" for name, version in versions.items()))
    command = [str(ROOT / ".venv-audit/bin/python"), "-m", "pip_audit", "--format", "json"]
    command += ["--requirement", str(ROOT / "requirements.txt"), "--disable-pip"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if not done.stdout:
        print("pip-audit: no answer from the database of advisories:", done.stderr.strip()[-200:])
        return []
    packages = json.loads(done.stdout)["dependencies"]
    known = [package for package in packages if "vulns" in package]
    note = "" if known else ", since the database of advisories cannot be reached from here"
    print(f"pip-audit: looked up {len(known)} of {len(packages)} packages{note}", flush=True)
    return [
        f"pip-audit, {package['name']} {package['version']}: {hole['id']}"
        for package in known
        for hole in package["vulns"]
    ]
