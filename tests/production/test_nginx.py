"""nginx and gunicorn over a socket, with the configuration that is shipped."""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from threading import Event
from urllib.parse import urlencode

import pytest

from tests.helpers.cells import find_children
from tests.helpers.pictures import draw_jpeg
from tests.helpers.servers import GUNICORN, find, make_environment, manage, serve, upload
from tests.test_delivery import PUBLIC, TWISTED

from . import front
from .front import Front
from .visitors import PASSWORD, Visitor, found

pytestmark = pytest.mark.skipif(not front.NGINX, reason="Install nginx.")
CSP = "default-src 'none'; sandbox"
MEGABYTE = 1_000_000
METRICS_TOKEN = "4sHq0Yw2-of-the-tests"


@dataclass
class Site(Front):
    """nginx, gunicorn behind it, Ada with a members-only picture, and two public people."""

    ada: Visitor
    public: str
    protected: str

    @property
    def cookie(self) -> str:
        """What Ada's browser sends."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.ada.cookies)

    def reload(self) -> None:
        """Make gunicorn read the code and the static files again, as after an upgrade."""
        os.kill(int((self.folder / "gunicorn.pid").read_text()), signal.SIGHUP)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("nginx")
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    environment = make_environment(
        folder, MEDIA_DELIVERY="nginx", DJANGO_TRUSTED_PROXIES="1", METRICS_TOKEN=METRICS_TOKEN
    )
    done = manage(environment, "demo", "--profiles", "2")
    assert done.returncode == 0, done.stderr
    binds = ("--bind=127.0.0.1:{port}", f"--bind=unix:{folder}/gunicorn.sock")
    files = (f"--pid={folder}/gunicorn.pid", f"--error-logfile={folder}/site.log")
    with (
        serve(environment, *GUNICORN, *binds, *files, "--capture-output"),
        front.serve(folder) as nginx,
    ):
        ada = join(nginx.port, "ada")
        ada.upload("/profile/avatar/", "avatar", draw_jpeg())
        protected = found(r'src="(/media/protected/[^"]+\.webp)"', ada.page("/profiles/ada/"))
        public = find(r"/media/avatars/[^\" ]*-256\.webp", ada.page("/profiles/demo-00001/"))
        yield Site(folder, nginx.port, nginx.tls_port, ada, public, protected)


def join(port: int, name: str) -> Visitor:
    """Return the browser of somebody who has just joined."""
    visitor = Visitor(f"http://127.0.0.1:{port}")
    account = {"username": name, "email": f"{name}@example.com"}
    visitor.send("/accounts/signup/", **account, password1=PASSWORD, password2=PASSWORD)
    return visitor


def test_pages_are_served_during_too_many_uploads(site: Site) -> None:
    """While pictures are delayed, each of two workers holds two; the other uploads are repeated."""
    master = int((site.folder / "gunicorn.pid").read_text())
    zygotes = [child for worker in find_children(master) for child in find_children(worker)]
    assert len(zygotes) == 2
    # A member may send two pictures at once.
    members = [join(site.port, f"grace-{number}") for number in range(6)]
    sessions = [
        cookie.value or ""
        for member in members
        for cookie in member.cookies
        if "session" in cookie.name
    ]
    with ThreadPoolExecutor(12) as visitors, ExitStack() as held:
        for zygote in zygotes:
            os.kill(zygote, signal.SIGSTOP)
            held.callback(os.kill, zygote, signal.SIGCONT)
        uploads: list[Future[int]] = []
        while sum(done.done() for done in uploads) < 3:
            assert len(uploads) < 200
            source = f"127.0.2.{len(uploads) + 1}"
            session = sessions[len(uploads) % len(sessions)]
            uploads.append(visitors.submit(upload, site.port, session, draw_jpeg(), source))
            time.sleep(0.05)
            assert site.ask("/profiles/")[0].status == 200
        for _ in range(20):
            assert site.ask("/profiles/")[0].status == 200
        refused = [done.result() for done in uploads if done.done()]
        assert set(refused) == {503}
    statuses = [done.result() for done in uploads]
    assert 1 <= statuses.count(201) <= 4
    assert set(statuses) == {201, 503}


def test_prometheus_reads_the_same_from_each_worker(site: Site) -> None:
    assert site.ask("/metrics", Authorization="Bearer x")[0].status == 401
    texts = []
    workers = find_children(int((site.folder / "gunicorn.pid").read_text()))
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)  # The other one answers.
        try:
            response, body = site.ask("/metrics", Authorization=f"Bearer {METRICS_TOKEN}")
        finally:
            os.kill(worker, signal.SIGCONT)
        assert response.status == 200
        assert response.getheader("Cache-Control") == "no-store"
        texts.append(re.sub(r"(?m)^(likeness_disk_free_bytes.*) .*$", r"\1", body.decode()))
    assert 'likeness_pictures{place="public"} 2.0' in texts[0]
    assert texts[0] == texts[1]


def test_nginx_alone_serves_a_public_picture(site: Site) -> None:
    response, body = site.ask(site.public, Accept_Encoding="gzip")
    assert (response.status, response.getheader("Content-Type")) == (200, "image/webp")
    assert body == (site.folder / site.public[1:]).read_bytes()
    assert response.getheader("Cache-Control") == PUBLIC
    assert response.getheader("X-Content-Type-Options") == "nosniff"
    assert response.getheader("Content-Security-Policy") == CSP
    assert response.getheader("Cross-Origin-Resource-Policy") == "cross-origin"
    for name in ("Set-Cookie", "Vary", "Content-Encoding", "X-Request-ID"):
        assert response.getheader(name) is None
    preview = site.ask(site.public.replace("256.webp", "256.jpg"))[0]
    assert (preview.status, preview.getheader("Content-Type")) == (200, "image/jpeg")
    drawing = site.public.replace("-256.webp", "-pixels-256.webp")
    (site.folder / drawing[1:]).write_bytes(body)
    assert site.ask(drawing)[0].getheader("Cache-Control") == PUBLIC


def test_nginx_serves_a_protected_picture_after_djangos_check(site: Site) -> None:
    response, body = site.ask(site.protected, Cookie=site.cookie)
    assert (response.status, response.getheader("Content-Type")) == (200, "image/webp")
    assert body == (site.folder / site.protected[1:]).read_bytes()
    assert response.headers.get_all("Cache-Control") == ["private, max-age=3600"]
    assert response.headers.get_all("Vary") == ["Cookie"]
    assert response.headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert response.headers.get_all("Content-Security-Policy") == [CSP]
    assert response.headers.get_all("Cross-Origin-Resource-Policy") == ["same-origin"]
    assert response.getheader("X-Accel-Redirect") is None
    assert response.getheader("ETag")


def test_machines_find_their_files_behind_nginx(site: Site) -> None:
    for path, kind in (("/robots.txt", "text/plain"), ("/favicon.ico", "image/x-icon")):
        response = site.ask(path)[0]
        assert (response.status, response.headers.get_content_type()) == (200, kind)
    assert site.ask("/.well-known/change-password")[0].status == 302


def test_a_protected_picture_is_denied_to_a_stranger(site: Site) -> None:
    response, body = site.ask(site.protected)
    assert response.status == 404
    assert b"Page not found" in body


@pytest.mark.parametrize("kind", ["public", "protected"])
def test_nginx_answers_range_and_conditional_requests(kind: str, site: Site) -> None:
    url, whole = getattr(site, kind), site.ask(getattr(site, kind), Cookie=site.cookie)
    part, body = site.ask(url, Cookie=site.cookie, Range="bytes=4-11")
    assert (part.status, body) == (206, whole[1][4:12])
    assert part.getheader("Cache-Control") == whole[0].getheader("Cache-Control")
    past = site.ask(url, Cookie=site.cookie, Range=f"bytes={len(whole[1])}-")[0]
    assert past.status == 416
    etag = whole[0].headers["ETag"]
    same, body = site.ask(url, Cookie=site.cookie, If_None_Match=etag)
    assert (same.status, body) == (304, b"")
    assert same.getheader("Cache-Control") == whole[0].getheader("Cache-Control")
    head, body = site.ask(url, "HEAD", Cookie=site.cookie)
    assert (head.status, body) == (200, b"")
    assert head.getheader("Content-Length") == str(len(whole[1]))


def test_a_protected_picture_is_not_confirmed_to_a_stranger_who_knows_its_tag(site: Site) -> None:
    etag = site.ask(site.protected, Cookie=site.cookie)[0].headers["ETag"]
    assert site.ask(site.protected, If_None_Match=etag)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_a_picture_can_only_be_read(method: str, site: Site) -> None:
    assert site.ask(site.public, method)[0].status == 405
    assert (site.folder / site.public[1:]).exists()


def test_only_files_written_by_the_site_are_served(site: Site) -> None:
    name = Path(site.public).name
    for stray in ("avatars/notes.txt", "avatars/00/x.webp", f"avatars/00/x{name}"):
        file = site.folder / "media" / stray
        file.parent.mkdir(exist_ok=True)
        file.write_text("stray")
        response, body = site.ask(f"/media/{stray}")
        assert response.status == 404
        assert b"stray" not in body
    assert site.ask(site.public.replace("/avatars/", "//avatars/"))[0].status == 404
    for folder in ("/media/", "/media/avatars/", "/media/avatars", "/errors/", "/protected/"):
        assert site.ask(folder)[0].status == 404


def test_a_missing_picture_has_the_sites_404_page(site: Site) -> None:
    response, body = site.ask(f"/media/avatars/00/{32 * '0'}-512.webp")
    assert response.status == 404
    assert b"Page not found" in body
    assert response.getheader("Cache-Control") == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        *TWISTED,
        "/protected/{}",
        "/protected/../protected/{}",
        "/%70rotected/{}",
        "/media/%2e%2e/protected/{}",
        "/media/avatars%2f..%2fprotected%2f{}",
        "/media/avatars/%2e%2e%2fprotected/{}",
        "/media/avatars/.%00./protected/{}",
        "/media/protected/{}%00",
        "/media/avatars/{}",
        "/media/protected%2f{}",
        "/static/../media/protected/{}",
        "/static/..%2f..%2fmedia/protected/{}",
        "/errors/../protected/{}",
        "/errors/..%2fnginx.conf",
        "/errors/413.html",
    ],
)
def test_no_path_leads_a_stranger_to_a_protected_picture(path: str, site: Site) -> None:
    name = site.protected.removeprefix("/media/protected/")
    response, body = site.ask(path.format(name))
    assert response.status in (301, 400, 404)
    assert b"RIFF" not in body
    assert b"worker_connections" not in body


def test_a_static_file_is_fetched_once_for_each_encoding(site: Site) -> None:
    url = find_stylesheet(site)
    outcomes = []
    wishes = ("gzip, deflate, br, zstd", "br", "br;q=0, gzip", "gzip;q=0.5", "br;q=0.0", "")
    for agent, wish in enumerate(wishes):
        headers = {"Accept_Encoding": wish, "User_Agent": f"wish-{agent}"}
        response, _ = site.ask(url, Cookie=site.cookie, **headers)
        assert response.status == 200
        assert "immutable" in response.headers["Cache-Control"]
        assert response.headers["Vary"] == "Accept-Encoding"
        assert response.getheader("Set-Cookie") is None
        assert response.getheader("X-Request-ID") is None
        outcome = find_cache_outcome(site, f"wish-{agent}")
        outcomes.append((response.getheader("Content-Encoding"), outcome))
    assert [encoding for encoding, _ in outcomes] == ["br", "br", "gzip", "gzip", None, None]
    assert [outcome for _, outcome in outcomes][1::2] == ["HIT", "HIT", "HIT"]


def find_stylesheet(site: Site) -> str:
    return find(r"/static/css/site\.[0-9a-f]{12}\.css", site.ada.page("/"))


def find_cache_outcome(site: Site, agent: str) -> str:
    """Return the cache's status for a browser of that name, from the log."""
    for _ in range(100):
        for line in (site.folder / "access.log").read_text().splitlines():
            if f'"user_agent": "{agent}"' in line:
                return str(json.loads(line)["cache"])
        time.sleep(0.1)
    raise AssertionError(f"{agent} is not in the log.")


