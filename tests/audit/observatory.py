"""What MDN's HTTP Observatory says of the headers."""

import json
import os
import subprocess
from pathlib import Path

from .site import HOST, Site

FOLDER = Path(__file__).parent
LEAST = 130


def audit(site: Site) -> list[str]:
    """Print the grade, and return what falls short."""
    ports = [str(site.http_port), str(site.https_port)]
    result = subprocess.run(
        ["node", "observatory.mjs", HOST, *ports],
        cwd=FOLDER,
        env=os.environ | {"NODE_EXTRA_CA_CERTS": str(site.certificate)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    grade, points = report["scan"]["grade"], report["scan"]["score"]
    print(f"\nHTTP Observatory {grade}, {points} points", flush=True)
    faults = [
        f"HTTP Observatory, {name}: {test['result']}"
        for name, test in report["tests"].items()
        if not test["pass"]
    ]
    if grade != "A+" or points < LEAST:
        parts = {name: test["scoreModifier"] for name, test in report["tests"].items()}
        faults.append(f"HTTP Observatory: {grade}, {points} of {LEAST} points: {parts}")
    return faults
