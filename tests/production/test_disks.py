"""Disks that are full or cannot be written: what fails says so, and the rest goes on."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.helpers.cells import find_children
from tests.helpers.pictures import draw_jpeg, draw_noise, encode
from tests.helpers.servers import GUNICORN, ROOT, find, get, make_environment, manage, serve

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="Mounting a disk needs root.")
MEMBER = """
from django.test import Client
from profiles.models import User
user = User.objects.create_user("ada", password="pass phrase")
user.profile.change(visibility="public")
client = Client()
client.force_login(user)
print(client.cookies["sessionid"].value)
"""
TOKEN = "t" * 32
PAGE, SCRIPT = "text/html", "application/json"
CANNOT_SAVE = "We cannot save anything just now"
NO_STORE = "We cannot reach our pictures just now"


@dataclass
class Disk:
    """A file system in memory."""

    folder: Path

    @property
    def filler(self) -> Path:
        return self.folder / "filler"

    def fill(self, room: int = 0) -> None:
        """Fill the disk, except for some pages of 4 kB."""
        self.clear()
        with self.filler.open("ab", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        os.truncate(self.filler, max(self.filler.stat().st_size - room * 4096, 0))

    def clear(self) -> None:
        self.filler.unlink(missing_ok=True)

    def remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", self.folder], check=True)

    def list_files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


@contextmanager
def mount(folder: Path, size: str) -> Iterator[Disk]:
    """Put an empty disk on a folder until the block ends."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@dataclass
class Member:
    """Ada, signed in at a site."""

    port: int
    session: str

    def ask(
        self, path: str, body: bytes = b"", kind: str = "", wish: str = PAGE
    ) -> tuple[int, str]:
        """Ask for a page, or send a form to it; return the status and the page."""
        headers = {
            "Accept": wish,
            "Cookie": f"sessionid={self.session}; csrftoken={TOKEN}",
            "X-CSRFToken": TOKEN,
        }
        headers |= {"Content-Type": kind} if kind else {}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            connection.request("POST" if kind else "GET", path, body, headers)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")

    def send(self, path: str, wish: str = PAGE, **fields: str) -> tuple[int, str]:
        kind = "application/x-www-form-urlencoded"
        return self.ask(path, urlencode(fields).encode(), kind, wish)

    def upload(self, picture: bytes, wish: str = SCRIPT) -> tuple[int, str]:
        head = b'--cut\r\nContent-Disposition: form-data; name="avatar"; filename="me.jpg"\r\n\r\n'
        body = head + picture + b"\r\n--cut--\r\n"
        return self.ask("/profile/avatar/", body, "multipart/form-data; boundary=cut", wish)

    def find_picture(self) -> str:
        """Return the path of the picture on Ada's page."""
        return find(r"/media/avatars/[^\" ]+-512\.webp", self.ask("/profiles/ada/")[1])


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A site of one worker, so that all requests meet the same state."""
    folder = tmp_path / "db"
    variables = {"DATABASE_URL": f"sqlite:///{folder}/db.sqlite3", "WEB_CONCURRENCY": "1"}
    variables["TMPDIR"] = str(tmp_path / "temp")
    return make_environment(tmp_path, **variables)


def install(environment: dict[str, str], prepared: Path, tmp_path: Path) -> str:
    """Install the site in the folders of an environment; return Ada's session."""
    for name in ("db", "media", "temp"):
        (tmp_path / name).mkdir(exist_ok=True)
    shutil.copytree(prepared / "staticfiles", tmp_path / "staticfiles", dirs_exist_ok=True)
    shutil.copy(prepared / "db.sqlite3", tmp_path / "db")
    done = manage(environment, "shell", "--no-imports", "-c", MEMBER)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def tidy(environment: dict[str, str]) -> None:
    """Tidy; fail if the audit still finds something after it."""
    for command in (["tidy", "--now"], ["audit_media", "--older-than", "0"]):
        done = manage(environment, *command)
        assert done.returncode == 0, done.stderr
        assert "orphan  " not in done.stdout