def test_a_new_build_replaces_the_cached_files(site: Site) -> None:
    old = find_stylesheet(site)
    new = re.sub(r"[0-9a-f]{12}", "0123456789ab", old)
    site.ask(old)
    manifest = site.folder / "staticfiles" / "staticfiles.json"
    manifest.write_text(manifest.read_text().replace(old[8:], new[8:]))
    for file in list((site.folder / "staticfiles/css").glob(f"{Path(old).name}*")):
        file.unlink()
    (site.folder / new[1:].replace("static/", "staticfiles/")).write_text("/* new */")
    site.reload()
    for _ in range(100):
        if find_stylesheet(site) == new:
            break
        time.sleep(0.1)
    response, body = site.ask(new)
    assert (response.status, body) == (200, b"/* new */")
    assert "immutable" in response.headers["Cache-Control"]
    # A page that was open before the upgrade still finds its files.
    assert site.ask(old)[0].status == 200
    plain = site.ask("/static/css/site.css")[0]
    assert plain.getheader("Cache-Control") == "max-age=60, public"


def test_a_page_is_compressed_and_its_token_differs_each_time(site: Site) -> None:
    pages = [site.ask("/accounts/login/", Accept_Encoding="gzip") for _ in range(2)]
    assert all(response.getheader("Content-Encoding") == "gzip" for response, _ in pages)
    assert "Accept-Encoding" in ", ".join(pages[0][0].headers.get_all("Vary") or [])
    assert pages[0][1] != pages[1][1]
    response, _ = site.ask("/accounts/login/")
    assert response.getheader("Content-Encoding") is None
    assert "Accept-Encoding" in ", ".join(response.headers.get_all("Vary") or [])


