"""Who may occupy nginx, its places for uploads above all, and what its logs say about it."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from http.client import HTTPResponse
from pathlib import Path
from threading import Thread

import pytest

from tests.helpers.pictures import draw_jpeg
from tests.helpers.servers import GUNICORN, make_environment, manage, serve, upload, wait_until

from . import front
from .front import Front, copy_configuration
from .test_nginx import make_certificate
from .test_rude_clients import TOKEN, count_bodies, find_fronts, read_answer

pytestmark = pytest.mark.skipif(not front.NGINX, reason="Install nginx.")
MEMBERS = """
from django.test import Client
from profiles.models import User
from tests.conftest import sign_in
staff = User.objects.create_superuser("katherine")
for name in ("ada", "grace", "linus", "mary", "alan", "joan", "edsger"):
    user = User.objects.create_user(name)
    client = Client()
    client.force_login(user)
    print(client.cookies["sessionid"].value)
client = sign_in(staff, for_hours=24)
print(client.cookies["sessionid"].value, user.profile.pk)
"""
MEGABYTE = 1_000_000
AVATAR = "/profile/avatar/"
MAX_MEMBER, MAX_ADDRESS, MAX_MEMBERS = 2, 4, 12


@dataclass
class Site(Front):
    """nginx and gunicorn, seven members, and Katherine of the staff."""

    members: list[str]
    katherine: str
    portrait: str

    def start_upload(
        self,
        session: str,
        source: str,
        path: str = AVATAR,
        method: str = "POST",
        headers: str = "",
    ) -> socket.socket:
        """Send the first 100 kB of a photo, which nginx writes to its disk, and then nothing."""
        line = socket.create_connection(("127.0.0.1", self.port), 60, source_address=(source, 0))
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}"
        head += f"Content-Length: {39 * MEGABYTE}\r\nCookie: sessionid={session}\r\n\r\n"
        line.sendall(head.encode() + bytes(100_000))
        return line

    def count_places(self) -> int:
        """Return how many uploads are on their way."""
        return count_bodies(find_fronts(self.folder), self.folder)

    def wait_for_places(self, number: int) -> None:
        wait_until(lambda: self.count_places() == number)

    def upload(self, session: str, source: str) -> int:
        return upload(self.port, session, draw_jpeg(64, 64), source)

    def save_portrait(self, source: str = "127.0.3.9") -> int:
        """Send an empty form of the profile admin as Katherine; return the status."""
        cookie = f"sessionid={self.katherine}; csrftoken={TOKEN}"
        headers = {"Cookie": cookie, "X_CSRFToken": TOKEN}
        headers["Content_Type"] = "application/x-www-form-urlencoded"
        return self.ask(self.portrait, "POST", b"x=1", source=source, **headers)[0].status


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("places")
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    environment = make_environment(folder, DJANGO_TRUSTED_PROXIES="1")
    done = manage(environment, "shell", "-v", "0", "-c", MEMBERS)
    assert done.returncode == 0, done.stderr
    *members, katherine, pk = done.stdout.split()
    files = ("--bind=127.0.0.1:{port}", f"--bind=unix:{folder}/gunicorn.sock")
    # What is half sent has to stay for the whole test.
    changes = {"client_body_timeout 30s": "client_body_timeout 10m", **write_errors_to(folder)}
    with (
        serve(environment, *GUNICORN, *files),
        front.serve(folder, changes=changes) as nginx,
    ):
        portrait = f"/admin/profiles/profile/{pk}/change/"
        yield Site(folder, nginx.port, nginx.tls_port, members, katherine, portrait)


def write_errors_to(folder: Path) -> dict[str, str]:
    return {"error_log stderr": f"error_log {folder}/error.log"}


@pytest.fixture(autouse=True)
def empty_places(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave every place free for the next test."""
    yield
    if "site" in request.fixturenames:
        request.getfixturevalue("site").wait_for_places(0)


