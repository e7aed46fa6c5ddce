"""nginx with the shipped configuration; only paths and ports are the test's."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from tests.helpers.servers import ROOT, find_port

NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else "")
# Root's nginx would run its workers as nobody, who cannot enter a test's folder.
USER = ["-g", "user root;"] if os.geteuid() == 0 else []


@dataclass
class Front:
    """A running nginx."""

    folder: Path
    port: int
    tls_port: int

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        /,
        *,
        source: str = "127.0.0.2",
        **headers: str,
    ) -> tuple[HTTPResponse, bytes]:
        """Send one request unchanged, from any address of the loopback network."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(source, 0))
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response, content

    def read_log(self, request_id: str, name: str = "access.log") -> dict[str, Any]:
        """Return what a log says about a request."""
        for _ in range(50):  # nginx writes the line after the response.
            for line in (self.folder / name).read_text().splitlines():
                if f'"request_id": "{request_id}"' in line:
                    entry: dict[str, Any] = json.loads(line)
                    return entry
            time.sleep(0.1)
        raise AssertionError(f"{request_id} is not in the log.")


def copy_configuration(folder: Path, paths: dict[str, str]) -> Path:
    """Copy deploy/ into a folder, with other paths and ports; each must be in there."""
    copy = Path(shutil.copytree(ROOT / "deploy", folder / "deploy"))
    files = {file: file.read_text() for file in copy.rglob("*.conf")}
    for old, new in paths.items():
        assert any(old in text for text in files.values()), f"{old} is not in the configuration."
        files = {file: text.replace(old, new) for file, text in files.items()}
    for file, text in files.items():
        file.write_text(text)
    return copy


@contextmanager
def serve(
    folder: Path, main: str = "nginx.conf", changes: dict[str, str] | None = None
) -> Iterator[Front]:
    """Run nginx until the block ends; media, socket and certificates are in the folder."""
    front = Front(folder, find_port(), find_port())
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    paths = {
        " /tmp/": f" {folder}/tmp/",
        "/run/likeness/": f"{folder}/",
        "root /data": f"root {folder}",
        "/dev/stdout": f"{folder}/access.log",
        "/etc/likeness-tls/": f"{folder}/",
        "/etc/likeness/": f"{folder}/deploy/",
        "root /etc/likeness;": f"root {folder}/deploy;",
        "listen 8080": f"listen 127.0.0.1:{front.port}",
        "listen 8443": f"listen 127.0.0.1:{front.tls_port}",
        **(changes or {}),
    }
    configuration = copy_configuration(folder, paths) / main
    process = subprocess.Popen([NGINX, "-e", "stderr", "-c", str(configuration), *USER])
    try:
        wait_for(process, front)
        yield front
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder / "deploy")


def wait_for(process: subprocess.Popen[bytes], front: Front) -> None:
    """Wait until nginx answers; fail when it ends before."""
    for _ in range(100):
        assert process.poll() is None, "nginx ended."
        try:
            front.ask("/errors/errors.css")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("nginx does not answer.")
