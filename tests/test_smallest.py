"""Run examples/smallest as a reader would: its seven files, a real server, real HTTP."""

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener

import pytest
from PIL import Image

from .helpers.servers import RUNSERVER, find_port

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "smallest"
SEVEN_FILES = [
    "manage.py",
    "settings.py",
    "urls.py",
    "people/models.py",
    "templates/profile.html",
    "people/static/people/style.css",
    "static/js/preview.js",
]
QUOTED = {
    "settings.py": [
        'STATIC_URL = "/static/"',
        'STATICFILES_DIRS = [BASE_DIR / "static"]',
        'STATIC_ROOT = BASE_DIR / "staticfiles"',
        "ManifestStaticFilesStorage",
        'MEDIA_URL = "/media/"',
        'MEDIA_ROOT = BASE_DIR / "media"',
    ],
    "urls.py": ["urlpatterns += static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT)"],
    "people/models.py": [
        "user = models.OneToOneField(User, on_delete=models.CASCADE)",
        'avatar = models.ImageField(upload_to="avatars/")',
    ],
    "templates/profile.html": [
        '<link rel="stylesheet" href="{% static "people/style.css" %}">',
        '<script type="module" src="{% static "js/preview.js" %}"></script>',
        '<img src="{{ user.profile.avatar.url }}" alt="Picture of {{ user.username }}">',
    ],
}


def environment() -> dict[str, str]:
    """Return the environment without what would point the example at the outer project."""
    outer = ("DJANGO_", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if not name.startswith(outer)}


def manage(project: Path, *arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *arguments],
        cwd=project,
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def jpeg(colour: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(content, "JPEG")
    return content.getvalue()


@dataclass
class Browser:
    """A visitor's browser: it keeps cookies, follows redirects and fills in CSRF tokens."""

    origin: str

    def __post_init__(self) -> None:
        self.opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))
        self.url = self.origin

    def get(self, path: str) -> bytes:
        return self._open(Request(self.origin + path))

    def page(self, path: str) -> str:
        return self.get(path).decode()

    def sign_in(self, username: str, password: str) -> str:
        token = self._token(self.page("/"))
        fields = {"csrfmiddlewaretoken": token, "username": username, "password": password}
        return self._open(Request(self.url, urlencode(fields).encode())).decode()

    def upload(self, name: str, content: bytes) -> str:
        page = self.page("/")
        enctype = found(r'<form method="post" enctype="([^"]+)">', page)
        token = self._token(page)
        body = (
            b'--cut\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n'
            + f"{token}\r\n".encode()
            + f'--cut\r\nContent-Disposition: form-data; name="avatar"; filename="{name}"\r\n'
            "Content-Type: image/jpeg\r\n\r\n".encode()
            + content
            + b"\r\n--cut--\r\n"
        )
        headers = {"Content-Type": f"{enctype}; boundary=cut"}
        return self._open(Request(self.url, body, headers)).decode()

    def _open(self, request: Request) -> bytes:
        with self.opener.open(request, timeout=30) as response:
            self.url = response.url
            content: bytes = response.read()
        return content

    def _token(self, page: str) -> str:
        return found(r'name="csrfmiddlewaretoken" value="(\w+)"', page)


def found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    assert match, f"{pattern} is not in:\n{page}"
    return match[1]


def copy_example(folder: Path) -> None:
    """Copy the seven files and nothing else, so that they are shown to be enough."""
    for name in SEVEN_FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXAMPLE / name, folder / name)


