"""The limit on how long a search takes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connection, transaction

SECONDS = 2
# SQLite asks whether to go on after so many instructions: every few milliseconds.
INSTRUCTIONS = 100_000


class TooSlow(Exception):
    """A search was ended, since it took too long."""


@contextmanager
def limit_time() -> Iterator[None]:
    """End the queries of a block after some time, and raise `TooSlow`."""
    end = time.monotonic() + SECONDS
    try:
        with limit_on_sqlite(end) if connection.vendor == "sqlite" else limit_on_postgresql(end):
            yield
    except OperationalError as error:
        cause = error.__cause__
        names = getattr(cause, "sqlite_errorname", ""), getattr(cause, "sqlstate", "")
        if names not in (("SQLITE_INTERRUPT", ""), ("", "57014")):  # It is an outage.
            raise
        raise TooSlow from error


@contextmanager
def limit_on_sqlite(end: float) -> Iterator[None]:
    connection.ensure_connection()
    database = connection.connection
    database.set_progress_handler(lambda: time.monotonic() > end, INSTRUCTIONS)
    try:
        yield
    finally:
        database.set_progress_handler(None, 0)


@contextmanager
def limit_on_postgresql(end: float) -> Iterator[None]:
    """Give each statement the time that is left; the server's setting holds in a transaction."""
    limit = "SELECT set_config('statement_timeout', %s, true)"

    def execute(inner: Callable[..., Any], *arguments: Any) -> Any:
        left = max(int((end - time.monotonic()) * 1000), 1)
        arguments[-1]["cursor"].cursor.execute(limit, [str(left)])
        return inner(*arguments)

    with transaction.atomic():
        with connection.execute_wrapper(execute):
            yield
        # For a transaction around this one.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")
