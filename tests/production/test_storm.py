"""Kill everything at random while members do everything at once: nothing is lost, nothing left.

LIKENESS_STORM says how often; `make long` kills 2,000 times.
"""

import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.helpers.cells import find_children
from tests.helpers.pictures import draw, draw_jpeg, encode
from tests.helpers.servers import GUNICORN, serve, wait_until
from tests.test_kills import is_running

from .crowd import DATABASES, Site, prepare_site
from .members import Answer, Member
from .visitors import PASSWORD

pytestmark = pytest.mark.slow
# On both databases together.
KILLS = int(os.environ.get("LIKENESS_STORM", "60"))
KILLS_IN_A_LIFE = 10
# The second is so large that Django keeps it in a file while it arrives.
PICTURES = [draw_jpeg(), encode(draw(1200, 900), "BMP")]
DEACTIVATE = """
from profiles.models import User
for user in User.objects.filter(username__startswith="member-1"):
    user.is_active = not user.is_active
    user.save()
"""
COMMANDS = [
    ("tidy", "--now"),
    ("audit_media", "--delete-orphans", "--older-than", "0"),
    ("rebuild_avatars",),
    ("migrate",),
    ("shell", "--no-imports", "-c", DEACTIVATE),
]


class Storm:
    """One life of a site: members and commands at work, until its master is killed."""

    def __init__(self, site: Site, port: int, members: list[Member], seed: int) -> None:
        self.site, self.port, self.members = site, port, members
        self.chance = random.Random(seed)
        self.over = threading.Event()
        self.master = int((site.folder / "gunicorn.pid").read_text())
        self.command: subprocess.Popen[bytes] | None = None
        self.bad: list[Answer] = []
        self.killed: Counter[str] = Counter()

    def rage(self, kills: int) -> None:
        """Kill that often, the master last, and wait until nothing runs any more."""
        workers = find_children(self.master)
        with ThreadPoolExecutor(len(self.members) + 2) as pool:
            tasks = [pool.submit(self.act, member) for member in self.members]
            tasks += [pool.submit(self.run_commands), pool.submit(self.hide_and_show)]
            try:
                while self.killed.total() < kills - 1:
                    time.sleep(self.chance.uniform(0.1, 0.9))
                    self.kill_one()
                workers = find_children(self.master)
                self.kill("master", self.master)
                for worker in workers if self.chance.random() < 0.5 else []:
                    self.kill("worker", worker)
            finally:
                self.over.set()
        for task in tasks:
            task.result()
        wait_until(lambda: not any(map(is_running, workers)))

    def kill(self, kind: str, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed[kind] += 1

    def kill_one(self) -> None:
        """Kill a command or a part of the site, if such a one runs just now."""
        kind = self.chance.choice(["command", "worker", "zygote", "cell"])
        if kind == "command":
            if (command := self.command) and command.poll() is None:
                command.kill()
                self.killed["command"] += 1
            return
        pids = find_children(self.master)
        for _ in range(["worker", "zygote", "cell"].index(kind)):
            pids = [child for pid in pids for child in list_children(pid)]
        if pids:
            self.kill(kind, self.chance.choice(pids))

    def run_commands(self) -> None:
        """Run one command after another; only a kill may end one with an error of Python's."""
        chance = random.Random(self.chance.random())
        while not self.over.is_set():
            self.command = self.site.start(*chance.choice(COMMANDS))
            self.command.wait(120)

    def hide_and_show(self) -> None:
        """Disable and enable accounts with SQL, past Django."""
        while not self.over.wait(0.5):
            self.site.sql("UPDATE profiles_user SET is_active = NOT is_active WHERE id % 3 = 0")

    def act(self, member: Member) -> None:
        """Do something at random, and the next thing once it is answered or broken off."""
        chance = random.Random(f"{member.name} {self.chance.random()}")
        acts = list(self.list_acts(member, chance))
        weights = [weight for weight, _ in acts]
        while not self.over.is_set():
            [(_, do)] = chance.choices(acts, weights)
            try:
                answer = do()
            except TimeoutError:
                raise
            except (OSError, HTTPException):  # A kill has broken the connection.
                self.over.wait(0.1)
                continue
            if not answer.is_good:
                self.bad.append(answer)

    def list_acts(
        self, member: Member, chance: random.Random
    ) -> Iterator[tuple[int, Callable[[], Answer]]]:
        """Yield what a member does, and how often."""
        port = self.port
        audiences = ["public", "members", "private"]
        pages = ["/", "/profiles/", f"/profiles/{member.name}/", "/profile/edit/"]
        yield 8, lambda: member.upload(port, chance.choice(PICTURES))
        yield 2, lambda: member.remove(port)
        yield 4, lambda: member.show_to(port, chance.choice(audiences))
        yield 4, lambda: member.get(port, chance.choice(pages))
        yield 1, lambda: join_again(member, port)


def join_again(member: Member, port: int) -> Answer:
    """Leave, and join under another name: nobody knows whether a broken request was carried out."""
    answer = member.leave(port)
    if answer.is_good:
        member.session = ""
        member.name = f"member-{os.urandom(6).hex()}"
        account = {"username": member.name, "email": f"{member.name}@example.com"}
        answer = member.post(
            port, "/accounts/signup/", **account, password1=PASSWORD, password2=PASSWORD
        )
    return answer


def list_children(pid: int) -> list[int]:
    with suppress(FileNotFoundError, ProcessLookupError):
        return find_children(pid)
    return []


@pytest.mark.parametrize("database", DATABASES)
def test_whatever_is_killed_no_picture_is_lost_and_none_is_left(
    database: str, prepared: Path, tmp_path: Path
) -> None:
    killed: Counter[str] = Counter()
    with ExitStack() as stack:
        site = stack.enter_context(prepare_site(database, tmp_path, prepared))
        members = site.add_members(*(f"member-{number}" for number in range(5)))
        while killed.total() < KILLS // len(DATABASES):
            killed += live_once(site, members, seed=killed.total())
    assert set(killed) > {"master"}


def live_once(site: Site, members: list[Member], seed: int) -> Counter[str]:
    """Start the site, let the storm kill it, and check what it leaves."""
    killed = migrate_and_kill(site, random.Random(seed))
    site.sign_in(members)  # The migrations back have deleted the table of sessions.
    pid = f"--pid={site.folder}/gunicorn.pid"
    with site.log.open("a") as log, serve(site.environment, *GUNICORN, pid, output=log) as port:
        storm = Storm(site, port, members, seed)
        storm.rage(KILLS_IN_A_LIFE - killed.total())
    assert storm.bad == [], site.read_log()
    site.check_whole(site.list_references())
    site.check_tidy()
    return storm.killed + killed


def migrate_and_kill(site: Site, chance: random.Random) -> Counter[str]:
    """Go all migrations back, and forth, killed at any moment; the next `migrate` completes it.

    Not while members are there: indexes are made under locks that may deadlock with requests. Not
    on the way back: Django commits a migration that is undone before it takes it from its list.
    """
    killed: Counter[str] = Counter()
    site.manage("migrate", "profiles", "0001")
    command = site.start("migrate")
    try:
        command.wait(chance.uniform(0.5, 2.5))
    except subprocess.TimeoutExpired:
        command.kill()
        command.wait()
        killed["migrate"] += 1
    site.manage("migrate")
    return killed
