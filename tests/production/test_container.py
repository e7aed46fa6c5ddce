"""Run the image as docs/deploying.md says, on a read-only disk, and use the site in it.

LIKENESS_IMAGE names the image. The network is the host's, so that no bridge need be there.
"""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from urllib.error import HTTPError

import pytest
from PIL import Image

from .engine import docker, wait_until_healthy
from .visitors import PASSWORD, Visitor, draw_photo, found

IMAGE = os.environ.get("LIKENESS_IMAGE", "")
pytestmark = pytest.mark.skipif(
    not IMAGE, reason="Build the image and name it: LIKENESS_IMAGE=likeness."
)
SECRET_KEY = secrets.token_urlsafe(50)


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


@pytest.fixture(scope="module")
def site(volume: str) -> Iterator[tuple[str, str]]:
    with serve(volume) as running:
        yield running


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
    assert docker("inspect", "--format={{.Config.User}}", IMAGE) == "10001"


def test_the_image_holds_what_serving_needs_and_no_more() -> None:
    names = docker("run", "--rm", "--network=none", IMAGE, "ls", "--almost-all", "/app").split()
    assert names == [
        "config",
        "examples",
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
