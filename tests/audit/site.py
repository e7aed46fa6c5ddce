"""The site in production mode, over TLS with a certificate of the run's own."""

import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import TextIO

from ..browser.cast import Cast, add_cast
from ..helpers.servers import GUNICORN, ROOT, find_port, make_environment, manage, serve

HOST = "likeness.example"


@dataclass(frozen=True)
class Site:
    """Where it listens, the certificate that vouches for it, and who lives there."""

    http_port: int
    https_port: int
    certificate: Path
    cast: Cast

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.https_port}"


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    """Run the site as an operator would, with demo people and the cast, until the block ends."""
    environment = make_environment(
        folder,
        DJANGO_HTTPS="on",
        DJANGO_HSTS_SECONDS=str(2 * 365 * 24 * 60 * 60),  # As docs/deploying.md says, in the end.
        DJANGO_ALLOWED_HOSTS=f"{HOST},127.0.0.1",
        DJANGO_CSRF_TRUSTED_ORIGINS=f"https://{HOST}",
    )
    for command in (["migrate"], ["collectstatic", "--noinput"], ["demo"]):
        manage(environment, *command).check_returncode()
    cast = add_cast(environment)
    certificate = make_certificate(folder)
    with (
        (folder / "site.log").open("w") as log,
        serve(environment, *GUNICORN, output=log) as http_port,
        serve_tls(environment, certificate, log) as https_port,
    ):
        yield Site(http_port, https_port, certificate, cast)


def make_certificate(folder: Path) -> Path:
    """Return a file with a new certificate and its key."""
    path = folder / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    names = f"subjectAltName=DNS:{HOST},IP:127.0.0.1"
    arguments = ["-subj", f"/CN={HOST}", "-addext", names, "-keyout", str(path), "-out", str(path)]
    # The key goes into the file first, and the certificate would replace it.
    made = subprocess.run(
        [*command.split(), *arguments[:-1], "/dev/stdout"], capture_output=True, check=True
    )
    path.write_bytes(path.read_bytes() + made.stdout)
    return path


@contextmanager
def serve_tls(environment: dict[str, str], certificate: Path, log: TextIO) -> Iterator[int]:
    """Run gunicorn with TLS until the block ends; give the port it listens on."""
    port = find_port()
    pair = ("--certfile", str(certificate), "--keyfile", str(certificate))
    command = [sys.executable, *GUNICORN[:-1], *pair, GUNICORN[-1]]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment | {"PORT": str(port)}, stdout=log, stderr=log
    )
    try:
        wait_for(process, port, ssl.create_default_context(cafile=certificate))
        yield port
    finally:
        process.terminate()
        process.wait(60)  # gunicorn gives its workers 30 s.


def wait_for(process: subprocess.Popen[bytes], port: int, context: ssl.SSLContext) -> None:
    """Wait until a server answers over TLS; fail when it ends before."""
    for _ in range(300):
        connection = HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
        try:
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
        assert process.poll() is None, "The server ended."
    raise AssertionError("The server does not answer.")
