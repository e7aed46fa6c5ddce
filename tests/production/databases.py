"""A PostgreSQL of the tests' own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.helpers.servers import find_port

BINARIES = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), Path("/usr/local/bin")]
BIN = next((folder for folder in reversed(BINARIES) if (folder / "initdb").exists()), None)


@dataclass
class Database:
    """A server, its folder and its port."""

    folder: Path
    port: int
    fsync: str = "off"  # Unless it is measured, nothing has to survive a power cut.

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def run(self, command: str, *arguments: str) -> None:
        """Run one of PostgreSQL's own programs, which refuse to be root."""
        program = [str((BIN or Path()) / command), f"--pgdata={self.folder}/data", *arguments]
        user = "postgres" if os.geteuid() == 0 else None
        subprocess.run(program, cwd="/", user=user, check=True, stdout=subprocess.DEVNULL)

    def control(self, verb: str) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        options += f" -c fsync={self.fsync}"
        start = [f"--options={options}", f"--log={self.folder}/log"] if verb != "stop" else []
        self.run("pg_ctl", verb, "--wait", "--silent", "--mode=fast", *start)

    def list_connections(self) -> set[int]:
        """Return the process ids of the server's connections, without this test's."""
        sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        with psycopg.connect(self.url) as connection:
            pids = {pid for (pid,) in connection.execute(sql)}
            return pids - {connection.info.backend_pid}

    def make_owned(self, name: str) -> str:
        """Create a database whose owner has no other rights; return its URL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN")
            connection.execute(f"CREATE DATABASE {name} OWNER {name}")
        return f"postgres://{name}@127.0.0.1:{self.port}/{name}"


@contextmanager
def run_postgres(fsync: str = "off") -> Iterator[Database]:
    """Run a server until the block ends."""
    # Not pytest's folder, which is closed to the user postgres.
    with TemporaryDirectory() as name:
        database = Database(Path(name), find_port(), fsync)
        if os.geteuid() == 0:
            shutil.chown(name, "postgres")
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        database.run("initdb", "--username=postgres", *options)
        database.control("start")
        try:
            yield database
        finally:
            database.control("stop")
