"""Whatever fails, at any step: the old picture or the new one, and nothing left of the other.

Each test breaks one operation of the storage or the database after another, until there is none
left to break.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from io import BytesIO, StringIO
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from django.conf import LazySettings
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError, connections, transaction
from django.http import HttpResponseBase
from django.test import Client
from django.utils import timezone
from PIL import Image

from profiles.models import Profile, User
from profiles.pictures.journal import ARRIVAL
from profiles.pictures.models import JournalEntry

from .conftest import list_media, make_person, make_picture, sign_in
from .helpers.pictures import draw_jpeg
from .helpers.storages import Fault, FaultyStorage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
STORE_DOWN = "Our picture store does not answer"

# What people do


class Case(NamedTuple):
    """A member and two browsers, in which the member and a superuser have signed in."""

    user: User
    browser: Client
    staff: Client


Act = Callable[[Case], HttpResponseBase | None]


def send(url: str, **fields: str) -> Act:
    """Return what sends a form as the member."""
    return lambda case: case.browser.post(url, fields)


def send_as_staff(url: str, **fields: str) -> Act:
    """Return what sends a form of the admin; its texts may have the keys of the member."""

    def act(case: Case) -> HttpResponseBase:
        keys = {"user": case.user.pk, "profile": case.user.profile.pk}
        filled = {name: value.format(**keys) for name, value in fields.items()}
        return case.staff.post(url.format(**keys), filled)

    return act


def upload(case: Case) -> HttpResponseBase:
    photo = SimpleUploadedFile("photo.jpg", draw_jpeg(64, 64), "image/jpeg")
    return case.browser.post("/profile/avatar/", {"avatar": photo})


def disable(user: User) -> None:
    user.is_active = False
    user.save()


def leave_by_a_queryset(user: User) -> None:
    User.objects.filter(pk=user.pk).delete()


def rebuild(case: Case) -> None:
    call_command("rebuild_avatars", stdout=StringIO(), stderr=StringIO())


def tidy() -> None:
    call_command("tidy", "--now", stdout=StringIO())


def leave(user: User) -> None:
    user.delete()


def empty(user: User) -> None:
    user.profile.avatar.delete()


def hide(user: User) -> None:
    user.profile.change(visibility="private")


def replace(user: User) -> None:
    user.profile.avatar.replace(make_picture())


def neglect(user: User) -> None:
    """Leave behind what `tidy` is for: files of a killed upload and a removal, and SQL."""
    field = user.profile.avatar.field
    for is_leaving in (False, True):
        name = field.store.make_name(field.upload_to, False)
        due = timezone.now() + ARRIVAL
        JournalEntry.objects.create(field=str(field), name=name, is_leaving=is_leaving, due=due)
        field.store.write(name, make_picture().files)
    Profile.objects.filter(pk=user.profile.pk).update(visibility="private")


class State(NamedTuple):
    """What the database says of a member."""

    is_active: bool
    visibility: str
    picture: str  # "none", "old" or "new".


PUBLIC, PRIVATE = State(True, "public", "new"), State(True, "private", "new")
GONE = None


class Way(NamedTuple):
    """A way in which a picture changes: what somebody does, how it ends, and what it says."""

    act: Act
    ends: tuple[State | None, ...]
    says: str = ""
    # What is done before.
    prepare: Callable[[User], Any] = bool
    writes: bool = True
    # Whether it says that files could not be deleted.
    warns: bool = False
    # In a transaction of Django's admin, where the audit finds what is left.
    is_inside: bool = False


DISABLED = (State(False, "public", "old"), State(False, "public", "new"))
REMOVED = State(True, "public", "none")
FIELDS = {"display_name": "Ada Lovelace", "location": "", "website": "", "bio": ""}
ACCOUNT = {"username": "ada", "date_joined_0": "2026-01-02", "date_joined_1": "03:04:05"}
WAYS = {
    "a first upload": Way(upload, (PUBLIC,), prepare=empty),
    "another upload": Way(upload, (PUBLIC,)),
    "a removal": Way(
        send("/profile/avatar/delete/"), (REMOVED,), "Your picture is removed", bool, False, True
    ),
    "hiding": Way(
        send("/profile/edit/", visibility="private", **FIELDS), (PRIVATE,), "Saved.", warns=True
    ),
    "showing": Way(
        send("/profile/edit/", visibility="public", **FIELDS), (PUBLIC,), "Saved.", hide
    ),
    "hiding in the admin": Way(
        send_as_staff(
            "/admin/profiles/profile/{profile}/change/",
            visibility="private",
            description="",
            **FIELDS,
        ),
        (PRIVATE,),
        "was changed successfully",
    ),
    "a removal in the admin": Way(
        send_as_staff(
            "/admin/profiles/profile/", action="remove_avatar", _selected_action="{profile}"
        ),
        (REMOVED,),
        "The pictures are removed.",
        writes=False,
        warns=True,
    ),
    "disabling": Way(lambda case: disable(case.user), DISABLED),
    "disabling in the admin": Way(
        send_as_staff("/admin/profiles/user/{user}/change/", **ACCOUNT),
        DISABLED,
        "was changed successfully",
        is_inside=True,
    ),
    "leaving": Way(
        send("/accounts/delete/", password="pass phrase"),
        (GONE,),
        "are deleted",
        writes=False,
        warns=True,
    ),
    "a deletion in the admin": Way(
        send_as_staff("/admin/profiles/user/{user}/delete/", post="yes"),
        (GONE,),
        "was deleted successfully",
        writes=False,
        warns=True,
    ),
    "a deletion of a profile in the admin": Way(
        send_as_staff("/admin/profiles/profile/{profile}/delete/", post="yes"),
        (GONE,),
        "was deleted successfully",
        writes=False,
        warns=True,
    ),
    "a deletion by the admin's action": Way(
        send_as_staff(
            "/admin/profiles/user/",
            action="delete_selected",
            _selected_action="{user}",
            post="yes",
        ),
        (GONE,),
        "Successfully deleted",
        writes=False,
        warns=True,
    ),
    "a deletion": Way(lambda case: leave(case.user), (GONE,), writes=False),
    "a deletion by a queryset": Way(
        lambda case: leave_by_a_queryset(case.user), (GONE,), writes=False
    ),
    "rebuild_avatars": Way(rebuild, (PUBLIC,)),
    "tidy": Way(lambda case: tidy(), (PRIVATE,), prepare=neglect),
}

# What fails


@contextmanager
def break_storage(fault: Fault) -> Iterator[None]:
    """Let an operation of the storage fail, or the wait until a file is on the disk."""
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if fault.kind == "sync" and fault.strikes():
            raise OSError("Input/output error")
        sync(descriptor)

    FaultyStorage.fault = fault
    try:
        with patch("os.fsync", fsync):
            yield
    finally:
        FaultyStorage.fault = None


@contextmanager
def break_statements(fault: Fault) -> Iterator[None]:
    """Let a statement fail; or let a write succeed, but its answer get lost."""

    def run(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        is_lost = fault.kind == "lost answer"
        is_write = sql.startswith(("INSERT", "UPDATE", "DELETE"))
        strikes = (is_write or not is_lost) and fault.strikes()
        result = execute(sql, *arguments) if is_lost or not strikes else None
        if strikes:
            raise OperationalError("the server closed the connection unexpectedly")
        return result

    with connections["default"].execute_wrapper(run):
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
            raise OperationalError("the server closed the connection unexpectedly")

    with patch.object(connections["default"], "_commit", run):
        yield


STORAGE = ["hang", "half", "whole", "rename", "sync", "down"]
DATABASE = {
    "statement": (break_statements, Fault("error", 0)),
    "lost answer": (break_statements, Fault("lost answer", 0)),
    "no database": (break_statements, Fault("error", 0, lasts=True)),
    "commit": (break_commits, Fault("error", 0)),
    "lost commit": (break_commits, Fault("lost answer", 0)),
}


@pytest.fixture(autouse=True)
def root(settings: LazySettings, db: None) -> User:
    backend = {"BACKEND": "tests.helpers.storages.FaultyStorage"}
    settings.STORAGES = settings.STORAGES | {"default": backend, "protected": backend}
    return User.objects.create_superuser("root", "root@example.org", "pass phrase")


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
        for name in profile.avatar.field.store.list_names(profile.avatar.name):
            assert is_picture((Path(settings.MEDIA_ROOT) / name).read_bytes())
            wanted.append(name)
    return sorted(wanted)


def find_state(user: User, old: str) -> State | None:
    """Return what the database says of a member, whose picture had a name."""
    row = Profile.objects.filter(user=user.pk).select_related("user").first()
    if not row:
        assert not User.objects.filter(pk=user.pk).exists()
        return None
    picture = "none" if not row.avatar else "old" if row.avatar.name == old else "new"
    return State(row.user.is_active, row.visibility, picture)


def check_clean(settings: LazySettings) -> None:
    """Check that files are where they belong, and that there are no others."""
    for profile in Profile.objects.exclude(avatar=""):
        field = profile.avatar.field
        assert field.is_in_place(profile.avatar.name, field.find_place(profile))
    assert list_media(settings) == list_wanted(settings)
    # The entry of an upload stays until the upload can no longer be writing.
    JournalEntry.objects.exclude(written_until=None).update(written_until=timezone.now())
    if JournalEntry.objects.exists():
        tidy()
    assert not JournalEntry.objects.exists()


def check_answer(way: Way, response: HttpResponseBase | None, done: bool) -> list[str]:
    """Check that an answer does not say what did not happen; return what it says."""
    if response is None:
        return []
    said = [str(message) for message in get_messages(response.wsgi_request)]  # type: ignore[attr-defined]
    succeeds = any(way.says in sentence for sentence in said) if way.says else False
    assert done or not succeeds
    if not done:
        assert response.status_code != 302
    return said


def browse(user: User) -> Client:
    """Return a browser in which somebody has signed in, and which shows a 500 as a page."""
    client = sign_in(user)
    client.raise_request_exception = False
    return client


def begin(way: Way, staff: Client) -> Case:
    """Make a member in the state before a way."""
    user = make_person("ada", "Ada Lovelace", "public")
    way.prepare(user)
    return Case(user, browse(user), staff)


def act(way: Way, case: Case) -> HttpResponseBase | None:
    """Do it, whatever fails."""
    for browser in (case.browser, case.staff):
        browser.cookies.pop("messages", None)  # What an earlier answer said.
    with suppress(OSError, DatabaseError, CommandError):
        return way.act(case._replace(user=User.objects.get(pk=case.user.pk)))
    return None


def clean_up(way: Way, settings: LazySettings) -> None:
    """Clear what is left, and check that this is all."""
    tidy()
    if way.is_inside and list_media(settings) != list_wanted(settings):
        call_command("audit_media", "--delete-orphans", "--older-than=0", stdout=StringIO())
    check_clean(settings)


def try_each(
    way: Way, settings: LazySettings, break_at: Callable[[int, ExitStack], Fault]
) -> Iterator[tuple[HttpResponseBase | None, bool, bool]]:
    """Break one operation after another, and check after each.

    Yields the answer, whether it is done, and whether anything failed.
    """
    case, staff = None, browse(User.objects.get(username="root"))
    for at in count(1):
        case = case or begin(way, staff)
        old = Profile.objects.get(user=case.user).avatar.name or ""
        before = find_state(case.user, old)
        with ExitStack() as stack:
            fault = break_at(at, stack)
            response = act(way, case)
        assert not connections["default"].in_atomic_block
        now = find_state(case.user, old)
        assert now in (before, *way.ends)
        list_wanted(settings)
        yield response, now in way.ends, fault.has_struck
        clean_up(way, settings)
        if not fault.has_struck:
            assert at > 1
            assert now in way.ends
            return
        if find_state(case.user, old) != before:
            User.objects.filter(pk=case.user.pk).delete()
            case = None


@pytest.mark.parametrize("kind", STORAGE)
@pytest.mark.parametrize("way", WAYS)
def test_a_storage_that_fails_loses_no_picture_and_leaves_none(
    way: str, kind: str, settings: LazySettings
) -> None:
    if not WAYS[way].writes and kind in ("half", "rename"):
        return

    def break_at(at: int, stack: ExitStack) -> Fault:
        fault = Fault(kind, at, lasts=kind == "down")
        stack.enter_context(break_storage(fault))
        return fault

    for response, done, failed in try_each(WAYS[way], settings, break_at):
        said = check_answer(WAYS[way], response, done)
        if response and not done:
            assert response.status_code == 503
            assert STORE_DOWN in response.getvalue().decode()
        elif response:
            assert response.status_code == 302
        if WAYS[way].warns and done:
            is_left = list_media(settings) != list_wanted(settings)
            is_warned = any(STORE_DOWN in sentence for sentence in said)
            assert is_left <= is_warned <= failed


@pytest.mark.parametrize("kind", DATABASE)
@pytest.mark.parametrize("way", WAYS)
def test_a_database_that_fails_loses_no_picture_and_leaves_none(
    way: str, kind: str, settings: LazySettings
) -> None:
    breaks, fault = DATABASE[kind]

    def break_at(at: int, stack: ExitStack) -> Fault:
        new = Fault(fault.kind, at, fault.lasts)
        stack.enter_context(breaks(new))
        return new

    for response, done, _ in try_each(WAYS[way], settings, break_at):
        check_answer(WAYS[way], response, done)


@pytest.mark.parametrize("change", [replace, empty, hide, disable, leave, leave_by_a_queryset])
def test_a_transaction_that_is_rolled_back_keeps_the_old_picture(
    change: Callable[[User], None], settings: LazySettings
) -> None:
    user = make_person("ada", "Ada Lovelace", "public")
    before = list_media(settings)
    with transaction.atomic():
        change(User.objects.get(pk=user.pk))
        transaction.set_rollback(True)
    assert find_state(user, user.profile.avatar.name) == State(True, "public", "old")
    assert list_wanted(settings) == before
    call_command("audit_media", "--delete-orphans", "--older-than=0", stdout=StringIO())
    check_clean(settings)