def read_status(line: socket.socket) -> int:
    """Return the status of an answer that comes before the body has been sent."""
    return int(line.recv(65536).split()[1])


@pytest.mark.parametrize("session", ["", "x" * 32], ids=["no session", "a forged one"])
def test_half_sent_uploads_of_strangers_refuse_no_members(session: str, site: Site) -> None:
    with ExitStack() as stack:
        lines = [
            stack.enter_context(closing(site.start_upload(session, f"127.0.2.{number % 3 + 1}")))
            for number in range(15)
        ]
        assert site.upload(site.members[0], "127.0.2.9") == 201
        assert site.upload(site.members[1], "127.0.2.1") == 201  # Even from one of the addresses.
        assert site.save_portrait() == 200
        assert [read_status(line) for line in lines] == [401] * 15
        assert site.count_places() == 0


def test_half_sent_uploads_of_strangers_refuse_no_staff(site: Site) -> None:
    """Nor do those of members, who may not enter the admin."""
    with ExitStack() as stack:
        lines = [
            stack.enter_context(
                closing(site.start_upload(session, f"127.0.3.{number + 1}", site.portrait))
            )
            for number, session in enumerate(["", *site.members])
        ]
        assert [read_status(line) for line in lines] == [401] * len(lines)
        assert site.save_portrait() == 200
        assert site.count_places() == 0


def test_one_member_takes_two_places_from_however_many_addresses(site: Site) -> None:
    ada, grace, *_ = site.members
    with ExitStack() as stack:
        for number in range(MAX_MEMBER):
            stack.enter_context(closing(site.start_upload(ada, f"127.0.4.{number + 1}")))
        site.wait_for_places(MAX_MEMBER)
        for number in range(12):
            line = stack.enter_context(closing(site.start_upload(ada, f"127.0.5.{number + 1}")))
            assert read_status(line) == 503
        assert site.upload(grace, "127.0.4.9") == 201


@pytest.mark.parametrize(
    ("own", "other"),
    [
        (["203.0.113.7"] * 6, "203.0.113.8"),
        ([f"2001:db8:0:7::{number}" for number in range(6)], "2001:db8:0:8::1"),
        (["2001:db8::5", "2001:db8:0:0:1::", "2001:db8::a:0:0:a", *["2001:db8::7"] * 3], "::1"),
        (["::ffff:203.0.113.7"] * 3 + ["203.0.113.7"] * 3, "::ffff:203.0.113.8"),
    ],
    ids=["IPv4", "IPv6", "IPv6 with zeros", "IPv4 as IPv6"],
)
def test_one_household_takes_four_places(own: list[str], other: str, site: Site) -> None:
    """Of one IPv4 address, or of a /64 of IPv6, in however many ways its addresses are written."""
    with ExitStack() as stack:

        def start(address: str, session: str) -> socket.socket:
            header = f"X-Forwarded-For: {address}\r\n"
            line = site.start_upload(session, "127.0.0.1", headers=header)
            return stack.enter_context(closing(line))

        for number, address in enumerate(own[:MAX_ADDRESS]):
            start(address, site.members[number])
        site.wait_for_places(MAX_ADDRESS)
        for address in own[MAX_ADDRESS:]:
            assert read_status(start(address, site.members[4])) == 503
        start(other, site.members[4])
        site.wait_for_places(MAX_ADDRESS + 1)


