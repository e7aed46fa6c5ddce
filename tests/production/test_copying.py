"""Copy people from SQLite to a real PostgreSQL, by `manage.py copy_from_sqlite`."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.helpers.servers import ROOT, heed_ctrl_c, make_environment, manage, wait_until

from .databases import BIN, Database, run_postgres

pytestmark = pytest.mark.skipif(not BIN, reason="Install postgresql.")
# People of all kinds, with what a format of rows may take for its own signs.
FILL = r"""
from datetime import datetime, timedelta, UTC
from django.contrib.auth.models import Group, Permission
from profiles.models import *
from profiles.pictures.models import JournalEntry, LastRun, Progress
texts = ["Ada", "", "a\tb", "a\nb\r\nc", "\\N", "\\.", "a\\", "'\"$1", "🦕", "ليلى", " ", "NULL"]
at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
numbers = range(1, {people} + 1)
def some(number):
    return texts[number % len(texts)]
User.objects.bulk_create(
    User(
        id=n * 3, username=f"user-{{n}}", email=f"{{n}}@example.org" if n % 2 else "",
        password=some(n), is_active=n % 5 > 0, date_joined=at + timedelta(microseconds=n),
        last_login=at.replace(microsecond=0) if n % 3 else None,
    )
    for n in numbers
)
Profile.objects.bulk_create(
    Profile(
        id=n * 2, user_id=n * 3, display_name=some(n), folded_name=some(n).casefold(),
        bio=some(n + 1), location=some(n + 2), description=some(n + 3),
        visibility=Profile.Visibility.values[n % 3],
    )
    for n in numbers
)
Profile.objects.filter(pk=2).update(avatar=f"avatars/00/{{'0' * 32}}-512.webp")
user = User.objects.get(pk=3)
group = Group.objects.create(name="Helpers")
group.permissions.add(*Permission.objects.filter(codename__contains="profile"))
user.groups.add(group)
user.user_permissions.add(Permission.objects.get(codename="delete_user"))
AddressChange.objects.create(user=user, old="", new="new@example.org", ends=at)
CodeApp.objects.create(user=user, sealed_key="key", last_step=2**40)
RecoveryCode.objects.create(user=user, digest="d" * 64)
for n, used in enumerate([None, at]):
    Passkey.objects.create(
        user=user, name="key", credential_id=f"id-{{n}}", public_key=bytes(range(256)), used=used
    )
