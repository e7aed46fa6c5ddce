"""How one looks at a project, and what one sees."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse

from ..helpers.pictures import draw_jpeg
from ..helpers.servers import find_port, wait_until
from .project import Project

Look = Callable[[Project], str]
VISIT = """
import re, django; django.setup()
from urllib.parse import urlencode
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
client = Client(headers={"host": "localhost"})
client.force_login(User.objects.get(username="ada"))
for name in UPLOADS:
    form = re.search("<form[^>]*>", client.get("/").content.decode())[0]
    if "multipart" in form:
        data = {"avatar": SimpleUploadedFile(name, bytes.fromhex(PICTURE))}
        answer = client.post("/", data, follow=True)
    else:  # A browser sends the name alone.
        data = urlencode({"avatar": name})
        kind = "application/x-www-form-urlencoded"
        answer = client.post("/", data, kind, follow=True)
print((answer if UPLOADS else client.get(PATH)).content.decode())
"""


def pick(text: str, pattern: str) -> str:
    """Return the lines in which a pattern is found; without a pattern, the last one."""
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    return "\n".join(
        [line for line in lines if re.search(pattern, line)] if pattern else lines[-1:]
    )


def output(command: str, pattern: str = "") -> Look:
    """See what a command of manage.py prints."""
    arguments = command.removeprefix("manage.py ").split()

    def look(project: Project) -> str:
        return pick(project.run(*project.python, "manage.py", *arguments).stdout, pattern)

    return look


def page(path: str = "/", pattern: str = "", uploads: tuple[str, ...] = ()) -> Look:
    """See what Ada's page contains after uploads; where it fails, the traceback's last line."""
    known = f"PATH, UPLOADS, PICTURE = {path!r}, {uploads!r}, {draw_jpeg().hex()!r}"

    def look(project: Project) -> str:
        return pick(project.execute(known + VISIT), pattern)

    return look


@contextmanager
def alone(project: Project) -> Iterator[None]:
    """Run no server."""
    yield


@contextmanager
def runserver(project: Project) -> Iterator[None]:
    """Serve a project as a developer does."""
    project.address = f"127.0.0.1:{find_port()}"
    command = [
        *project.prefix,
        *project.python,
        "manage.py",
        "runserver",
        "--noreload",
        project.address,
    ]
    with project.log.open("wb") as log:
        server = subprocess.Popen(
            command, cwd=project.folder, env=project.environment, stdout=log, stderr=log
        )
    try:
        wait_for(project, server)
        yield
    finally:
        server.kill()
        server.wait()


def wait_for(project: Project, server: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        assert server.poll() is None, project.log.read_text("utf-8")
        try:
            ask(project, "/admin/jsi18n/")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("The server does not answer.")


def ask(
    project: Project, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[HTTPResponse, bytes]:
    """Send a request with Ada's session."""
    connection = HTTPConnection(project.address, timeout=30)
    cookie = {"Cookie": f"sessionid={project.session}"}
    connection.request(method, path, body, cookie | headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def requests(project: Project) -> str:
    """See what the server writes of the files that Ada's page names and it does not find."""
    content = ask(project, "/")[1].decode()
    urls = re.findall(r'(?:src|href)="(/[^"]+)"', content)
    for url in urls:
        ask(project, url)
    # It writes a line after the response.
    wait_until(lambda: all(f"GET {url} " in project.log.read_text("utf-8") for url in urls))
    lines = re.findall(r'"GET .+" [45]\d\d\b', project.log.read_text("utf-8"))
    return "\n".join(dict.fromkeys(lines))


def console(project: Project) -> str:
    """See what Chromium's console says of Ada's page."""
    assert project.browser
    origin = f"http://{project.address}"
    context = project.browser.new_context()
    context.add_cookies([{"name": "sessionid", "value": project.session, "url": origin}])
    tab = context.new_page()
    lines: list[str] = []
    tab.on("console", lambda message: lines.append(f"{message.text} {message.location['url']}"))
    tab.goto(origin, wait_until="networkidle")
    context.close()
    lines = [line.removesuffix(f" {origin}/") for line in lines if "favicon" not in line]
    return "\n".join(sorted(set(lines), reverse=True))  # In whichever order they came.