def test_staff_can_work_while_members_take_all_their_places(site: Site) -> None:
    with ExitStack() as stack:
        for number in range(MAX_MEMBERS):
            session = site.members[number // MAX_MEMBER]
            source = f"127.0.6.{number // MAX_ADDRESS + 1}"
            stack.enter_context(closing(site.start_upload(session, source)))
        site.wait_for_places(MAX_MEMBERS)
        response, body = ask_for_place(site)
        assert (response.status, response.getheader("Retry-After")) == (503, "60")
        assert b"Try again in a minute" in body
        entry = site.read_log(response.headers["X-Request-ID"])
        assert (entry["limit"], entry["site_status"]) == ("REJECTED", "")
        assert site.save_portrait("127.0.6.1") == 200
        page = site.ask(AVATAR, Cookie=f"sessionid={site.members[6]}")[0]
        assert page.status == 200


def ask_for_place(site: Site) -> tuple[HTTPResponse, bytes]:
    cookie = f"sessionid={site.members[6]}"
    return site.ask(AVATAR, "POST", b"x=1", source="127.0.6.9", Cookie=cookie)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_no_other_method_brings_a_strangers_body_to_the_disk(method: str, site: Site) -> None:
    with closing(site.start_upload("", "127.0.7.1", method=method)) as line:
        assert read_status(line) == 401
        assert site.count_places() == 0
    chunked = "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n4000\r\n"
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as line:
        line.sendall(f"{method} {AVATAR} HTTP/1.1\r\nHost: 127.0.0.1\r\n{chunked}".encode())
        assert read_status(line) == 401


@pytest.mark.skipif(not shutil.which("curl"), reason="Install curl, which speaks HTTP/2.")
@pytest.mark.parametrize(("method", "status"), [("GET", "413"), ("POST", "401")])
def test_no_strangers_body_without_a_length_is_kept_over_http2(
    method: str, status: str, site: Site, tmp_path: Path
) -> None:
    (tmp_path / "gunicorn.sock").symlink_to(site.folder / "gunicorn.sock")
    make_certificate(tmp_path)
    with front.serve(tmp_path, "nginx-tls.conf") as nginx:
        url = f"https://127.0.0.1:{nginx.tls_port}{AVATAR}"
        command = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]
        command += ["--insecure", "--http2", "--request", method, "--upload-file", "-", url]
        done = subprocess.run(command, input=bytes(MEGABYTE), capture_output=True, timeout=60)
    assert done.stdout.decode() == status


def test_a_member_who_was_signed_out_is_asked_to_sign_in(site: Site) -> None:
    photo = bytes(3 * MEGABYTE)
    response, body = site.ask(AVATAR, "POST", photo, source="127.0.7.2")
    assert (response.status, response.getheader("Cache-Control")) == (401, "no-store")
    assert b"You are not signed in any more" in body
    assert b'href=""' in body
    # By that link, which has the address of the form.
    response, _ = site.ask(AVATAR)
    assert (response.status, response.getheader("Location")) == (
        302,
        f"/accounts/login/?next={AVATAR}",
    )
    response, body = site.ask(AVATAR, "POST", photo, source="127.0.7.2", Accept="application/json")
    assert (response.status, response.getheader("Content-Type")) == (401, "application/json")
    assert b"You are not signed in any more" in body


@pytest.mark.parametrize("path", ["/signed-in/", "/signed-in/staff/", "/signed-in%2f"])
def test_nobody_outside_can_ask_who_is_signed_in(path: str, site: Site) -> None:
    response, _ = site.ask(path, Cookie=f"sessionid={site.members[0]}")
    assert response.status == 404
    assert response.getheader("X-Member") is None


def test_a_reload_ends_the_uploads_that_never_end(site: Site, tmp_path: Path) -> None:
    (tmp_path / "gunicorn.sock").symlink_to(site.folder / "gunicorn.sock")
    changes = {"shutdown_timeout 10m": "shutdown_timeout 1s"}
    with front.serve(tmp_path, changes=changes) as nginx:
        ada, *_ = site.members
        slow = Site(tmp_path, nginx.port, nginx.tls_port, site.members, site.katherine, "")
        with closing(slow.start_upload(ada, "127.0.8.1")) as line:
            slow.wait_for_places(1)
            old = find_fronts(tmp_path)
            os.kill(int((tmp_path / "tmp" / "nginx.pid").read_text()), signal.SIGHUP)
            assert read_answer(line)[0] == 0
            wait_until(lambda: not set(old) & set(find_fronts(tmp_path)))
        assert [slow.upload(ada, "127.0.8.1") for _ in range(3)] == [201, 201, 201]


