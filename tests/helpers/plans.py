"""How a database answers queries."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.test.utils import CaptureQueriesContext

# Indexes of few rows.
PARTIAL = ("picture_to_hide", "picture_to_show", "inactive_user")
EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}


@contextmanager
def find_scans() -> Iterator[list[str]]:
    """Give the queries of the block, at its end, for which a whole table or index would be read."""
    found: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield found
    statements = [query["sql"] for query in captured]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET enable_seqscan = off")  # It prefers to read an empty table whole.
        for statement in statements:
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                cursor.execute(f"{EXPLAIN[connection.vendor]} {statement}")
                if any(is_scan(str(row[-1])) for row in cursor.fetchall()):
                    found.append(statement)
        if connection.vendor == "postgresql":
            cursor.execute("RESET enable_seqscan")


def is_scan(step: str) -> bool:
    """Return whether a step of a plan reads a table, or an index of all its rows, to its end."""
    is_read = step.startswith("SCAN ") and "CONSTANT ROW" not in step
    return "Seq Scan" in step or (is_read and not any(name in step for name in PARTIAL))
