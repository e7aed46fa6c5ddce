import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.files import File
from django.core.files.base import ContentFile
from django.db import DatabaseError, transaction
from PIL import Image

from profiles.models import Profile, User
from profiles.pictures.making import make_avatar

from .conftest import list_media
from .helpers.pictures import draw_jpeg
from .helpers.storages import SlowStorage

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).parent.parent


def use_storage(settings: LazySettings, name: str) -> None:
    backend = {"BACKEND": f"tests.helpers.storages.{name}"}
    settings.STORAGES = settings.STORAGES | {"default": backend, "protected": backend}


def names_of(profile: Profile) -> list[str]:
    stem = Profile.objects.get(pk=profile.pk).avatar.name.removesuffix("512.webp")
    return [stem + end for end in ("128.webp", "256.jpg", "256.webp", "512.webp", "64.webp")]


def test_a_picture_saved_in_the_shell_becomes_five_files(
    ada: User, settings: LazySettings, tmp_path: Path
) -> None:
    (tmp_path / "x.jpg").write_bytes(draw_jpeg())
    with (tmp_path / "x.jpg").open("rb") as f:
        ada.profile.avatar.save("x.jpg", File(f))
    assert list_media(settings) == names_of(ada.profile)
    assert ada.profile.avatar.name.startswith("avatars/")


def test_an_assigned_picture_is_stored_with_the_profile(ada: User, settings: LazySettings) -> None:
    before = ada.profile.avatar.name
    ada.profile.avatar = ContentFile(draw_jpeg(100, 100), "evil.php")
    ada.profile.save()
    assert ada.profile.avatar.name != before
    assert list_media(settings) == names_of(ada.profile)


def test_a_file_that_is_no_picture_changes_nothing(ada: User, settings: LazySettings) -> None:
    before = list_media(settings)
    with pytest.raises(ValidationError, match="not a picture"):
        ada.profile.avatar.save("x.jpg", ContentFile(b"hello"))
    assert list_media(settings) == before == names_of(ada.profile)


def test_deleting_the_avatar_deletes_its_files(ada: User, settings: LazySettings) -> None:
    ada.profile.avatar.delete()
    assert list_media(settings) == []
    assert not Profile.objects.get(user=ada).avatar


def test_deleting_the_account_deletes_the_files(ada: User, settings: LazySettings) -> None:
    ada.delete()
    assert list_media(settings) == []


def test_an_account_that_was_not_deleted_after_all_keeps_its_files(
    ada: User, settings: LazySettings
) -> None:
    with transaction.atomic():
        User.objects.get(pk=ada.pk).delete()
        transaction.set_rollback(True)
    assert list_media(settings) == names_of(ada.profile)


def test_a_saved_stale_copy_does_not_put_the_old_name_back(
    ada: User, settings: LazySettings
) -> None:
    stale = Profile.objects.get(user=ada)
    ada.profile.avatar.save("new.jpg", ContentFile(draw_jpeg(50, 50)))
    stale.bio = "Countess"
    stale.save()
    assert list_media(settings) == names_of(stale)
    assert Profile.objects.get(user=ada).bio == "Countess"


def test_a_hidden_profile_moves_its_picture_to_a_fresh_protected_name(
    ada: User, settings: LazySettings
) -> None:
    token = ada.profile.avatar.name[11:43]
    ada.profile.visibility = Profile.Visibility.PRIVATE
    ada.profile.save()
    assert ada.profile.avatar.name.startswith("protected/")
    assert token not in str(list_media(settings))
    assert list_media(settings) == names_of(ada.profile)
    ada.profile.visibility = Profile.Visibility.MEMBERS
    ada.profile.save()
    assert list_media(settings) == names_of(ada.profile)


def test_without_its_largest_file_a_picture_moves_with_what_is_left(
    ada: User, settings: LazySettings
) -> None:
    (Path(settings.MEDIA_ROOT) / ada.profile.avatar.name).unlink()
    ada.profile.visibility = Profile.Visibility.PRIVATE
    ada.profile.save()
    assert Profile.objects.get(user=ada).avatar.name.startswith("protected/")
    assert list_media(settings) == names_of(ada.profile)
    with ada.profile.avatar.open() as file:
        assert Image.open(file).size == (256, 256)


