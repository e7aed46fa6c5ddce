"""A bucket on a real S3 server, and a connection to it that can be cut.

LIKENESS_S3 names the server and its keys: http://key:secret@127.0.0.1:7480.
"""

import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from tests.helpers.servers import ROOT

S3 = urlsplit(os.environ.get("LIKENESS_S3", ""))
POLICY = ROOT / "deploy" / "bucket-policy.json"


class Line:
    """A TCP proxy to the server: it counts the bytes, and can be cut or made to hang.

    Or torn: then the end of each answer is missing.
    """

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sent = 0
        self.state = "open"
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                self.open.append(near)
                if self.state == "cut":
                    near.close()
                elif self.state in ("open", "torn"):
                    self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection((S3.hostname, S3.port or 80))
        except OSError:  # The next one may get through.
            return near.close()
        self.open.append(far)
        for ends in ((near, far, 1), (far, near, 0)):
            threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, count: int) -> None:
        with suppress(OSError), closing(source), closing(target):
            while data := source.recv(65536):
                self.sent += count
                if self.state == "torn" and not count:
                    return target.sendall(data[:-100])
                target.sendall(data)

    @contextmanager
    def being(self, state: str) -> Iterator[None]:
        """Refuse or break connections, or make them hang, until the block ends."""
        self.state = state
        self._hang_up()
        try:
            yield
        finally:
            self.state = "open"
            self._hang_up()

    def _hang_up(self) -> None:
        while self.open:
            with suppress(OSError):
                self.open[-1].shutdown(socket.SHUT_RDWR)
            self.open.pop().close()

    def close(self) -> None:
        self.listener.close()
        self._hang_up()


class Bucket:
    """A bucket with the policy from deploy/."""

    def __init__(self) -> None:
        self.name = f"likeness-{secrets.token_hex(4)}"
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=f"http://{S3.hostname}:{S3.port}",
            aws_access_key_id=S3.username,
            aws_secret_access_key=S3.password,
            region_name="us-east-1",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )
        self.client.create_bucket(Bucket=self.name)
        policy = POLICY.read_text().replace("likeness-media", self.name)
        self.client.put_bucket_policy(Bucket=self.name, Policy=policy)

    def list(self) -> list[str]:
        """Return the names of all files in the bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def clear(self) -> None:
        """Delete everything in it."""
        for name in self.list():
            self.client.delete_object(Bucket=self.name, Key=name)

    def delete(self) -> None:
        """Delete everything, and the bucket."""
        self.clear()
        self.client.delete_bucket(Bucket=self.name)


def fetch(url: str, **headers: str) -> tuple[HTTPResponse, bytes]:
    """Request a URL as a stranger, without following redirects."""
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=60)
    connection.request("GET", f"{parts.path}?{parts.query}".rstrip("?"), headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body
