"""Have config/serve.py replace its gunicorn, and wait: python config/reload.py PID.

The exit status is 0 if a new gunicorn serves and the old one has ended.
"""

import os
import re
import signal
import sys
import time
from pathlib import Path


def read_state(server: str) -> tuple[str, int]:
    """Return what config/serve.py does, and how often it has started a gunicorn."""
    try:
        name = Path(f"/proc/{int(server)}/comm").read_text("ascii", "replace")
    except (OSError, ValueError):
        name = ""
    match = re.fullmatch(r"(ending|starting|failed|replacing|serving) (\d+)\n", name)
    return (match[1], int(match[2])) if match else ("", 0)


def main(server: str) -> str | None:
    state, before = read_state(server)
    if not state:
        return f"{server!r} is not a config/serve.py. Usage: python config/reload.py PID"
    try:
        os.kill(int(server), signal.SIGHUP)
    except OSError as error:
        return f"{server} cannot be reloaded: {error.strerror}."
    starts = before
    while state and (starts == before or state not in ("failed", "serving")):
        time.sleep(0.1)
        state, starts = read_state(server)
    if state == "serving":
        return None
    if state == "failed":
        return "The new version did not start: the one before still serves. The log says why."
    return "config/serve.py has ended: nothing serves. The log says why."


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