def send_photo(
    front: Front,
    size: int,
    pause: float = 0,
    token: str = "",
    cookie: str = "",
    source: str = "127.0.0.1",
) -> tuple[int, str]:
    """Send the form with a file of a size, and only then read the response, as a browser does."""
    part = '--cut\r\nContent-Disposition: form-data; name="'
    head = f'{part}csrfmiddlewaretoken"\r\n\r\n{token}\r\n{part}description"\r\n\r\nMe, by the sea'
    head += f'\r\n{part}avatar"; filename="me.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    tail = b"\r\n--cut--\r\n"
    door = ("127.0.0.1", front.port)
    with socket.create_connection(door, timeout=60, source_address=(source, 0)) as line:
        request = f"POST /profile/avatar/ HTTP/1.1\r\nHost: 127.0.0.1:{front.port}\r\n"
        request += "Content-Type: multipart/form-data; boundary=cut\r\nConnection: close\r\n"
        request += f"Content-Length: {len(head) + size + len(tail)}\r\nCookie: {cookie}\r\n"
        line.sendall((request + "\r\n" + head).encode())
        for at in range(0, size, MEGABYTE):
            line.sendall(bytes(min(MEGABYTE, size - at)))
            if at == MEGABYTE:
                time.sleep(pause)
        line.sendall(tail)
        answer = b"".join(iter(lambda: line.recv(65536), b"")).decode()
    return int(answer.split()[1]), answer


