"""Slow and rude clients, straight at gunicorn and behind nginx: the site outlives them all."""

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from tests.helpers.cells import count_descriptors, find_children
from tests.helpers.corpus import CORPUS
from tests.helpers.pictures import draw_jpeg
from tests.helpers.servers import GUNICORN, get, make_environment, manage, serve, wait_until
from tests.test_uploads import MADE_NAME

from . import front
from .front import Front

pytestmark = pytest.mark.skipif(not front.NGINX, reason="Install nginx.")
MEMBERS = """
from django.test import Client
from profiles.models import User
for name in ("ada", "grace"):
    client = Client()
    client.force_login(User.objects.create_user(name, password="pass phrase"))
    print(client.cookies["sessionid"].value)
"""
TOKEN = "t" * 32
MEGABYTE = 1_000_000
# A worker has 50 MB after its start, and may keep some copies of what passes through it.
MAX_GROWTH = 60 * MEGABYTE
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
PARTS = "Content-Type: multipart/form-data; boundary=cut\r\n"
END = b"--cut--\r\n"


@dataclass
class Site:
    """gunicorn as shipped, on a port and behind nginx; Ada uploads pictures, Grace has none."""

    folder: Path
    port: int
    nginx: Front
    ada: str
    grace: str
    descriptors: int = 0
    log_seen: int = 0
    workers: list[int] = field(default_factory=list)
    memory: dict[int, int] = field(default_factory=dict)

    @property
    def fronts(self) -> list[int]:
        """The workers of nginx."""
        return find_fronts(self.folder)

    def find_workers(self) -> list[int]:
        return find_children(int((self.folder / "gunicorn.pid").read_text()))

    def remember(self) -> None:
        """Note the state to which the site has to return."""
        self.workers = self.find_workers()
        self.memory = {pid: read_peak(pid) for pid in self.workers + self.fronts}
        self.descriptors = sum(map(count_descriptors, self.workers))
        self.log_seen = (self.folder / "site.log").stat().st_size

    def check(self) -> None:
        """Fail unless the site works as before, and has kept nothing of its clients."""
        # A leak would be larger than what opening a picture may still need.
        wait_until(lambda: sum(map(count_descriptors, self.workers)) <= self.descriptors + 8)
        wait_until(lambda: count_bodies(self.workers + self.fronts, self.folder) == 0)
        assert list((self.folder / "temp").iterdir()) == []
        assert self.find_workers() == self.workers
        for pid, before in self.memory.items():
            assert read_peak(pid) - before < MAX_GROWTH
        log = (self.folder / "site.log").read_bytes()[self.log_seen :].decode()
        assert [line for line in log.splitlines() if is_alarming(line)] == []
        for port in (self.port, self.nginx.port):
            page = get(port, "/profile/avatar/", Cookie=f"sessionid={self.ada}")[0]
            assert page.status == 200


def is_alarming(line: str) -> bool:
    """Return whether a line of the log says that the site or a worker failed."""
    try:
        entry = json.loads(line)
    except ValueError:
        return True
    if entry.get("status", 0) >= 500:
        return True
    is_refusal = entry["logger"].startswith("django.security.")  # Django's word for 400.
    return entry["level"] in ("ERROR", "CRITICAL") and not is_refusal


