"""Copy a site's database from SQLite to PostgreSQL."""

import json
import re
from argparse import ArgumentParser
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.contrib.auth.models import Permission
from django.core.management.base import BaseCommand, CommandError
from django.core.management.color import no_style
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Model
from psycopg import Copy, DataError

from ..progress import show_progress

SOURCE = "source"
LEFT_BEHIND = {
    "admin.LogEntry",  # It may name accounts that are deleted.
    "auth.Permission",  # `migrate` has made these two, with numbers of its own.
    "contenttypes.ContentType",
    "pictures.LastRun",  # When the old installation was audited and backed up.
    "pictures.Progress",  # How far a command had come there.
    "profiles.Attempts",
    "profiles.Session",
    "sessions.Session",
}


class Command(BaseCommand):
    help = (
        "Copies all people from SQLite into the empty PostgreSQL that DATABASE_URL names, and "
        "compares the two. If anything fails, nothing is copied."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the database of SQLite, which no site may be using")

    def handle(self, *args: Any, file: str, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("Set DATABASE_URL to the PostgreSQL that is to have the people.")
        models = sort_models()
        tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in models)
        try:
            with open_source(file), transaction.atomic(), connection.cursor() as cursor:
                compare_migrations(file)
                cursor.execute(f"LOCK TABLE {tables} IN EXCLUSIVE MODE")
                refuse_people(models)
                permissions = number_permissions()
                for model in models:
                    self.copy(model, permissions)
                for sql in connection.ops.sequence_reset_sql(no_style(), models):
                    cursor.execute(sql)
                connection.check_constraints()
        except KeyboardInterrupt as error:
            raise CommandError("Nothing is copied. It was interrupted.", returncode=130) from error
        except Exception as error:
            raise CommandError(f"Nothing is copied. {explain(error)}") from error
        self.stdout.write("Everything is copied, and the same in both databases.")
        self.vacuum(tables)

    def copy(self, model: type[Model], permissions: dict[int, int]) -> None:
        """Copy a table, read it again, and compare the number and the sum of its rows."""
        name = model._meta.label
        total = model._base_manager.using(SOURCE).count()
        with closing(read(model, SOURCE)) as source:
            rows = self.follow("Copying", total, source)
            copied = write(model, translate(model, rows, permissions))
        with closing(read(model, connection.alias)) as stored:
            found = add_up(self.follow("Comparing", total, stored))
        if found != copied:
            raise CommandError(
                f"Of {copied[0]} rows of {name}, PostgreSQL has stored {found[0]}, "
                "or not all as they were."
            )
        self.stdout.write(f"{name}: {total} rows")

    def vacuum(self, tables: str) -> None:
        """Make statistics for the planner, and the visibility map for index-only scans."""
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"VACUUM (ANALYZE) {tables}")
        except DatabaseError as error:
            self.stderr.write(
                f"VACUUM has failed. {explain(error)} Run `VACUUM (ANALYZE);` in psql, or the site "
                "is slow at first."
            )

    def follow(self, what: str, total: int, rows: Iterable[tuple]) -> Iterator[tuple]:
        """Yield the rows, and show how many have been."""
        step = total // 100 + 1
        for done, row in enumerate(rows, 1):
            yield row
            if done % step == 0 or done == total:
                show_progress(self.stdout, what, done, total)


def list_fields(model: type[Model]) -> list[Any]:
    """Return the fields to copy, without those that the database fills."""
    fields: list[Any] = [*model._meta.local_concrete_fields]
    return [f for f in fields if f.primary_key or (f.serialize and not f.generated)]


def sort_models() -> list[type[Model]]:
    """Return the models to copy, each after those that its rows name."""
    models = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.label not in LEFT_BEHIND and model._meta.can_migrate(connection)
    ]
    named = {
        model: {field.related_model for field in list_fields(model)} & {*models} - {model}
        for model in models
    }
    return [*TopologicalSorter(named).static_order()]


@contextmanager
def open_source(file: str) -> Iterator[None]:
    """Open the database of SQLite, and keep everybody else out of it meanwhile."""
    if not Path(file).is_file():
        raise CommandError(f"There is no file {file}.")
    # In this mode, SQLite refuses to begin while any other process has the file open.
    options = {"timeout": 0, "init_command": "PRAGMA locking_mode = EXCLUSIVE"}
    name = f"file:{quote(str(Path(file).absolute()))}?mode=rw"
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": options}
    connections.settings[SOURCE] = connections.configure_settings({"default": database})["default"]
    source = connections[SOURCE]
    try:
        source.cursor().execute("BEGIN EXCLUSIVE")
        yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlite_errorname", "") == "SQLITE_BUSY":
            raise CommandError(f"{file} is in use. Stop the site that has it open.") from error
        raise
    finally:
        source.close()
        del connections[SOURCE], connections.settings[SOURCE]


def compare_migrations(file: str) -> None:
    """Refuse databases of different versions of the site."""
    installed = {config.label for config in apps.get_app_configs()}
    here, there = (
        {key for key in MigrationRecorder(database).applied_migrations() if key[0] in installed}
        for database in (connection, connections[SOURCE])
    )
    if here != there:
        names = [".".join(key) for key in sorted(here ^ there)]
        raise CommandError(
            f"{file} is of another version of the site than PostgreSQL: only one of them has the "
            f"migration {names[0]}. Upgrade the older one first."
        )


