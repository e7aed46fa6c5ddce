"""How long the steps of an upload take: read, wait, decode, encode, store."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Timings(dict[str, float]):
    """Milliseconds by step; as text, the value of the header Server-Timing."""

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        """Add the time that a block takes, even if it raises an exception."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(step, started)

    def add(self, step: str, started: float) -> None:
        """Add the time since `started`, a value of `perf_counter`."""
        self[step] = round((time.perf_counter() - started) * 1000, 1)

    def __str__(self) -> str:
        return ", ".join(f"{step};dur={milliseconds}" for step, milliseconds in self.items())
