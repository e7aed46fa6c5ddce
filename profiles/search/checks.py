"""What the search needs of a database."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections


@register(Tags.database)  # Runs with `migrate`, and with `check --database default`.
def check_databases(databases: Sequence[str] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check what the search needs of the databases."""
    return [fault for alias in databases or () for fault in check_database(alias)]


def check_database(alias: str) -> Iterator[CheckMessage]:
    if connections[alias].vendor == "sqlite":
        try:
            with closing(sqlite3.connect(":memory:")) as database:
                database.execute("CREATE VIRTUAL TABLE names USING fts5(name, tokenize='trigram')")
        except sqlite3.OperationalError as error:
            yield Error(
                f"SQLite {sqlite3.sqlite_version} cannot search for parts of names: {error}.",
                hint="Use a Python whose SQLite is 3.34 or newer and has FTS5, or PostgreSQL.",
                id="profiles.E020",
            )
    elif connections[alias].vendor == "postgresql":
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT datctype FROM pg_database WHERE datname = current_database()")
            (ctype,) = cursor.fetchone()
        if ctype in ("C", "POSIX"):
            yield Warning(
                f"The database's LC_CTYPE is {ctype}, which knows the letters of ASCII alone.",
                hint="All other names are searched one by one, which takes seconds for a million "
                "people. Make a new database with LC_CTYPE 'C.UTF-8', and move everything there.",
                id="profiles.W010",
            )
