"""Several processes make all avatars anew, also after a kill, while people join and upload."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.helpers.cells import find_children
from tests.helpers.pictures import draw_jpeg
from tests.helpers.servers import GUNICORN, heed_ctrl_c, serve, wait_until
from tests.test_kills import is_running

from .crowd import DATABASES, Site, prepare_site
from .members import Answer, Member
from .visitors import PASSWORD

pytestmark = pytest.mark.slow
# Enough for two processes and two seconds.
PEOPLE = 120
COMMAND = ("rebuild_avatars", "--processes", "2")
NAMES = "SELECT id, avatar FROM profiles_profile WHERE avatar <> ''"


@pytest.fixture(scope="module", params=DATABASES)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> Iterator[Site]:
    with prepare_site(request.param, tmp_path_factory.mktemp("rebuild"), prepared) as site:
        site.manage("demo", "--profiles", str(PEOPLE))
        yield site


@contextmanager
def rush(site: Site) -> Iterator[list[Answer]]:
    """Let people join, upload and leave until the block ends; give what they are answered."""
    answers: list[Answer] = []
    over = threading.Event()
    picture, numbers = draw_jpeg(), count()

    def join(port: int) -> None:
        while not over.is_set():
            person = Member(f"new-{next(numbers)}", 0, "")
            account = {"username": person.name, "email": f"{person.name}@example.com"}
            account |= {"password1": PASSWORD, "password2": PASSWORD}
            answers.append(person.post(port, "/accounts/signup/", **account))
            answers.append(person.upload(port, picture))
            over.wait(0.2)

    environment = site.environment | {"DJANGO_THROTTLE_MAIL": "0"}
    with serve(environment, *GUNICORN) as port, ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(join, port) for _ in range(2)]
        try:
            yield answers
        finally:
            over.set()
        for task in tasks:
            task.result()


def start(site: Site) -> tuple["subprocess.Popen[bytes]", list[int]]:
    """Start to make all anew; return once some are, with the processes that do so."""
    site.sql("DELETE FROM pictures_progress")
    process = site.start(*COMMAND)
    wait_until(lambda: find_position(site) > 0 or process.poll() is not None)
    return process, find_children(process.pid)


def find_position(site: Site) -> int:
    """Return the key up to which all avatars are new; 0 if none is stored."""
    rows = site.sql("SELECT CAST(position AS text) FROM pictures_progress")
    return int(*json.loads(rows[0][0]).values()) if rows else 0


def test_it_goes_on_after_a_kill_while_people_join_and_upload(site: Site) -> None:
    before = dict(site.sql(NAMES))
    with rush(site) as answers:
        process, workers = start(site)
        process.kill()
        process.wait()
        assert len(workers) == 2, site.read_log()
        wait_until(lambda: not any(map(is_running, workers)))
        position, at_kill = find_position(site), dict(site.sql(NAMES))
        assert 0 < position < max(before)
        output = site.manage(*COMMAND, "--resume")
    assert "Going on from where it was at" in output
    after = dict(site.sql(NAMES))
    assert {key for key in before if after[key] == before[key]} == set()
    done = [key for key in before if key <= position]
    assert [key for key in done if after[key] != at_kill[key]] == []
    assert {each.status for each in answers} == {201, 302}
    assert site.sql("SELECT name FROM pictures_progress") == []
    site.check_tidy()


def test_ctrl_c_leaves_no_avatar_half_done(site: Site) -> None:
    with heed_ctrl_c():
        process, workers = start(site)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130, site.read_log()
    assert len(workers) == 2
    assert "With --resume it goes on from here.\nCommandError: Interrupted." in site.read_log()
    assert "Traceback" not in site.read_log()
    assert not any(map(is_running, workers))
    assert site.sql("SELECT name FROM pictures_journalentry") == []
    site.check_tidy()


def test_it_says_why_it_ends_when_one_of_its_processes_is_killed(site: Site) -> None:
    process, workers = start(site)
    os.kill(workers[0], signal.SIGKILL)
    assert process.wait(timeout=60) == 1, site.read_log()
    assert "memory ran out: use fewer --processes." in site.read_log()
    assert not any(map(is_running, workers))
    site.check_tidy()
