"""What Wapiti finds when it attacks the site as a member."""

import json
import subprocess
from pathlib import Path

from .site import Site

ROOT = Path(__file__).parent.parent.parent
# Those that attack what the site does; the others ask hosts outside, or look for other software.
# `ldap` would find a fault in that a search for "*" is answered by another page than one in vain.
MODULES = (
    "backup cookieflags crlf csp csrf exec file htaccess http_headers permanentxss "
    "redirect sql upload xss"
).split()
# It would end its own session, or the account.
EXCLUDED = ["/accounts/logout/", "/accounts/delete/"]
CRAWL_SECONDS, MODULE_SECONDS = 60, 30


def audit(site: Site, folder: Path) -> list[str]:
    """Print how much was found, and return it."""
    report = folder / "wapiti.json"
    command = [
        str(ROOT / ".venv-audit/bin/python"),
        *("-c", "from wapitiCore.main.wapiti import wapiti_asyncio_wrapper as run; run()"),
        *("--url", f"{site.url}/", "--module", ",".join(MODULES)),
        *(part for path in EXCLUDED for part in ("--exclude", site.url + path)),
        *(
            "--cookie-value",
            f"{site.cast.cookie}={site.cast.sessions['sent']}",
            "--drop-set-cookie",
        ),
        *("--max-scan-time", str(CRAWL_SECONDS), "--max-attack-time", str(MODULE_SECONDS)),
        # Its payloads make a server sleep for a minute; a slow machine is none that sleeps.
        *("--timeout", "25", "--verify-ssl", "0", "--no-bugreport"),
        *("--flush-session", "--store-session", str(folder)),
        *("--store-config", str(folder / "config"), "--format", "json", "--output", str(report)),
    ]
    log = (folder / "wapiti.log").open("w")
    subprocess.run(command, stdout=log, stderr=log, check=True, timeout=1200)
    result = json.loads(report.read_text())
    pages = result["infos"]["crawled_pages_nbr"]
    found = [
        f"Wapiti, {kind}: {fault['method']} {fault['path']}: {fault['info']}"
        for group in ("vulnerabilities", "anomalies")
        for kind, faults in result[group].items()
        for fault in faults
    ]
    print(f"\nWapiti: {len(found)} findings on {pages} pages", flush=True)
    return found
