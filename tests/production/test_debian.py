"""Likeness as one more site of Debian's own nginx, which is another user, under a strict umask."""

import os
import re
import ssl
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.helpers.pictures import draw_jpeg
from tests.helpers.servers import (
    GUNICORN,
    ROOT,
    find,
    find_port,
    make_environment,
    manage,
    prepare,
    serve,
    wait_until,
)

from . import front
from .test_nginx import join, make_certificate
from .visitors import found

DEBIAN = Path("/etc/nginx/nginx.conf")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not DEBIAN.exists() or "user www-data;" not in DEBIAN.read_text("utf-8"),
    reason="Install Debian's nginx, and run this as root.",
)
# A site at a port of its own, by the lines that the manual has for any nginx in front.
MANUAL = "server {{ listen 127.0.0.1:{port}; location / {{ {lines} }} }}\n"


@dataclass
class Site:
    """Debian's nginx, gunicorn, and what is in the site."""

    folder: Path
    ports: dict[str, int]
    cookie: str
    public: str
    protected: str

    def ask(
        self, path: str, name: str = "tls", form: dict[str, str] | None = None, **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        """Read a page, or send a form, at one of nginx's ports."""
        connection = HTTPConnection("127.0.0.1", self.ports[name], timeout=60)
        if name == "tls":
            context = ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))
            connection = HTTPSConnection("127.0.0.1", self.ports[name], context=context)
        with closing(connection):
            body = urlencode(form) if form else None
            if form:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request("POST" if form else "GET", path, body, headers)
            response = connection.getresponse()
            return response, response.read()

    def read_logs(self) -> str:
        return "".join(log.read_text("utf-8") for log in self.folder.glob("*.log"))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        ports = {name: find_port() for name in ("plain", "tls", "manual", "slip")}
        umask = os.umask(0o077)
        try:
            prepare(folder)
            environment = make_environment(
                folder, MEDIA_DELIVERY="nginx", DJANGO_TRUSTED_PROXIES="1"
            )
            assert manage(environment, "demo", "--profiles", "2").returncode == 0
            binds = ("--bind=127.0.0.1:{port}", f"--bind=unix:{folder}/gunicorn.sock")
            log = (f"--error-logfile={folder}/site.log", "--capture-output")
            with serve(environment, *GUNICORN, *binds, *log) as port:
                ada = join(port, "ada")
                ada.upload("/profile/avatar/", "avatar", draw_jpeg())
                cookie = "; ".join(f"{each.name}={each.value}" for each in ada.cookies)
                protected = found(
                    r'src="(/media/protected/[^"]+\.webp)"', ada.page("/profiles/ada/")
                )
                public = find(
                    r"/media/avatars/[^\" ]*-256\.webp", ada.page("/profiles/demo-00001/")
                )
                os.umask(umask)
                start_nginx(folder, ports, port)
                try:
                    yield Site(folder, ports, cookie, public, protected)
                finally:
                    run_nginx(folder, "-s", "quit")
                    wait_until(lambda: not (folder / "nginx.pid").exists())
        finally:
            os.umask(umask)


def start_nginx(folder: Path, ports: dict[str, int], site: int) -> None:
    """Write Debian's configuration and its sites with other paths and ports, and start it."""
    make_certificate(folder)
    (folder / "sites-enabled").mkdir()
    paths = {
        "/etc/likeness/": f"{folder}/deploy/",
        "/etc/likeness-tls/": f"{folder}/",
        "root /etc/likeness;": f"root {folder}/deploy;",
        "/run/likeness/": f"{folder}/",
        "root /data": f"root {folder}",
        "/var/log/nginx/": f"{folder}/",
        "/var/lib/nginx/": f"{folder}/",
        "listen 80;": f"listen 127.0.0.1:{ports['plain']};",
        "listen 443 ssl": f"listen 127.0.0.1:{ports['tls']} ssl",
        "listen [::]:80;": "",
        "listen [::]:443 ssl http2;": "",
        "server_name likeness.example": "server_name 127.0.0.1",
    }
    deploy = front.copy_configuration(folder, paths)
    (deploy / "nginx-debian.conf").rename(folder / "sites-enabled" / "likeness")
    manual = (ROOT / "docs/deploying.md").read_text("utf-8")
    needed = find(r"nginx buffers requests by default; it needs .*", manual)
    lines = " ".join(re.findall(r"`(\w+ [^`]+;)`", needed)).replace(":8000", f":{site}")
    assert "Host $http_host;" in lines
    slip = lines.replace("Host $http_host", "Host $host")
    (folder / "sites-enabled" / "manual").write_text(
        MANUAL.format(port=ports["manual"], lines=lines)
        + MANUAL.format(port=ports["slip"], lines=slip),
        "utf-8",
    )
    text = DEBIAN.read_text("utf-8")
    for old in ("/etc/nginx/sites-enabled/", "/var/log/nginx/", "/run/nginx.pid"):
        assert old in text
    text = text.replace("/etc/nginx/sites-enabled/", f"{folder}/sites-enabled/")
    text = text.replace("/var/log/nginx/", f"{folder}/").replace("/run/", f"{folder}/")
    (folder / "debian.conf").write_text(text, "utf-8")
    run_nginx(folder, "-t", "-q")
    run_nginx(folder)


