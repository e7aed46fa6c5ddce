"""The cells that open pictures: their costs and their limits."""

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from profiles.pictures import cell


@contextmanager
def watch_cells() -> Iterator[list[Any]]:
    """Give a list to which the log adds each cell that ends."""
    ended: list[Any] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if hasattr(record, "megabytes"):
                ended.append(record)

    handler = Handler()
    cell.logger.addHandler(handler)
    try:
        yield ended
    finally:
        cell.logger.removeHandler(handler)


def check_cost(cells: list[Any]) -> None:
    """Fail if the one cell that ended exceeded its limits, or tried a forbidden call."""
    [ended] = cells
    assert cell.Zygote.current
    # An idle cell has some 30 MB; the clock that kills it is a few milliseconds inexact.
    assert ended.megabytes <= 340
    assert ended.cpu <= 1000 * cell.Zygote.current.features["seconds"] + 100
    assert getattr(ended, "signal", "SIGXCPU") == "SIGXCPU"


@contextmanager
def hold_all_places() -> Iterator[None]:
    """Occupy all places at the cell."""
    with ExitStack() as stack:
        for _ in range(cell.PLACES):
            stack.enter_context(cell._hold_place())
        yield


def find_children(pid: int) -> list[int]:
    """Return the processes that a process has started, from any of its threads."""
    children: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):
            children += map(int, (thread / "children").read_text().split())
    return children


def count_descriptors(pid: int) -> int:
    """Return how many sockets, pipes and files in memory a process has open."""
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += os.readlink(descriptor).startswith(("socket:", "pipe:", "/memfd:"))
    return count
