"""Two requests for the same account at the same moment: one result, no error, nothing left.

And many requests for different accounts at the same moment: nothing lost.

LIKENESS_ROUNDS says how often each is tried; `make long` tries 50 times.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.pictures import draw_jpeg
from tests.helpers.servers import GUNICORN, serve

from .crowd import DATABASES, Site, prepare_site
from .members import Answer, Member
from .people import People, list_writers
from .visitors import PASSWORD

pytestmark = pytest.mark.slow
ROUNDS = int(os.environ.get("LIKENESS_ROUNDS", "5"))
RACES = 13
WRITERS = 8
PICTURE = draw_jpeg()


@dataclass
class Races:
    """A running site, two admins, and members of whom each runs one race."""

    site: Site
    port: int
    admins: list[Member]
    members: Iterator[Member]
    chance: random.Random

    def rounds(self) -> Iterator[Member]:
        """Give a member with a public picture for each round; then nothing must be left."""
        for _ in range(ROUNDS):
            member = next(self.members)
            for answer in (self.upload(member), member.show_to(self.port, "public")):
                assert answer.status in (201, 302), answer
            yield member
            assert self.site.sql(WITHOUT_PROFILE, member.key) == []
            self.site.check_whole(self.site.list_references(member.key))
        self.site.check_tidy()
        self.site.drop_pictures()

    def run(self, *racers: Callable[[], Any]) -> list[Answer]:
        """Let all begin at once, or one of them a little later, and wait for their answers."""
        late = self.chance.randrange(len(racers) + 1)
        wait = self.chance.uniform(0, 0.2)

        def start(place: int, racer: Callable[[], Any]) -> Any:
            time.sleep(wait if place == late else 0)
            return racer()

        with ThreadPoolExecutor(len(racers)) as pool:
            answers = [each for each in pool.map(start, range(len(racers)), racers) if each]
        assert [each for each in answers if not each.is_good] == []
        return answers

    def upload(self, member: Member) -> Answer:
        return member.upload(self.port, PICTURE)

    def save_in_admin(self, admin: Member, member: Member, **fields: str) -> Answer:
        """Save the account as the form of the admin does; it is disabled without is_active."""
        fields |= {"username": member.name, "email": "", "last_login_0": "", "last_login_1": ""}
        fields |= {"date_joined_0": "2026-01-02", "date_joined_1": "03:04:05"}
        answer = admin.post(self.port, f"/admin/profiles/user/{member.key}/change/", **fields)
        assert answer.status in (302, 503), answer.body.decode()
        return answer

    def delete_in_admin(self, admin: Member, member: Member) -> Answer:
        address = f"/admin/profiles/user/{member.key}/delete/"
        answer = admin.post(self.port, address, post="yes")
        assert answer.status == 302, answer
        return answer

    def find(self, member: Member) -> tuple[str, str, bool]:
        """Return the picture, the visibility and whether the account is active."""
        [found] = self.site.sql(ROW, member.key)
        return found[0], found[1], bool(found[2])

    def has_left(self, member: Member) -> bool:
        return self.site.sql("SELECT id FROM profiles_user WHERE id = ?", member.key) == []


ROW = (
    "SELECT avatar, visibility, is_active FROM profiles_profile"
    " JOIN profiles_user ON profiles_user.id = user_id WHERE user_id = ?"
)
STORED = (
    "SELECT username, bio, avatar FROM profiles_user"
    " JOIN profiles_profile ON profiles_user.id = user_id"
)
WITHOUT_PROFILE = (
    "SELECT username FROM profiles_user"
    " WHERE id = ? AND id NOT IN (SELECT user_id FROM profiles_profile)"
)


@pytest.fixture(scope="module", params=DATABASES)
def races(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, prepared: Path
) -> Iterator[Races]:
    with prepare_site(request.param, tmp_path_factory.mktemp("races"), prepared) as site:
        names = [f"member-{number}" for number in range(RACES * ROUNDS + WRITERS)]
        first, second, *members = site.add_members("admin-1", "admin-2", *names)
        with site.log.open("a") as log, serve(site.environment, *GUNICORN, output=log) as port:
            yield Races(site, port, [first, second], iter(members), random.Random(1843))


def test_two_uploads_of_one_person_end_with_one_picture(races: Races) -> None:
    for member in races.rounds():
        before = races.find(member)[0]
        races.run(*[partial(races.upload, member)] * 2)
        assert races.find(member)[0] not in ("", before)


def test_a_picture_that_is_removed_during_an_upload_is_gone(races: Races) -> None:
    for member in races.rounds():
        before = races.find(member)[0]
        races.run(partial(races.upload, member), partial(member.remove, races.port))
        assert races.find(member)[0] != before


def test_a_profile_that_is_hidden_during_an_upload_has_no_public_picture(races: Races) -> None:
    for member in races.rounds():
        hide = partial(member.show_to, races.port, "private")
        races.run(partial(races.upload, member), hide)
        name, visibility, _ = races.find(member)
        assert (name[:10], visibility) == ("protected/", "private")


def test_a_profile_that_is_hidden_while_its_picture_is_removed_has_none(races: Races) -> None:
    for member in races.rounds():
        hide = partial(member.show_to, races.port, "private")
        races.run(partial(member.remove, races.port), hide)
        assert races.find(member)[:2] == ("", "private")


def test_somebody_who_leaves_during_an_upload_leaves_nothing(races: Races) -> None:
    for member in races.rounds():
        other = Member(member.name, member.key, member.session)
        upload, _ = races.run(partial(races.upload, member), partial(other.leave, races.port))
        assert upload.status in (201, 400, 401, 404)
        assert races.has_left(member)


def test_an_account_that_an_admin_deletes_during_an_upload_leaves_nothing(races: Races) -> None:
    for member in races.rounds():
        delete = partial(races.delete_in_admin, races.admins[0], member)
        upload, _ = races.run(partial(races.upload, member), delete)
        assert upload.status in (201, 400, 401, 404)
        assert races.has_left(member)


def test_an_account_that_an_admin_disables_during_an_upload_has_no_public_picture(
    races: Races,
) -> None:
    for member in races.rounds():
        disable = partial(races.save_in_admin, races.admins[0], member)
        races.run(partial(races.upload, member), disable)
        name, _, is_active = races.find(member)
        assert (name[:10], is_active) == ("protected/", False)


def test_somebody_leaves_while_an_admin_saves_the_account(races: Races) -> None:
    for member in races.rounds():
        save = partial(races.save_in_admin, races.admins[0], member, is_active="on")
        races.run(partial(member.leave, races.port), save)
        assert races.has_left(member)


def test_an_account_stays_deleted_while_another_admin_disables_it(races: Races) -> None:
    for member in races.rounds():
        first, second = races.admins
        disable = partial(races.save_in_admin, first, member)
        races.run(disable, partial(races.delete_in_admin, second, member))
        assert races.has_left(member)


def test_two_admins_save_one_account(races: Races) -> None:
    for member in races.rounds():
        first, second = races.admins
        enable = partial(races.save_in_admin, first, member, is_active="on")
        races.run(enable, partial(races.save_in_admin, second, member))
        name, _, is_active = races.find(member)
        assert name.startswith("avatars/" if is_active else "protected/")


def test_an_upload_during_an_update_of_the_database_is_where_it_belongs(races: Races) -> None:
    hide = "UPDATE profiles_profile SET visibility = 'private' WHERE user_id = ?"
    for member in races.rounds():
        update = partial(races.site.sql, hide, member.key)
        races.run(partial(races.upload, member), update)
        assert races.find(member)[1] == "private"


@pytest.mark.parametrize("command", ["tidy --now", "rebuild_avatars"])
def test_no_upload_is_lost_to_a_command_that_runs_meanwhile(races: Races, command: str) -> None:
    for member in races.rounds():
        process = races.site.start(*command.split())
        while process.poll() is None:
            before = races.find(member)[0]
            races.run(*[partial(races.upload, member)] * 2)
            assert races.find(member)[0] not in ("", before)
        assert process.returncode == 0, races.site.read_log()


def test_others_can_write_while_all_avatars_are_made_anew(races: Races) -> None:
    races.site.manage("demo", "--profiles", "16")
    before = {reference.name for reference in races.site.list_references()}
    process = races.site.start("rebuild_avatars")
    while process.poll() is None:
        races.site.sql("UPDATE profiles_profile SET bio = ?", "x" * 6000)
    assert process.returncode == 0, races.site.read_log()
    assert not before & {reference.name for reference in races.site.list_references()}
    log = races.site.folder / "db.sqlite3-wal"
    # While somebody reads, SQLite cannot begin its log again, and each write makes it longer.
    assert not log.exists() or log.stat().st_size < 10_000_000
    races.site.check_tidy()


def test_nothing_that_was_accepted_is_lost_while_many_do_different_things(races: Races) -> None:
    members = [next(races.members) for _ in range(WRITERS)]
    people = People(races.port, pause=0)
    people.run(
        [
            *list_writers(people, members, 3, PICTURE),
            *(partial(people.sign_in, member.name, PASSWORD) for member in members[:3]),
            *[people.browse] * 4,
        ],
        seconds=3 * ROUNDS,
    )
    assert people.bad == [], races.site.read_log()
    assert {"pages", "edits", "uploads", "sign-ins"} <= set(people.done)
    assert people.find_lost(races.site.sql(STORED)) == []
    assert "database is locked" not in races.site.log.read_text()
    races.site.check_tidy()
    races.site.drop_pictures()