def run_nginx(folder: Path, *options: str) -> None:
    """Run nginx as Debian's unit does."""
    command = [front.NGINX, "-c", f"{folder}/debian.conf", "-g", "daemon on; master_process on;"]
    subprocess.run([*command, *options], check=True, timeout=60)


def test_the_site_is_whole(site: Site) -> None:
    response, page = site.ask("/profiles/demo-00001/")
    assert response.status == 200
    assert f"https://127.0.0.1:{site.ports['tls']}/media/".encode() in page
    for path in (find(r"/static/css/site[^\"]*", page.decode()), "/errors/errors.css"):
        assert site.ask(path)[0].status == 200


def test_nginx_serves_pictures_of_both_kinds(site: Site) -> None:
    response, body = site.ask(site.public)
    assert (response.status, response.headers["X-Request-ID"]) == (200, None)  # Not the site.
    assert body == (site.folder / site.public[1:]).read_bytes()
    assert site.ask(site.protected)[0].status == 404
    response, body = site.ask(site.protected, Cookie=site.cookie)
    assert response.status == 200
    assert body == (site.folder / site.protected[1:]).read_bytes()


def test_others_can_read_pictures_and_static_files_but_not_the_database(site: Site) -> None:
    def list_unreadable(folder: Path) -> list[Path]:
        paths = [folder, *folder.rglob("*")]
        assert len(paths) > 10
        needed = {path: 0o755 if path.is_dir() else 0o644 for path in paths}
        return [path for path in paths if stat.S_IMODE(path.stat().st_mode) != needed[path]]

    assert list_unreadable(site.folder / "media") == []
    assert list_unreadable(site.folder / "staticfiles") == []
    database = list(site.folder.glob("db.sqlite3*"))
    assert database
    assert {path.stat().st_mode & 0o077 for path in database} == {0}


def test_no_log_has_a_search_term_even_if_the_site_does_not_answer(site: Site) -> None:
    socket = site.folder / "gunicorn.sock"
    assert site.ask("/profiles/?q=a-secret", "plain")[0].status == 301
    socket.rename(site.folder / "away.sock")
    try:
        response, page = site.ask("/profiles/?q=a-secret", Referer="https://x.example/?q=a-secret")
    finally:
        (site.folder / "away.sock").rename(socket)
    assert response.status == 502
    assert b"Try again in a minute" in page
    # nginx answers before it writes.
    wait_until(lambda: str(response.headers["X-Request-ID"]) in site.read_logs())
    logged = site.read_logs()
    assert '"path": "/profiles/", "protocol"' in logged
    assert "a-secret" not in logged


@pytest.mark.parametrize(("name", "status"), [("tls", 200), ("manual", 200), ("slip", 403)])
def test_forms_need_a_proxy_that_keeps_the_port(name: str, status: int, site: Site) -> None:
    response, page = site.ask("/accounts/login/", name)
    cookie = response.headers["Set-Cookie"].partition(";")[0]
    token = found(r'name="csrfmiddlewaretoken" value="(\w+)"', page.decode())
    origin = f"{'https' if name == 'tls' else 'http'}://127.0.0.1:{site.ports[name]}"
    form = {"csrfmiddlewaretoken": token}
    answer, _ = site.ask("/accounts/login/", name, form, Origin=origin, Cookie=cookie)
    assert answer.status == status
    sentence = f"is from {origin}, but this site is http://127.0.0.1. Does the proxy keep the Host"
    assert (sentence in site.read_logs()) == (name == "slip")