def add_ada(project: Path, **variables: str) -> None:
    """Make the database, with the user Ada."""
    manage(project, "migrate", "--run-syncdb", "--verbosity=0", **variables)
    ada = {"USERNAME": "ada", "EMAIL": "ada@example.com", "PASSWORD": "difference"}
    superuser = {f"DJANGO_SUPERUSER_{name}": value for name, value in ada.items()}
    manage(project, "createsuperuser", "--noinput", **superuser, **variables)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    copy_example(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database that `migrate` makes, with the user Ada."""
    folder = tmp_path_factory.mktemp("database")
    copy_example(folder)
    add_ada(folder)
    return folder / "db.sqlite3"


@pytest.fixture
def origin(project: Path, database: Path) -> Iterator[str]:
    """Serve the example with a database of its own."""
    shutil.copy(database, project)
    with serve(project) as origin:
        yield origin


@contextmanager
def serve(project: Path, *command: str, **variables: str) -> Iterator[str]:
    """Run a server, by default Django's own, and yield its address."""
    port = find_port()
    arguments = [part.format(port=port) for part in command or RUNSERVER]
    log = project / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=project,
            env=environment() | variables,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until_open(port, server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


def wait_until_open(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"The example's server did not start:\n{log.read_text(encoding='utf-8')}")


@pytest.fixture
def ada(origin: str) -> Browser:
    browser = Browser(origin)
    browser.sign_in("ada", "difference")
    return browser


@pytest.mark.parametrize("name", QUOTED)
def test_the_lesson_finds_the_lines_it_quotes(name: str) -> None:
    source = (EXAMPLE / name).read_text()
    assert [line for line in QUOTED[name] if line not in source] == []


def test_check_finds_nothing_wrong(project: Path) -> None:
    assert "no issues" in manage(project, "check", "--fail-level=WARNING")


def test_a_stranger_is_asked_to_sign_in(origin: str) -> None:
    browser = Browser(origin)
    assert 'type="password"' in browser.page("/")
    assert browser.url == f"{origin}/admin/login/?next=/"


def test_the_page_has_no_picture_before_an_upload(ada: Browser) -> None:
    page = ada.page("/")
    assert "No picture yet" in page
    assert "<img" not in page


def test_the_page_shows_the_uploaded_picture(ada: Browser, project: Path) -> None:
    picture = jpeg("teal")
    page = ada.upload("me.jpg", picture)
    source = found(r'<img src="(/media/avatars/[^"]+)" alt="Picture of ada">', page)
    assert ada.get(source) == picture
    assert (project / source.lstrip("/")).read_bytes() == picture


def test_what_is_not_a_picture_is_refused_and_the_old_one_stays(ada: Browser) -> None:
    ada.upload("me.jpg", jpeg("teal"))
    page = ada.upload("letter.jpg", b"Dear Charles")
    assert "Upload a valid image" in page
    assert '<img src="/media/avatars/me.jpg"' in page


def test_the_page_has_the_static_files_of_the_app_and_of_the_project(ada: Browser) -> None:
    page = ada.page("/")
    style = found(r'<link rel="stylesheet" href="([^"]+)">', page)
    script = found(r'<script type="module" src="([^"]+)"></script>', page)
    assert (style, script) == ("/static/people/style.css", "/static/js/preview.js")
    assert ada.get(style) == (EXAMPLE / "people" / style[1:]).read_bytes()
    assert ada.get(script) == (EXAMPLE / script[1:]).read_bytes()


def test_collectstatic_collects_static_files_and_leaves_the_pictures_alone(
    project: Path,
) -> None:
    avatar = project / "media/avatars/me.jpg"
    avatar.parent.mkdir(parents=True)
    avatar.write_bytes(jpeg("teal"))
    manage(project, "collectstatic", "--noinput")
    collected = project / "staticfiles"
    for name, source in {"people/style.css": "people/static", "js/preview.js": "static"}.items():
        assert (collected / name).read_bytes() == (EXAMPLE / source / name).read_bytes()
    assert len(list((collected / "people").glob("style.????????????.css"))) == 1
    assert len(list((collected / "js").glob("preview.????????????.js"))) == 1
    assert list(collected.rglob("me.jpg")) == []
    assert list((project / "media").rglob("*.*")) == [avatar]


def test_with_debug_off_both_kinds_of_file_are_gone_as_the_readme_says(project: Path) -> None:
    settings = project / "settings.py"
    source = settings.read_text()
    settings.write_text(source.replace("DEBUG = True", 'DEBUG = False\nALLOWED_HOSTS = ["*"]'))
    (project / "media/avatars").mkdir(parents=True)
    (project / "media/avatars/me.jpg").write_bytes(jpeg("teal"))
    with serve(project) as origin:
        for path in ["/media/avatars/me.jpg", "/static/people/style.css", "/static/js/preview.js"]:
            with pytest.raises(HTTPError, match="404"):
                Browser(origin).get(path)


def test_names_and_leftovers_are_as_the_readme_says(ada: Browser, project: Path) -> None:
    ada.upload("me.jpg", jpeg("teal"))
    assert 'src="/media/avatars/me.pdf"' in ada.upload("me.pdf", jpeg("plum"))
    assert "not allowed" in ada.upload("me.html", jpeg("teal"))
    kept = sorted(file.name for file in (project / "media/avatars").iterdir())
    assert kept == ["me.jpg", "me.pdf"]
