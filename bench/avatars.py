"""Measure Likeness and the software that a Django developer would use instead, and find faults.

All contestants take turns, each time in a new process, so that a busy machine affects all equally.
Prints Markdown; writes avatars.csv and avatars.svg.
"""

import csv
import dataclasses
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import Any

from . import inputs, measure
from .chart import draw_bars
from .contestants import CONTESTANTS
from .judge import Verdict, judge

RESULTS = Path(__file__).parent / "results"
OURS = "Likeness"
# All contestants get the main picture. The other pictures show that it is no exception; libvips and
# plain Pillow are enough for that, since all the packages are built on them.
ROUNDS_OF_OTHERS, CONTESTANTS_OF_OTHERS = 3, list(CONTESTANTS)[:6]
FIGURES = ("cpu", "wall", "memory")


def main() -> None:
    arguments = measure.parse_arguments()
    paths = inputs.make_inputs()
    rows = []
    for picture, source in paths.items():
        rounds, names = 2 if arguments.quick else arguments.rounds, list(CONTESTANTS)
        if picture != inputs.MAIN:
            if arguments.quick:
                return
            rounds, names = min(rounds, ROUNDS_OF_OTHERS), CONTESTANTS_OF_OTHERS
        table = measure_picture(picture, source, names, rounds)
        print_table(picture, rounds, table)
        rows += table
    write_results(rows)


def measure_picture(
    picture: str, source: Path, names: list[str], rounds: int
) -> list[dict[str, Any]]:
    """Return a row for each contestant: medians and verdict, or the failure."""
    samples: dict[str, list[dict[str, float]]] = defaultdict(list)
    verdicts: dict[str, Verdict] = {}
    failures: dict[str, str] = {}
    for turn in range(rounds):
        for number, name in enumerate(names):
            progress = f"{picture}: round {turn + 1}, {number + 1} of {len(names)}"
            print(f"\r{progress:60}", end="", file=sys.stderr)
            if name in failures:
                continue
            with TemporaryDirectory() as folder:
                sample = measure.run("measure", name, str(source), folder)
                if "error" in sample:
                    failures[name] = sample["error"]
                    continue
                samples[name].append(sample)
                if name not in verdicts:
                    verdicts[name] = judge(Path(folder), source)
    print(f"\r{'':60}\r", end="", file=sys.stderr)
    return [
        make_row(picture, name, samples[name], verdicts.get(name), failures.get(name, ""))
        for name in names
    ]


def make_row(
    picture: str,
    name: str,
    samples: list[dict[str, float]],
    verdict: Verdict | None,
    failure: str,
) -> dict[str, Any]:
    row: dict[str, Any] = {"picture": picture, "contestant": name}
    if failure or not verdict:
        return row | {"remark": f"fails: {shorten(failure, 80, placeholder='…')}"}
    row |= {figure: median(sample[figure] for sample in samples) for figure in FIGURES}
    return row | dataclasses.asdict(verdict) | {"remark": verdict.list_faults()}


def print_table(picture: str, rounds: int, rows: list[dict[str, Any]]) -> None:
    print(f"\n### {picture}, median of {rounds} rounds\n")
    print("| | CPU ms | × | wall ms | memory MB | written kB | ΔE2000 | what goes wrong |")
    print("|---|--:|--:|--:|--:|--:|--:|---|")
    ours = next(row for row in rows if row["contestant"] == OURS)
    for row in sorted(rows, key=lambda row: row.get("cpu", 1e9)):
        figures = ["–"] * 6
        if "cpu" in row:
            figures = [
                f"{row['cpu']:,.0f}",
                f"{row['cpu'] / ours['cpu']:.2f}",
                f"{row['wall']:,.0f}",
                f"{row['memory']:.0f}",
                f"{row['kilobytes']:.0f}",
                f"{row['colour_error']:.1f}",
            ]
        print("|", " | ".join([row["contestant"], *figures, row["remark"]]), "|", flush=True)


def write_results(rows: list[dict[str, Any]]) -> None:
    """Write the CSV of all pictures and the chart of the main one."""
    RESULTS.mkdir(exist_ok=True)
    verdict = [field.name for field in dataclasses.fields(Verdict)]
    columns = ["picture", "contestant", *FIGURES, *verdict, "remark"]
    with (RESULTS / "avatars.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            rounded = {k: round(v, 1) if isinstance(v, float) else v for k, v in row.items()}
            writer.writerow(rounded)
    bars = [
        (row["contestant"], row["cpu"], row["remark"])
        for row in sorted(rows, key=lambda row: (row["contestant"] != OURS, row.get("cpu", 0)))
        if row["picture"] == inputs.MAIN and "cpu" in row
    ]
    title = f"CPU milliseconds for an upload of a {inputs.MAIN}, four sizes written"
    draw_bars(RESULTS / "avatars.svg", title, bars)


if __name__ == "__main__":
    main()
