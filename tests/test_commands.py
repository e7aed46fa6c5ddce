import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from profiles.management.commands.copy_from_sqlite import LEFT_BEHIND
from profiles.management.commands.demo import name_account
from profiles.models import Profile, User
from profiles.pictures.management import long_run
from profiles.pictures.management.commands import rebuild_avatars
from profiles.pictures.models import LastRun

from .conftest import list_media
from .helpers.plans import find_scans

pytestmark = pytest.mark.django_db(transaction=True)


def call(*command: str) -> str:
    output = StringIO()
    call_command(*command, stdout=output, stderr=output)
    return output.getvalue()


def test_demo_makes_public_people_with_pictures(settings: LazySettings) -> None:
    call("demo", "--profiles", "6")
    people = Profile.objects.filter(visibility=Profile.Visibility.PUBLIC)
    assert people.exclude(avatar="").count() == 6
    assert len(list_media(settings)) == 6 * 5


def test_demo_run_again_adds_only_who_is_missing(settings: LazySettings) -> None:
    call("demo", "--profiles", "4")
    before = list_media(settings)
    User.objects.get(username="demo-00002").delete()
    call("demo", "--profiles", "4")
    assert User.objects.count() == 4
    assert len(list_media(settings)) == len(before)
    assert len(set(before) & set(list_media(settings))) == 3 * 5


def test_demo_that_was_killed_half_way_is_finished_when_run_again() -> None:
    killed = User.objects.bulk_create([User(username="demo-00000"), User(username="demo-00001")])
    Profile.objects.create(user=killed[0], visibility=Profile.Visibility.PUBLIC)
    call("demo", "--profiles", "3")
    assert Profile.objects.exclude(avatar="").count() == User.objects.count() == 3


def test_nobody_signs_in_as_a_demo_person() -> None:
    call("demo", "--profiles", "1")
    assert not User.objects.get().has_usable_password()


def test_demo_people_are_found_by_name() -> None:
    call("demo", "--profiles", "5")
    assert not Profile.objects.filter(folded_name="").exists()


def test_a_million_demo_people_have_names_in_the_order_of_their_numbers() -> None:
    names = [*map(name_account, [0, 9, 10, 99_999, 100_000, 100_001, 999_999, 1_000_000])]
    assert sorted(names) == names
    for name in names:
        User(username=name, password="!").clean_fields()


COPIED = {
    *"auth.Group auth.Group_permissions pictures.JournalEntry profiles.AddressChange".split(),
    *"profiles.CodeApp profiles.Passkey profiles.Profile profiles.RecoveryCode".split(),
    *"profiles.User profiles.User_groups profiles.User_user_permissions".split(),
}


def test_each_table_is_copied_to_postgresql_or_left_behind_on_purpose() -> None:
    # Is a new one to move from SQLite? Then name it here, otherwise in LEFT_BEHIND.
    models = apps.get_models(include_auto_created=True)
    assert {model._meta.label for model in models} == COPIED | LEFT_BEHIND


def orphan(settings: LazySettings) -> Path:
    path = Path(settings.MEDIA_ROOT) / "avatars" / "00" / f"{'0' * 32}-512.webp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF")
    os.utime(path, (0, 0))  # Which says nothing, as that of an avatar.
    return path


