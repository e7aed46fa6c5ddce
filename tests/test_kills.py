"""Kill cells and zygotes at random moments while people upload: no picture gets lost.

LIKENESS_KILLS says how often; `make long` kills 2,000 times.
"""

import os
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .helpers.cells import count_descriptors, find_children
from .helpers.pictures import draw_as, draw_jpeg
from .helpers.servers import GUNICORN, make_environment, manage, serve, upload

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="It reads /proc."),
]
KILLS = int(os.environ.get("LIKENESS_KILLS", "100"))
MEMBERS = """
from django.test import Client
from profiles.models import User
for name in ("ada", "grace"):
    client = Client()
    client.force_login(User.objects.create_user(name))
    print(client.cookies["sessionid"].value)
"""


@dataclass
class Site:
    """A running site of one worker, and the sessions of two members."""

    port: int
    worker: int
    sessions: list[str]
    media: Path
    statuses: dict[str, list[int]] = field(default_factory=dict)

    def find_zygote(self) -> int:
        """Wait until the worker has a zygote; return it."""
        for _ in range(300):
            for child in find_children(self.worker):
                if is_running(child):
                    return child
            time.sleep(0.02)
        raise AssertionError("There is no zygote.")

    def wait_for_uploads(self) -> None:
        """Wait until two more pictures of each member are accepted: one may have been half done."""
        enough = {session: was.count(201) + 2 for session, was in self.statuses.items()}
        for _ in range(1500):
            if all(self.statuses[session].count(201) >= n for session, n in enough.items()):
                return
            time.sleep(0.02)
        raise AssertionError("No picture is taken any more.")

    def settle_descriptors(self) -> int:
        """Return the number of the worker's descriptors, once the last responses are sent."""
        counts = []
        for _ in range(20):
            time.sleep(0.02)
            counts.append(count_descriptors(self.worker))
        return min(counts)


def is_running(pid: int) -> bool:
    """Return whether a process exists and has not ended."""
    with suppress(FileNotFoundError):
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            != "Z"
        )
    return False


@pytest.fixture
def site(prepared: Path, tmp_path: Path) -> Iterator[Site]:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    environment = make_environment(tmp_path, WEB_CONCURRENCY="1")
    sessions = manage(environment, "shell", "--no-imports", "-c", MEMBERS).stdout.split()
    pid = f"--pid={tmp_path}/gunicorn.pid"
    with serve(environment, *GUNICORN, pid) as port:
        (worker,) = find_children(int((tmp_path / "gunicorn.pid").read_text()))
        yield Site(port, worker, sessions, tmp_path / "media")


def test_killing_cells_and_zygotes_loses_no_picture(site: Site) -> None:
    for session in site.sessions:
        assert upload(site.port, session, draw_jpeg()) == 201
    before = site.settle_descriptors()
    over = threading.Event()

    def keep_uploading(session: str) -> None:
        while not over.is_set():
            site.statuses[session].append(upload(site.port, session, draw_jpeg(1600, 1200)))

    site.statuses = {session: [] for session in site.sessions}

    with ThreadPoolExecutor(2) as members:
        uploads = [members.submit(keep_uploading, session) for session in site.sessions]
        try:
            kill_at_random(site)
        finally:
            over.set()
    assert [done.result() for done in uploads] == [None, None]
    # An upload whose cell was killed is refused, but never an error.
    assert set().union(*site.statuses.values()) <= {201, 400}
    assert upload(site.port, site.sessions[0], draw_as("HEIC")) == 201
    assert find_children(site.worker) == [site.find_zygote()]
    assert find_children(site.find_zygote()) == []
    assert site.settle_descriptors() == before
    assert len([path for path in site.media.rglob("*") if path.is_file()]) == 2 * 5


def kill_at_random(site: Site) -> None:
    """Kill a cell, or a zygote, at most twice for a picture, which is tried three times."""
    chance = random.Random(1815)
    killed = 0
    while killed < KILLS:
        time.sleep(chance.uniform(0, 0.2))
        zygote = site.find_zygote()
        if chance.random() < 0.7:
            for victim in find_children(zygote)[:1]:
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    killed += 1
            continue
        for _ in range(chance.choice([1, 2])):
            os.kill(site.find_zygote(), signal.SIGKILL)
            killed += 1
            time.sleep(chance.uniform(0.05, 0.6))
        site.wait_for_uploads()


def test_the_zygote_ends_with_the_worker_in_any_case(site: Site) -> None:
    zygote = site.find_zygote()
    os.kill(site.worker, signal.SIGKILL)
    for _ in range(500):
        if not is_running(zygote):
            return
        time.sleep(0.02)
    raise AssertionError("The zygote still runs.")


def test_no_decoder_is_loaded_by_the_site(site: Site) -> None:
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIC"):
        assert upload(site.port, site.sessions[0], draw_as(kind)) == 201
    loaded = Path(f"/proc/{site.worker}/maps").read_text(encoding="utf-8")
    assert "python" in loaded
    for library in (
        "libheif",
        "libde265",
        "libavif",
        "x265",
        "libwebp",
        "libjpeg",
        "liblcms",
        "PIL",
    ):
        assert library not in loaded
    assert "libheif" in Path(f"/proc/{site.find_zygote()}/maps").read_text(encoding="utf-8")