def test_2200_half_requests_of_one_address_keep_nobody_else_out(site: Site, tmp_path: Path) -> None:
    (tmp_path / "gunicorn.sock").symlink_to(site.folder / "gunicorn.sock")
    changes = {"client_header_timeout 10s": "client_header_timeout 10m"}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        nginx = stack.enter_context(front.serve(tmp_path, changes=changes))
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(2200):
            door = ("127.0.0.1", nginx.port)
            line = socket.create_connection(door, 60, source_address=("127.0.0.2", 0))
            stack.enter_context(closing(line)).sendall(b"GET / HTTP/1.1\r\nX-Half: ")
        for path in ("/errors/errors.css", "/profiles/", AVATAR):
            started = time.monotonic()
            assert nginx.ask(path, source="127.0.0.3")[0].status in (200, 302)
            assert time.monotonic() - started < 10


def test_half_sent_forms_of_one_address_keep_nobody_else_out(site: Site) -> None:
    """It may have 200 requests on their way, on any page and by any method."""
    paths = ("/", "/profiles/", "/accounts/login/", AVATAR, site.portrait, "/static/x.css")
    with ExitStack() as stack:

        def start(path: str) -> None:
            door = ("127.0.0.1", site.port)
            line = socket.create_connection(door, 60, source_address=("127.0.9.1", 0))
            head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nx"
            stack.enter_context(closing(line)).sendall(head.encode())

        def is_refused(path: str) -> bool:
            start("/")  # In place of a request that has ended.
            return site.ask(path, source="127.0.9.1")[0].status == 503

        for number in range(200):
            start(("/", "/profiles/", "/accounts/login/", "/static/x.css")[number % 4])
        for path in paths:
            wait_until(partial(is_refused, path))
        assert site.ask("/errors/errors.css", source="127.0.9.1")[0].status == 200
        assert site.ask("/", source="127.0.9.2")[0].status == 200
    wait_until(lambda: site.ask("/", source="127.0.9.1")[0].status == 200)


def test_health_is_told_often_enough_for_a_balancer_and_no_more(site: Site) -> None:
    for _ in range(15):
        response, body = site.ask("/healthz", source="127.0.10.1")
        assert (response.status, body.split()[0]) == (200, b"ok")
        time.sleep(0.2)
    assert site.ask("/healthz", "HEAD", source="127.0.10.1")[0].status == 200
    with ExitStack() as stack:
        lines = []
        for _ in range(100):
            door = ("127.0.0.1", site.port)
            line = socket.create_connection(door, 60, source_address=("127.0.10.2", 0))
            stack.enter_context(closing(line)).sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            lines.append(line)
        assert {read_status(line) for line in lines} == {200, 429}
    assert site.ask("/healthz", source="127.0.10.1")[0].status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_health_can_only_be_read(method: str, site: Site) -> None:
    response, body = site.ask("/healthz", method, b"x=1", source="127.0.10.3")
    assert response.status == 405
    assert b"ok" not in body.split()


WORD = "a-secret-word"
SECRETS = [
    f"/profiles/?q={WORD}",
    f"/accounts/confirm/{WORD}/",
    f"/accounts/undo/{WORD}/",
    f"/accounts/reset/MQ/{WORD}/",
    f"/accounts/login/?next=/accounts/confirm/{WORD}/",
]
MISSING = f"/media/avatars/00/{32 * '0'}-512.webp?q={WORD}"


@pytest.fixture
def faults(tmp_path: Path) -> Iterator[Front]:
    """An impatient nginx; a site that answers nothing begins to listen at its socket later."""
    impatience = {
        "client_body_timeout 30s": "client_body_timeout 8s",
        "client_header_timeout 10s": "client_header_timeout 8s",
        "proxy_read_timeout 60s": "proxy_read_timeout 8s",
    }
    with front.serve(tmp_path, changes=impatience | write_errors_to(tmp_path)) as nginx:
        yield nginx


