"""Measure how long pages take while everybody else writes: they upload, edit and sign in.

Fifty people browse, first alone and then beside eight who upload 12-megapixel photos, thirty who
edit their profiles, eight of whom are the uploaders, and eight who sign in. On SQLite and on
PostgreSQL, which waits until its writes are on the disk, as in production. Afterwards, everything
that was accepted has to be stored.
"""

import json
import os
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from tests.helpers.servers import manage
from tests.production import databases
from tests.production.members import Member
from tests.production.people import People, list_writers

from . import inputs, measure
from .sign_in import PASSWORD, PEOPLE, join
from .uploads import Site, serve

READERS, EDITORS, UPLOADERS, SECONDS = 50, 30, 8, 60
PAUSE = 1  # Seconds between two actions of a person, half more or less.
STORED = """
import json
from profiles.models import Profile
print(json.dumps(list(Profile.objects.values_list("user__username", "bio", "avatar"))))
"""


def main() -> None:
    """Measure both databases; print pages, what else was done, and everything that went wrong."""
    arguments = measure.parse_arguments()
    seconds = 10 if arguments.quick else SECONDS
    options = [f"--threads={arguments.threads}"] if arguments.threads else []
    photo = inputs.make_inputs()[inputs.MAIN]
    workers = " ".join(["two workers", *options])
    print(f"\n### {READERS} people browse while others write, {workers}, ms\n")
    print("| | pages | median | p99 |\n|---|--:|--:|--:|")
    remarks = []
    for database in ("SQLite", "PostgreSQL"):
        if database == "PostgreSQL" and not databases.BIN:
            print("\nPostgreSQL is skipped: install Debian's package postgresql.")
            continue
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            variables = {"EMAIL_URL": "dummymail://"}
            if database == "PostgreSQL":
                variables["DATABASE_URL"] = stack.enter_context(databases.run_postgres("on")).url
            site = stack.enter_context(serve(folder, EDITORS, 2, *options, **variables))
            remarks.append(f"{database}: {measure_site(site, database, photo, seconds)}")
    print("", *remarks, sep="\n")


def measure_site(site: Site, database: str, photo: Path, seconds: float) -> str:
    """Print how long pages take without and with the others; return what those did, and faults."""
    for number in range(PEOPLE):
        join(site.port, number)
    people = People(site.port, PAUSE)
    people.run([people.browse] * READERS, 3)  # Warms everything up.
    people = People(site.port, PAUSE)
    people.run([people.browse] * READERS, seconds)
    alone = print_times(f"{database}, alone", people.times)
    processes = get_context("spawn")
    over, reports = processes.Event(), processes.Queue()
    writers = processes.Process(
        target=write, args=(site.port, site.sessions, photo, over, reports.put), daemon=True
    )
    writers.start()
    reports.get(timeout=60)  # They have begun.
    people = People(site.port, PAUSE)
    people.run([people.browse] * READERS, seconds)
    over.set()
    done, bad, texts, pictures = reports.get(timeout=120)
    writers.join()
    beside = print_times(f"{database}, beside the others", people.times)
    people.texts, people.pictures = texts, pictures
    stored = manage(site.environment, "shell", "--no-imports", "-c", STORED)
    stored.check_returncode()
    faults = people.bad + bad + people.find_lost(json.loads(stored.stdout))
    if "database is locked" in site.log.read_text(encoding="utf-8"):
        faults.append("The database was locked.")
    return f"p99 {beside / alone:.1f} ×. {dict(Counter(done))}. Faults: {dict(Counter(faults))}."


def print_times(title: str, times: list[float]) -> float:
    """Print a line of the table; return the 99th percentile."""
    p99 = quantiles(times, n=100)[98]
    print(f"| {title} | {len(times)} | {median(times):.0f} | {p99:.0f} |", flush=True)
    return p99


def write(
    port: int, sessions: list[str], photo: Path, over: Event, report: Callable[[object], None]
) -> None:
    """Let the others do what they do until `over` is set, and report it.

    Runs in a process of low priority: in production, they use other machines.
    """
    os.nice(19)
    people = People(port, PAUSE)
    people.over = over
    members = [Member(f"member-{n}", 0, session) for n, session in enumerate(sessions)]
    acts = list_writers(people, members, UPLOADERS, photo.read_bytes())
    acts += [partial(people.sign_in, f"person-{n}", PASSWORD) for n in range(PEOPLE)]
    report("begun")
    people.run(acts, 600)
    report((people.done, people.bad, people.texts, people.pictures))


if __name__ == "__main__":
    main()
