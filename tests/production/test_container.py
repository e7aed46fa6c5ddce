"""Run the image as docs/deploying.md says, on a read-only disk, and use the site in it.

LIKENESS_IMAGE names the image. The network is the host's, so that no bridge need be there.
"""

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from io import BytesIO
from pathlib import Path
from subprocess import PIPE
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.helpers.corpus import CORPUS
from tests.helpers.servers import find_port, upload
from tests.test_corpus import HOSTILE, read

from .engine import docker, read_documented, stand_in, wait_until_healthy
from .visitors import PASSWORD, Visitor, draw_photo, found

IMAGE = os.environ.get("LIKENESS_IMAGE", "")
pytestmark = pytest.mark.skipif(
    not IMAGE, reason="Build the image and name it: LIKENESS_IMAGE=likeness."
)
VARIABLES = {
    "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
    "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
    "DJANGO_HTTPS": "off",
    "MEDIA_DELIVERY": "app",
}


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
    """Return the options that remove needless rights from the container."""
    options = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
    options += ["--network=host", f"--volume={volume}:/data"]
    return options + [f"--env={name}={value}" for name, value in (VARIABLES | variables).items()]


@contextmanager
def serve(volume: str, *extra: str, image: str = IMAGE) -> Iterator[tuple[str, str]]:
    """Run the site until it is healthy; give the container's id and the site's origin."""
    port = str(find_port())
    options = hardened(volume, HOST="127.0.0.1", PORT=port)
    container = docker("run", "--detach", "--health-interval=1s", *options, *extra, image)
    try:
        wait_until_healthy(container)
        yield container, f"http://127.0.0.1:{port}"
    finally:
        docker("rm", "--force", container)


@pytest.fixture(scope="module")
def site(volume: str) -> Iterator[tuple[str, str]]:
    with serve(volume) as running:
        yield running


def test_a_picture_survives_its_container(volume: str) -> None:
    with serve(volume) as (_, origin):
        ada = Visitor(origin)
        account = {"username": "ada", "email": "ada@example.com"}
        ada.send("/accounts/signup/", **account, password1=PASSWORD, password2=PASSWORD)
        ada.upload("/profile/avatar/", "avatar", draw_photo())
        # Members only, like every new profile.
        url = found(r'src="(/media/protected/[^"]+\.webp)"', ada.page("/profiles/ada/"))
        before = ada.get(url)[1]
        assert Image.open(BytesIO(before)).format == "WEBP"
    with serve(volume) as (_, origin):
        ada = Visitor(origin)
        ada.send("/accounts/login/", username="ada", password=PASSWORD)
        assert ada.get(url)[1] == before
        with pytest.raises(HTTPError, match="404"):
            Visitor(origin).get(url)


@pytest.mark.skipif(os.geteuid() != 0, reason="The folder of backups is given to another user.")
def test_a_backup_restores_everything(volume: str, tmp_path: Path) -> None:
    with serve(volume) as (container, origin):

        def run(heading: str, before: str = "") -> str:
            script = before + stand_in(read_documented(heading), container, volume, IMAGE)
            command = ["bash", "-euo", "pipefail", "-c", script]
            return subprocess.run(command, cwd=tmp_path, check=True, stdout=PIPE, text=True).stdout

        lines = [f"{name}={value}\n" for name, value in VARIABLES.items()]
        (tmp_path / "site.env").write_text("".join(lines))
        linus = Visitor(origin)
        account = {"username": "linus", "email": "linus@example.com"}
        linus.send("/accounts/signup/", **account, password1=PASSWORD, password2=PASSWORD)
        linus.upload("/profile/avatar/", "avatar", draw_photo())
        url = found(r'src="(/media/protected/[^"]+\.webp)"', linus.page("/profiles/linus/"))
        before = linus.get(url)[1]
        assert "can be restored, and is whole." in run("Backup")
        assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700
        linus.send("/profile/avatar/delete/")
        linus.send("/profile/edit/", display_name="Changed", visibility="public")
        assert "0 orphans deleted." in run("Restore the container", "echo yes | ")
        wait_until_healthy(container)
        page = linus.page("/profiles/linus/")  # In the session that was in the backup.
        assert "Changed" not in page
        assert linus.get(url)[1] == before


