"""examples/steps/: each diff applied to the step before, and the result run as in production."""

import gzip
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.helpers.pictures import draw, draw_jpeg, draw_noise, encode, make_exif
from tests.helpers.servers import ROOT, find_port, get
from tests.test_smallest import (
    EXAMPLE,
    Browser,
    add_ada,
    copy_example,
    found,
    manage,
    serve,
    wait_until_open,
)

from .front import NGINX, USER

STEPS = ["1-static", "2-pictures", "3-nginx", "4-members"]
GUNICORN = ("-m", "gunicorn", "--bind=127.0.0.1:{port}", "wsgi")
PRODUCTION = {"DJANGO_SECRET_KEY": "of the tests, and longer than fifty characters, as Django asks"}
DEVELOPMENT = {"DJANGO_DEBUG": "on"}
PICTURE = r'<img src="(/media/avatars/[0-9a-f-]{36}\.webp)" alt="Picture of ada">'
needs_nginx = pytest.mark.skipif(not NGINX, reason="Install nginx.")
MAIN = """
daemon off;
pid {folder}/nginx.pid;
events {{}}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/nginx.conf;
}}
"""


@dataclass
class Site:
    """A step that runs: its folder, the address that visitors use, and gunicorn's port."""

    folder: Path
    origin: str
    port: int

    def sign_in(self) -> Browser:
        browser = Browser(self.origin)
        browser.sign_in("ada", "difference")
        return browser

    def ask(self, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
        """Request a path as a stranger."""
        return get(urlsplit(self.origin).port or 80, path, **headers)

    @property
    def pictures(self) -> list[str]:
        """The paths of all pictures that are stored."""
        return [f"/{path.relative_to(self.folder)}" for path in self.folder.glob("media/*/*")]


def build(folder: Path, number: int) -> None:
    """Apply the first steps to a copy of the smallest example."""
    copy_example(folder)
    for name in STEPS[:number]:
        diff = ROOT / "examples/steps" / f"{name}.diff"
        subprocess.run(["git", "apply", str(diff)], cwd=folder, check=True)


@contextmanager
def run_nginx(folder: Path, port: int) -> Iterator[str]:
    """Run nginx with the step's configuration; only the folder and the ports are the test's."""
    own = find_port()
    configuration = (folder / "nginx.conf").read_text("utf-8")
    for old, new in {
        "listen 80;": f"listen 127.0.0.1:{own};",
        "127.0.0.1:8000": f"127.0.0.1:{port}",
        " /srv": f" {folder}",
    }.items():
        assert old in configuration
        configuration = configuration.replace(old, new)
    (folder / "nginx.conf").write_text(configuration, "utf-8")
    (folder / "main.conf").write_text(MAIN.format(folder=folder), "utf-8")
    log = folder / "nginx.log"
    with log.open("wb") as output:
        command = [NGINX, "-e", "stderr", "-c", str(folder / "main.conf"), *USER]
        nginx = subprocess.Popen(command, stderr=output)
    try:
        wait_until_open(own, nginx, log)
        yield f"http://127.0.0.1:{own}"
    finally:
        nginx.terminate()
        nginx.wait(30)


@contextmanager
def run_step(folder: Path, number: int) -> Iterator[Site]:
    """Run a step as its README says, in production."""
    build(folder, number)
    add_ada(folder, **PRODUCTION)
    manage(folder, "collectstatic", "--noinput", "--verbosity=0", **PRODUCTION)
    with ExitStack() as stack:
        origin = stack.enter_context(serve(folder, *GUNICORN, **PRODUCTION))
        port = urlsplit(origin).port or 80
        if number >= 3:
            origin = stack.enter_context(run_nginx(folder, port))
        yield Site(folder, origin, port)


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with run_step(tmp_path_factory.mktemp("static"), 1) as site:
        yield site


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with run_step(tmp_path_factory.mktemp("pictures"), 2) as site:
        yield site


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with run_step(tmp_path_factory.mktemp("nginx"), 3) as site:
        yield site


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with run_step(tmp_path_factory.mktemp("members"), 4) as site:
        yield site


def read_names(page: str) -> list[str]:
    """Return the static files that a page names."""
    return re.findall(r'(?:href|src)="(/static/[^"]+)"', page)


@pytest.mark.parametrize("number", range(1, 5))
def test_the_code_of_each_step_is_clean(number: int, tmp_path: Path) -> None:
    build(tmp_path, number)
    assert (tmp_path / "manage.py").exists()
    config = f"--config={ROOT / 'pyproject.toml'}"
    for command in (["format", "--check"], ["check", "--no-cache", "--ignore=DJ008,S105"]):
        arguments = [sys.executable, "-m", "ruff", *command, config, "."]
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "no issues" in manage(tmp_path, "check", "--fail-level=WARNING", **DEVELOPMENT)


def test_step_1_serves_static_files_under_names_with_a_hash(static: Site) -> None:
    style, script = read_names(static.sign_in().page("/"))
    assert re.fullmatch(r"/static/people/style\.[0-9a-f]{12}\.css", style)
    assert re.fullmatch(r"/static/js/preview\.[0-9a-f]{12}\.js", script)
    response, body = static.ask(style, Accept_Encoding="gzip")
    assert response.status == 200
    assert response.getheader("Content-Type") == 'text/css; charset="utf-8"'
    assert response.getheader("Cache-Control") == "max-age=315360000, public, immutable"
    assert response.getheader("Content-Encoding") == "gzip"
    assert gzip.decompress(body) == (EXAMPLE / "people/static/people/style.css").read_bytes()


def test_step_1_still_has_no_pictures_in_production(static: Site) -> None:
    source = found(r'<img src="([^"]+)"', static.sign_in().upload("me.jpg", draw_jpeg()))
    assert static.ask(source)[0].status == 404


def test_step_1_needs_a_key_in_production(tmp_path: Path) -> None:
    build(tmp_path, 1)
    with pytest.raises(AssertionError, match="DJANGO_SECRET_KEY"):
        manage(tmp_path, "check")


def open_only(site: Site) -> Image.Image:
    """Open the one picture that is stored."""
    [path] = site.pictures
    return Image.open(site.folder / path[1:])


def test_step_2_stores_a_picture_upright_without_metadata_under_a_name_of_its_own(
    pictures: Site,
) -> None:
    photo = draw_jpeg(640, 480, exif=make_exif(6), comment=b"at home")
    page = pictures.sign_in().upload("me.pdf", photo)
    assert pictures.pictures == [found(PICTURE, page)]
    picture = open_only(pictures)
    assert (picture.format, picture.size) == ("WEBP", (384, 512))
    assert not {"exif", "xmp", "comment", "icc_profile"} & picture.info.keys()
    # Turned a quarter to the right: what was at the bottom left is at the top left.
    bottom_left = draw().getpixel((0, 479))
    corner = picture.convert("RGB").getpixel((8, 8))
    assert isinstance(bottom_left, tuple)
    assert isinstance(corner, tuple)
    assert max(abs(a - b) for a, b in zip(bottom_left, corner, strict=True)) < 30


def test_step_2_deletes_the_picture_before(pictures: Site) -> None:
    ada = pictures.sign_in()
    first = found(PICTURE, ada.upload("me.jpg", draw_jpeg()))
    second = found(PICTURE, ada.upload("me.jpg", draw_jpeg()))
    assert first != second
    assert pictures.pictures == [second]


def test_step_2_keeps_the_picture_when_the_form_is_sent_without_one(pictures: Site) -> None:
    ada = pictures.sign_in()
    first = found(PICTURE, ada.upload("me.jpg", draw_jpeg()))
    assert found(PICTURE, ada.upload("", b"")) == first
    assert pictures.pictures == [first]


@pytest.mark.parametrize(
    "broken",
    [draw_jpeg()[:-2000], encode(draw(64, 64), "EPS"), encode(draw(64, 64), "TIFF")],
    ids=["cut off", "EPS", "TIFF"],
)
def test_step_2_refuses_what_it_cannot_decode_and_keeps_the_picture(
    broken: bytes, pictures: Site
) -> None:
    ada = pictures.sign_in()
    first = found(PICTURE, ada.upload("me.jpg", draw_jpeg()))
    page = ada.upload("me.jpg", broken)
    assert "This picture cannot be opened. Choose another." in page
    assert found(PICTURE, page) == first
    assert pictures.pictures == [first]


def test_step_2_keeps_what_is_transparent(pictures: Site) -> None:
    pictures.sign_in().upload("me.png", encode(Image.new("RGBA", (64, 64)), "PNG"))
    assert open_only(pictures).convert("RGBA").getpixel((9, 9))[3] == 0  # type: ignore[index]  # RGBA has four.


def test_step_2_deletes_the_picture_of_an_account_that_is_deleted(pictures: Site) -> None:
    pictures.sign_in().upload("me.jpg", draw_jpeg())
    profile = "from people.models import Profile; Profile.objects.all().delete()"
    manage(pictures.folder, "shell", "--command", profile, **PRODUCTION)
    assert pictures.pictures == []


@needs_nginx
def test_step_3_serves_pictures_by_nginx_alone(nginx: Site) -> None:
    source = found(PICTURE, nginx.sign_in().upload("me.jpg", draw_jpeg()))
    response, body = nginx.ask(source)
    assert (response.status, response.getheader("Content-Type")) == (200, "image/webp")
    assert response.getheader("Cache-Control") == "public, max-age=31536000, immutable"
    assert response.getheader("X-Content-Type-Options") == "nosniff"
    assert body == (nginx.folder / source[1:]).read_bytes()
    assert get(nginx.port, source)[0].status == 404


@needs_nginx
def test_step_3_still_serves_static_files(nginx: Site) -> None:
    style, _ = read_names(nginx.sign_in().page("/"))
    response, _ = nginx.ask(style, Accept_Encoding="gzip")
    assert (response.status, response.getheader("Content-Encoding")) == (200, "gzip")
    assert "immutable" in (response.getheader("Cache-Control") or "")


@needs_nginx
def test_step_3_takes_a_photo_of_a_phone_and_nothing_much_larger(nginx: Site) -> None:
    ada = nginx.sign_in()
    photo = encode(draw_noise(1200), "PNG")
    assert 4_000_000 < len(photo) < 10_000_000
    assert found(PICTURE, ada.upload("me.png", photo))
    headers = {"Content-Length": str(11 << 20)}
    with socket.create_connection(("127.0.0.1", urlsplit(nginx.origin).port or 80), 30) as sent:
        lines = [f"{name}: {value}" for name, value in (headers | {"Host": "127.0.0.1"}).items()]
        sent.sendall("\r\n".join(["POST / HTTP/1.1", *lines, "", ""]).encode())
        assert sent.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_step_3_keeps_media_where_the_environment_says(tmp_path: Path) -> None:
    build(tmp_path, 3)
    command = "from django.conf import settings; print(settings.MEDIA_ROOT)"
    printed = manage(
        tmp_path, "shell", "--no-imports", "-c", command, MEDIA_ROOT="/srv/media", **DEVELOPMENT
    )
    assert printed == "/srv/media\n"


@needs_nginx
def test_step_4_shows_pictures_to_members_alone(members: Site) -> None:
    ada = members.sign_in()
    source = found(PICTURE, ada.upload("me.jpg", draw_jpeg()))
    stored = (members.folder / source[1:]).read_bytes()
    with ada.opener.open(members.origin + source, timeout=30) as response:
        assert response.read() == stored
        assert response.headers["Content-Type"] == "image/webp"
        assert response.headers["Cache-Control"] == "private, max-age=3600"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    response, body = members.ask(source)
    assert response.status == 302
    assert response.getheader("Location") == f"/admin/login/?next={source}"
    assert stored not in body


@needs_nginx
def test_step_4_has_no_other_way_to_a_picture(members: Site) -> None:
    ada = members.sign_in()
    name = found(PICTURE, ada.upload("me.jpg", draw_jpeg())).removeprefix("/media/")
    for path in (f"/protected/{name}", f"/protected/../media/{name}", f"/media/../media/{name}"):
        assert members.ask(path)[0].status in (302, 400, 404)
    for path in ("/media/avatars/other.webp", f"/media/avatars/../{name}", f"/protected/{name}"):
        with pytest.raises(OSError, match="404"):
            ada.get(path)


def test_step_4_does_the_same_in_development(tmp_path: Path) -> None:
    build(tmp_path, 4)
    add_ada(tmp_path, **DEVELOPMENT)
    with serve(tmp_path, **DEVELOPMENT) as origin:
        site = Site(tmp_path, origin, 0)
        ada = site.sign_in()
        source = found(PICTURE, ada.upload("me.jpg", draw_jpeg()))
        assert ada.get(source) == (tmp_path / source[1:]).read_bytes()
        assert site.ask(source)[0].status == 302