def wait(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Let some hours pass."""
    later = timezone.now() + timedelta(hours=hours)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)


@pytest.mark.parametrize("name", ["protected/healthz-1", "avatars/notes/a.txt", "avatars/b.txt"])
def test_audit_finds_a_file_of_any_name(name: str, ada: User, settings: LazySettings) -> None:
    path = Path(settings.MEDIA_ROOT) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"ok")
    output = call("audit_media", "--older-than", "0")
    assert f"orphan    {name}\n" in output
    assert "6 files, 1 orphans found." in output


def test_audit_finds_a_file_without_a_profile(
    ada: User, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = orphan(settings)
    wait(monkeypatch, hours=25)
    output = call("audit_media")
    assert path.name in output
    assert "6 files, 1 orphans found." in output
    assert path.exists()


def test_audit_deletes_orphans_and_nothing_else(
    ada: User, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list_media(settings)
    orphan(settings)
    wait(monkeypatch, hours=25)
    call("audit_media", "--delete-orphans")
    assert list_media(settings) == before


def test_audit_passes_over_what_a_running_upload_may_have_written(
    ada: User, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = orphan(settings)
    wait(monkeypatch, hours=23)
    assert path.name not in call("audit_media", "--delete-orphans")
    assert path.exists()
    assert path.name in call("audit_media", "--older-than", "22")


def test_audit_fails_when_a_picture_is_missing(ada: User, settings: LazySettings) -> None:
    (Path(settings.MEDIA_ROOT) / ada.profile.avatar.name).unlink()
    with pytest.raises(CommandError, match="1 files are missing") as caught:
        call("audit_media")
    assert caught.value.returncode == 1


@pytest.mark.parametrize(
    "name", ["avatars/gone.png", "avatars/2019/gone.png", "gone/gone.png", "../gone.png"]
)
def test_audit_finds_a_row_whose_folder_is_gone(
    name: str, ada: User, linus: User, settings: LazySettings
) -> None:
    """As a former `ImageField` has named them."""
    there = Path(settings.MEDIA_ROOT) / "avatars" / "there.png"
    there.touch()
    Profile.objects.filter(user=linus).update(avatar="avatars/there.png")
    Profile.objects.filter(user=ada).update(avatar=name)
    output = StringIO()
    with pytest.raises(CommandError, match="1 files are missing"):
        call_command("audit_media", "--names", stdout=output)
    assert [line for line in output.getvalue().splitlines() if "missing" in line] == [
        f"missing   {name}"
    ]


def test_audit_of_an_empty_site_finds_nothing(settings: LazySettings) -> None:
    assert call("audit_media") == "0 files, 0 orphans found.\n"


def test_audit_reads_no_table_for_each_folder(ada: User, linus: User) -> None:
    with find_scans() as found:
        call("audit_media", "--older-than", "0")
    # At its end, one query reads an index.
    assert len([each for each in found if "profiles_profile" in each]) <= 1


def test_audit_knows_many_files_beside_the_folders(ada: User, settings: LazySettings) -> None:
    """As a former `ImageField` has stored them."""
    folder = Path(settings.MEDIA_ROOT) / "avatars"
    for number in range(1001):
        (folder / f"{number:04}.png").touch()
    Profile.objects.filter(user=ada).update(avatar="avatars/1000.png")
    output = call("audit_media", "--older-than", "0", "--names")
    assert "1006 files, 1005 orphans found." in output
    assert "orphan    avatars/0999.png" in output
    assert "avatars/1000.png" not in output


@contextmanager
def ctrl_c_at(start: str) -> Iterator[None]:
    """Press Ctrl+C when a command lists a folder, or opens a file, whose name begins so."""

    def press(method: Callable[..., Any]) -> Callable[..., Any]:
        def pressed(self: FileSystemStorage, name: str, *args: Any) -> Any:
            if name.startswith(start):
                raise KeyboardInterrupt
            return method(self, name, *args)

        return pressed

    with pytest.MonkeyPatch.context() as patch:
        for name in ("listdir", "open"):
            patch.setattr(FileSystemStorage, name, press(getattr(FileSystemStorage, name)))
        with pytest.raises(CommandError, match="Interrupted") as caught:
            yield
    assert caught.value.returncode == 130


def test_audit_goes_on_where_it_was_interrupted(
    ada: User, linus: User, settings: LazySettings
) -> None:
    """Linus's picture is protected, and so comes after Ada's."""
    (Path(settings.MEDIA_ROOT) / linus.profile.avatar.name).unlink()
    with ctrl_c_at("protected"):
        call("audit_media")
    assert not LastRun.objects.exists()
    output = StringIO()
    with pytest.raises(CommandError, match="1 files are missing"):
        call_command("audit_media", "--resume", stdout=output)
    assert "Going on from where it was at" in output.getvalue()
    assert f"missing   {linus.profile.avatar.name}" in output.getvalue()
    assert "9 files, 0 orphans found." in output.getvalue()
    assert LastRun.objects.get().missing == 1


def test_audit_forgets_faults_that_are_fixed_before_it_goes_on(
    ada: User, settings: LazySettings
) -> None:
    folder = Path(settings.MEDIA_ROOT)
    folder.rename(folder.with_name("unmounted"))
    with ctrl_c_at("protected"):
        call("audit_media")
    folder.with_name("unmounted").rename(folder)
    assert "5 files, 0 orphans found." in call("audit_media", "--resume")
    assert LastRun.objects.get().missing == 0


def test_audit_goes_on_after_a_folder_whose_name_is_not_utf_8(
    ada: User, settings: LazySettings
) -> None:
    for name in ("ff", os.fsdecode(b"\xff")):
        folder = Path(settings.MEDIA_ROOT) / "avatars" / name
        folder.mkdir(exist_ok=True)
        (folder / "a.txt").touch()
    with ctrl_c_at("protected"):
        call("audit_media")
    assert "7 files, 0 orphans found." in call("audit_media", "--resume")


AGAIN = "Beginning again: what was interrupted had other options, or is too old.\n"


@pytest.mark.parametrize(
    ("options", "hours", "said"),
    [
        ([], 0, ""),
        (["--resume"], 25, AGAIN),
        (["--resume", "--fix"], 0, AGAIN),
        (["--resume", "--older-than", "12"], 0, AGAIN),
    ],
)
def test_audit_begins_again_if_not_asked_or_too_late(
    options: list[str], hours: float, said: str, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ctrl_c_at("protected"):
        call("audit_media")
    wait(monkeypatch, hours)
    assert call("audit_media", *options) == f"{said}5 files, 0 orphans found.\n"
    assert call("audit_media", "--resume") == "5 files, 0 orphans found.\n"


def test_audit_begins_again_after_a_day_in_which_it_came_no_further(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for options in ([], ["--resume"]):
        with ctrl_c_at("protected"):
            call("audit_media", *options)
        wait(monkeypatch, 13)
    assert AGAIN in call("audit_media", "--resume")


def test_audit_says_once_that_it_cannot_store_how_far_it_is(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if "pictures_progress" in sql:
            raise DatabaseError("It is read-only.")
        return execute(sql, *args)

    monkeypatch.setattr(long_run, "PERIOD", 0)
    with connection.execute_wrapper(refuse):
        output = call("audit_media")
    assert output.count("cannot be stored") == 1
    assert "5 files, 0 orphans found." in output


def test_rebuilt_avatars_have_fresh_names_and_no_leftovers(
    ada: User, linus: User, settings: LazySettings
) -> None:
    before = list_media(settings)
    assert call("rebuild_avatars") == "2 avatars made anew.\n"
    assert not set(before) & set(list_media(settings))
    assert len(list_media(settings)) == len(before)
    assert Profile.objects.get(user=linus).avatar.name.startswith("protected/")


def test_rebuild_keeps_what_it_cannot_read_and_says_so(ada: User, settings: LazySettings) -> None:
    (Path(settings.MEDIA_ROOT) / ada.profile.avatar.name).write_bytes(b"rotten")
    with pytest.raises(CommandError, match=r"1 avatars could not be read.* Run it again"):
        call("rebuild_avatars")
    assert Profile.objects.get(user=ada).avatar.name == ada.profile.avatar.name


def test_rebuild_goes_on_with_what_it_could_not_read_before(
    ada: User, linus: User, settings: LazySettings
) -> None:
    path = Path(settings.MEDIA_ROOT) / ada.profile.avatar.name
    path.rename(path.with_suffix(".unreadable"))
    with ctrl_c_at("protected"):  # Linus's picture
        call("rebuild_avatars")
    path.with_suffix(".unreadable").rename(path)
    assert call("rebuild_avatars", "--resume") == "2 avatars made anew.\n"


def test_rebuild_begins_again_after_the_encoder_has_changed(
    ada: User, linus: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ctrl_c_at("protected"):
        call("rebuild_avatars")
    monkeypatch.setattr(rebuild_avatars, "version", lambda name: "99")
    assert call("rebuild_avatars", "--resume") == f"{AGAIN}2 avatars made anew.\n"