JournalEntry.objects.create(field="profiles.Profile.avatar", name="avatars/00/x", due=at, made=at)
Session.objects.create(session_key="k", expire_date=at, user=user)
LastRun.objects.create(name="audit")
Progress.objects.create(name="audit", options={{}}, position={{"of": [1]}}, counts={{}}, changed=at)
"""
TABLES = (
    "auth_group pictures_journalentry profiles_addresschange profiles_codeapp profiles_passkey"
    " profiles_profile profiles_recoverycode profiles_user profiles_user_groups"
).split()
PERMISSIONS = """
SELECT 'user', user_id, codename FROM profiles_user_user_permissions
JOIN auth_permission p ON p.id = permission_id UNION
SELECT 'group', group_id, codename FROM auth_group_permissions
JOIN auth_permission p ON p.id = permission_id ORDER BY 1, 2, 3
"""
ON_WRITE = """
CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} RETURN NEW; END $$;
CREATE TRIGGER change BEFORE INSERT ON profiles_profile FOR EACH ROW EXECUTE FUNCTION change();
"""
FAIL_IN_VACUUM = """
CREATE FUNCTION fail(id bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
IF current_query() LIKE 'VACUUM%' THEN RAISE 'secret'; END IF; RETURN id; END $$;
CREATE INDEX ON profiles_profile (fail(id));
"""
# The command, with an error while rows are added up.
SUM_FAILS = """
from django.core.management import call_command
from profiles.management.commands import copy_from_sqlite
def fail(row):
    raise {error}
copy_from_sqlite.digest = fail
call_command("copy_from_sqlite", "{file}")
"""


@dataclass
class Copying:
    """A database of SQLite, and an empty PostgreSQL to which it is copied."""

    file: Path
    url: str

    @property
    def environment(self) -> dict[str, str]:
        return make_environment(self.file.parent, DATABASE_URL=self.url)

    def run(self) -> subprocess.CompletedProcess[str]:
        return manage(self.environment, "copy_from_sqlite", str(self.file))

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        """Read from PostgreSQL; times as SQLite has them."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(sql.encode()).fetchall()
        return [
            tuple(
                str(value.astimezone(UTC).replace(tzinfo=None))
                if isinstance(value, datetime)
                else value
                for value in row
            )
            for row in rows
        ]

    def change(self, sql: str) -> None:
        """Change PostgreSQL."""
        with psycopg.connect(self.url) as connection:
            connection.execute(sql.encode())

    def change_source(self, sql: str) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(sql)

    def fail(self, reason: str, *command: str, status: int = 1) -> None:
        """Fail unless the command does, for the reason, in one line, and copies nobody."""
        done = manage(self.environment, *command) if command else self.run()
        assert done.returncode == status
        assert f"Nothing is copied. {reason}" in done.stderr
        assert "secret" not in done.stderr
        assert done.stderr.count("\n") == 1
        assert self.read("SELECT id FROM profiles_user") == []


def fill(folder: Path, prepared: Path, people: int) -> Path:
    """Make a database of SQLite with so many people; return its file."""
    folder.mkdir()
    file = Path(shutil.copy(prepared / "db.sqlite3", folder))
    done = manage(make_environment(folder), "shell", "-v0", "-c", FILL.format(people=people))
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture(scope="module")
def server() -> Iterator[Database]:
    """A server whose database "empty" has been migrated, and belongs to a plain user."""
    with run_postgres() as server:
        url = server.make_owned("empty")
        done = manage(make_environment(server.folder, DATABASE_URL=url), "migrate", "-v0")
        assert done.returncode == 0, done.stderr
        with psycopg.connect(url) as connection:
            # The numbers of permissions are others than in SQLite.
            connection.execute("UPDATE auth_permission SET id = id + 1000")
        yield server


@pytest.fixture
def url(server: Database) -> str:
    """The URL of a PostgreSQL of the test's own, in which nobody is yet."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS copied WITH (FORCE)")
        connection.execute("CREATE DATABASE copied OWNER empty TEMPLATE empty")
    return f"postgres://empty@127.0.0.1:{server.port}/copied"


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Path:
    return fill(tmp_path_factory.mktemp("few") / "site", prepared, 12)


@pytest.fixture
def copying(tmp_path: Path, few: Path, url: str) -> Copying:
    """Twelve people, who can be copied."""
    return Copying(Path(shutil.copy(few, tmp_path)), url)


def read_tables(file: Path) -> dict[str, tuple[str, list[tuple[Any, ...]]]]:
    """Return the columns of each table in SQLite, and its rows."""
    found = {}
    with closing(sqlite3.connect(file)) as connection:
        for table in TABLES:
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            columns = ", ".join(f'"{name}"' for name in names)
            rows = connection.execute(f"SELECT {columns} FROM {table} ORDER BY id").fetchall()
            found[table] = columns, rows
        found["permissions"] = "", connection.execute(PERMISSIONS).fetchall()
    return found


def test_20_000_people_of_a_killed_site_arrive_as_they_were(
    tmp_path: Path, prepared: Path, url: str
) -> None:
    file = fill(tmp_path / "site", prepared, 20_000)
    (tmp_path / "killed").mkdir()
    with closing(sqlite3.connect(file)) as connection:
        # The last change is only in SQLite's log yet.
        connection.execute("UPDATE profiles_profile SET bio = 'The last change.' WHERE id = 40000")
        connection.commit()
        for path in file.parent.glob("db.sqlite3*"):
            shutil.copy(path, tmp_path / "killed")
        expected = read_tables(file)
    copying = Copying(tmp_path / "killed/db.sqlite3", url)
    done = copying.run()
    assert done.returncode == 0, done.stderr
    assert "profiles.User: 20000 rows" in done.stdout
    permissions = expected.pop("permissions")[1]
    assert ("user", 3, "delete_user") in permissions
    assert copying.read(PERMISSIONS) == permissions
    for table, (columns, rows) in expected.items():
        assert rows
        assert copying.read(f"SELECT {columns} FROM {table} ORDER BY id") == rows
    for table in ("profiles_session", "pictures_lastrun", "django_admin_log"):
        assert copying.read(f"SELECT 1 FROM {table}") == []
    # Who joins next gets a number of their own.
    join = "User.objects.create_user('mary'); Group.objects.create(name='Later')"
    code = f"from profiles.models import User; from django.contrib.auth.models import Group; {join}"
    done = manage(copying.environment, "shell", "-v0", "-c", code)
    assert done.returncode == 0, done.stderr
    again = copying.run()
    assert "already" in again.stderr
    assert len(copying.read("SELECT id FROM profiles_user")) == 20_001


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (
            "UPDATE profiles_profile SET bio = 'secret' || char(0) WHERE id = 8",
            "profiles.Profile 8: PostgreSQL text fields cannot contain NUL",
        ),
        (
            f"UPDATE profiles_profile SET location = 'secret{'x' * 61}' WHERE id = 8",
            "profiles.Profile 8: PostgreSQL: StringDataRightTruncation (22001), column location.",
        ),
        (
            "UPDATE profiles_profile SET bio = CAST(x'736563726574ff' AS TEXT) WHERE id = 8",
            "profiles.Profile, the row after 6: Could not decode to UTF-8 column 'bio'.",
        ),
        (
            "UPDATE profiles_user SET date_joined = '2026-13-01 00:00:00' WHERE id = 3",
            "profiles.User, the first row: ValueError",
        ),
        (
            "UPDATE profiles_user SET date_joined = 'secret' WHERE id = 6",
            "profiles.User 6: PostgreSQL: NotNullViolation (23502), table profiles_user,",
        ),
        (
            "UPDATE profiles_codeapp SET last_step = 'secret'",
            "profiles.CodeApp 1: ValueError",
        ),
        (
            "UPDATE profiles_passkey SET user_id = 1",
            "PostgreSQL: ForeignKeyViolation (23503), table profiles_passkey, constraint",
        ),
        (
            "UPDATE auth_permission SET codename = 'other' WHERE codename = 'delete_user'",
            "profiles.User_user_permissions 1 names a permission",
        ),
        ("DELETE FROM django_migrations WHERE app = 'profiles' AND id > 20", "/"),
    ],
)
def test_what_postgresql_cannot_have_is_said_and_nobody_is_copied(
    sql: str, reason: str, copying: Copying
) -> None:
    copying.change_source(sql)
    copying.fail(reason)


def test_a_site_that_has_the_file_open_is_not_copied(copying: Copying) -> None:
    with closing(sqlite3.connect(copying.file)) as site:
        site.execute("SELECT 1 FROM profiles_user").fetchall()
        copying.fail(f"{copying.file} is in use")
    assert copying.run().returncode == 0


def test_another_file_is_not_copied(copying: Copying) -> None:
    copying.file.write_bytes(b"Not a database." * 1000)
    copying.fail("file is not a database.")
    copying.file.unlink()
    copying.fail("There is no file")
    assert not copying.file.exists()


def test_sqlite_is_not_copied_to_sqlite(copying: Copying) -> None:
    other = Copying(copying.file, f"sqlite:///{copying.file.parent}/other.sqlite3")
    assert "Set DATABASE_URL to the PostgreSQL" in other.run().stderr


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("NEW.bio := NEW.bio || ' ';", "Of 12 rows of profiles.Profile, PostgreSQL has stored 12"),
        ("IF NEW.id = 8 THEN RETURN NULL; END IF;", "Of 12 rows of profiles.Profile"),
        # To Python, the hashes of these two are equal.
        ("IF NEW.id = -1 THEN NEW.id := -2; END IF;", "Of 12 rows of profiles.Profile"),
        (
            "IF NEW.id = 8 THEN RAISE 'secret'; END IF;",
            "profiles.Profile 8: PostgreSQL: RaiseException (P0001).",
        ),
    ],
)
def test_a_copy_that_is_not_the_same_is_undone(change: str, reason: str, copying: Copying) -> None:
    copying.change_source("UPDATE profiles_profile SET id = -1 WHERE id = 2")
    copying.change(ON_WRITE.format(change))
    copying.fail(reason)


@pytest.mark.parametrize(
    ("error", "reason", "status"),
    [("TypeError('secret')", "TypeError", 1), ("KeyboardInterrupt", "It was interrupted.", 130)],
)
def test_an_error_between_two_rows_ends_the_copy_at_once(
    error: str, reason: str, status: int, copying: Copying
) -> None:
    code = SUM_FAILS.format(error=error, file=copying.file)
    copying.fail(reason, "shell", "-v0", "-c", code, status=status)


def test_people_are_copied_also_if_postgresql_does_not_tidy_up(copying: Copying) -> None:
    copying.change(FAIL_IN_VACUUM)
    done = copying.run()
    assert done.returncode == 0
    assert "Everything is copied" in done.stdout
    assert "Run `VACUUM (ANALYZE);`" in done.stderr
    assert "secret" not in done.stderr
    assert len(copying.read("SELECT id FROM profiles_user")) == 12


def test_a_copy_that_is_stopped_half_way_has_copied_nobody(copying: Copying) -> None:
    copying.change(ON_WRITE.format("IF NEW.id = 8 THEN PERFORM pg_sleep(600); END IF;"))
    command = [sys.executable, "manage.py", "copy_from_sqlite", str(copying.file)]
    asleep = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    with heed_ctrl_c():
        process = subprocess.Popen(
            command, cwd=ROOT, env=copying.environment, stderr=subprocess.PIPE, encoding="utf-8"
        )
    with process:
        try:
            wait_until(lambda: bool(copying.read(asleep)) or process.poll() is not None)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                errors = process.communicate(timeout=60)[1]
            finally:
                process.kill()
    assert "Nothing is copied. It was interrupted." in errors
    assert process.returncode == 130
    assert copying.read("SELECT id FROM profiles_user") == []
    copying.change("DROP TRIGGER change ON profiles_profile")
    assert copying.run().returncode == 0
    assert len(copying.read("SELECT id FROM profiles_user")) == 12
