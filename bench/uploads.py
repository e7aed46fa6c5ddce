"""Measure uploads as a visitor makes them, through gunicorn, against the pipeline alone."""

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from profiles.pictures import images
from tests.servers import GUNICORN, ROOT, find_port, make_environment, manage, wait_for

from . import inputs, measure

UPLOADS = 30
TOKEN = "t" * 32
SIGN_IN = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from profiles.models import User
user = User.objects.create_user("ada")
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.create()
print(session.session_key)
"""


def main() -> None:
    """Upload one picture after the other, in turns with the pipeline alone; print medians."""
    arguments = measure.parse_arguments()
    count = 6 if arguments.quick else UPLOADS
    source = inputs.make_inputs()[inputs.MAIN]
    alone: list[tuple[float, float]] = []
    whole: list[tuple[float, float]] = []
    with TemporaryDirectory() as folder, serve(Path(folder)) as (worker, port, session):
        for _ in range(count + 2):
            with source.open("rb") as file:
                alone.append(measure.time_call(lambda: images.make_avatar(file)))
            cpu, wall = get_cpu_of(worker), time.perf_counter()
            upload(port, session, source)
            wall = time.perf_counter() - wall
            whole.append((get_cpu_of(worker) - cpu, wall))
    print(f"\n### Through gunicorn, {inputs.MAIN}, median of {count} uploads\n")
    print("| | CPU ms | wall ms |\n|---|--:|--:|")
    figures = []
    for name, samples in {"the pipeline alone": alone, "the upload": whole}.items():
        # The first two of each are warm-up.
        cpu, wall = (median(values) * 1000 for values in zip(*samples[2:], strict=True))
        figures.append((cpu, wall))
        print(f"| {name} | {cpu:.0f} | {wall:.0f} |")
    excess = [after - 1.35 * before for before, after in zip(*figures, strict=True)]
    print(f"\nOver 1.35 × the pipeline: CPU {excess[0]:+.0f} ms, wall {excess[1]:+.0f} ms.")


@contextmanager
def serve(folder: Path) -> Iterator[tuple[int, int, str]]:
    """Run the site with one worker; give the worker, the port and the key of a session."""
    port = find_port()
    environment = make_environment(
        folder,
        DJANGO_DOTENV="",
        DJANGO_DEBUG="off",
        DJANGO_HTTPS="off",
        DJANGO_SECRET_KEY=secrets.token_urlsafe(50),
        DJANGO_ALLOWED_HOSTS="127.0.0.1",
        MEDIA_DELIVERY="app",
        WEB_CONCURRENCY="1",
        DJANGO_THROTTLE_UPLOAD="0",
        PORT=str(port),
    )
    for command in (["migrate"], ["collectstatic", "--noinput"]):
        manage(environment, *command).check_returncode()
    session = manage(environment, "shell", "--no-imports", "-c", SIGN_IN)
    session.check_returncode()
    command = [sys.executable, *GUNICORN]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        wait_for(process, port)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        yield int(children.split()[0]), port, session.stdout.strip()
    finally:
        process.terminate()
        process.wait(30)


def get_cpu_of(process: int) -> float:
    """Return the CPU seconds of a process, of all its threads, to the nanosecond."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def upload(port: int, session: str, source: Path) -> None:
    """Send a picture as a browser does; fail unless the answer is a redirect."""
    end = "end-of-the-part"
    field = f'--{end}\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{TOKEN}'
    photo = f'--{end}\r\nContent-Disposition: form-data; name="avatar"; filename="{source.name}"'
    head = f"{field}\r\n{photo}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
    headers = {
        "Content-Type": f"multipart/form-data; boundary={end}",
        "Cookie": f"sessionid={session}; csrftoken={TOKEN}",
    }
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    body = head + source.read_bytes() + f"\r\n--{end}--\r\n".encode()
    connection.request("POST", "/profile/avatar/", body, headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    if response.status != 302 or "/profiles/ada" not in response.getheader("Location", ""):
        sys.exit(f"The upload was answered {response.status}.")


if __name__ == "__main__":
    main()
