"""Measure how long pages take while eight people sign in, by PBKDF2 and by the site's argon2id.

The site runs once with each hasher. The two take turns, so that a machine that others use slows
both alike. Two people browse; the eight sign in one time after the other, without a pause.
"""

import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from http.client import HTTPConnection
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from profiles.accounts.passwords import Argon2Hasher

from . import measure
from .crowd import read, run_threads
from .uploads import serve

PEOPLE, SECONDS, ROUNDS = 8, 10, 3
PASSWORD = "correct horse battery"  # noqa: S105  # Of people who exist for a minute.
SITES = {
    "PBKDF2": {"DJANGO_SETTINGS_MODULE": "bench.pbkdf2"},
    "argon2id": {"DJANGO_SETTINGS_MODULE": "config.settings"},
}


def main() -> None:
    """Measure one hash, and pages without and with people who sign in; print both."""
    print("\n### One hash, median of 15\n\n| | CPU ms |\n|---|--:|")
    for hasher in (PBKDF2PasswordHasher(), Argon2Hasher()):
        encode = partial(hasher.encode, PASSWORD, hasher.salt())
        spent = median(measure.time_call(encode)[0] for _ in range(15))
        print(f"| {hasher.algorithm} | {spent * 1000:.0f} |")
    rounds, seconds = (1, 4) if measure.parse_arguments().quick else (ROUNDS, SECONDS)
    alone: list[float] = []
    beside: dict[str, list[float]] = {name: [] for name in SITES}
    counts = dict.fromkeys(SITES, 0)
    with ExitStack() as stack:
        ports = {}
        for name, variables in SITES.items():
            folder = Path(stack.enter_context(TemporaryDirectory()))
            site = serve(folder, 0, 2, EMAIL_URL="dummymail://", **variables)
            ports[name] = stack.enter_context(site).port
            run_threads([partial(join, ports[name], number) for number in range(PEOPLE)])
        for _ in range(rounds):
            for name, port in ports.items():
                alone += read(port, seconds / 2)
                times, count = read_beside(port, seconds)
                beside[name] += times
                counts[name] += count
    print(f"\n### Pages while {PEOPLE} people sign in, two workers, ms\n")
    print("| | pages | median | p99 | sign-ins a second |\n|---|--:|--:|--:|--:|")
    print(f"| nobody signs in | {describe(alone)} | |")
    for name, times in beside.items():
        rate = counts[name] / rounds / seconds
        print(f"| {PEOPLE} sign in, {name} | {describe(times)} | {rate:.0f} |")


def describe(times: list[float]) -> str:
    return f"{len(times)} | {median(times):.0f} | {quantiles(times, n=100)[98]:.0f}"


def post(port: int, path: str, **fields: str) -> None:
    """Send a form as a script does; end the bench unless it is accepted."""
    token = "t" * 32
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": f"csrftoken={token}",
        "X-CSRFToken": token,
    }
    with closing(HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        connection.request("POST", path, urlencode(fields), headers)
        status = connection.getresponse().status
    if status != 302:
        sys.exit(f"{path} was answered {status}.")


def join(port: int, number: int) -> None:
    words = {"password1": PASSWORD, "password2": PASSWORD}
    name = f"person-{number}"
    post(port, "/accounts/signup/", username=name, email=f"{name}@example.org", **words)


def read_beside(port: int, seconds: float) -> tuple[list[float], int]:
    """Let people browse while others sign in; return the times of pages, and the sign-ins."""
    processes = get_context("spawn")
    over, counted = processes.Event(), processes.Queue()
    crowd = processes.Process(target=crowd_in, args=(port, over, counted.put), daemon=True)
    crowd.start()
    counted.get(timeout=60)  # They have begun.
    times = read(port, seconds)
    over.set()
    count = counted.get(timeout=120)
    crowd.join()
    return times, count


def crowd_in(port: int, over: Event, report: Callable[[int], None]) -> None:
    post(port, "/accounts/login/", username="person-0", password=PASSWORD)
    report(0)
    done: list[str] = []
    run_threads([partial(keep_signing_in, port, n, over, done) for n in range(PEOPLE)])
    report(len(done))


def keep_signing_in(port: int, number: int, over: Event, done: list[str]) -> None:
    name = f"person-{number}"
    while not over.is_set():
        post(port, "/accounts/login/", username=name, password=PASSWORD)
        done.append(name)


if __name__ == "__main__":
    main()
