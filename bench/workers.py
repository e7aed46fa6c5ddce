"""Compare settings of gunicorn: pages, a static file and a picture, each by the same site.

All settings take turns, so that a busy machine affects all equally. Prints Markdown. How pages fare
while others write with more threads is measured by `python -m bench.everybody --threads 8`.
"""

import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from . import measure
from .load import find_missing
from .serve import Contestant, run_directory

# Those of config/gunicorn.conf.py first: two workers of four threads.
SETTINGS = {
    "as it is": (),
    "1 worker of 8 threads": ("--workers=1", "--threads=8"),
    "2 workers of 2 threads": ("--threads=2",),
    "2 workers of 8 threads": ("--threads=8",),
    "2 workers of 12 threads": ("--threads=12",),
    "4 workers of 4 threads": ("--workers=4",),
    "2 sync workers": ("--worker-class=sync", "--threads=1"),
    "4 sync workers": ("--worker-class=sync", "--threads=1", "--workers=4"),
    "no sendfile": ("--no-sendfile",),
    "no connection kept": ("--keep-alive=0",),
    "--preload": ("--preload",),
    "--max-requests=500": ("--max-requests=500", "--max-requests-jitter=100"),
}
PAGES = ("the list", "a person", "stylesheet", "public picture")


def main() -> None:
    """Measure all settings in rounds; print a table for each page."""
    arguments = measure.parse_arguments()
    rounds, seconds = (1, 1) if arguments.quick else (3, 2)
    if missing := find_missing():
        print(f"\nbench.workers is skipped. {missing}")
        return
    with ExitStack() as stack:
        contestants: dict[tuple[str, str], Contestant] = {}
        for title, options in SETTINGS.items():
            folder = Path(stack.enter_context(TemporaryDirectory()))
            directory = stack.enter_context(run_directory(folder, "SQLite", 1000, "", *options))
            files = directory.list_files("gunicorn", directory.site.port, directory.roots)
            for each in [*directory.list_pages(), *files]:
                contestants[each.what, title] = each
        for turn in range(rounds):
            for page in PAGES:
                print(f"\r{f'workers: round {turn + 1}, {page}':60}", end="", file=sys.stderr)
                for title in SETTINGS:
                    contestants[page, title].take_turn(seconds)
    for page in PAGES:
        print(f"\n### {page}, two cores, median of {rounds} rounds\n")
        print("| | CPU ms | requests/s | p99 ms |\n|---|--:|--:|--:|")
        for title in SETTINGS:
            cpu, rate, p99 = contestants[page, title].result
            print(f"| {title} | {cpu:.2f} | {rate:,.0f} | {p99:.0f} |")


if __name__ == "__main__":
    main()
