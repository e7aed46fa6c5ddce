"""The index of names in the database, kept by triggers.

The triggers put both names of a person into `profiles_profile.names`, with two spaces before each
word, whoever writes the user name or `folded_name`; Python folds the name. The trigrams of `names`
are in an FTS5 table on SQLite; on PostgreSQL in two GIN indexes, one for all people and one for the
public ones.

Whoever has no `names`, or a `folded_name` that `fold_name` has not made, is still to be added: so
are those whom the version before has saved.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import atomic

from .folding import fold_name

BATCH = 5000
INDEXES = {"profiles_names": "", "profiles_public_names": "WHERE visibility = 'public'"}
NO_EXTENSION = """\
PostgreSQL does not let this user create the extension pg_trgm, by which people are found: {error}
Let an administrator of PostgreSQL run this once, then migrate again:
    psql --dbname {database} --command 'CREATE EXTENSION pg_trgm'
Debian has the extension in its package postgresql."""
LOCK = 7_305_803_181  # Any number that nothing else uses.


def read_statements(name: str) -> dict[str, str]:
    """Return the statements of a file by what they create."""
    text = (Path(__file__).parent / name).read_text("utf-8")
    statements = [each.rstrip("\n;") for each in re.split(r"\n\n(?=CREATE )", text)[1:]]
    kind_and_name = r"CREATE (?:OR REPLACE )?(?:VIRTUAL )?(\w+ profiles_search\w*)"
    return {re.findall(kind_and_name, each)[0].lower(): each for each in statements}


ON_SQLITE, ON_POSTGRESQL = read_statements("sqlite.sql"), read_statements("postgresql.sql")


def is_complete(connection: BaseDatabaseWrapper) -> bool:
    """Return whether all of the index is there, with everybody in it."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            is_there = find_on_sqlite(cursor) == ON_SQLITE
        else:
            are_valid = find_indexes(cursor) == dict.fromkeys(INDEXES, True)
            is_there = are_valid and not find_missing_on_postgresql(cursor)
    return is_there and not list_missing(connection, after=0, limit=1)


def has_column(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the column `names` is there."""
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(cursor, "profiles_profile")
    return any(column.name == "names" for column in columns)


def create(connection: BaseDatabaseWrapper) -> None:
    """Create what is missing, and add who is missing.

    It can be killed and repeated, while people join and change their names.
    """
    if connection.vendor == "sqlite":
        create_on_sqlite(connection)
        add_missing(connection)
    else:
        with lock_out_others(connection):
            create_on_postgresql(connection)
            add_missing(connection)
            create_indexes(connection)


def drop_triggers(connection: BaseDatabaseWrapper) -> None:
    """Drop the triggers; `create` adds them again, and everybody to the index."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in find_on_sqlite(cursor).keys() - {"table profiles_search"}:
                cursor.execute(f"DROP {name}")
        else:
            cursor.execute("DROP TRIGGER IF EXISTS profiles_search_names ON profiles_profile")
            cursor.execute("DROP TRIGGER IF EXISTS profiles_search_username ON profiles_user")


def add_missing(connection: BaseDatabaseWrapper) -> None:
    """Fold the names of who is still to be added, by which the triggers add them."""
    last = 0
    while rows := list_missing(connection, last, BATCH):
        last = rows[-1][0]
        # Not where somebody has just changed the name: that has added them.
        changes = [(fold_name(name), pk, name) for pk, name in rows]
        with atomic(connection.alias), connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE profiles_profile SET folded_name = %s WHERE id = %s AND display_name = %s",
                changes,
            )


def list_missing(connection: BaseDatabaseWrapper, after: int, limit: int) -> list[tuple[int, str]]:
    """Return keys and names of people who are still to be added.

    The condition is that of the index `missing_in_search`.
    """
    position = "INSTR" if connection.vendor == "sqlite" else "STRPOS"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, display_name FROM profiles_profile "  # noqa: S608  # A constant.
            f"WHERE (names = '' OR {position}(folded_name, '\n') = 0) AND id > %s "
            "ORDER BY id LIMIT %s",
            [after, limit],
        )
        return cursor.fetchall()


