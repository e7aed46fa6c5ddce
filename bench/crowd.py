"""Measure how long pages take while sixteen people upload 48-megapixel photos, behind nginx.

Two people browse meanwhile, each on a separate connection. The sixteen retry after the time in
Retry-After, as the editor does, and upload the next photo after each success.
"""

import os
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from tests.helpers.servers import upload
from tests.production import front

from . import inputs, measure
from .uploads import serve

UPLOADERS, READERS, SECONDS = 16, 2, 30
RETRY_AFTER = 5  # Of "busy" in profiles/answers.py, which needs Django's settings.
PAGES = ("/", "/profiles/", "/profiles/demo-00001/", "/accounts/login/")


def main() -> None:
    """Measure pages without and with uploads; print both, and the uploads by status."""
    seconds = 8 if measure.parse_arguments().quick else SECONDS
    photo = inputs.make_inputs()["48 MP JPEG"]
    processes = get_context("spawn")
    with TemporaryDirectory() as name:
        socket = f"--bind=unix:{name}/gunicorn.sock"
        with serve(Path(name), UPLOADERS, 2, socket) as site, front.serve(Path(name)) as nginx:
            read(nginx.port, 2)
            alone = read(nginx.port, seconds)
            over, statuses = processes.Event(), processes.Queue()
            crowd = processes.Process(
                target=crowd_in,
                args=(nginx.port, site.sessions, photo, over, statuses),
                daemon=True,
            )
            crowd.start()
            time.sleep(4)
            beside = read(nginx.port, seconds)
            over.set()
            counted = Counter(statuses.get(timeout=120))
            crowd.join()
    print(f"\n### Pages while {UPLOADERS} people upload 48 MP photos, behind nginx, ms\n")
    print("| | pages | median | p99 |\n|---|--:|--:|--:|")
    figures = []
    for title, times in {"nobody uploads": alone, f"{UPLOADERS} upload": beside}.items():
        figures.append(quantiles(times, n=100)[98])
        print(f"| {title} | {len(times)} | {median(times):.0f} | {figures[-1]:.0f} |")
    print(f"\np99: {figures[1] / figures[0]:.1f} ×. Uploads by status: {dict(counted)}.")


def read(port: int, seconds: float) -> list[float]:
    """Let people browse; return the milliseconds of each page."""
    times: list[float] = []
    faults: list[str] = []
    run_threads([partial(browse, port, seconds, times, faults)] * READERS)
    if faults:
        sys.exit(faults[0])
    return times


def run_threads(targets: list[partial[None]]) -> None:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def browse(port: int, seconds: float, times: list[float], faults: list[str]) -> None:
    """Load one page after the other, with a short pause after each."""
    end = time.monotonic() + seconds
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        while time.monotonic() < end:
            for page in PAGES:
                started = time.perf_counter()
                connection.request("GET", page)
                response = connection.getresponse()
                response.read()
                times.append((time.perf_counter() - started) * 1000)
                if response.status != 200:
                    faults.append(f"{page} was answered {response.status}.")
                time.sleep(0.05)


def crowd_in(port: int, sessions: list[str], photo: Path, over: Event, statuses: object) -> None:
    """Let everybody upload, each from a different address, until `over` is set.

    Runs in a process of low priority: in production, the uploaders use other machines.
    """
    os.nice(19)
    data, answers = photo.read_bytes(), []
    uploaders = enumerate(sessions, start=1)
    run_threads([partial(keep_uploading, port, n, s, data, over, answers) for n, s in uploaders])
    statuses.put(answers)


def keep_uploading(
    port: int, number: int, session: str, photo: bytes, over: Event, answers: list[int]
) -> None:
    """Upload one photo after the other, and wait as long as a refusal says."""
    while not over.is_set():
        answers.append(upload(port, session, photo, source=f"127.0.3.{number}"))
        over.wait(RETRY_AFTER if answers[-1] == 503 else 0)


if __name__ == "__main__":
    main()