def warnings(port: int, path: str = "/healthz") -> tuple[int, list[str]]:
    """Return the status of the health check, and its lines."""
    time.sleep(1)  # It may be a second old.
    response, body = get(port, path)
    return response.status, body.decode().splitlines()


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_of_media_that_cannot_be_written_keeps_the_old_picture(
    fault: str, environment: dict[str, str], prepared: Path, tmp_path: Path
) -> None:
    with mount(tmp_path / "media", "120m") as disk:
        session = install(environment, prepared, tmp_path)
        with serve(environment, *GUNICORN) as port:
            ada = Member(port, session)
            assert ada.upload(draw_jpeg())[0] == 201
            old, files = ada.find_picture(), disk.list_files()
            if fault == "full":
                disk.fill(room=2)
                disk_says = ["The disk of the media has only 0 MB left."]
            else:
                disk.remount("ro")
                disk_says = []
            status, answer = ada.upload(draw_jpeg())
            assert status == 503
            assert NO_STORE in json.loads(answer)["errors"]["avatar"][0]
            status, answer = ada.upload(draw_jpeg(), PAGE)
            assert status == 503
            assert NO_STORE in answer
            fields = {"display_name": "Ada", "visibility": "private"}
            status, answer = ada.send("/profile/edit/", **fields)
            assert status == 503
            assert NO_STORE in answer
            assert ada.find_picture() == old
            assert ada.ask(old)[0] == 200
            if fault == "full":
                disk.fill()
            assert warnings(port)[0] == 200
            status, lines = warnings(port, "/healthz?media=1")
            assert (status, lines[0]) == (503, "The media storage cannot be written.")
            assert [line for line in lines if "disk of the media" in line] == disk_says
            assert [path for path in disk.list_files() if path != disk.filler] == files
            disk.clear() if fault == "full" else disk.remount("rw")
            assert ada.upload(draw_jpeg())[0] == 201
            assert ada.find_picture() != old
            assert ada.send("/profile/edit/", **fields)[0] == 302
        tidy(environment)
        assert len(disk.list_files()) == 5