def find_fronts(folder: Path) -> list[int]:
    """Return the workers of the nginx that runs in a folder, without those that keep its cache."""
    pids = find_children(int((folder / "tmp" / "nginx.pid").read_text()))
    return [pid for pid in pids if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def read_peak(pid: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def count_bodies(pids: list[int], folder: Path) -> int:
    """Return how many files without a name processes have open, in nginx's folder or the site's."""
    names: list[str] = []
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                names.append(os.readlink(descriptor))
    places = (f"{folder}/tmp/nginx-bodies/", f"{folder}/temp/")
    return sum(name.startswith(places) for name in names)


@dataclass
class Door:
    """A way to the site; each client that comes through it has an address of its own."""

    site: Site
    name: str
    port: int
    numbers: Iterator[int] = field(default_factory=count)

    def connect(self, source: str = "") -> socket.socket:
        number = next(self.numbers)
        address = source or f"127.1.{number // 250}.{number % 250 + 1}"
        return socket.create_connection(
            ("127.0.0.1", self.port), timeout=60, source_address=(address, 0)
        )

    def send(self, head: bytes, body: bytes = b"", *, hang_up: bool = False) -> tuple[int, str]:
        """Send bytes, and perhaps nothing more ever; return the status, or 0, and the answer."""
        with self.connect() as line, suppress(ConnectionError):
            with suppress(ConnectionError):  # Who is refused early cannot send everything.
                line.sendall(head + body)
                if hang_up:
                    line.shutdown(socket.SHUT_WR)
            return read_answer(line)
        return 0, ""


def read_answer(line: socket.socket) -> tuple[int, str]:
    answer = b""
    with suppress(ConnectionError):  # An answer may come before the end of what is sent.
        while piece := line.recv(65536):
            answer += piece
    return int(answer.split()[1]) if answer else 0, answer.decode()


def write_head(
    site: Site,
    headers: str,
    length: int | str | None,
    path: str = "/profile/avatar/",
    session: str = "",
) -> bytes:
    """Return the start of Grace's request, or Ada's: a script's that closes its connection."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}"
    head += f"Accept: application/json\r\nX-CSRFToken: {TOKEN}\r\n"
    head += f"Cookie: sessionid={session or site.grace}; csrftoken={TOKEN}\r\n"
    head += "" if length is None else f"Content-Length: {length}\r\n"
    return f"{head}\r\n".encode("latin-1")


def write_part(name: str, value: bytes = b"x", more: bytes = b"") -> bytes:
    disposition = b'Content-Disposition: form-data; name="%s"%s' % (name.encode(), more)
    return b"--cut\r\n%s\r\n\r\n%s\r\n" % (disposition, value)


def write_photo(content: bytes, name: bytes = b"me.jpg") -> bytes:
    return write_part("avatar", content, b'; filename="%s"' % name)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("rude")
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    (folder / "temp").mkdir()
    variables = {"DJANGO_TRUSTED_PROXIES": "1", "TMPDIR": f"{folder}/temp"}
    environment = make_environment(folder, **variables)
    done = manage(environment, "shell", "-v", "0", "-c", MEMBERS)
    assert done.returncode == 0, done.stderr
    binds = ("--bind=127.0.0.1:{port}", f"--bind=unix:{folder}/gunicorn.sock")
    files = (f"--pid={folder}/gunicorn.pid", f"--error-logfile={folder}/site.log")
    with (
        serve(environment, *GUNICORN, *binds, *files, "--capture-output") as port,
        front.serve(folder) as nginx,
    ):
        ada, grace = done.stdout.split()
        site = Site(folder, port, nginx, ada, grace)
        # The second worker may still be starting. What opens its pictures comes last.
        wait_until(lambda: all(map(find_children, site.find_workers())))
        yield site


@pytest.fixture(params=["gunicorn", "nginx"])
def door(request: pytest.FixtureRequest, site: Site) -> Iterator[Door]:
    """Each way to the site, which is checked after the test."""
    site.remember()
    port = site.port if request.param == "gunicorn" else site.nginx.port
    yield Door(site, request.param, port)
    site.check()


@pytest.fixture
def alone(site: Site) -> Iterator[Door]:
    """gunicorn without a proxy; the site is checked after the test."""
    site.remember()
    yield Door(site, "gunicorn", site.port)
    site.check()


@pytest.fixture
def behind(site: Site) -> Iterator[Door]:
    """nginx; the site is checked after the test."""
    site.remember()
    yield Door(site, "nginx", site.nginx.port)
    site.check()


def test_a_photo_that_arrives_in_drips_is_saved(door: Door) -> None:
    body = write_photo(draw_jpeg(64, 64)) + END
    with door.connect() as line:
        line.sendall(write_head(door.site, PARTS, len(body), session=door.site.ada))
        for at in range(0, len(body), 40):
            line.sendall(body[at : at + 40])
            time.sleep(0.02)
        status, answer = read_answer(line)
    assert (status, "receipt" in answer) == (201, True)


def test_uploads_that_break_off_leave_nothing_behind(door: Door) -> None:
    """Half of the visitors close their connections, the other half reset them."""
    head = write_head(door.site, PARTS, 20 * MEGABYTE)
    for number in range(24):
        with door.connect() as line:
            line.sendall(head + write_photo(bytes(4 * MEGABYTE)))
            if number % 2:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert get(door.port, "/profiles/")[0].status == 200


def test_a_photo_that_turns_out_to_be_unreadable_leaves_nothing_behind(door: Door) -> None:
    """Its last bytes are not the base64 that they are said to be."""
    body = b'--cut\r\nContent-Disposition: form-data; name="avatar"; filename="me.jpg"\r\n'
    body += b"Content-Transfer-Encoding: base64\r\n\r\n"
    body += b"AAAA" * MEGABYTE + b"A\r\n" + END
    for _ in range(12):
        assert door.send(write_head(door.site, PARTS, len(body)), body)[0] == 400


def test_more_bytes_than_announced_are_not_read(door: Door) -> None:
    """What follows is another request for both servers, and no part of the form."""
    body = write_photo(draw_jpeg(64, 64)) + END
    status, answer = door.send(write_head(door.site, PARTS, 50), body)
    assert (status, answer.count("HTTP/1.1 ")) == (400, 1)
    assert "Choose a picture first" in answer


def test_fewer_bytes_than_announced_are_no_photo(door: Door) -> None:
    body = write_photo(bytes(MEGABYTE)) + END
    for size in (2 * MEGABYTE, 30 * MEGABYTE):
        status, _ = door.send(write_head(door.site, PARTS, size), body, hang_up=True)
        # nginx does not forward what is incomplete, and nobody is left to read an answer.
        assert status == (400 if door.name == "gunicorn" else 0)


@pytest.mark.parametrize(
    ("headers", "length", "body"),
    [
        ("", -5, END),
        ("", "five", END),
        ("", "+5", END),
        ("", "9" * 5000, END),
        ("Content-Length: 3\r\n", 9, END),
        ("Transfer-Encoding: chunked\r\n", 5, b"0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", None, b"zz\r\nabc\r\n"),
    ],
    ids=["negative", "a word", "a sign", "5000 digits", "twice", "beside chunks", "no number"],
)
def test_a_length_that_makes_no_sense_is_refused(
    headers: str, length: int | str | None, body: bytes, door: Door
) -> None:
    status, _ = door.send(write_head(door.site, PARTS + headers, length), body)
    assert status == 400


def test_nginx_does_not_wait_for_a_body_that_it_will_refuse(behind: Door) -> None:
    for length in (41 * 1024 * 1024, 10**15):
        with behind.connect() as line:
            line.sendall(write_head(behind.site, PARTS, length) + b"--cut")
            assert b"HTTP/1.1 413 " in line.recv(65536)


TOO_MUCH = {
    "1,500 fields": write_part("description") * 1500 + END,
    "1,500 parts without a name": b"--cut\r\n\r\nx\r\n" * 1500 + END,
    "1,000 photos": write_photo(b"x") * 1000 + END,
    "a field of 30 MB": write_part("description", bytes(30 * MEGABYTE)) + END,
    "a part with a name of 1 MB": write_part("x" * MEGABYTE) + END,
    "a part with 100,000 headers": b"--cut\r\n" + b"X: y\r\n" * 100_000 + b"\r\nx\r\n" + END,
    "nothing but dashes": b"-" * 10 * MEGABYTE,
}
NOT_A_PHOTO = {
    "a thousand other fields": write_part("other") * 990 + END,
    "a thousand photos without a name": write_part("avatar", b"x", b'; filename=""') * 990 + END,
    "multipart within a part": b'--cut\r\nContent-Disposition: form-data; name="avatar"\r\n'
    b"Content-Type: multipart/mixed; boundary=in\r\n\r\n"
    + b'--in\r\nContent-Disposition: file; filename="me.jpg"\r\n\r\nx\r\n' * 1000
    + b"--in--\r\n"
    + END,
    "the same multipart 1,000 times within itself": 1000
    * b"--cut\r\nContent-Type: multipart/form-data; boundary=cut\r\n\r\n"
    + END,
    "a photo full of half boundaries": write_photo(b"\r\n--cu" * 500_000) + END,
    "another boundary": write_photo(bytes(MEGABYTE)).replace(b"--cut", b"--tuc") + END,
    "bytes that are not base64": b'--cut\r\nContent-Disposition: form-data; name="avatar"; '
    b'filename="me.jpg"\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!=\r\n' + END,
}


@pytest.mark.parametrize("body", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_form_of_too_much_is_refused_as_a_whole(body: bytes, door: Door) -> None:
    status, answer = door.send(write_head(door.site, PARTS, len(body)), body)
    assert status == 400
    assert "<h1>" in answer
    assert '"errors"' not in answer


@pytest.mark.parametrize("body", NOT_A_PHOTO.values(), ids=NOT_A_PHOTO)
def test_a_form_of_strange_parts_gets_the_forms_own_answer(body: bytes, door: Door) -> None:
    status, answer = door.send(write_head(door.site, PARTS, len(body)), body)
    assert status == 400
    assert '"errors": {"avatar"' in answer


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\xe9",
        f"multipart/form-data; boundary={'c' * 6000}",
        "multipart/form-data; boundary=cut; charset=undefined",
        "multipart/form-data; boundary=cut; charset=hex",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/json",
        "/",
    ],
    ids=lambda kind: kind[:60],
)
def test_a_form_of_a_strange_kind_is_refused(kind: str, door: Door) -> None:
    body = write_photo(b"x") + END
    head = write_head(door.site, f"Content-Type: {kind}\r\n", len(body))
    assert door.send(head, body)[0] == 400


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        (f"X-Long: {'x' * MEGABYTE}\r\n", "/", 431),
        (f"Cookie: x={'x' * MEGABYTE}\r\n", "/", 431),
        ("X-Many: x\r\n" * 10_000, "/", 431),
        ("", "/" + "x" * MEGABYTE, 414),
    ],
    ids=["a header of 1 MB", "a cookie of 1 MB", "10,000 headers", "an address of 1 MB"],
)
def test_a_header_of_a_megabyte_is_refused(
    headers: str, path: str, status: int, door: Door
) -> None:
    head = write_head(door.site, FORM + headers, 0, path)
    seen, answer = door.send(head)
    assert seen in (status, 0)  # 0: The rest that was being sent has thrown the answer away.
    # nginx's own page, not the one of the programme.
    assert not answer or door.name == "gunicorn" or "could not read that request" in answer


NAMES = [
    "",
    ".",
    "..",
    "../../../tmp/x.png",
    "..\\..\\x.png",
    "/etc/cron.d/x",
    "C:\\x.bat",
    ".htaccess",
    "x.php.png",
    "x\0.png",
    "x\r\nX-Injected: 1.png",
    'x"; name="description',
    "x\u202egpj.exe",
    "\ud800.png",
    "\U0001f600" * 200,
    "x" * 5000,
    "%2e%2e%2fx.png",
    "&#47;&#46;&#46;&#47;x.png",
    "$(touch x).png",
    "{{ 7 }}.png",
]


def list_names() -> list[str]:
    """Return the names of the corpus, then this file's."""
    path = CORPUS / "filenames.txt"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines if line and not line.startswith("#")] + NAMES


def list_files(site: Site) -> set[str]:
    """Return the files of the site and of the project, but for those that change anyway."""
    own = {"site.log", "access.log", "gunicorn.pid"}
    paths = {str(path.relative_to(site.folder)) for path in site.folder.rglob("*")}
    return {path for path in paths - own if not path.startswith(("db.sqlite3", "tmp/"))}


def test_the_name_of_a_file_means_nothing_to_a_server(door: Door) -> None:
    before = list_files(door.site)
    statuses = []
    for name in list_names():
        body = write_photo(draw_jpeg(32, 32), name.encode("utf-8", "surrogatepass")) + END
        head = write_head(door.site, PARTS, len(body), session=door.site.ada)
        status, answer = door.send(head, body)
        statuses.append(status)
        assert status in (201, 400), ascii(name)
        assert "X-Injected" not in answer.partition("\r\n\r\n")[0]
    assert statuses.count(201) > len(statuses) / 2
    made = {path for path in list_files(door.site) - before if (door.site.folder / path).is_file()}
    assert len(made) == 5
    assert all(MADE_NAME.fullmatch(path.removeprefix("media/")) for path in made)


def test_pages_are_served_while_bodies_trickle(behind: Door) -> None:
    """Two photos and sixty other forms come byte by byte, and all get their answers."""
    photo = write_photo(draw_jpeg(64, 64)) + END
    with ExitStack() as stack:
        lines = []
        for number in range(62):
            line = stack.enter_context(closing(behind.connect()))
            path, body = (
                ("/profile/avatar/", photo) if number < 2 else ("/profile/edit/", b"x=12345")
            )
            kind = PARTS if number < 2 else FORM
            line.sendall(write_head(behind.site, kind, len(body), path, behind.site.ada))
            lines.append((line, body))
        for at in range(5):
            for line, body in lines:
                line.sendall(body[at : at + 1])
            assert get(behind.port, "/profiles/")[0].status == 200
        for line, body in lines:
            line.sendall(body[5:])
        statuses = [read_answer(line)[0] for line, _ in lines]
    assert statuses[:2] == [201, 201]
    assert set(statuses[2:]) <= {200, 302, 400}


def test_forms_that_stop_take_no_room_on_nginxs_disk(behind: Door) -> None:
    """One visitor sends a hundred forms, each but for its last byte."""
    with ExitStack() as stack:
        for _ in range(100):
            line = stack.enter_context(closing(behind.connect("127.0.5.1")))
            line.sendall(write_head(behind.site, FORM, 65_536, "/") + bytes(65_535))
        assert get(behind.port, "/profiles/")[0].status == 200
        assert count_bodies(behind.site.fronts, behind.site.folder) == 0
        line = stack.enter_context(closing(behind.connect()))
        line.sendall(write_head(behind.site, FORM, 65_537, "/"))
        assert b"HTTP/1.1 413 " in line.recv(65536)


def test_two_hundred_idle_connections_stop_nobody_behind_nginx(behind: Door) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(closing(behind.connect("127.0.5.2")))
        for _ in range(5):
            assert get(behind.port, "/profiles/")[0].status == 200


def test_nginx_closes_what_has_stopped(behind: Door, tmp_path: Path) -> None:
    """A photo, a form, half a header and nothing at all."""
    (tmp_path / "gunicorn.sock").symlink_to(behind.site.folder / "gunicorn.sock")
    impatience = {"header_timeout 10s": "header_timeout 1s", "body_timeout 30s": "body_timeout 1s"}
    photo = write_head(behind.site, PARTS, 39 * MEGABYTE) + write_photo(bytes(MEGABYTE))
    form = write_head(behind.site, FORM, 1000, "/profile/edit/") + b"x="
    with front.serve(tmp_path, changes=impatience) as nginx, ExitStack() as stack:
        door = Door(behind.site, "nginx", nginx.port)
        lines = []
        for start in (photo, form, b"GET / HT", b""):
            line = stack.enter_context(closing(door.connect()))
            line.sendall(start)
            lines.append(line)
        assert [read_answer(line)[0] for line in lines] == [0, 0, 0, 0]
        log = tmp_path / "access.log"
        wait_until(lambda: log.read_text().count('"status": 408') >= 2)
        assert count_bodies(find_fronts(tmp_path), tmp_path) == 0
        assert get(nginx.port, "/profiles/")[0].status == 200


STOPPED = {
    "bodies": FORM + "Content-Length: 9\r\n\r\nx",
    "headers": "X-Half: ",
    "idle connections": None,
}


@pytest.mark.parametrize("start", STOPPED.values(), ids=STOPPED)
def test_a_gunicorn_without_a_proxy_waits_for_slow_clients(start: str | None, alone: Door) -> None:
    """The manual says so (docs/deploying.md, "The proxy in front"): visitors wait until they go."""
    head = "" if start is None else f"POST /i18n/setlang/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{start}"
    with ExitStack() as stack:
        for _ in range(200):
            line = stack.enter_context(closing(alone.connect()))
            line.sendall(head.encode())
        with closing(alone.connect()) as line:
            line.settimeout(2)
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            with pytest.raises(TimeoutError):
                line.recv(1)
    assert get(alone.port, "/profiles/")[0].status == 200
