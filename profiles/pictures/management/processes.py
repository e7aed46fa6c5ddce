"""Work shared out to several processes, which end with the one that started them."""

import logging
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from django.core.management.base import CommandError
from django.db import connections


def count_processors() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Not on macOS.
        return os.cpu_count() or 1


def share_out(
    work: Callable[[Any], Any], keys: Iterator[Any], processes: int
) -> Generator[tuple[Any, Any]]:
    """Do the work for each key, and yield its result with the key up to which all is done."""
    if processes < 2:
        yield from ((key, work(key)) for key in keys)
        return
    ends: list[Connection] = []
    workers = []
    # Forked, since they need the settings as they are here. None may use our connections.
    connections.close_all()
    context = get_context("fork")
    try:
        for _ in range(processes):
            ours, theirs = context.Pipe()
            ends.append(ours)
            workers.append(context.Process(target=serve, args=(work, theirs, ends)))
            workers[-1].start()
            theirs.close()
        yield from collect(keys, ends)
        return
    except (EOFError, ConnectionError):
        pass  # The reason is known once it has ended.
    finally:
        for end in ends:
            end.close()  # Each ends once it has done what it is doing.
        for worker in workers:
            worker.join()
    raise CommandError(explain(next(filter(None, (each.exitcode for each in workers)), 0)))


def explain(code: int) -> str:
    """Return why a process has ended; a negative number is that of a signal."""
    if code == -signal.SIGKILL:
        return "A process was killed. If not by you, memory ran out: use fewer --processes."
    reason = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return f"A process has ended {reason}."


def serve(work: Callable[[Any], Any], parent: Connection, others: list[Connection]) -> None:
    """Work for the parent, until it closes its end or is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is meant for the parent.
    logging.disable(logging.INFO)  # Lines for each picture would hide the parent's.
    for other in others:
        other.close()  # A copy of the parent's, which would stay open when the parent is killed.
    with suppress(EOFError, ConnectionError):  # Reset, where a result is unread.
        while True:
            parent.send(work(parent.recv()))


def collect(keys: Iterator[Any], ends: list[Connection]) -> Iterator[tuple[Any, Any]]:
    """Send each process a key, and the next one when it has sent a result."""
    begun: deque[Any] = deque()
    doing: dict[Connection, Any] = {}
    last = None

    def send(end: Connection) -> None:
        for key in keys:
            begun.append(key)
            doing[end] = key
            return end.send(key)

    for end in ends:
        send(end)
    while doing:
        ready = wait(list(doing))
        for end in [end for end in doing if end in ready]:
            result = end.recv()
            del doing[end]
            while begun and begun[0] not in doing.values():
                last = begun.popleft()
            yield last, result
            send(end)