def send_as_ada(site: Site, size: int, pause: float = 0) -> tuple[int, str]:
    token = found(r'name="csrfmiddlewaretoken" value="(\w+)"', site.ada.page("/profile/avatar/"))
    return send_photo(site, size, pause, token, site.cookie)


def test_a_photo_above_the_sites_limit_is_refused_in_its_form(site: Site) -> None:
    status, answer = send_as_ada(site, 21 * MEGABYTE)
    assert status == 413
    assert "the limit is 20 MB" in answer
    assert "Me, by the sea" in answer


def test_a_photo_above_nginxs_limit_gets_its_page_on_a_slow_link_too(site: Site) -> None:
    # By default nginx closes the connection after 5 s without data, and the response is lost.
    status, answer = send_as_ada(site, 45 * MEGABYTE, pause=7)
    assert status == 413
    assert "A photo may have up to 20 MB" in answer
    assert 'href="/errors/errors.css"' in answer


def test_the_page_for_an_outage_arrives_on_a_slow_link(tmp_path: Path) -> None:
    with front.serve(tmp_path) as nginx:
        status, answer = send_photo(nginx, 3 * MEGABYTE, pause=7)
    assert status == 503
    assert "Try again in a minute" in answer


def test_the_page_for_too_many_requests_arrives_on_a_slow_link(site: Site) -> None:
    status, answer = 0, ""
    while status != 429:  # One more request may be allowed within the second.
        for _ in range(60):
            site.ask("/profile/avatar/", "POST", b"x=1", source="127.0.0.7")
        status, answer = send_photo(site, 3 * MEGABYTE, pause=7, source="127.0.0.7")
    assert "Try again in a minute" in answer


