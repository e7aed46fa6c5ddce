"""Load one address with wrk, and measure what that costs the processes that serve it."""

import json
import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from shutil import which
from typing import NamedTuple
from urllib.request import Request, urlopen

from tests.helpers.cells import find_children

CONNECTIONS = 8
TICKS = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """CPU milliseconds for a request; of a page that is too slow for wrk, that alone is known."""

    cpu: float
    rate: float = float("nan")  # Requests a second.
    p99: float = float("nan")  # Milliseconds.


def find_missing() -> str:
    """Return what has to be installed first."""
    return "" if which("wrk") else "Install Debian's package wrk."


def get_cpu(roots: Iterable[int]) -> float:
    """Return the CPU seconds of processes, of their children, and of those that have ended."""
    seconds = 0.0
    for pid in roots:
        with suppress(FileNotFoundError, ProcessLookupError):
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            # utime, stime, cutime and cstime of proc(5).
            seconds += sum(map(int, stat[11:15])) / TICKS + get_cpu(find_children(pid))
    return seconds


def ask_once(url: str, roots: list[int], headers: dict[str, str]) -> Sample:
    """Request an address once; return the CPU alone."""
    cpu = get_cpu(roots)
    with urlopen(Request(url, headers=headers), timeout=120) as response:  # noqa: S310  # Ours.
        response.read()
    return Sample((get_cpu(roots) - cpu) * 1000)


def load(url: str, roots: list[int], headers: dict[str, str], seconds: float) -> Sample:
    """Request an address from eight connections without a pause; fail if an answer is an error."""
    names = [f"--header={name}: {value}" for name, value in headers.items()]
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--timeout=60s"]
    script = f"--script={Path(__file__).with_suffix('.lua')}"
    # The lowest priority: in production, visitors use other machines.
    command = ["nice", "-n19", "wrk", *options, script, *names, url]
    cpu = get_cpu(roots)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    cpu = get_cpu(roots) - cpu
    figures = json.loads(done.stdout.splitlines()[-1])
    if figures["errors"] or not figures["requests"]:
        raise RuntimeError(f"{url}: {figures}")
    count = figures["requests"]
    return Sample(cpu / count * 1000, count / figures["seconds"], figures["p99"])
