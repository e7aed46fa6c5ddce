"""Run the image as docs/deploying.md says, on a read-only disk, and use the site in it.

LIKENESS_IMAGE names the image. The network is the host's, so that no bridge need be there.
"""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.cookiejar import CookieJar
from io import BytesIO
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

import pytest
from PIL import Image, ImageDraw

IMAGE = os.environ.get("LIKENESS_IMAGE", "")
pytestmark = pytest.mark.skipif(
    not IMAGE, reason="Build the image and name it: LIKENESS_IMAGE=likeness."
)
SECRET_KEY = secrets.token_urlsafe(50)
PASSWORD = "difference engine"


def docker(*arguments: str) -> str:
    done = subprocess.run(
        [shutil.which("docker") or "docker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


@pytest.fixture(scope="module")
def volume() -> Iterator[str]:
    """Make a volume with a database, by the documented command."""
    name = f"likeness-test-{secrets.token_hex(4)}"
    docker("volume", "create", name)
    try:
        docker("run", "--rm", *hardened(name), IMAGE, "python", "manage.py", "migrate")
        yield name
    finally:
        docker("volume", "rm", name)


def hardened(volume: str, **variables: str) -> list[str]:
    """Return the options that take from the container what it does not need."""
    variables = {
        "DJANGO_SECRET_KEY": SECRET_KEY,
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "DJANGO_HTTPS": "off",
        "MEDIA_DELIVERY": "app",
    } | variables
    options = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
    options += ["--network=host", f"--volume={volume}:/data"]
    return options + [f"--env={name}={value}" for name, value in variables.items()]


@contextmanager
def serve(volume: str) -> Iterator[tuple[str, str]]:
    """Run the site until it is healthy; give the container's id and the site's origin."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    options = hardened(volume, HOST="127.0.0.1", PORT=port)
    container = docker("run", "--detach", "--health-interval=1s", *options, IMAGE)
    try:
        wait_until_healthy(container)
        yield container, f"http://127.0.0.1:{port}"
    finally:
        docker("rm", "--force", container)


def wait_until_healthy(container: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        state = json.loads(docker("inspect", "--format={{json .State}}", container))
        if state["Health"]["Status"] == "healthy":
            return
        if not state["Running"]:
            break
        time.sleep(0.5)
    pytest.fail(f"The container is not healthy:\n{docker('logs', container)}")


@pytest.fixture(scope="module")
def site(volume: str) -> Iterator[tuple[str, str]]:
    with serve(volume) as running:
        yield running


class Visitor:
    """A visitor's browser: it keeps cookies, follows redirects and fills in CSRF tokens."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))

    def get(self, path: str, **headers: str) -> tuple[Message, bytes]:
        return self._open(Request(urljoin(self.origin, path), headers=headers))

    def page(self, path: str) -> str:
        return self.get(path)[1].decode()

    def send(self, path: str, **fields: str) -> str:
        fields["csrfmiddlewaretoken"] = self._token(path)
        request = Request(self.origin + path, urlencode(fields).encode())
        return self._open(request)[1].decode()

    def upload(self, path: str, field: str, content: bytes) -> str:
        head = 'Content-Disposition: form-data; name="'
        body = (
            f'--cut\r\n{head}csrfmiddlewaretoken"\r\n\r\n{self._token(path)}\r\n'
            f'--cut\r\n{head}{field}"; filename="me.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        ).encode() + (content + b"\r\n--cut--\r\n")
        headers = {"Content-Type": "multipart/form-data; boundary=cut"}
        return self._open(Request(self.origin + path, body, headers))[1].decode()

    def _token(self, path: str) -> str:
        return found(r'name="csrfmiddlewaretoken" value="(\w+)"', self.page(path))

    def _open(self, request: Request) -> tuple[Message, bytes]:
        with self.opener.open(request, timeout=30) as response:
            return response.headers, response.read()


def found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    assert match, f"{pattern} is not in:\n{page}"
    return match[1]


def draw_photo() -> bytes:
    photo = Image.new("RGB", (800, 600), "teal")
    ImageDraw.Draw(photo).ellipse((250, 100, 550, 500), "tan")
    content = BytesIO()
    photo.save(content, "JPEG")
    return content.getvalue()


def test_a_picture_outlives_its_container(volume: str) -> None:
    with serve(volume) as (_, origin):
        ada = Visitor(origin)
        account = {"username": "ada", "email": "ada@example.com"}
        ada.send("/accounts/signup/", **account, password1=PASSWORD, password2=PASSWORD)
        ada.upload("/profile/avatar/", "avatar", draw_photo())
        # Members only, as every new profile is.
        url = found(r'src="(/media/protected/[^"]+\.webp)"', ada.page("/profiles/ada/"))
        before = ada.get(url)[1]
        assert Image.open(BytesIO(before)).format == "WEBP"
    with serve(volume) as (_, origin):
        ada = Visitor(origin)
        ada.send("/accounts/login/", username="ada", password=PASSWORD)
        assert ada.get(url)[1] == before
        with pytest.raises(HTTPError, match="404"):
            Visitor(origin).get(url)


def test_static_files_are_compressed_and_kept_for_ever(site: tuple[str, str]) -> None:
    visitor = Visitor(site[1])
    url = found(r'<link[^>]+href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', visitor.page("/"))
    headers, _ = visitor.get(url, **{"Accept-Encoding": "gzip, br"})
    assert headers["Content-Encoding"] == "br"
    assert "immutable" in headers["Cache-Control"]


def test_nobody_inside_is_root(site: tuple[str, str]) -> None:
    assert docker("exec", site[0], "id", "-u") == "10001"
    assert docker("inspect", "--format={{.Config.User}}", IMAGE) == "likeness"


def test_the_image_holds_what_serving_needs_and_no_more() -> None:
    names = docker("run", "--rm", "--network=none", IMAGE, "ls", "--almost-all", "/app").split()
    assert names == [
        "config",
        "locale",
        "manage.py",
        "profiles",
        "static",
        "staticfiles",
        "templates",
    ]


def test_without_a_key_it_does_not_start() -> None:
    with pytest.raises(AssertionError, match="DJANGO_SECRET_KEY is not set"):
        docker("run", "--rm", "--network=none", IMAGE)