def refuse_people(models: Iterable[type[Model]]) -> None:
    """Refuse a database in which there is something already."""
    for model in models:
        if model._base_manager.exists():
            raise CommandError(
                f"PostgreSQL has rows of {model._meta.label} already. Copy into an empty database."
            )


def read(model: type[Model], using: str) -> Generator[tuple]:
    """Yield the rows of a table, a few in memory at once."""
    names = [field.attname for field in list_fields(model)]
    rows = model._base_manager.using(using).order_by("pk").values_list(*names)
    place = "the first row"
    try:
        # One by one from SQLite, so that a row that cannot be decoded is known.
        for row in rows.iterator(chunk_size=1 if using == SOURCE else 2000):
            yield row
            place = f"the row after {row[0]}"
    except Exception as error:
        raise CommandError(f"{model._meta.label}, {place}: {explain(error)}") from error


def translate(
    model: type[Model], rows: Iterable[tuple], permissions: dict[int, int]
) -> Iterator[tuple]:
    """Yield the rows, with PostgreSQL's numbers of the permissions that they name."""
    named = [field.related_model for field in list_fields(model)]
    if Permission not in named:
        yield from rows
        return
    place = named.index(Permission)
    for row in rows:
        if row[place] not in permissions:
            raise CommandError(
                f"{model._meta.label} {row[0]} names a permission that this "
                "version of the site does not have. Remove it in the admin first."
            )
        yield (*row[:place], permissions[row[place]], *row[place + 1 :])


def number_permissions() -> dict[int, int]:
    """Return the numbers of the permissions in PostgreSQL, by those in SQLite."""
    names = ("content_type__app_label", "content_type__model", "codename")
    here = {tuple(name): pk for pk, *name in Permission.objects.values_list("pk", *names)}
    there = Permission.objects.using(SOURCE).values_list("pk", *names)
    return {pk: here[tuple(name)] for pk, *name in there if tuple(name) in here}


def write(model: type[Model], rows: Iterable[tuple]) -> tuple[int, int]:
    """Write rows to PostgreSQL; return their number and sum.

    They are added up in here, so that an error ends COPY: otherwise PostgreSQL waits for more rows.
    """
    quote_name = connection.ops.quote_name
    columns = ", ".join(quote_name(field.column) for field in list_fields(model))
    sql = f"COPY {quote_name(model._meta.db_table)} ({columns}) FROM STDIN"
    try:
        with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(sql) as to:
            return add_up(send(model, rows, to))
    except DatabaseError as error:
        place = f"{model._meta.label}{find_key(model, error)}"
        raise CommandError(f"{place}: {explain(error)}") from error


def send(model: type[Model], rows: Iterable[tuple], copy: Copy) -> Iterator[tuple]:
    """Yield the rows, each when it is written."""
    prepare = [field.get_db_prep_save for field in list_fields(model)]
    for row in rows:
        try:
            copy.write_row([to(value, connection) for to, value in zip(prepare, row, strict=True)])
        except (DataError, TypeError, ValueError) as error:
            if getattr(error, "sqlstate", None):  # PostgreSQL's answer to an earlier row.
                raise
            raise CommandError(f"{model._meta.label} {row[0]}: {explain(error)}") from error
        yield row


def add_up(rows: Iterable[tuple]) -> tuple[int, int]:
    """Return the number of the rows, and a sum that differs when a value in one of them does."""
    count = total = 0
    for row in rows:
        count, total = count + 1, total + digest(row)
    return count, total


def digest(row: tuple) -> int:
    """Return a number of which any other value in the row makes another one."""
    # Of a text, since 1 and True have the same hash; sorted, as PostgreSQL sorts the keys of JSON.
    return hash(json.dumps(row, sort_keys=True, default=str))


def find_key(model: type[Model], error: DatabaseError) -> str:
    """Return the key of the row at which COPY has failed, if PostgreSQL says which row it was."""
    place = find_place(error)
    if not place:
        return ""
    keys = model._base_manager.using(SOURCE).order_by("pk").values_list("pk", flat=True)
    return f" {keys[int(place['line']) - 1]}"


def find_place(error: Exception) -> re.Match[str] | None:
    """Return the line and the column that PostgreSQL names, without the value that follows."""
    context = getattr(getattr(error.__cause__, "diag", None), "context", None)
    return re.search(r"(?m)^COPY \w+, line (?P<line>\d+)(, column (?P<column>\w+))?", context or "")


def explain(error: Exception) -> str:
    """Return what has failed, and where, but no value: it may be what a member has written."""
    if isinstance(error, CommandError):
        return str(error)
    diagnosis = getattr(error.__cause__, "diag", None)
    if diagnosis and diagnosis.sqlstate:
        place = find_place(error)
        names = {
            "table": diagnosis.table_name,
            "column": diagnosis.column_name or (place and place["column"]),
            "constraint": diagnosis.constraint_name,
        }
        where = "".join(f", {what} {name}" for what, name in names.items() if name)
        return f"PostgreSQL: {type(error.__cause__).__name__} ({diagnosis.sqlstate}){where}."
    if isinstance(error, DatabaseError | DataError) and not isinstance(error.__cause__, DataError):
        # SQLite writes "Could not decode to UTF-8 column 'bio' with text 'I was born in …'".
        return str(error).partition(" with text ")[0] + "."
    return f"{type(error).__name__}; --traceback shows more."