def answer_badly(listener: socket.socket, answers: list[bytes | None]) -> None:
    """Answer each connection with the next of these and close it; None is no answer."""
    silent = []
    for answer in answers:
        line, _ = listener.accept()
        line.recv(65536)
        if answer is None:
            silent.append(line)
            continue
        line.sendall(answer)
        line.close()
    for line in silent:
        line.recv(65536)
        line.close()


def test_no_fault_brings_a_word_or_a_link_into_the_logs(faults: Front) -> None:
    """Each fault of which nginx would write a line with the request, and what is left of it."""
    seen = []

    def ask(path: str, method: str = "GET", body: bytes | None = None) -> None:
        referer = f"http://127.0.0.1/profiles/?q={WORD}"
        response, _ = faults.ask(path, method, body, Referer=referer)
        entry = faults.read_log(response.headers["X-Request-ID"])
        seen.append((response.status, entry["site_status"], entry["limit"]))

    for path in SECRETS:  # The site is away: there is no socket, and then nobody listens.
        ask(path)
    assert seen == [(502, "502", "")] * len(SECRETS)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(faults.folder / "gunicorn.sock"))
        seen.clear()
        ask(SECRETS[0])
        listener.listen()
        start = b"HTTP/1.1 200 OK\r\n"
        broken = [b"", start, start + b"X: " + b"x" * 99_999, None]
        site = Thread(target=answer_badly, args=(listener, broken), daemon=True)
        site.start()
        for path in SECRETS[:4]:
            ask(path)
        site.join(60)
        assert [status for status, _, _ in seen] == [502, 502, 502, 502, 504]
    seen.clear()
    for path in SECRETS[1:]:
        ask(path, "POST", bytes(MEGABYTE))
    assert {status for status, _, _ in seen} == {413}
    seen.clear()
    while (429, "", "REJECTED") not in seen:
        assert len(seen) < 300
        ask(SECRETS[4], "POST", b"")
    assert faults.ask(MISSING)[0].status == 404
    with ExitStack() as stack:
        lines = []
        for length in (b"", b"Content-Length: 9\r\n\r\nx", b"X: " + b"x" * 50_000):
            for path in SECRETS:
                line = stack.enter_context(socket.create_connection(("127.0.0.1", faults.port), 60))
                line.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n".encode() + length)
                lines.append(line)
        for line in lines:  # nginx waits for all of them at the same time.
            read_answer(line)
    access, errors = ((faults.folder / f"{name}.log").read_text() for name in ("access", "error"))
    assert '"status": 408' in access
    assert WORD not in access
    assert WORD not in errors
    assert "start worker process" in errors


def test_the_log_says_who_holds_a_place_and_how_much_has_come(site: Site) -> None:
    ada, *_ = site.members
    lines = [site.start_upload(ada, "127.0.11.1") for _ in range(MAX_MEMBER)]
    site.wait_for_places(MAX_MEMBER)
    for line in lines:
        line.close()
    log = site.folder / "access.log"
    wait_until(lambda: log.read_text().count('"client_ip": "127.0.11.1"') == MAX_MEMBER)
    [first, second] = [
        json.loads(line) for line in log.read_text().splitlines() if "127.0.11.1" in line
    ]
    assert first["member"] == second["member"] != ""
    assert int(first["received"]) > 100_000


def test_a_mistake_in_the_configuration_is_still_reported(tmp_path: Path) -> None:
    paths = {"/etc/likeness/": f"{tmp_path}/deploy/", "server_tokens off": "server_tokens of"}
    configuration = copy_configuration(tmp_path, paths) / "nginx.conf"
    done = subprocess.run(
        [front.NGINX, "-e", "stderr", "-c", str(configuration)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "[emerg]" in done.stderr
    assert "server.conf" in done.stderr