# SQLite


def find_on_sqlite(cursor: Any) -> dict[str, str]:
    """Return the statements that created the table and the triggers, by what they create."""
    cursor.execute(
        "SELECT type || ' ' || name, sql FROM sqlite_master WHERE name LIKE 'profiles_search%%'", []
    )
    return {name: statement for name, statement in cursor.fetchall() if name in ON_SQLITE}


def create_on_sqlite(connection: BaseDatabaseWrapper) -> None:
    """Create table and triggers; if one is missing, the index may be out of date, so start anew."""
    with atomic(connection.alias), connection.cursor() as cursor:
        if find_on_sqlite(cursor) == ON_SQLITE:
            return
        drop_triggers(connection)
        cursor.execute("DROP TABLE IF EXISTS profiles_search")
        cursor.execute("UPDATE profiles_profile SET names = '' WHERE names <> ''")
        for statement in ON_SQLITE.values():
            cursor.execute(statement)


# PostgreSQL


@contextmanager
def lock_out_others(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Wait until nobody else migrates.

    By asking again and again: what waits for a lock has a snapshot, for whose end an index that is
    created concurrently waits.
    """
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            if cursor.fetchone()[0]:
                break
            time.sleep(0.5)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def find_missing_on_postgresql(cursor: Any) -> list[str]:
    """Return the statements whose function or trigger is not there."""
    cursor.execute(
        "SELECT 'function ' || proname, prosrc FROM pg_proc WHERE pg_function_is_visible(oid)"
        " AND proname LIKE 'profiles_search%%' UNION ALL SELECT 'trigger ' || tgname, '' FROM"
        " pg_trigger WHERE tgname LIKE 'profiles_search%%' AND tgenabled <> 'D' AND tgrelid IN"
        " ('profiles_profile'::regclass, 'profiles_user'::regclass)",
        [],
    )
    found = dict(cursor.fetchall())
    return [each for name, each in ON_POSTGRESQL.items() if found.get(name, "missing") not in each]


def create_on_postgresql(connection: BaseDatabaseWrapper) -> None:
    """Create the extension, the functions and the triggers.

    What a trigger would have done while it was missing is done to everybody who has `names`.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")
        if not cursor.fetchone():
            try:
                cursor.execute("CREATE EXTENSION pg_trgm")
            except DatabaseError as error:
                database = connection.settings_dict["NAME"]
                raise CommandError(NO_EXTENSION.format(error=error, database=database)) from error
        if not (missing := find_missing_on_postgresql(cursor)):
            return
        for statement in missing:
            cursor.execute(statement)
        cursor.execute("SELECT max(id) FROM profiles_profile WHERE names <> ''")
        for start in range(0, cursor.fetchone()[0] or 0, BATCH):
            cursor.execute(
                "UPDATE profiles_profile SET names = '' WHERE names <> '' AND id > %s AND id <= %s",
                [start, start + BATCH],
            )


def find_indexes(cursor: Any) -> dict[str, bool]:
    """Return which indexes PostgreSQL has, and whether each is valid."""
    cursor.execute(
        "SELECT relname, indisvalid FROM pg_class JOIN pg_index ON indexrelid = oid "
        "WHERE relname = ANY(%s) AND pg_table_is_visible(oid)",
        [list(INDEXES)],
    )
    return dict(cursor.fetchall())


def create_indexes(connection: BaseDatabaseWrapper) -> None:
    """Create the indexes while people read and write; not in a transaction."""
    with connection.cursor() as cursor:
        found = find_indexes(cursor)
        for name, condition in INDEXES.items():
            if found.get(name):
                continue
            cursor.execute(f"DROP INDEX IF EXISTS {name}")  # A kill has left it invalid.
            cursor.execute(
                f"CREATE INDEX CONCURRENTLY {name} ON profiles_profile "
                f"USING gin (names gin_trgm_ops) {condition}"
            )