def test_a_form_without_a_photo_is_small(site: Site) -> None:
    response, _ = site.ask("/accounts/login/", "POST", bytes(2 * MEGABYTE))
    assert response.status == 413
    entry = site.read_log(response.headers["X-Request-ID"])
    assert (entry["method"], entry["path"]) == ("POST", "/accounts/login/")


def test_a_body_without_a_length_gets_the_page_as_well(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as line:
        request = "POST /profile/avatar/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        request += f"Cookie: {site.cookie}\r\n"
        line.sendall(f"{request}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(45):
            line.sendall(b"%x\r\n%b\r\n" % (MEGABYTE, bytes(MEGABYTE)))
        line.sendall(b"0\r\n\r\n")
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert b" 413 " in answer.splitlines()[0]
    assert b"A photo may have up to 20 MB" in answer


def test_only_the_address_with_too_many_attempts_is_refused(site: Site) -> None:
    flood = [site.ask("/accounts/login/", "POST", b"x=1", source="127.0.0.9") for _ in range(60)]
    refused = [(response, body) for response, body in flood if response.status == 429]
    assert refused
    assert refused[0][0].getheader("Retry-After") == "60"
    assert b"Try again in a minute" in refused[0][1]
    assert site.ask("/accounts/login/", source="127.0.0.9")[0].status == 200
    assert site.ask("/accounts/login/", "POST", b"x=1", source="127.0.0.8")[0].status == 403


def test_when_the_site_is_away_a_page_says_so_and_pictures_stay(tmp_path: Path) -> None:
    name = f"media/avatars/ab/{32 * 'a'}-64.webp"
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_bytes(b"RIFF")
    with front.serve(tmp_path) as nginx:
        response, body = nginx.ask("/")
        assert response.status == 502
        assert response.getheader("Retry-After") == "60"
        assert response.getheader("Cache-Control") == "no-store"
        assert response.getheader("Content-Type") == "text/html; charset=utf-8"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert b"Try again in a minute" in body
        number = response.headers["X-Request-ID"]
        assert f"<code>{number}</code>".encode() in body
        for name_, kind in (("css", "text/css"), ("svg", "image/svg+xml")):
            response, _ = nginx.ask(f"/errors/errors.{name_}")
            assert (response.status, response.getheader("Content-Type")) == (200, kind)
        assert nginx.ask(f"/{name}")[1] == b"RIFF"


def test_a_script_is_refused_in_json(site: Site, tmp_path: Path) -> None:
    wish = {"Accept": "application/json", "Content_Type": "multipart/form-data; boundary=cut"}
    large = site.ask("/profile/avatar/", "POST", bytes(45 * MEGABYTE), **wish)
    with front.serve(tmp_path) as nginx:
        away = nginx.ask("/profile/avatar/", "POST", b"", **wish)
        for _ in range(300):
            often = nginx.ask("/profile/avatar/", "POST", b"", **wish)
            if often[0].status == 429:
                break
    for (response, body), status in ((large, 413), (away, 503), (often, 429)):
        assert response.status == status
        assert response.getheader("Content-Type") == "application/json"
        assert json.loads(body)["errors"]


def test_proxy_headers_from_visitors_are_ignored(site: Site) -> None:
    forged = {
        "X_Forwarded_Proto": "https",
        "X_Forwarded_Ssl": "on",
        "X_Forwarded_Protocol": "ssl",
        "X_Forwarded_Host": "evil.example",
        "X_Forwarded_For": "127.0.0.3",
        "Forwarded": "for=127.0.0.3;proto=https;host=evil.example",
        "X_Request_ID": "forged-by-a-visitor",
    }
    response, body = site.ask("/profiles/demo-00001/", **forged)
    assert response.status == 200
    assert f"http://127.0.0.1:{site.port}/media/avatars/".encode() in body
    number = response.headers["X-Request-ID"]
    assert re.fullmatch(r"[0-9a-f]{32}", number)
    assert site.read_log(number)["client_ip"] == "127.0.0.2"


@pytest.mark.parametrize(
    ("source", "forged", "seen"),
    [
        ("127.0.0.2", "", "127.0.0.2"),
        ("127.0.0.3", "", "127.0.0.3"),
        ("127.0.0.2", "127.0.0.3", "127.0.0.2"),
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "127.0.0.3, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_site_distinguishes_visitors_over_the_socket(
    source: str, forged: str, seen: str, site: Site
) -> None:
    headers = {"X_Forwarded_For": forged} if forged else {}
    number = site.ask("/", source=source, **headers)[0].headers["X-Request-ID"]
    assert site.read_log(number, "site.log")["client_ip"] == seen


def test_only_the_guessing_visitor_is_locked_out_behind_nginx(site: Site) -> None:
    def sign_in(source: str, password: str, **headers: str) -> int:
        response, page = site.ask("/accounts/login/", source=source)
        fields = {
            "csrfmiddlewaretoken": found(
                r'name="csrfmiddlewaretoken" value="(\w+)"', page.decode()
            ),
            "username": "ada",
            "password": password,
        }
        headers |= {
            "Cookie": response.headers["Set-Cookie"].partition(";")[0],
            "Content_Type": "application/x-www-form-urlencoded",
        }
        body = urlencode(fields).encode()
        return site.ask("/accounts/login/", "POST", body, source=source, **headers)[0].status

    guesses = [sign_in("127.0.0.5", "wrong") for _ in range(8)]
    assert guesses[-1] == 429
    assert sign_in("127.0.0.5", PASSWORD) == 429
    assert sign_in("127.0.0.5", PASSWORD, X_Forwarded_For="127.0.0.6") == 429
    assert sign_in("127.0.0.6", PASSWORD) == 302


def test_the_edges_proxy_headers_are_trusted(site: Site) -> None:
    said = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "10.9.9.9, 203.0.113.7"}
    response, body = site.ask("/profiles/demo-00001/", source="127.0.0.1", **said)
    assert f"https://127.0.0.1:{site.port}/media/avatars/".encode() in body
    assert site.read_log(response.headers["X-Request-ID"])["client_ip"] == "203.0.113.7"


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/accounts/confirm/a-secret/", "/accounts/confirm/…"),
        ("/accounts/reset/MQ/a-secret/", "/accounts/reset/…"),
        ("/profiles/?q=a-secret", "/profiles/"),
    ],
)
def test_the_log_keeps_no_secret(path: str, logged: str, site: Site) -> None:
    number = site.ask(path)[0].headers["X-Request-ID"]
    assert site.read_log(number)["path"] == logged
    assert "a-secret" not in (site.folder / "access.log").read_text()