def test_without_any_file_a_profile_can_still_be_hidden(ada: User, settings: LazySettings) -> None:
    for name in list_media(settings):
        (Path(settings.MEDIA_ROOT) / name).unlink()
    ada.profile.visibility = Profile.Visibility.PRIVATE
    ada.profile.save()
    assert Profile.objects.get(user=ada).visibility == "private"
    assert not Profile.objects.get(user=ada).avatar


def test_a_picture_that_lacks_a_size_has_all_again_when_it_moves(
    ada: User, settings: LazySettings
) -> None:
    (Path(settings.MEDIA_ROOT) / ada.profile.avatar.name.replace("-512.", "-64.")).unlink()
    ada.profile.visibility = Profile.Visibility.PRIVATE
    ada.profile.save()
    assert list_media(settings) == names_of(ada.profile)
    assert ada.profile.avatar.name.startswith("protected/")


def test_a_visibility_that_was_set_and_passed_over_is_saved_later(ada: User) -> None:
    profile = Profile.objects.get(user=ada)
    profile.visibility = Profile.Visibility.PRIVATE
    profile.save(update_fields=["bio"])
    profile.refresh_from_db(fields=["bio"])
    assert Profile.objects.get(user=ada).visibility == "public"
    profile.save()
    assert Profile.objects.get(user=ada).visibility == "private"


def test_a_picture_cannot_be_stored_as_it_was_sent(db: None) -> None:
    photo = ContentFile(draw_jpeg(), "x.php")
    with pytest.raises(ValueError, match="An avatar is stored"):
        Profile.objects.bulk_create([Profile(user_id=1, avatar=photo)])


def test_the_old_name_is_not_used_after_a_new_picture(ada: User) -> None:
    avatar = ada.profile.avatar
    avatar.save("x.jpg", ContentFile(draw_jpeg()))
    assert avatar.name == Profile.objects.get(user=ada).avatar.name


def test_a_full_disk_leaves_the_old_picture_and_nothing_else(
    ada: User, settings: LazySettings
) -> None:
    before = list_media(settings)
    use_storage(settings, "FullStorage")
    with pytest.raises(OSError, match="No space"):
        ada.profile.avatar.save("x.jpg", ContentFile(draw_jpeg()))
    assert list_media(settings) == before == names_of(ada.profile)


def test_files_that_cannot_be_deleted_do_not_keep_anybody_from_leaving(
    ada: User, settings: LazySettings, caplog: pytest.LogCaptureFixture
) -> None:
    before = list_media(settings)
    use_storage(settings, "StuckStorage")
    ada.profile.avatar.delete()
    assert not Profile.objects.get(user=ada).avatar
    ada.delete()
    assert list_media(settings) == before  # For tidy.
    assert "Read-only file system" in caplog.text


def test_a_storage_that_gives_another_name_is_refused(ada: User, settings: LazySettings) -> None:
    before = list_media(settings)
    use_storage(settings, "RenamingStorage")
    with pytest.raises(FileExistsError):
        ada.profile.avatar.save("x.jpg", ContentFile(draw_jpeg()))
    assert list_media(settings) == before


def test_a_failing_database_leaves_the_old_picture_and_nothing_else(
    ada: User, settings: LazySettings
) -> None:
    before = list_media(settings)
    with pytest.raises(FieldDoesNotExist):
        ada.profile.avatar.replace(make_avatar(ContentFile(draw_jpeg())), no_such_column=1)
    assert list_media(settings) == before == names_of(ada.profile)


def test_an_outer_transaction_that_rolls_back_keeps_the_old_picture(
    ada: User, settings: LazySettings
) -> None:
    before = list_media(settings)
    with transaction.atomic():
        Profile.objects.get(user=ada).avatar.save("x.jpg", ContentFile(draw_jpeg()))
        transaction.set_rollback(True)
    assert names_of(ada.profile) == before
    assert set(before) < set(list_media(settings))  # The rest is for audit_media.


def test_a_profile_hidden_during_an_upload_gets_a_protected_picture(
    ada: User, settings: LazySettings
) -> None:
    use_storage(settings, "SlowStorage")
    SlowStorage.meanwhile[:] = ["private"]
    ada.profile.avatar.save("x.jpg", ContentFile(draw_jpeg()))
    assert Profile.objects.get(user=ada).avatar.name.startswith("protected/")
    assert list_media(settings) == names_of(ada.profile)