def test_static_files_are_compressed_and_kept_for_ever(site: tuple[str, str]) -> None:
    visitor = Visitor(site[1])
    url = found(r'<link[^>]+href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', visitor.page("/"))
    headers, _ = visitor.get(url, **{"Accept-Encoding": "gzip, br"})
    assert headers["Content-Encoding"] == "br"
    assert "immutable" in headers["Cache-Control"]


def test_nobody_inside_is_root(site: tuple[str, str]) -> None:
    assert docker("exec", site[0], "id", "-u") == "10001"
    assert docker("inspect", "--format={{.Config.User}}", IMAGE) == "10001"


def test_the_image_contains_only_what_the_site_needs() -> None:
    names = docker("run", "--rm", "--network=none", IMAGE, "ls", "--almost-all", "/app").split()
    assert names == [
        "config",
        "examples",
        "gunicorn.conf.py",
        "locale",
        "manage.py",
        "profiles",
        "pyproject.toml",
        "static",
        "staticfiles",
        "templates",
    ]


def test_the_image_has_its_version_as_tag_and_label() -> None:
    labels = json.loads(docker("inspect", "--format={{json .Config.Labels}}", IMAGE))
    version = labels["org.opencontainers.image.version"]
    command = ["run", "--rm", "--network=none", f"{IMAGE}:{version}", "python", "manage.py"]
    assert docker(*command, "version") == version
    assert len(labels["org.opencontainers.image.revision"]) == 40


def test_without_a_key_it_does_not_start() -> None:
    with pytest.raises(AssertionError, match="DJANGO_SECRET_KEY is not set"):
        docker("run", "--rm", "--network=none", IMAGE)