def count_exits(site: Site) -> int:
    return (site.folder / "site.log").read_text().count("Worker exiting")


def test_no_request_fails_while_gunicorn_reloads(site: Site) -> None:
    """Four visitors read and try to sign in while gunicorn reloads three times."""
    is_over = Event()

    def visit(number: int) -> list[int]:
        statuses = []
        while not is_over.is_set():
            for method, path in (("GET", "/"), ("POST", "/i18n/setlang/"), ("GET", "/profiles/")):
                statuses.append(site.ask(path, method, source=f"127.0.1.{number}")[0].status)
        return statuses

    with ThreadPoolExecutor(4) as pool:
        visits = [pool.submit(visit, number) for number in range(1, 5)]
        try:
            for _ in range(3):
                time.sleep(1)
                before = count_exits(site)
                site.reload()
                for _ in range(600):  # Until both old workers are gone.
                    if count_exits(site) >= before + 2:
                        break
                    time.sleep(0.1)
                else:
                    raise AssertionError("The old workers do not go.")
                time.sleep(1)
        finally:
            is_over.set()
        statuses = [status for visit in visits for status in visit.result()]
    assert len(statuses) >= 12
    assert {status for status in statuses if status not in (200, 403)} == set()


def make_certificate(folder: Path) -> None:
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    make += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    make += ["-keyout", "privkey.pem", "-out", "fullchain.pem"]
    subprocess.run(make, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def tls(tmp_path: Path, site: Site) -> Iterator[Front]:
    """nginx that terminates TLS itself, in front of the same gunicorn."""
    (tmp_path / "gunicorn.sock").symlink_to(site.folder / "gunicorn.sock")
    make_certificate(tmp_path)
    with front.serve(tmp_path, "nginx-tls.conf") as nginx:
        yield nginx


def test_nginx_terminates_tls_itself(tls: Front) -> None:
    response, _ = tls.ask("/profiles/?q=x", Host="likeness.example")
    assert response.status == 301
    assert response.getheader("Location") == "https://likeness.example/profiles/?q=x"
    context = ssl.create_default_context(cafile=str(tls.folder / "fullchain.pem"))
    connection = HTTPSConnection("127.0.0.1", tls.tls_port, context=context)
    connection.request("GET", "/profiles/demo-00001/", headers={"X-Forwarded-Proto": "http"})
    page = connection.getresponse().read().decode()
    connection.close()
    assert f"https://127.0.0.1:{tls.tls_port}/media/avatars/" in page


@pytest.mark.skipif(not shutil.which("curl"), reason="Install curl, which speaks HTTP/2.")
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_over_tls_a_large_photo_gets_the_page_as_well(version: str, tls: Front) -> None:
    photo = tls.folder / "photo"
    photo.write_bytes(bytes(45 * MEGABYTE))
    url = f"https://127.0.0.1:{tls.tls_port}/profile/avatar/"
    command = ["curl", "--silent", "--include", "--cacert", "fullchain.pem", version, url]
    command += ["--form", f"avatar=@{photo}"]
    done = subprocess.run(command, cwd=tls.folder, capture_output=True, text=True, check=True)
    number = "2" if version == "--http2" else "1.1"
    assert f"HTTP/{number} 413" in done.stdout
    assert "A photo may have up to 20 MB" in done.stdout
