"""Measure how long six visitors wait while the site reloads five times.

Once by gunicorn's own SIGHUP, which ends the old workers while the new ones still import, and once
by config/reload.py, on the same busy machine.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event

import tests.helpers.environment  # noqa: F401  # Sets the variables of the site.
from tests.helpers.cells import find_children
from tests.helpers.servers import (
    GUNICORN,
    SERVE,
    find_port,
    get,
    make_environment,
    prepare,
    wait_for,
)

from . import measure

VISITORS, RELOADS = 6, 5


def main() -> None:
    """Measure both ways; print requests, failures, and the median and the longest wait."""
    reloads = 2 if measure.parse_arguments().quick else RELOADS
    print(f"\n### {VISITORS} visitors during {reloads} reloads\n")
    print("| | requests | failed | median, ms | longest, s |\n|---|--:|--:|--:|--:|")
    with TemporaryDirectory() as name:
        prepare(Path(name))
        for title, command, reload in (
            ("`kill -HUP`", GUNICORN, send_hup),
            ("`config/reload.py`", SERVE, run_script),
        ):
            answers = watch(Path(name), command, reload, reloads)
            waits = [seconds for seconds, _ in answers]
            failed = sum(not came for _, came in answers)
            print(
                f"| {title} | {len(answers)} | {failed} | {median(waits) * 1000:.0f} | "
                f"{max(waits):.1f} |",
                flush=True,
            )


def watch(
    folder: Path, command: tuple[str, ...], reload: Callable[[int], None], reloads: int
) -> list[tuple[float, bool]]:
    """Reload a running site; return how long each request took meanwhile, and whether it came."""
    port, is_over = find_port(), Event()
    server = subprocess.Popen(
        [sys.executable, *command],
        env=make_environment(folder, PORT=str(port)),
        stderr=subprocess.DEVNULL,
    )
    wait_for(server, port)
    with ThreadPoolExecutor(VISITORS) as pool:
        visits = [pool.submit(visit, port, is_over) for _ in range(VISITORS)]
        for _ in range(reloads):
            time.sleep(2)
            reload(server.pid)
        time.sleep(2)
        is_over.set()
        answers = [answer for each in visits for answer in each.result()]
    server.terminate()
    server.wait()
    return answers


def visit(port: int, is_over: Event) -> list[tuple[float, bool]]:
    answers = []
    while not is_over.wait(0.1):
        start = time.perf_counter()
        try:
            came = get(port, "/profiles/")[0].status == 200
        except (OSError, HTTPException):
            came = False
        answers.append((time.perf_counter() - start, came))
    return answers


def send_hup(server: int) -> None:
    """Reload as before, and wait until the old workers have ended."""
    before = set(find_children(server))
    os.kill(server, signal.SIGHUP)
    while before & set(find_children(server)):
        time.sleep(0.1)


def run_script(server: int) -> None:
    """Reload, again if the machine was too busy for the checks of a new gunicorn."""
    while subprocess.run([sys.executable, "config/reload.py", str(server)]).returncode:
        pass


if __name__ == "__main__":
    main()
