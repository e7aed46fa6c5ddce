"""What Lighthouse measures of a page, as on a middling phone."""

import json
import os
import subprocess
from pathlib import Path

from ..browser.conftest import ARGUMENTS
from ..browser.pages import PAGES
from .site import Site

FOLDER = Path(__file__).parent
NAMES = ["home", "list", "person", "lesson", "steps", "symptoms", "picture"]
LEAST = {"performance": 99, "accessibility": 100, "best-practices": 100, "seo": 100}
# Other work on the machine can only slow the browser down, so use the best run.
RUNS = 3


def audit(site: Site, folder: Path) -> list[str]:
    """Print a line for each page, and return the faults."""
    faults = []
    print(f"\n{'Lighthouse':16}", *(f"{category:>15}" for category in LEAST))
    for name in NAMES:
        for _ in range(RUNS):
            scores, failed = measure(site, name, folder)
            short = [category for category, least in LEAST.items() if scores[category] < least]
            if not short:
                break
        print(f"{name:16}", *(f"{scores[category]:15}" for category in LEAST), flush=True)
        if short:
            faults.append(f"Lighthouse, {name}: {', '.join(short)}; see {', '.join(failed)}")
    return faults


def measure(site: Site, name: str, folder: Path) -> tuple[dict[str, int], list[str]]:
    """Return a page's score of each category, and the audits that it does not pass."""
    state = PAGES[name]
    headers = (
        {"Cookie": f"{site.cast.cookie}={site.cast.sessions[state.member]}"} if state.member else {}
    )
    report = folder / f"{name}.json"
    command = [
        *("node_modules/.bin/lighthouse", site.url + state.path, "--quiet", "--output=json"),
        f"--output-path={report}",
        f"--only-categories={','.join(LEAST)}",
        # A page of one's own is not for search engines, and may say so.
        *(["--skip-audits=is-crawlable"] if state.member else []),
        f"--extra-headers={json.dumps(headers)}",
        f"--chrome-flags={' '.join([*ARGUMENTS, '--headless=new', '--ignore-certificate-errors'])}",
    ]
    path = os.environ.get("LIKENESS_CHROMIUM")
    environment = os.environ | ({"CHROME_PATH": path} if path else {})
    # Where it loses the trace, as on a busy machine, it asks to be run again.
    for _ in range(RUNS):
        if subprocess.run(command, cwd=FOLDER, env=environment, timeout=180).returncode == 0:
            break
    else:
        raise RuntimeError(f"Lighthouse cannot measure {name}.")
    result = json.loads(report.read_text())
    audits = result["audits"]
    categories = result["categories"]
    scores = {name: round(100 * (category["score"] or 0)) for name, category in categories.items()}
    failed = [
        reference["id"]
        for category in categories.values()
        for reference in category["auditRefs"]
        if reference["weight"] and (audits[reference["id"]]["score"] or 0) < 0.9
    ]
    return scores, failed