def ask(origin: str, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
    """Ask for a path as it is written, without tidying it; return the answer and its body."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(HTTPConnection(urlsplit(origin).netloc, timeout=60)) as connection:
        connection.request("GET", path, headers=names)
        response = connection.getresponse()
        return response, response.read()


@pytest.fixture(scope="module")
def picture(site: tuple[str, str]) -> tuple[str, str]:
    """The site's origin, and the path of a public picture."""
    docker("exec", site[0], "python", "manage.py", "demo", "--profiles", "2")
    page = Visitor(site[1]).page("/profiles/demo-00001/")
    return site[1], found(r"(/media/avatars/[^\" ]+-256\.webp)", page)


def test_a_public_picture_is_kept_for_a_year_and_can_do_nothing(picture: tuple[str, str]) -> None:
    response, body = ask(*picture)
    assert Image.open(BytesIO(body)).format == "WEBP"
    kept = "public, max-age=31536000, s-maxage=3600, immutable"
    assert response.headers["Cache-Control"] == kept
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not {"Set-Cookie", "Vary"} & set(response.headers)


def test_a_browser_that_has_a_picture_is_not_sent_it_again(picture: tuple[str, str]) -> None:
    etag = ask(*picture)[0].headers["ETag"]
    response, body = ask(*picture, If_None_Match=etag)
    assert (response.status, body) == (304, b"")
    assert ask(*picture, If_None_Match='"another"')[0].status == 200


@pytest.mark.parametrize(
    "path",
    [
        "stray.txt",
        "../db.sqlite3",
        "../../db.sqlite3",
        "%2e%2e/%2e%2e/db.sqlite3",
        "..%2fdb.sqlite3",
        "/data/db.sqlite3",
        "",
    ],
)
def test_only_files_named_by_the_site_are_served(
    path: str, picture: tuple[str, str], site: tuple[str, str]
) -> None:
    docker("exec", site[0], "sh", "-c", "echo a secret > /data/media/avatars/stray.txt")
    response, body = ask(site[1], f"/media/avatars/{path}")
    assert response.status in (301, 400, 404)
    assert b"a secret" not in body
    assert b"SQLite" not in body


def test_the_container_has_no_needless_rights(site: tuple[str, str]) -> None:
    status = docker("exec", site[0], "cat", "/proc/1/status")
    assert found(r"CapEff:\s+(\w+)", status).strip("0") == ""
    assert found(r"NoNewPrivs:\s+(\d)", status) == "1"
    for folder in ("/app", "/venv", "/home", "/"):
        with pytest.raises(AssertionError, match=r"Read-only|denied"):
            docker("exec", site[0], "touch", f"{folder}/x")


BREAK_OUT = """
import os
from profiles.pictures.pipeline import sandbox
cell = os.fork()
if cell == 0:
    sandbox.enter(sandbox.Limits(sandbox.load_libseccomp(), 2, 300, os.getppid()))
    open("/etc/passwd")
print(os.WTERMSIG(os.waitpid(cell, 0)[1]))
"""


def test_the_filter_of_the_cells_works_in_the_container(site: tuple[str, str]) -> None:
    signal_number = docker("exec", site[0], "python", "-c", BREAK_OUT).strip()
    assert signal_number == str(int(signal.SIGSYS))
    code = "from profiles.pictures import cell; print(cell.has_filter())"
    shell = ("python", "manage.py", "shell", "--no-imports", "-c", code)
    assert docker("exec", site[0], *shell).split()[-1] == "True"


ADD_MEMBERS = """
from django.test import Client
from profiles.models import User
for number in range({count}):
    client = Client()
    client.force_login(User.objects.create_user(f"member-{number}"))
    print(client.cookies["sessionid"].value)
"""


@pytest.mark.skipif(not CORPUS.is_dir(), reason="Set LIKENESS_CORPUS to the folder of pictures.")
def test_hostile_pictures_do_not_exhaust_the_memory(volume: str) -> None:
    """At four at a time, with 350 MB for each of two workers and no swap."""
    limits = ("--memory=700m", "--memory-swap=700m")
    with serve(volume, *limits) as (container, origin):
        code = ADD_MEMBERS.replace("{count}", str(len(HOSTILE)))  # One each: uploads are throttled.
        shell = ("python", "manage.py", "shell", "--no-imports", "-c", code)
        members = docker("exec", container, *shell).split()
        with ThreadPoolExecutor(4) as visitors:
            pictures = map(read, HOSTILE)
            port = urlsplit(origin).port or 0
            statuses = [*visitors.map(partial(upload, port), members, pictures)]
        assert set(statuses) <= {201, 400, 413, 503}
        assert not json.loads(docker("inspect", "--format={{json .State.OOMKilled}}", container))
        for _ in range(100):  # The engine stores a line with some delay.
            log = docker("logs", container)
            if log.count('"logger": "likeness.uploads"') >= len(HOSTILE):
                break
            time.sleep(0.1)
        assert "SIGKILL" not in log
        # Each is counted, also with status 503.
        assert log.count('"logger": "likeness.uploads"') == len(HOSTILE)


MIGRATION = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("profiles", "{last}")]
    operations = [migrations.RunSQL("CREATE TABLE upgraded (id integer)")]
"""


@pytest.fixture
def next_image(tmp_path: Path) -> Iterator[str]:
    """Build the image of a next version with one more migration."""
    shell = "ls profiles/migrations | grep ^0 | tail -n 1"
    last = docker("run", "--rm", "--network=none", IMAGE, "sh", "-c", shell).removesuffix(".py")
    (tmp_path / "9999_next.py").write_text(MIGRATION.replace("{last}", last))
    (tmp_path / "Dockerfile").write_text(
        f"FROM {IMAGE}\nCOPY --chmod=644 9999_next.py profiles/migrations/\n"
    )
    name = f"likeness-test-next-{secrets.token_hex(4)}"
    docker("build", "--quiet", "--network=host", f"--tag={name}", str(tmp_path))
    try:
        yield name
    finally:
        docker("image", "rm", "--force", name)


def test_an_upgrade_keeps_the_people_and_their_pictures(
    picture: tuple[str, str], volume: str, next_image: str
) -> None:
    before = ask(*picture)[1]
    check = ("python", "manage.py", "migrate", "--check")
    with pytest.raises(AssertionError):
        docker("run", "--rm", *hardened(volume), next_image, *check)
    docker("run", "--rm", *hardened(volume), next_image, "python", "manage.py", "migrate")
    with serve(volume, image=next_image) as (_, origin):
        assert ask(origin, picture[1])[1] == before
        assert b"demo-00001" in ask(origin, "/profiles/")[1]
