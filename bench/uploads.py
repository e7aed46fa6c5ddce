"""Measure uploads through gunicorn, as a visitor makes them, and the pipeline alone."""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ctypes.util import find_library
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from PIL import Image, ImageOps

from profiles.pictures import cell
from tests.helpers.cells import find_children
from tests.helpers.servers import (
    GUNICORN,
    ROOT,
    find_port,
    make_environment,
    manage,
    upload,
    wait_for,
)

from . import inputs, measure

UPLOADS = 30
# Debian's package libeatmydata1: no program waits until its files are on the disk.
UNSYNCED = "libeatmydata.so"
ADD_MEMBERS = """
from django.test import Client
from profiles.models import User
for number in range({members}):
    client = Client()
    client.force_login(User.objects.create_user(f"member-{{number}}"))
    print(client.cookies["sessionid"].value)
"""


def main() -> None:
    """Upload pictures, alternating with the pipeline alone; print medians."""
    arguments = measure.parse_arguments()
    count = 6 if arguments.quick else UPLOADS
    source = inputs.make_inputs()[inputs.MAIN]
    small = draw_square(source)
    if not find_library("eatmydata"):
        sys.exit("Install Debian's package libeatmydata1.")
    alone: list[tuple[float, float]] = []
    whole: list[tuple[float, float]] = []
    unsynced: list[tuple[float, float]] = []
    square: list[tuple[float, float]] = []
    cell.start()
    with ExitStack() as stack:
        site, careless = (
            stack.enter_context(serve(Path(stack.enter_context(TemporaryDirectory())), **variables))
            for variables in ({}, {"LD_PRELOAD": UNSYNCED})
        )
        for _ in range(count + 2):
            with source.open("rb") as file:
                alone.append(measure.time_call(lambda: cell.make_avatar(file)))
            whole.append(site.time_upload(source.read_bytes()))
            unsynced.append(careless.time_upload(source.read_bytes()))
            square.append(site.time_upload(small))
    print(f"\n### Through gunicorn, {inputs.MAIN}, median of {count} uploads\n")
    print("| | CPU ms | wall ms |\n|---|--:|--:|")
    figures = []
    rows = {"the pipeline alone": alone, "the upload": whole, "where nothing is synced": unsynced}
    rows["a square, as the picture editor sends it"] = square
    for name, samples in rows.items():
        # The first two of each are warm-up.
        cpu, wall = (median(values) * 1000 for values in zip(*samples[2:], strict=True))
        figures.append((cpu, wall))
        print(f"| {name} | {cpu:.0f} | {wall:.0f} |")
    excess = [after - 1.35 * before for before, after in zip(*figures[:2], strict=True)]
    print(f"\nOver 1.35 × the pipeline: CPU {excess[0]:+.0f} ms, wall {excess[1]:+.0f} ms.")


def draw_square(source: Path) -> bytes:
    """Return the middle of a photo as the picture editor sends it: a JPEG of 768 pixels."""
    content = BytesIO()
    with Image.open(source) as photo:
        upright = ImageOps.exif_transpose(photo)
        ImageOps.fit(upright, (768, 768)).save(content, "JPEG", quality=92)
    return content.getvalue()


@dataclass
class Site:
    """A running site: its workers, its port, the sessions of its members, log and environment."""

    workers: list[int]
    port: int
    sessions: list[str]
    log: Path
    environment: dict[str, str]

    def time_upload(self, picture: bytes) -> tuple[float, float]:
        """Upload a picture; return the seconds of CPU and of elapsed time."""
        cpu, wall = self.get_cpu(), time.perf_counter()
        status = upload(self.port, self.sessions[0], picture)
        wall = time.perf_counter() - wall
        if status != 201:
            sys.exit(f"The upload was answered {status}.")
        return self.get_cpu() - cpu, wall

    def get_cpu(self) -> float:
        """Return the CPU seconds of the workers, their zygotes, and the ended cells."""
        zygotes = [zygote for worker in self.workers for zygote in find_children(worker)]
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if '"cpu"' in line]
        cells = sum(line["cpu"] for line in lines) / 1000
        return cells + sum(map(measure.get_cpu_of, self.workers + zygotes))


@contextmanager
def serve(
    folder: Path,
    members: int = 1,
    workers: int = 1,
    *options: str,
    people: int = 0,
    **variables: str,
) -> Iterator[Site]:
    """Run the site until the block ends; `options` are for gunicorn, `variables` for all.

    It has `people` of bench/people.py, 48 of the demo with pictures, and members with a session.
    """
    port = find_port()
    defaults = {
        "DJANGO_DOTENV": "",
        "DJANGO_DEBUG": "off",
        "DJANGO_HTTPS": "off",
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "DJANGO_TRUSTED_PROXIES": "1",
        "MEDIA_DELIVERY": "app",
        "WEB_CONCURRENCY": str(workers),
        "PORT": str(port),
    }
    environment = make_environment(folder, **defaults | variables)
    manage(environment, "migrate").check_returncode()
    if people:
        fill = [sys.executable, "-m", "bench.people", str(people)]
        subprocess.run(fill, cwd=ROOT, env=environment, check=True)
        # Where rows name pictures, a missing folder is taken for a disk that is not mounted.
        for name in ("avatars", "protected"):
            (folder / "media" / name).mkdir(parents=True)
    for command in (["demo", "--profiles", "48"], ["collectstatic", "--noinput"]):
        manage(environment, *command).check_returncode()
    code = ADD_MEMBERS.format(members=members)
    sessions = manage(environment, "shell", "--no-imports", "-c", code)
    sessions.check_returncode()
    command = [sys.executable, *GUNICORN, f"--bind=127.0.0.1:{port}", *options]
    log = folder / "site.log"
    with log.open("w") as stderr:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=stderr)
    try:
        wait_for(process, port)
        pids = find_children(process.pid)
        yield Site(pids, port, sessions.stdout.split(), log, environment)
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    main()
