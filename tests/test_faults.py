"""Whatever fails, at any step: the old picture or the new one, and nothing left of the other.

Each test breaks one operation of the storage or the database after another, until there is none
left to break. Moving the pictures to a bucket is not among the ways: rclone copies them while the
site is stopped, and `audit_media`, which then compares them with the rows, changes no row.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace as change_fields
from functools import cache
from io import BytesIO, StringIO
from itertools import count
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import make_password
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from PIL import Image

from profiles.models import Profile, User
from profiles.pictures import cell
from profiles.pictures.avatar import Avatar
from profiles.pictures.journal import ARRIVAL
from profiles.pictures.models import JournalEntry
from profiles.pictures.names import Sizes

from .conftest import list_media, sign_in
from .helpers.pictures import draw_jpeg
from .helpers.storages import Fault, FaultyStorage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
STORE_DOWN = "We cannot reach our pictures just now"
# A first, a middle and a last file are enough to fail at each.
SIZES = Sizes((64, 32), 32)
FIELD = Profile._meta.get_field("avatar")

# What people do

Act = Callable[[User, Client], Any]


def send(url: str, **fields: str) -> Act:
    """Return what sends a form; its texts may have the keys of the member."""

    def act(user: User, browser: Client) -> Any:
        keys = {"user": user.pk, "profile": user.profile.pk}
        filled = {name: value.format(**keys) for name, value in fields.items()}
        return browser.post(url.format(**keys), filled)

    return act


def run(change: Callable[[User], None]) -> Act:
    """Return what changes a member in a shell."""
    return lambda user, browser: change(user)


def upload(user: User, browser: Client) -> Any:
    photo = SimpleUploadedFile("photo.jpg", draw_jpeg(64, 64), "image/jpeg")
    return browser.post("/profile/avatar/", {"avatar": photo})


def disable(user: User) -> None:
    user.is_active = False
    user.save()


def leave(user: User) -> None:
    user.delete()


def leave_by_a_queryset(user: User) -> None:
    User.objects.filter(pk=user.pk).delete()


def empty(user: User) -> None:
    user.profile.avatar.delete()


def hide(user: User) -> None:
    user.profile.change(visibility="private")


def replace(user: User) -> None:
    user.profile.avatar.replace(make_picture())


def rebuild(user: User) -> None:
    call_command("rebuild_avatars", stdout=StringIO(), stderr=StringIO())


def tidy(user: User | None = None) -> None:
    call_command("tidy", "--now", stdout=StringIO())


def audit() -> None:
    call_command("audit_media", "--delete-orphans", "--older-than=0", stdout=StringIO())


def neglect(user: User) -> None:
    """Leave behind what `tidy` is for: files of a killed upload and a removal, and SQL."""
    for is_leaving in (False, True):
        name = FIELD.store.make_name(FIELD.upload_to, False)
        due = timezone.now() + ARRIVAL
        JournalEntry.objects.create(field=str(FIELD), name=name, is_leaving=is_leaving, due=due)
        FIELD.store.write(name, make_picture().files)
    Profile.objects.filter(pk=user.profile.pk).update(visibility="private")


class State(NamedTuple):
    """What the database says of a member."""

    is_active: bool
    visibility: str
    picture: str  # "none", "old" or "new".


OLD, PUBLIC, PRIVATE = (
    State(True, "public", "old"),
    State(True, "public", "new"),
    State(True, "private", "new"),
)
REMOVED, GONE = State(True, "public", "none"), None
# `tidy` hides the picture of an account that is disabled while the storage fails.
DISABLED = (State(False, "public", "old"), State(False, "public", "new"))


class Way(NamedTuple):
    """A way in which a picture changes: what somebody does, how it ends, and what it says."""

    act: Act
    ends: tuple[State | None, ...]
    by: str = ""  # Who has signed in, if it is done on a page.
    says: str = ""
    prepare: Callable[[User], Any] = bool  # What is done before.
    # Whether it says that files could not be deleted.
    warns: bool = False


FIELDS = {"display_name": "Ada Lovelace", "location": "", "website": "", "bio": ""}
ACCOUNT = {"username": "ada", "date_joined_0": "2026-01-02", "date_joined_1": "03:04:05"}
WAYS = {
    "a first upload": Way(upload, (PUBLIC,), "ada", prepare=empty),
    "another upload": Way(upload, (PUBLIC,), "ada", warns=True),
    "a removal": Way(
        send("/profile/avatar/delete/"),
        (REMOVED,),
        "ada",
        "Your picture has been removed",
        warns=True,
    ),
    "hiding": Way(
        send("/profile/edit/", visibility="private", **FIELDS),
        (PRIVATE,),
        "ada",
        "Saved.",
        warns=True,
    ),
    "showing": Way(
        send("/profile/edit/", visibility="public", **FIELDS),
        (PUBLIC,),
        "ada",
        "Saved.",
        prepare=hide,
        warns=True,
    ),
    "hiding in the admin": Way(
        send(
            "/admin/profiles/profile/{profile}/change/",
            visibility="private",
            description="",
            **FIELDS,
        ),
        (PRIVATE,),
        "root",
        "was changed successfully",
        warns=True,
    ),
    "a removal in the admin": Way(
        send("/admin/profiles/profile/", action="remove_avatar", _selected_action="{profile}"),
        (REMOVED,),
        "root",
        "The pictures are removed.",
        warns=True,
    ),
    "disabling": Way(run(disable), DISABLED),
    "disabling in the admin": Way(
        send("/admin/profiles/user/{user}/change/", **ACCOUNT),
        DISABLED,
        "root",
        "was changed successfully",
        warns=True,
    ),
    "leaving": Way(
        send("/accounts/delete/", password="pass phrase"),
        (GONE,),
        "ada",
        "are deleted",
        warns=True,
    ),
    "a deletion in the admin": Way(
        send("/admin/profiles/user/{user}/delete/", post="yes"),
        (GONE,),
        "root",
        "was deleted successfully",
        warns=True,
    ),
    "a deletion of a profile in the admin": Way(
        send("/admin/profiles/profile/{profile}/delete/", post="yes"),
        (GONE,),
        "root",
        "was deleted successfully",
        warns=True,
    ),
    "a deletion by the admin's action": Way(
        send(
            "/admin/profiles/user/", action="delete_selected", _selected_action="{user}", post="yes"
        ),
        (GONE,),
        "root",
        "Successfully deleted",
        warns=True,
    ),
    # Both delete the profile by a cascade, which does not call its `delete()`.
    "a deletion": Way(run(leave), (GONE,)),
    "a deletion by a queryset": Way(run(leave_by_a_queryset), (GONE,)),
    "rebuild_avatars": Way(run(rebuild), (PUBLIC,)),
    "tidy": Way(run(tidy), (PRIVATE,), prepare=neglect),
}

# What fails


@contextmanager
def break_storage(fault: Fault) -> Iterator[None]:
    """Let an operation of the storage fail, or the wait until a file is on the disk."""

    def fsync(descriptor: int) -> None:
        # It does not sync, which takes time and matters only if the power fails.
        if fault.kind == "sync" and fault.strikes():
            raise OSError("Input/output error")

    FaultyStorage.fault = fault
    try:
        with patch("os.fsync", fsync):
            yield
    finally:
        FaultyStorage.fault = None


class DiskFull(Exception):
    """What a driver raises where the disk is full, as SQLite and as PostgreSQL name it."""

    sqlite_errorname, sqlstate = "SQLITE_FULL", "53100"


def fail(kind: str) -> None:
    if kind == "full":
        raise OperationalError("database or disk is full") from DiskFull()
    raise OperationalError("the server closed the connection unexpectedly")


@contextmanager
def break_statements(fault: Fault) -> Iterator[None]:
    """Let a statement fail; or let a write succeed, but its answer get lost."""

    def run(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        is_write = sql.startswith(("INSERT", "UPDATE", "DELETE"))
        # An outage that begins at a read is for the pictures as one from the next write on.
        is_down = fault.kind == "outage" and fault.has_struck
        strikes = (is_write or is_down or fault.kind == "error") and fault.strikes()
        result = None if strikes and fault.kind != "lost answer" else execute(sql, *arguments)
        if strikes:
            fail(fault.kind)
        return result

    with connection.execute_wrapper(run):
        yield


@contextmanager
def break_commits(fault: Fault) -> Iterator[None]:
    """Let a COMMIT fail; or let it succeed, but its answer get lost."""
    commit = connections["default"]._commit  # type: ignore[attr-defined]

    def run() -> None:
        strikes = fault.strikes()
        if not strikes or fault.kind == "lost answer":
            commit()
        if strikes:
            fail(fault.kind)

    with patch.object(connections["default"], "_commit", run):
        yield


def tidy_meanwhile() -> None:
    """Run `tidy` while a storage does not answer; not in a transaction, which is another's."""
    if not connection.in_atomic_block:
        tidy()