def test_a_picture_uploaded_during_a_rebuild_stays(ada: User, settings: LazySettings) -> None:
    rebuilt = make_avatar(ContentFile(draw_jpeg()))
    old = ada.profile.avatar.name
    ada.profile.avatar.save("new.jpg", ContentFile(draw_jpeg(50, 50)))
    new = ada.profile.avatar.name
    ada.profile.avatar.replace(rebuilt, only_if=old)
    assert Profile.objects.get(user=ada).avatar.name == new
    assert list_media(settings) == names_of(ada.profile)


def test_an_account_deleted_during_an_upload_leaves_no_files(
    ada: User, settings: LazySettings
) -> None:
    profile = Profile.objects.get(user=ada)
    User.objects.get(pk=ada.pk).delete()
    with pytest.raises(DatabaseError):
        profile.avatar.save("x.jpg", ContentFile(draw_jpeg()))
    assert list_media(settings) == []


def test_the_sizes_are_not_in_the_migrations() -> None:
    arguments = Profile._meta.get_field("avatar").deconstruct()[3]
    assert set(arguments) == {"blank", "db_index", "upload_to", "verbose_name"}


SETUP = """
import django, os, sys
django.setup()
from django.core.files.base import ContentFile
from profiles.models import Profile, User
from tests.helpers.pictures import draw_jpeg
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess:
    """Run code of the site in a process of its own, with a database and media in a folder."""
    own = {"DATABASE_URL": f"sqlite:///{folder}/db.sqlite3", "MEDIA_ROOT": f"{folder}/media"}
    return subprocess.run(
        [sys.executable, "-c", SETUP + code], cwd=ROOT, env=os.environ | own, timeout=300
    )


def set_up(folder: Path) -> None:
    code = "from django.core.management import call_command as call; call('migrate', verbosity=0)"
    code += "; p = User.objects.create_user('ada').profile"
    code += "; p.avatar.save('a.jpg', ContentFile(draw_jpeg()))"
    assert run(code, folder).returncode == 0


KILL = """
from pydoc import locate
owner, calls = locate("{owner}"), []
real = owner.{name}
def call_or_die(*args, **kwargs):
    calls.append(args)
    return os._exit(9) if len(calls) == {at_call} else real(*args, **kwargs)
owner.{name} = call_or_die
Profile.objects.get().avatar.save("b.jpg", ContentFile(draw_jpeg(64, 64)))
"""
CHECK = """
from django.core.management import call_command as call
call("tidy", now=True)
call("audit_media", older_than=0)
from django.conf import settings
assert len(list(settings.MEDIA_ROOT.rglob("*.*"))) == 5
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("owner", "name", "at_call"),
    [
        ("django.core.files.storage.FileSystemStorage", "save", 3),
        ("django.db.transaction", "on_commit", 1),
        ("django.core.files.storage.FileSystemStorage", "delete", 2),
    ],
)
def test_a_process_killed_in_an_upload_leaves_a_profile_whose_picture_is_there(
    owner: str, name: str, at_call: int, tmp_path: Path
) -> None:
    set_up(tmp_path)
    code = KILL.format(owner=owner, name=name, at_call=at_call)
    assert run(code, tmp_path).returncode == 9
    assert run(CHECK, tmp_path).returncode == 0


@pytest.mark.slow
def test_two_uploads_at_once_end_with_one_picture(tmp_path: Path) -> None:
    set_up(tmp_path)
    code = """
import threading
def upload():
    Profile.objects.get().avatar.save("b.jpg", ContentFile(draw_jpeg(64, 64)))
threads = [threading.Thread(target=upload) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    assert run(code + CHECK, tmp_path).returncode == 0


def test_a_damaged_largest_file_does_not_prevent_hiding_a_profile(
    ada: User, settings: LazySettings
) -> None:
    largest = Path(settings.MEDIA_ROOT) / ada.profile.avatar.name
    largest.write_bytes(b"rotten")
    Path(str(largest).replace("-512.", "-64.")).unlink()
    ada.profile.visibility = Profile.Visibility.PRIVATE
    ada.profile.save()
    assert Profile.objects.get(user=ada).visibility == "private"
    assert list_media(settings) == names_of(ada.profile)
