"""What somebody removed, replaced or hid is gone, also when the storage failed at that moment."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import IO, Any, ClassVar

import pytest
from django.conf import LazySettings
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.models.signals import pre_delete
from django.test import Client
from django.utils import timezone

from profiles.models import Profile, User
from profiles.pictures.models import JournalEntry

from .conftest import list_media, make_person, make_picture, sign_in
from .helpers.pictures import draw_jpeg

pytestmark = pytest.mark.django_db(transaction=True)
STORES_DOWN = "We cannot reach our pictures just now"


class TestStorage(FileSystemStorage):
    """A disk on which reading, writing or deleting may fail, or take long enough for a call."""

    __test__ = False
    broken: ClassVar[set[str]] = set()
    error: ClassVar[OSError] = OSError("Read-only file system")
    failures: ClassVar[int] = 0
    meanwhile: ClassVar[list[Callable[[], Any]]] = []

    def delete(self, name: str) -> None:
        self.fail_at("delete")
        super().delete(name)

    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:
        self.fail_at("save")
        if self.meanwhile:
            self.meanwhile.pop()()
        return super().save(name, content, max_length)

    def fail_at(self, step: str) -> None:
        if step in self.broken:
            TestStorage.failures += 1
            raise self.error


@pytest.fixture(autouse=True)
def storage(settings: LazySettings) -> type[TestStorage]:
    backend = {"BACKEND": "tests.test_journal.TestStorage"}
    settings.STORAGES = settings.STORAGES | {"default": backend, "protected": backend}
    TestStorage.broken, TestStorage.meanwhile, TestStorage.failures = set(), [], 0
    TestStorage.error = OSError("Read-only file system")
    return TestStorage


def tidy(*arguments: str) -> None:
    call_command("tidy", *arguments, stdout=StringIO())


def audit(*arguments: str) -> str:
    output = StringIO()
    try:
        call_command("audit_media", "--older-than", "0", *arguments, stdout=output, stderr=output)
    except CommandError as error:
        output.write(str(error))
    return output.getvalue()


def count_files(settings: LazySettings, prefix: str) -> int:
    return sum(name.startswith(prefix) for name in list_media(settings))


def test_a_picture_that_could_not_be_deleted_goes_as_soon_as_the_storage_works(
    as_ada: Client, settings: LazySettings, storage: type[TestStorage]
) -> None:
    storage.broken = {"delete"}
    page = as_ada.post("/profile/avatar/delete/", follow=True).content.decode()
    assert "Your picture has been removed." in page
    assert STORES_DOWN in page
    assert len(list_media(settings)) == 5
    storage.broken = set()
    tidy()  # Not before the request itself could have done it.
    assert len(list_media(settings)) == 5
    tidy("--now")
    assert list_media(settings) == []
    assert not JournalEntry.objects.exists()


def test_a_removal_that_succeeds_warns_of_nothing(as_ada: Client, settings: LazySettings) -> None:
    page = as_ada.post("/profile/avatar/delete/", follow=True).content.decode()
    assert STORES_DOWN not in page
    assert list_media(settings) == []
    assert not JournalEntry.objects.exists()


def test_a_member_who_hides_is_told_that_the_public_files_are_still_there(
    as_ada: Client, settings: LazySettings, storage: type[TestStorage]
) -> None:
    storage.broken = {"delete"}
    fields = {"display_name": "Ada Lovelace", "visibility": "private"}
    page = as_ada.post("/profile/edit/", fields, follow=True).content.decode()
    assert STORES_DOWN in page
    assert count_files(settings, "avatars/") == 5
    storage.broken = set()
    tidy("--now")
    assert count_files(settings, "avatars/") == 0
    assert count_files(settings, "protected/") == 5


def test_an_account_that_left_while_the_storage_failed_leaves_no_picture_behind(
    as_ada: Client, settings: LazySettings, storage: type[TestStorage]
) -> None:
    storage.broken = {"delete"}
    answer = as_ada.post("/accounts/delete/", {"password": "pass phrase"}, follow=True)
    page = answer.content.decode()
    assert "Your account and everything in it are deleted." in page
    assert STORES_DOWN in page
    storage.broken = set()
    tidy("--now")
    assert list_media(settings) == []


def test_each_failure_is_tried_again_later_than_the_one_before(
    ada: User, storage: type[TestStorage]
) -> None:
    storage.broken = {"delete"}
    ada.profile.avatar.delete()
    pauses = []
    for _ in range(12):
        with pytest.raises(CommandError, match="1 avatars could not be deleted or moved"):
            tidy("--now")
        pause = JournalEntry.objects.get().due - timezone.now()
        pauses.append(round(pause / timedelta(minutes=1)))
    assert pauses == [1, 2, 4, 8, 10, 10, 10, 10, 10, 10, 10, 10]
    tidy()  # It is not due, so nothing fails.


def test_an_upload_clears_what_others_have_left(
    ada: User, grace: User, settings: LazySettings, storage: type[TestStorage]
) -> None:
    storage.broken = {"delete"}
    ada.profile.avatar.delete()
    storage.broken = set()
    JournalEntry.objects.update(due=timezone.now())
    grace.profile.avatar.replace(make_picture())
    assert len(list_media(settings)) == 5
    assert not JournalEntry.objects.exists()


def test_an_upload_that_is_stored_succeeds_although_others_cannot_be_cleared(
    as_ada: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        if "pictures_journalentry" in sql and '"due" <=' in sql:
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, *rest)

    with connection.execute_wrapper(fail):
        photo = SimpleUploadedFile("me.jpg", draw_jpeg())
        assert as_ada.post("/profile/avatar/", {"avatar": photo}).status_code == 302
    assert "server closed the connection unexpectedly" in caplog.text


def test_an_upload_that_failed_half_way_and_could_not_clean_up_leaves_nothing(
    ada: User, settings: LazySettings, storage: type[TestStorage]
) -> None:
    before = list_media(settings)
    storage.meanwhile = [lambda: storage.broken.update(("save", "delete"))]
    with pytest.raises(OSError, match="Read-only"):
        ada.profile.avatar.save("x.jpg", ContentFile(draw_jpeg()))
    assert set(before) < set(list_media(settings))
    storage.broken = set()
    tidy("--now")
    assert list_media(settings) == before


def test_tidy_never_deletes_what_a_slow_upload_is_about_to_name(
    ada: User, settings: LazySettings, storage: type[TestStorage]
) -> None:
    storage.meanwhile = [lambda: tidy("--now")]
    ada.profile.avatar.save("x.jpg", ContentFile(draw_jpeg()))
    assert len(list_media(settings)) == 5
    assert audit() == "5 files, 0 orphans found.\n"
    assert not JournalEntry.objects.exists()


def test_tidy_never_deletes_what_a_row_names(ada: User, settings: LazySettings) -> None:
    name = ada.profile.avatar.name
    JournalEntry.objects.create(
        field="profiles.Profile.avatar", name=name, is_leaving=True, due=timezone.now()
    )
    tidy()
    assert len(list_media(settings)) == 5
    assert not JournalEntry.objects.exists()


def test_two_rounds_during_one_upload_leave_its_entry_until_it_can_have_ended(
    ada: User, settings: LazySettings, storage: type[TestStorage]
) -> None:
    def tidy_twice_and_be_killed() -> None:
        tidy("--now")
        tidy("--now")
        raise KeyboardInterrupt

    storage.meanwhile = [lambda: None, tidy_twice_and_be_killed, lambda: None]
    storage.broken = {"delete"}
    with pytest.raises((KeyboardInterrupt, CommandError)):
        ada.profile.avatar.save("x.jpg", ContentFile(draw_jpeg()))
    assert JournalEntry.objects.filter(written_until__gt=timezone.now()).exists()


def test_with_the_disk_not_mounted_nothing_is_lost(
    as_ada: Client, ada: User, settings: LazySettings
) -> None:
    root, away = Path(settings.MEDIA_ROOT), Path(settings.MEDIA_ROOT).with_name("away")
    before = list_media(settings)
    root.rename(away)
    root.mkdir()
    fields = {"display_name": "Ada Lovelace", "visibility": "private"}
    assert as_ada.post("/profile/edit/", fields).status_code == 503
    disable(ada)
    with pytest.raises(CommandError, match="1 avatars could not be deleted or moved"):
        tidy()
    root.rmdir()
    away.rename(root)
    assert list_media(settings) == before
    tidy()
    assert count_files(settings, "protected/") == 5
    assert count_files(settings, "avatars/") == 0


def test_with_the_disk_not_mounted_nobody_can_upload(
    as_ada: Client, ada: User, as_grace: Client, settings: LazySettings
) -> None:
    root, away = Path(settings.MEDIA_ROOT), Path(settings.MEDIA_ROOT).with_name("away")
    before = list_media(settings)
    root.rename(away)
    root.mkdir()
    # Else the folders of the upload would look as if the disk were mounted.
    assert as_grace.get("/healthz?media=1").status_code == 200
    photo = SimpleUploadedFile("me.jpg", draw_jpeg())
    fields = {"display_name": "Grace", "visibility": "public"}
    assert as_grace.post("/profile/avatar/", {"avatar": photo}).status_code == 503
    assert as_ada.post("/profile/edit/", fields | {"visibility": "private"}).status_code == 503
    shutil.rmtree(root)
    away.rename(root)
    assert list_media(settings) == before


def test_an_upload_killed_before_the_disk_was_away_is_cleared_once_it_is_back(
    ada: User, settings: LazySettings, storage: type[TestStorage]
) -> None:
    root, away = Path(settings.MEDIA_ROOT), Path(settings.MEDIA_ROOT).with_name("away")
    before = list_media(settings)
    name = f"avatars/00/{1:032}-512.webp"
    FileSystemStorage().save(name, ContentFile(b"half"))
    due = timezone.now()
    entry = {"field": "profiles.Profile.avatar", "name": name, "due": due, "written_until": due}
    JournalEntry.objects.create(**entry)
    root.rename(away)
    with pytest.raises(CommandError, match="1 avatars could not be deleted or moved"):
        tidy()
    away.rename(root)
    tidy("--now")
    assert list_media(settings) == before


def test_a_picture_removed_while_the_disk_is_not_mounted_goes_once_it_is(
    as_ada: Client, settings: LazySettings
) -> None:
    root, away = Path(settings.MEDIA_ROOT), Path(settings.MEDIA_ROOT).with_name("away")
    root.rename(away)
    root.mkdir()
    assert STORES_DOWN in as_ada.post("/profile/avatar/delete/", follow=True).content.decode()
    with pytest.raises(CommandError, match="1 avatars could not be deleted or moved"):
        tidy("--now")
    root.rmdir()
    away.rename(root)
    tidy("--now")
    assert list_media(settings) == []


def test_an_upload_holds_whatever_else_listens_to_deletions(
    ada: User, settings: LazySettings, storage: type[TestStorage]
) -> None:
    # With such a receiver, Django reads before it deletes.
    def listen(**kwargs: Any) -> None:
        pass

    pre_delete.connect(listen)
    try:
        storage.meanwhile = [lambda: tidy("--now")]
        ada.profile.avatar.save("x.jpg", ContentFile(draw_jpeg()))
    finally:
        pre_delete.disconnect(listen)
    assert audit() == "5 files, 0 orphans found.\n"


def test_entries_of_a_field_that_is_gone_are_not_passed_over(db: None) -> None:
    JournalEntry.objects.create(field="shop.Seller.photo", name="x", due=timezone.now())
    output = StringIO()
    with pytest.raises(CommandError, match="1 avatars could not be deleted or moved"):
        call_command("tidy", stderr=output)
    assert "x: there is no field shop.Seller.photo any more." in output.getvalue()


def test_an_audit_notices_that_nobody_runs_tidy(db: None) -> None:
    due = timezone.now() - timedelta(hours=2)
    JournalEntry.objects.create(field="profiles.Profile.avatar", name="x", due=due)
    assert "1 avatars wait to be deleted for an hour" in audit()


def test_an_audit_notices_that_tidy_runs_in_vain(
    ada: User, storage: type[TestStorage], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.broken = {"delete"}
    ada.profile.avatar.delete()
    start = timezone.now()
    for minutes in range(2, 62):
        monkeypatch.setattr(timezone, "now", partial(start.__add__, timedelta(minutes=minutes)))
        with suppress(CommandError):
            tidy()
    assert "1 avatars wait to be deleted for an hour" in audit()


def test_a_storage_that_does_not_answer_is_asked_once(
    ada: User, storage: type[TestStorage]
) -> None:
    storage.broken, storage.error = {"delete"}, TimeoutError("Read timed out")
    ada.profile.avatar.delete()
    assert storage.failures == 1


def test_one_file_that_cannot_be_deleted_keeps_no_other(
    ada: User, settings: LazySettings, storage: type[TestStorage]
) -> None:
    path = Path(settings.MEDIA_ROOT) / ada.profile.avatar.name
    path.unlink()
    (path / "lost+found").mkdir(parents=True)
    ada.profile.avatar.delete()
    assert list_media(settings) == []
    assert JournalEntry.objects.exists()


def test_a_file_that_arrives_after_the_upload_has_failed_is_deleted(
    ada: User, settings: LazySettings, storage: type[TestStorage]
) -> None:
    before = list_media(settings)
    storage.meanwhile = [lambda: storage.broken.add("save"), lambda: None]
    with pytest.raises(OSError, match="Read-only"):
        ada.profile.avatar.save("x.jpg", ContentFile(draw_jpeg()))
    storage.broken = set()
    # A bucket carries out a request although nobody has waited for its answer.
    late = JournalEntry.objects.get().name
    FileSystemStorage().save(late, ContentFile(b"late"))
    JournalEntry.objects.update(due=timezone.now(), written_until=timezone.now())
    tidy()
    assert list_media(settings) == before
    assert not JournalEntry.objects.exists()


def test_after_three_failures_in_a_row_nothing_else_is_tried(
    db: None, storage: type[TestStorage]
) -> None:
    for number in range(5):
        name = f"avatars/00/{number:032}-512.webp"
        JournalEntry.objects.create(
            field="profiles.Profile.avatar", name=name, is_leaving=True, due=timezone.now()
        )
    storage.broken = {"delete"}
    with pytest.raises(CommandError, match="3 avatars"):
        tidy()
    assert JournalEntry.objects.filter(tries=0).count() == 2


def test_an_audit_never_deletes_what_an_upload_is_writing(
    ada: User, settings: LazySettings, storage: type[TestStorage]
) -> None:
    # At the second file, so that the first is there.
    storage.meanwhile = [lambda: audit("--delete-orphans"), lambda: None]
    ada.profile.avatar.save("x.jpg", ContentFile(draw_jpeg()))
    assert audit() == "5 files, 0 orphans found.\n"


# Hidden means hidden


def disable(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def hide(user: User) -> None:
    Profile.objects.filter(user=user).update(visibility="private")


@pytest.mark.parametrize("change", [disable, hide])
def test_a_picture_hidden_by_an_update_of_the_database_is_hidden_by_tidy(
    change: Callable[[User], None], ada: User, grace: User, settings: LazySettings
) -> None:
    change(ada)
    change(grace)  # Protected already.
    assert count_files(settings, "avatars/") == 5
    name = ada.profile.avatar.name
    assert audit() == (f"misplaced {name}\n10 files, 0 orphans found.\n1 pictures are misplaced.")
    tidy()
    assert count_files(settings, "avatars/") == 0
    assert count_files(settings, "protected/") == 10
    assert audit() == "10 files, 0 orphans found.\n"


def test_a_picture_shown_by_an_update_of_the_database_is_moved_by_the_audit(
    grace: User, settings: LazySettings
) -> None:
    Profile.objects.update(visibility="public")
    assert "misplaced protected/" in audit("--fix")
    assert count_files(settings, "avatars/") == 5
    assert audit() == "5 files, 0 orphans found.\n"


def test_a_field_without_a_query_of_its_own_finds_what_is_misplaced(
    ada: User, grace: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = Profile._meta.get_field("avatar")
    monkeypatch.setattr(field, "misplaced", None)
    assert list(field.list_misplaced("default")) == []
    disable(ada)
    Profile.objects.filter(user=grace).update(visibility="public")
    assert set(field.list_misplaced("default")) == {ada.profile, grace.profile}


def test_an_account_disabled_while_the_storage_fails_is_hidden_as_soon_as_it_works(
    ada: User, settings: LazySettings, storage: type[TestStorage]
) -> None:
    storage.broken = {"save"}
    ada.is_active = False
    with pytest.raises(OSError, match="Read-only"):
        ada.save()
    assert not User.objects.get(pk=ada.pk).is_active
    with pytest.raises(CommandError, match="1 avatars could not be deleted or moved"):
        tidy()
    storage.broken = set()
    tidy()
    assert count_files(settings, "avatars/") == 0
    assert len(list_media(settings)) == 5


def test_staff_who_disable_an_account_are_told_if_its_picture_could_not_be_hidden(
    ada: User, settings: LazySettings, storage: type[TestStorage]
) -> None:
    root = sign_in(User.objects.create_superuser("root", "", "pass phrase"))
    form = {"username": "ada", "email": ada.email, "last_login_0": "", "last_login_1": ""}
    form |= {"date_joined_0": "2026-01-01", "date_joined_1": "10:00"}
    storage.broken = {"save"}
    page = root.post(f"/admin/profiles/user/{ada.pk}/change/", form, follow=True)
    assert "The account is saved, but its picture is still where it was" in page.content.decode()
    assert not User.objects.get(pk=ada.pk).is_active
    storage.broken = set()
    tidy()
    assert count_files(settings, "avatars/") == 0


def test_staff_who_hide_a_profile_are_told_if_its_public_files_are_still_there(
    ada: User, storage: type[TestStorage]
) -> None:
    root = sign_in(User.objects.create_superuser("root", "", "pass phrase"))
    form = {"display_name": "Ada", "visibility": "private", "initial-visibility": "public"}
    storage.broken = {"delete"}
    address = f"/admin/profiles/profile/{ada.profile.pk}/change/"
    page = root.post(address, form, follow=True).content.decode()
    assert STORES_DOWN in page
    assert "was changed successfully" in page


def test_a_new_password_does_not_depend_on_the_storage(
    as_ada: Client, ada: User, storage: type[TestStorage]
) -> None:
    hide(ada)
    storage.broken = {"save"}
    new = {"new_password1": "an even longer one", "new_password2": "an even longer one"}
    answer = as_ada.post("/accounts/password_change/", {"old_password": "pass phrase", **new})
    assert answer.status_code == 302
    assert User.objects.get(pk=ada.pk).check_password("an even longer one")


def test_pictures_that_cannot_be_moved_do_not_keep_others_from_being_hidden(
    ada: User, settings: LazySettings
) -> None:
    for number in range(3):
        person = make_person(f"broken-{number}", "", "public")
        for path in Path(settings.MEDIA_ROOT).glob(f"{person.profile.avatar.name[:-8]}*"):
            path.unlink()
            path.mkdir()
    Profile.objects.update(visibility="private")
    for _ in range(40):  # In each run, one time of four all three come before Ada.
        with pytest.raises(CommandError, match="avatars could not be deleted or moved"):
            tidy()
    assert Profile.objects.get(user=ada).avatar.name.startswith("protected/")


def test_what_is_misplaced_is_found_by_indexes(db: None) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET enable_seqscan = off")  # It prefers to read an empty table whole.
    plan = Profile.objects.misplaced().values_list("pk").explain()
    for index in ("picture_to_hide", "picture_to_show", "inactive_user"):
        assert index in plan


# The audit


def test_an_audit_finds_files_of_no_bytes_and_cut_ones(ada: User, settings: LazySettings) -> None:
    root = Path(settings.MEDIA_ROOT)
    for name in list_media(settings):
        path = root / name
        path.write_bytes(b"" if name.endswith("-64.webp") else path.read_bytes()[:-2])
    output = audit()
    assert output.count("damaged") == 6
    assert "5 files are damaged" in output
    assert audit("--names") == "5 files, 0 orphans found.\n"


def test_an_audit_does_not_follow_a_link_out_of_the_media(
    ada: User, settings: LazySettings, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "letter.txt").write_text("mine")
    (Path(settings.MEDIA_ROOT) / "avatars" / "link").symlink_to(outside)
    output = audit("--delete-orphans")
    assert "orphan    avatars/link\n" in output
    assert "letter" not in output
    assert (outside / "letter.txt").exists()


def test_an_audit_goes_on_after_a_file_that_it_cannot_delete(
    settings: LazySettings, storage: type[TestStorage]
) -> None:
    folder = Path(settings.MEDIA_ROOT) / "avatars"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "b.txt").write_text("b")
    storage.broken = {"delete"}
    output = audit("--delete-orphans")
    assert "avatars/a.txt: Read-only" in output
    assert "avatars/b.txt: Read-only" in output
    assert "2 files could not be deleted or moved" in output


def test_an_audit_finds_what_killed_uploads_left(settings: LazySettings, tmp_path: Path) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    left = tmp_path / "tmpabcdefgh.upload.jpg"
    left.write_bytes(b"as it was sent")
    (tmp_path / "letter.jpg").write_text("mine")
    assert audit() == f"orphan    {left}\n0 files, 1 orphans found.\n"
    audit("--delete-orphans")
    assert not left.exists()
    assert (tmp_path / "letter.jpg").exists()
