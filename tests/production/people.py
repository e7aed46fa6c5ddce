"""Many people who use a site at once, each doing one thing again and again."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from itertools import count

from .members import Answer, Member

PAGES = ("/", "/profiles/", "/profiles/?q=jomo", "/profiles/?q=no-one", "/how-it-works/")
BUSY = "5"  # Retry-After of an upload for which there is no place yet, and of nothing else.


class People:
    """What people do, how long their pages take, and what has been promised to them."""

    def __init__(self, port: int, pause: float) -> None:
        """Let everybody wait so many seconds between two actions, half more or less."""
        self.port, self.pause = port, pause
        self.over = threading.Event()
        self.times: list[float] = []  # Milliseconds of each page.
        self.done: list[str] = []
        self.bad: list[str] = []
        self.texts: dict[str, str] = {}  # The last that was accepted, by user name.
        self.pictures: dict[str, str] = {}
        self.numbers = count()

    def run(self, acts: Iterable[Callable[[], None]], seconds: float) -> None:
        """Let a person do each of these for some seconds, and wait for the last answers."""
        acts = list(acts)
        with ThreadPoolExecutor(len(acts)) as pool:
            tasks = [pool.submit(self.repeat, act, number) for number, act in enumerate(acts)]
            self.over.wait(seconds)
            self.over.set()
        for task in tasks:
            task.result()

    def repeat(self, act: Callable[[], None], seed: int) -> None:
        chance = random.Random(seed)
        self.over.wait(chance.random() * self.pause)
        while not self.over.is_set():
            try:
                act()
            except (OSError, HTTPException) as error:
                self.bad.append(repr(error))
            self.over.wait(chance.uniform(0.5, 1.5) * self.pause)

    def browse(self) -> None:
        page = PAGES[next(self.numbers) % len(PAGES)]
        start = time.perf_counter()
        if self.note("pages", Member("a visitor", 0, "").get(self.port, page), 200):
            self.times.append((time.perf_counter() - start) * 1000)

    def edit(self, member: Member) -> None:
        text = f"Text {next(self.numbers)}"
        fields = {"display_name": member.name, "visibility": "members", "bio": text}
        if self.note("edits", member.post(self.port, "/profile/edit/", **fields), 302):
            self.texts[member.name] = text

    def upload(self, member: Member, photo: bytes) -> None:
        answer = member.upload(self.port, photo)
        if answer.status == 503 and answer.headers["Retry-After"] == BUSY:
            self.done.append("uploads that had to wait")
            self.over.wait(int(BUSY))
        elif self.note("uploads", answer, 201):
            self.pictures[member.name] = json.loads(answer.body)["url"]

    def sign_in(self, name: str, password: str) -> None:
        somebody = Member(name, 0, "")
        fields = {"username": name, "password": password}
        self.note("sign-ins", somebody.post(self.port, "/accounts/login/", **fields), 302)

    def note(self, what: str, answer: Answer, expected: int) -> bool:
        """Count an answer as done, or as bad with its text; return whether it is as expected."""
        if answer.status == expected:
            self.done.append(what)
            return True
        self.bad.append(f"{what}: {answer.status} {answer.body[:2000].decode()}")
        return False

    def find_lost(self, stored: Iterable[tuple[str, str, str]]) -> list[str]:
        """Return what was accepted but is not in the rows of user names, texts and pictures."""
        rows = {name: (text, f"/media/{picture}") for name, text, picture in stored}
        lost = []
        for place, promised in enumerate((self.texts, self.pictures)):
            for name, value in promised.items():
                found = rows[name][place] if name in rows else "nobody"
                if found != value:
                    lost.append(f"{name}: {value} was accepted, {found} is stored.")
        return lost


def list_writers(
    people: People, members: list[Member], uploaders: int, photo: bytes
) -> list[partial[None]]:
    """Return acts in which all members edit, and the first of them upload at the same time."""
    uploads = [Member(each.name, each.key, each.session) for each in members[:uploaders]]
    return [
        *(partial(people.edit, member) for member in members),
        *(partial(people.upload, member, photo) for member in uploads),
    ]
