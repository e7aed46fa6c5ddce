import os
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.utils import timezone

from profiles.models import Profile, User

from .conftest import list_media

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


def test_audit_of_an_empty_site_finds_nothing(settings: LazySettings) -> None:
    assert call("audit_media") == "0 files, 0 orphans found.\n"


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
    with pytest.raises(CommandError, match="1 avatars could not be read"):
        call("rebuild_avatars")
    assert Profile.objects.get(user=ada).avatar.name == ada.profile.avatar.name
