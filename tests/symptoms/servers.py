"""Faults of nginx and of buckets, with real ones."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse

from ..helpers.pictures import draw_jpeg
from ..helpers.servers import find_port, wait_until
from ..production.front import NGINX, USER
from .looks import Look, ask, runserver
from .project import ADDRESS, AS_OTHERS, ERROR_LOG, FOLDER, HOME, PICTURE, Project
from .variant import Variant, add, add_picture, append, change, set_debug_off

# The server's own part is in the project, as the page shows it.
MAIN = """
daemon off;
pid nginx.pid;
events {}
http {
    types { image/jpeg jpg; }
    log_format short '"$request" $status';
    access_log access.txt short;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include server.conf;
}
"""
INNER = "127.0.0.1:8001"
FRONT = f"""server {{
    listen {ADDRESS};

    location / {{
        proxy_pass http://{INNER};
        proxy_set_header Host $http_host;
    }}
}}
"""
MEDIA = f"""
    location /media/ {{
        alias {FOLDER}/media/;
    }}
}}
"""
WITH_MEDIA = FRONT.removesuffix("}\n") + MEDIA
WSGI = """from django.conf import settings
from django.core.wsgi import get_wsgi_application
from whitenoise import WhiteNoise

application = WhiteNoise(get_wsgi_application())
application.add_files(settings.MEDIA_ROOT, prefix="media/")
"""
URL = f"http://{ADDRESS}/media/{PICTURE}"


@contextmanager
def nginx(project: Project) -> Iterator[None]:
    """Serve a project by runserver, and by nginx in front of it."""
    with runserver(project):
        inner, project.address = project.address, f"127.0.0.1:{find_port()}"
        text = project.read("nginx.conf").replace(INNER, inner).replace(ADDRESS, project.address)
        text = text.replace(FOLDER, str(project.folder)).replace(HOME, f"{project.folder}{HOME}")
        folder = project.folder / "nginx"
        folder.mkdir(exist_ok=True)
        project.write("nginx/server.conf", text)
        project.write("nginx/main.conf", MAIN)
        project.write("nginx/error.txt", "")
        project.write("nginx/access.txt", "")
        command = [NGINX, "-p", str(folder), "-e", "error.txt", "-c", "main.conf", *USER]
        process = subprocess.Popen([*AS_OTHERS, *command], cwd=folder)
        try:
            wait_for_port(project, process)
            yield
        finally:
            process.terminate()
            process.wait(30)


def wait_for_port(project: Project, process: subprocess.Popen[bytes]) -> None:
    host, port = project.address.split(":")
    for _ in range(600):
        assert process.poll() is None, project.read("nginx/error.txt")
        with suppress(OSError), socket.create_connection((host, int(port))):
            return
        time.sleep(0.05)
    raise AssertionError("nginx does not answer.")


def read_logs(project: Project, count: int = 1) -> str:
    """Return what nginx has logged: so many requests with their status, and its errors."""
    # It writes a line after the response.
    wait_until(lambda: project.read("nginx/access.txt").count("\n") == count)
    requests = re.findall(r'^"GET .+', project.read("nginx/access.txt"), re.M)
    errors = re.findall(r"\[error\] .*?\*\d+ (.+?), client:", project.read("nginx/error.txt"))
    return "\n".join([*requests, *errors])


def picture(project: Project) -> str:
    """See what nginx logs of a request for the picture."""
    ask(project, f"/media/{PICTURE}")
    return read_logs(project)


def upload_then_see(project: Project) -> str:
    """See what it logs of a picture that is uploaded while the site runs."""
    project.remove_pictures()
    project.add_picture()
    return picture(project)


def upload(project: Project, name: str, size: int) -> HTTPResponse:
    """Send a picture of so many bytes."""
    part = f'--cut\r\nContent-Disposition: form-data; name="avatar"; filename="{name}"\r\n\r\n'
    body = part.encode() + draw_jpeg().ljust(size, b"\0") + b"\r\n--cut--\r\n"
    token = "t" * 32
    headers = {
        "Content-Type": "multipart/form-data; boundary=cut",
        "Cookie": f"sessionid={project.session}; csrftoken={token}",
        "X-CSRFToken": token,
    }
    return ask(project, "/", "POST", body, **headers)[0]


def large_upload(project: Project) -> str:
    """See what is answered to a photo of 2 MB."""
    response = upload(project, "me.jpg", 2_000_000)
    return f"{response.status} {response.reason}"


def small_and_large(project: Project) -> str:
    """See what it logs of requests for a small and for a large picture, after their uploads."""
    project.remove_pictures()
    for name, size in {"small.jpg": 100_000, "large.jpg": 3_000_000}.items():
        upload(project, name, size)
        ask(project, f"/media/avatars/{name}")
    return read_logs(project, 4)


def upload_as_another(project: Project) -> None:
    """Let the site run as another user than nginx."""
    (project.folder / "media").chmod(0o777)
    rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    project.prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *rights]


def live_in_a_home(project: Project) -> None:
    """Let the site be in a home folder that others may not enter."""
    home = project.folder / HOME.lstrip("/")
    home.mkdir(parents=True)
    (home / "site").symlink_to(project.folder)
    home.chmod(0o600)


def behind_nginx(name: str, old: str, new: str, command: str, look: Look = picture) -> Variant:
    """Return a variant whose fault is in nginx.conf."""
    steps = [add_picture, add("nginx.conf", WITH_MEDIA), change("nginx.conf", old, new)]
    return Variant(name, steps, look, command, serve=nginx, needs="nginx")


LIMIT = "\n    client_max_body_size 20m;\n"
ALIAS = f"alias {FOLDER}/media/;"
VARIANTS = [
    Variant(
        "media_debug_off",
        [add_picture, set_debug_off, add("nginx.conf", FRONT)],
        picture,
        f"manage.py why {PICTURE}",
        [change("nginx.conf", "    }\n}\n", "    }\n" + MEDIA)],
        serve=nginx,
        needs="nginx",
    ),
    Variant(
        "whitenoise_for_media",
        [
            set_debug_off,
            change(
                "settings.py", "ROOT_URLCONF", 'WSGI_APPLICATION = "wsgi.application"\nROOT_URLCONF'
            ),
            add("nginx.conf", FRONT),
            add("wsgi.py", WSGI),
        ],
        upload_then_see,
        "grep -n add_files wsgi.py",
        [
            change("wsgi.py", 'application.add_files(settings.MEDIA_ROOT, prefix="media/")\n', ""),
            change("nginx.conf", "    }\n}\n", "    }\n" + MEDIA),
        ],
        serve=nginx,
        needs="nginx",
    ),
    behind_nginx("root_for_alias", ALIAS, f"root {FOLDER}/media;", f"manage.py why {URL}"),
    behind_nginx("slash", ALIAS, ALIAS.replace("/;", ";"), f"manage.py why {URL}"),
    Variant(
        "home",
        [
            add_picture,
            add("nginx.conf", WITH_MEDIA.replace(FOLDER, f"{HOME}/site")),
            live_in_a_home,
        ],
        picture,
        f"manage.py why {URL}",
        fix=f"chmod a+x {HOME}",
        serve=nginx,
        needs="nginx",
    ),
    Variant(
        "too_large",
        [add("nginx.conf", WITH_MEDIA)],
        large_upload,
        f'grep -o "client intended.*body" {ERROR_LOG}',
        [change("nginx.conf", "\n\n    location / {", f"{LIMIT}\n    location / {{")],
        serve=nginx,
        needs="nginx",
    ),
    Variant(
        "only_large",
        [
            upload_as_another,
            add(
                "nginx.conf",
                WITH_MEDIA.replace("\n\n    location / {", f"{LIMIT}\n    location / {{"),
            ),
            append("settings.py", "FILE_UPLOAD_PERMISSIONS = None\n"),
        ],
        small_and_large,
        'stat -c "%a %n" media/avatars/*',
        serve=nginx,
        needs="root",
    ),
]