Break = Callable[[Fault], AbstractContextManager[None]]
# A bucket's client raises an error after a while, as a network disk does: a hang ends as an
# "error" does, or as "slow". `tests/production/test_storm.py` kills a process that waits for ever.
STORAGE: list[tuple[Break, Fault]] = [
    (break_storage, Fault("error")),
    (break_storage, Fault("error", lasts=True)),
    (break_storage, Fault("half")),
    (break_storage, Fault("whole")),
    (break_storage, Fault("rename")),
    (break_storage, Fault("sync")),
    (break_storage, Fault("slow", meanwhile=tidy_meanwhile)),
]
DATABASE: list[tuple[Break, Fault]] = [
    (break_statements, Fault("error")),
    (break_statements, Fault("lost answer")),
    (break_statements, Fault("outage", lasts=True)),
    (break_statements, Fault("full", lasts=True)),
    (break_commits, Fault("full")),
    (break_commits, Fault("lost answer")),
]
# What a page says of a database that fails.
SAYS = {
    "full": (503, "We cannot save anything just now"),
    "error": (500, "Something went wrong on our side"),
    "outage": (500, "Something went wrong on our side"),
    "lost answer": (500, "Something went wrong on our side"),
}


@pytest.fixture(autouse=True)
def root(settings: LazySettings, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    logging.disable()  # Thousands of tracebacks would take as long as everything else.
    backend = {"BACKEND": "tests.helpers.storages.FaultyStorage"}
    settings.STORAGES = settings.STORAGES | {"default": backend, "protected": backend}
    monkeypatch.setattr(FIELD, "store", change_fields(FIELD.store, sizes=SIZES))
    monkeypatch.setattr(FIELD, "sizes", SIZES)
    yield User.objects.create_superuser("root", "root@example.org", "pass phrase")
    logging.disable(logging.NOTSET)


@cache
def make_picture() -> Avatar:
    return cell.make_avatar(BytesIO(draw_jpeg(64, 64)), sizes=SIZES)


# What must hold


@cache
def is_picture(data: bytes) -> bool:
    with Image.open(BytesIO(data)) as im:
        im.load()
    return True


def list_wanted(settings: LazySettings) -> list[str]:
    """Return the names of the files that rows name; each is there and whole."""
    wanted = []
    for profile in Profile.objects.exclude(avatar=""):
        for name in FIELD.store.list_names(profile.avatar.name):
            assert is_picture((Path(settings.MEDIA_ROOT) / name).read_bytes())
            wanted.append(name)
    return sorted(wanted)


def find_state(key: int, old: str) -> State | None:
    """Return what the database says of a member, whose picture had a name."""
    row = Profile.objects.filter(user=key).select_related("user").first()
    if not row:
        assert not User.objects.filter(pk=key).exists()
        return None
    picture = "none" if not row.avatar else "old" if row.avatar.name == old else "new"
    return State(row.user.is_active, row.visibility, picture)


def is_clean(settings: LazySettings) -> bool:
    """Return whether files are where they belong, and there are no others."""
    # The entry of an upload stays until the upload can no longer be writing.
    entries = JournalEntry.objects.exclude(written_until__gt=timezone.now())
    return (
        list_media(settings) == list_wanted(settings)
        and not entries.exists()
        and not any(FIELD.list_misplaced("default"))
    )


def check_clean(settings: LazySettings) -> None:
    """Check that one `tidy` leaves only files that rows name; and later, no entry."""
    if not is_clean(settings):
        tidy()
        assert is_clean(settings)
    if JournalEntry.objects.update(written_until=timezone.now()):
        tidy()
        assert is_clean(settings)
        assert not JournalEntry.objects.exists()


class Outcome(NamedTuple):
    """What became of a try, and what was answered, if it was asked for on a page."""

    now: State | None
    done: bool
    failed: bool
    is_left: bool  # Whether there are files that no row names.
    response: HttpResponse | None

    @property
    def said(self) -> str:
        """The messages in an answer."""
        assert self.response
        return "\n".join(map(str, get_messages(self.response.wsgi_request)))  # type: ignore[attr-defined]


def begin(way: Way, settings: LazySettings) -> User:
    """Bring a member into the state before a way."""
    rmtree(settings.MEDIA_ROOT, ignore_errors=True)
    password = make_password("pass phrase")
    user, _ = User.objects.get_or_create(username="ada", defaults={"password": password})
    User.objects.filter(pk=user.pk).update(is_active=True)
    name = FIELD.store.make_name(FIELD.upload_to, False)
    FIELD.store.write(name, make_picture().files)
    columns = {"display_name": "Ada Lovelace", "visibility": "public", "avatar": name}
    Profile.objects.filter(user=user).update(**columns)
    way.prepare(user)
    return User.objects.select_related("profile").get(pk=user.pk)


def open_browser(way: Way) -> Client:
    """Return a browser in which whose way it is has signed in; it shows a 500 as a page."""
    browser = sign_in(User.objects.get(username=way.by)) if way.by else Client()
    browser.raise_request_exception = False
    return browser


def try_each(way: Way, settings: LazySettings, breaks: Break, kind: Fault) -> Iterator[Outcome]:
    """Break one operation after another, and check after each."""
    user, browser = begin(way, settings), open_browser(way)
    for at in count(1):
        browser.cookies.pop("messages", None)  # What an earlier answer said.
        key, old = user.pk, user.profile.avatar.name or ""
        before = State(user.is_active, user.profile.visibility, "old" if old else "none")
        fault, response = change_fields(kind, at=at), None
        with breaks(fault), suppress(OSError, DatabaseError, CommandError):
            response = way.act(user, browser)
        assert not connection.in_atomic_block
        now = find_state(key, old)
        assert now in (before, *way.ends)
        is_left = list_media(settings) != list_wanted(settings)
        yield Outcome(now, now in way.ends, fault.has_struck, is_left, response)
        check_clean(settings)
        assert find_state(key, old) in (before, *way.ends)
        if not fault.has_struck:
            assert at > 1 or kind.kind in ("half", "rename", "slow")
            assert now in way.ends
            return
        user = begin(way, settings)
        if user.pk != key and way.by == "ada":
            browser = open_browser(way)


@contextmanager
def naming(fault: Fault) -> Iterator[None]:
    """Name the fault in an error."""
    try:
        yield
    except Exception as error:
        error.add_note(f"At each operation: {fault}")
        raise


@pytest.mark.parametrize("name", WAYS)
def test_a_storage_that_fails_loses_no_picture_and_leaves_none(
    name: str, settings: LazySettings
) -> None:
    way = WAYS[name]
    for breaks, fault in STORAGE:
        with naming(fault):
            for outcome in try_each(way, settings, breaks, fault):
                assert outcome.done or (outcome.failed and fault.kind != "slow")
                if outcome.response:
                    check_storage_answer(way, outcome)


def check_storage_answer(way: Way, outcome: Outcome) -> None:
    """Check that a page says what is done, and what is not because the storage failed."""
    assert outcome.response
    if not outcome.done:
        assert outcome.response.status_code == 503
        assert STORE_DOWN in outcome.response.text
        assert outcome.response["Retry-After"]
        return
    assert outcome.response.status_code == 302
    assert way.says in outcome.said
    if outcome.now == DISABLED[0]:
        assert "its picture is still where it was" in outcome.said
    if way.warns:
        is_told = STORE_DOWN.lower() in outcome.said.lower()
        assert outcome.is_left <= is_told <= outcome.failed


@pytest.mark.parametrize("name", WAYS)
def test_a_database_that_fails_loses_no_picture_and_leaves_none(
    name: str, settings: LazySettings
) -> None:
    way = WAYS[name]
    for breaks, fault in DATABASE:
        with naming(fault):
            for outcome in try_each(way, settings, breaks, fault):
                if outcome.response:
                    check_database_answer(way, outcome, *SAYS[fault.kind])


def check_database_answer(way: Way, outcome: Outcome, status: int, sentence: str) -> None:
    """Check that a page says that it is done only if it is; else, that the database fails."""
    assert outcome.response
    told = outcome.response.status_code, outcome.response.text
    if told[0] == 302:
        assert outcome.done
        assert way.says in outcome.said
        return
    assert outcome.failed
    if outcome.now is GONE and way.by == "ada" and told[0] in (400, 404):
        pass  # The account, or its session, was deleted before the request was answered.
    elif told[0] == 200:
        # Django takes a constraint that cannot be checked (`Q.check`) for one that is violated.
        assert way.by == "root"
        assert not outcome.done
        assert "Please correct the error below." in told[1]
    else:
        assert told[0] == status
        assert sentence in told[1]


@pytest.mark.parametrize("change", [replace, empty, hide, disable, leave, leave_by_a_queryset])
def test_a_transaction_that_is_rolled_back_keeps_the_old_picture(
    change: Callable[[User], None], settings: LazySettings
) -> None:
    user = begin(WAYS["a deletion"], settings)
    before = list_media(settings)
    with transaction.atomic():
        change(User.objects.get(pk=user.pk))
        transaction.set_rollback(True)
    assert find_state(user.pk, user.profile.avatar.name) == OLD
    assert list_wanted(settings) == before
    if list_media(settings) != before:
        audit()
    check_clean(settings)


def test_a_row_names_files_only_once_they_and_their_folders_are_on_the_disk(
    settings: LazySettings,
) -> None:
    user, sync = begin(WAYS["another upload"], settings), os.fsync
    synced: set[int] = set()

    def fsync(descriptor: int) -> None:
        if Profile.objects.filter(avatar=user.profile.avatar.name).exists():  # The old one.
            synced.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    profile = Profile.objects.get(pk=user.profile.pk)
    with patch("os.fsync", fsync):
        profile.avatar.replace(make_picture())
    root = Path(settings.MEDIA_ROOT)
    for name in list_wanted(settings):
        paths = [root / name, *(root / folder for folder in Path(name).parents)]
        assert {path.stat().st_ino for path in paths} <= synced