def test_a_read_only_disk_of_media_stops_the_site_but_no_command(
    environment: dict[str, str], prepared: Path, tmp_path: Path
) -> None:
    """As after an error of the disk, when it is looked at before it is mounted for writing."""
    with mount(tmp_path / "media", "1m") as disk:
        install(environment, prepared, tmp_path)
        disk.remount("ro")
        environment["DJANGO_SUPERUSER_PASSWORD"] = "pass phrase"
        admin = ("createsuperuser", "--noinput", "--username=grace", "--email=")
        for command in (("migrate",), ("audit_media",), admin):
            done = manage(environment, *command)
            assert done.returncode == 0, done.stderr
        done = subprocess.run(
            [sys.executable, *GUNICORN],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 1
        assert "(profiles.E002) MEDIA_ROOT is not writable" in done.stderr


def test_a_large_photo_finds_no_room_and_a_small_one_does(
    environment: dict[str, str], prepared: Path, tmp_path: Path
) -> None:
    large = encode(draw_noise(1200), "PNG")
    assert len(large) > 2_621_440
    with mount(tmp_path / "temp", "12m") as disk:
        session = install(environment, prepared, tmp_path)
        with serve(environment, *GUNICORN) as port:
            ada = Member(port, session)
            assert ada.upload(large)[0] == 201
            old = ada.find_picture()
            for room in (0, 100):  # Not for the first byte, and not for the whole.
                disk.fill(room)
                status, answer = ada.upload(large)
                assert status == 503
                assert (
                    "no room for a picture of this size"
                    in json.loads(answer)["errors"]["avatar"][0]
                )
                status, answer = ada.upload(large, PAGE)
                assert status == 503
                assert "no room for a picture of this size" in answer
                assert ada.find_picture() == old
            assert "The disk of temporary files has only 0 MB left." in warnings(port)[1]
            assert ada.upload(draw_jpeg())[0] == 201
            assert ada.find_picture() != old
            disk.clear()
            assert ada.upload(large)[0] == 201
            assert disk.list_files() == []


READ = (
    "/",
    "/profiles/",
    "/profiles/?q=ada",
    "/profiles/ada/",
    "/profile/edit/",
    "/profile/avatar/",
)
CHANGES: list[tuple[str, dict[str, str]]] = [
    ("/profile/edit/", {"display_name": "Countess", "visibility": "public"}),
    ("/profile/edit/", {"display_name": "Ada", "visibility": "private"}),
    ("/profile/avatar/", {"description": "Ada in a hat"}),
    ("/profile/avatar/delete/", {}),
    ("/accounts/delete/", {"password": "pass phrase"}),
    ("/accounts/logout/", {}),
]


def check_that_only_reading_works(ada: Member, old: str) -> None:
    """Fail if a page does not show, or if a change is accepted or refused without a reason."""
    for path in (*READ, old):
        assert ada.ask(path)[0] == 200, path
    for path, fields in CHANGES:
        status, answer = ada.send(path, **fields)
        assert status == 503, path
        assert CANNOT_SAVE in answer
        assert "Our disk is full" in answer
        status, answer = ada.send(path, SCRIPT, **fields)
        assert status == 503, path
        assert CANNOT_SAVE in json.loads(answer)["errors"]["__all__"][0]
    for wish in (PAGE, SCRIPT):
        status, answer = ada.upload(draw_jpeg(), wish)
        assert status == 503
        assert CANNOT_SAVE in answer
    stranger = Member(ada.port, "")
    account = {"username": "ada", "password": "pass phrase"}
    status, answer = stranger.send("/accounts/login/", **account)
    assert status == 503
    assert CANNOT_SAVE in answer
    assert ada.find_picture() == old
    status, lines = warnings(ada.port)
    assert (status, lines[:2]) == (200, ["ok", "The disk of the database has only 0 MB left."])


def test_on_a_full_disk_of_the_database_people_can_still_read(
    environment: dict[str, str], prepared: Path, tmp_path: Path
) -> None:
    with mount(tmp_path / "db", "8m") as disk:
        session = install(environment, prepared, tmp_path)
        with serve(environment, *GUNICORN) as port:
            ada = Member(port, session)
            assert ada.upload(draw_jpeg())[0] == 201
            old = ada.find_picture()
            disk.fill()
            check_that_only_reading_works(ada, old)
        with serve(environment, *GUNICORN) as port:  # A restart helps nothing, and harms nothing.
            ada = Member(port, session)
            assert ada.find_picture() == old
            disk.fill()  # The end of the other server has made some room.
            check_that_only_reading_works(ada, old)
            disk.clear()
            assert ada.upload(draw_jpeg())[0] == 201
            assert ada.find_picture() != old
            assert ada.send("/profile/avatar/delete/")[0] == 302
        tidy(environment)
        assert not any((tmp_path / "media").rglob("*.*"))


def test_an_upload_that_runs_out_of_room_anywhere_leaves_nothing(
    environment: dict[str, str], prepared: Path, tmp_path: Path
) -> None:
    """The last room goes at each step in turn, COMMIT as well."""
    with mount(tmp_path / "db", "8m") as disk:
        session = install(environment, prepared, tmp_path)
        with serve(environment, *GUNICORN) as port:
            ada = Member(port, session)
            statuses = set()
            for room in range(25):
                disk.fill(room)
                for wish in (SCRIPT, PAGE):
                    status, answer = ada.upload(draw_jpeg(), wish)
                    statuses.add(status)
                    assert status != 503 or CANNOT_SAVE in answer
                    assert ada.ask("/profiles/ada/")[0] == 200
            assert statuses == {201, 302, 503}
            disk.clear()
            tidy(environment)
            assert ada.ask(ada.find_picture())[0] == 200
        assert len(list((tmp_path / "media").rglob("*.*"))) == 5


def list_open_files(pid: int, folder: Path) -> list[Path]:
    """Return the descriptors of the files of a folder that a process has open."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            if os.readlink(descriptor).startswith(str(folder)):
                found.append(descriptor)
    return found


def test_a_photo_half_sent_to_a_worker_that_is_killed_is_on_no_disk(
    environment: dict[str, str], prepared: Path, tmp_path: Path
) -> None:
    temp = tmp_path / "temp"
    session = install(environment, prepared, tmp_path)
    with serve(environment, *GUNICORN, f"--pid={tmp_path}/pid") as port:
        [worker] = find_children(int((tmp_path / "pid").read_text()))
        head = '--cut\r\nContent-Disposition: form-data; name="avatar"; filename="me.jpg"\r\n\r\n'
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(
                b"POST /profile/avatar/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n"
                b"Content-Type: multipart/form-data; boundary=cut\r\n"
                + f"Cookie: sessionid={session}; csrftoken={TOKEN}\r\n".encode()
                + f"X-CSRFToken: {TOKEN}\r\n\r\n{head}".encode()
                + bytes(5_000_000)
            )
            for _ in range(600):
                if any(file.stat().st_size for file in list_open_files(worker, temp)):
                    break
                time.sleep(0.1)
            else:
                raise AssertionError("The photo does not arrive.")
            os.kill(worker, signal.SIGKILL)
            with suppress(ConnectionResetError):
                while line.recv(65536):
                    pass
        assert [path for path in temp.rglob("*") if path.is_file()] == []
        assert Member(port, session).upload(draw_jpeg())[0] == 201
