"""The site in a separate process, reached over HTTP."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).parent.parent.parent


GUNICORN = ("-m", "gunicorn", "--config", "config/gunicorn.conf.py", "config.wsgi")
SERVE = ("config/serve.py",)
RUNSERVER = ("manage.py", "runserver", "--noreload", "127.0.0.1:{port}")


def find(pattern: str, text: str) -> str:
    """Return the first match of a pattern in a text; fail if there is none."""
    match = re.search(pattern, text)
    assert match, f"{pattern} is not in: {text}"
    return match[0]


def find_port() -> int:
    """Return a port on which nothing listens.

    Of those that no connection outwards takes before a server starts on it: theirs begin at 32768
    (Linux) or 49152.
    """
    while True:
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("", 20_000 + secrets.randbelow(12_000)))
            port: int = listener.getsockname()[1]
            return port


def make_environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return an environment with its database, media and static files in a folder."""
    return os.environ | {
        "DATABASE_URL": f"sqlite:///{folder}/db.sqlite3",
        "MEDIA_ROOT": str(folder / "media"),
        "STATIC_ROOT": str(folder / "staticfiles"),
        "EMAIL_URL": "consolemail://",
        # A file that is opened in the locale's encoding is an error, where `manage` is used.
        "PYTHONWARNDEFAULTENCODING": "1",
        # All visitors of the tests come from one address.
        **{f"DJANGO_THROTTLE_{name}": "0" for name in ("SIGN_IN", "SIGN_UP", "UPLOAD")},
        **variables,
    }


def manage(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of manage.py to its end."""
    command = [sys.executable, "-W", "error", "manage.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=120
    )


def prepare(folder: Path) -> None:
    """Create the database in a folder, and collect the static files there."""
    for command in ("migrate", "collectstatic"):
        result = manage(make_environment(folder), command, "--noinput")
        assert result.returncode == 0, result.stderr


@contextmanager
def serve(
    environment: dict[str, str], *command: str, output: TextIO | None = None
) -> Iterator[int]:
    """Run a server until the block ends; give the port it listens on."""
    port = find_port()
    arguments = [argument.format(port=port) for argument in command]
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment | {"PORT": str(port)},
        stdout=output,
        stderr=output,
    )
    try:
        wait_for(process, port)
        yield port
    finally:
        process.terminate()
        process.wait(60)  # gunicorn gives its workers 30 s.


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a server answers; fail when it ends before."""
    for _ in range(1200):
        try:
            if get(port, "/healthz")[0].status == 200:
                return
        except OSError:
            pass
        assert process.poll() is None, "The server ended."
        time.sleep(0.1)
    raise AssertionError("The server does not answer.")


def wait_until(is_done: Callable[[], bool]) -> None:
    """Wait for something that must come; fail if it does not within a minute."""
    for _ in range(1200):
        if is_done():
            return
        time.sleep(0.05)
    raise AssertionError("It does not come.")


def get(port: int, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    """Request a path without normalizing it; return the response and its body."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, headers=names)
        response = connection.getresponse()
        return response, response.read()


def upload(port: int, session: str, picture: bytes, source: str = "127.0.0.1") -> int:
    """Upload a picture as a script of a member; return the status of the response.

    `source` is an address of the loopback network: a front counts by address.
    """
    token = "t" * 32
    head = b'--cut\r\nContent-Disposition: form-data; name="avatar"; filename="me.jpg"\r\n\r\n'
    headers = {
        "Accept": "application/json",
        "Content-Type": "multipart/form-data; boundary=cut",
        "Cookie": f"sessionid={session}; csrftoken={token}",
        "X-CSRFToken": token,
    }
    body = head + picture + b"\r\n--cut--\r\n"
    connection = HTTPConnection("127.0.0.1", port, timeout=120, source_address=(source, 0))
    with closing(connection):
        connection.request("POST", "/profile/avatar/", body, headers)
        return connection.getresponse().status


@contextmanager
def heed_ctrl_c() -> Iterator[None]:
    """Let what is started notice Ctrl+C, also where a shell has started the tests to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
