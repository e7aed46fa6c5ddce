"""Django's admin, where staff manage accounts and pictures."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from profiles.models import Profile, User
from profiles.pictures.limits import MAX_BYTES

from .conftest import list_media, sign_in
from .helpers.pictures import draw_jpeg

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse battery"
PAGES = ["/admin/", "/admin/profiles/user/", "/admin/profiles/profile/"]


@pytest.fixture
def as_root(db: None) -> Client:
    """A browser with a superuser signed in."""
    return sign_in(User.objects.create_superuser("root", "root@example.org", PASSWORD))


def photo(data: bytes) -> SimpleUploadedFile:
    """Return a file as a browser sends it."""
    return SimpleUploadedFile("photo.jpg", data, "image/jpeg")


def change(client: Client, user: User, status: int = 302, **changes: Any) -> str:
    """Send the form of somebody's profile with changes; return the page that it shows."""
    names = ["description", "display_name", "location", "website", "bio", "visibility"]
    fields = {name: getattr(user.profile, name) for name in names} | changes
    response = client.post(f"/admin/profiles/profile/{user.profile.pk}/change/", fields)
    assert response.status_code == status
    return response.content.decode()


def change_account(client: Client, user: User, status: int = 302, **changes: str) -> str:
    """Send the form of somebody's account with changes; return the page that it shows."""
    fields = {"username": user.username, "email": user.email, "is_active": "on"}
    fields |= {"date_joined_0": "2026-01-02", "date_joined_1": "03:04:05"}
    response = client.post(f"/admin/profiles/user/{user.pk}/change/", fields | changes)
    assert response.status_code == status
    return response.content.decode()


def add(client: Client, username: str, status: int = 302) -> str:
    """Send the form of a new account; return the page that it shows."""
    fields = {"username": username, "usable_password": "true"}
    fields |= {"password1": PASSWORD, "password2": PASSWORD}
    response = client.post("/admin/profiles/user/add/", fields)
    assert response.status_code == status
    return response.content.decode()


def read(user: User) -> Profile:
    """Return somebody's profile as it is stored."""
    return Profile.objects.get(user=user)


@pytest.mark.parametrize("url", PAGES)
def test_a_superuser_opens_the_lists(url: str, as_root: Client, ada: User) -> None:
    page = as_root.get(url)
    assert page.status_code == 200
    assert "Likeness" in page.content.decode()


def test_the_lists_can_be_searched(as_root: Client, ada: User, grace: User) -> None:
    for url in PAGES[1:]:
        page = as_root.get(f"{url}?q=grace").content.decode()
        assert ">grace</a>" in page
        assert ">ada</a>" not in page


@pytest.mark.parametrize("url", PAGES)
def test_a_stranger_gets_no_admin(url: str, client: Client) -> None:
    assert client.get(url).headers["Location"] == f"/admin/login/?next={url}"


@pytest.mark.parametrize("url", PAGES)
def test_a_plain_member_gets_no_admin(url: str, as_ada: Client) -> None:
    assert as_ada.get(url).headers["Location"] == f"/admin/login/?next={url}"


def test_a_plain_member_changes_nobody_there(
    as_ada: Client, grace: User, settings: LazySettings
) -> None:
    before = list_media(settings)
    change(as_ada, grace, avatar=photo(draw_jpeg()))
    assert list_media(settings) == before


def test_staff_without_rights_sees_no_people(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    assert sign_in(ada).get("/admin/profiles/profile/").status_code == 403


def test_an_account_that_is_added_has_a_profile(as_root: Client) -> None:
    assert as_root.get("/admin/profiles/user/add/").status_code == 200
    add(as_root, "Mary")
    user = User.objects.get(username="mary")
    assert user.check_password(PASSWORD)
    assert user.profile.visibility == "members"


@pytest.mark.parametrize("name", ["ma", "-mary", "mary@example.org", "m" * 31])
def test_a_wrong_user_name_is_refused(name: str, as_root: Client) -> None:
    assert '<ul class="errorlist" id="id_username_error">' in add(as_root, name, 200)


@pytest.mark.parametrize("name", ["ada", "ADA"])
def test_a_user_name_that_is_taken_is_refused(name: str, as_root: Client, ada: User) -> None:
    assert "This user name is taken." in add(as_root, name, 200)


def test_an_account_is_closed(as_root: Client, ada: User, client: Client) -> None:
    change_account(as_root, ada, is_active="")
    assert not User.objects.get(pk=ada.pk).is_active
    assert client.get("/profiles/ada/").status_code == 404


def test_an_address_that_belongs_to_another_is_refused(
    as_root: Client, ada: User, grace: User
) -> None:
    page = change_account(as_root, ada, 200, email="GRACE@example.org")
    assert "This address belongs to another account." in page
    assert User.objects.get(pk=ada.pk).email == "ada@example.org"


def test_two_accounts_may_be_without_an_address(as_root: Client, ada: User, grace: User) -> None:
    change_account(as_root, ada, email="")
    change_account(as_root, grace, email="")
    assert User.objects.filter(email="").count() == 2


def test_a_profile_cannot_be_added_alone(as_root: Client) -> None:
    assert as_root.get("/admin/profiles/profile/add/").status_code == 403


def test_the_list_shows_pictures_and_placeholders(as_root: Client, ada: User) -> None:
    page = as_root.get("/admin/profiles/profile/").content.decode()
    assert f'<img src="{ada.profile.avatar.url_for("128.webp")}"' in page
    assert '<img src="/static/pictures/placeholder.svg"' in page


def test_more_profiles_cost_no_more_queries(
    as_root: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    as_root.get("/admin/")  # Notes in the session that the admin is used.
    with CaptureQueriesContext(connection) as few:
        as_root.get("/admin/profiles/profile/")
    for number in range(9):
        User.objects.create_user(f"member{number}")
    with django_assert_num_queries(len(few)):
        as_root.get("/admin/profiles/profile/")


def test_the_form_of_a_profile_opens(as_root: Client, ada: User) -> None:
    page = as_root.get(f"/admin/profiles/profile/{ada.profile.pk}/change/").content.decode()
    assert 'value="Ada Lovelace"' in page
    assert f'href="{ada.profile.avatar.url}"' in page
    assert 'name="avatar-clear"' in page


def test_the_texts_of_a_profile_are_changed(
    as_root: Client, ada: User, settings: LazySettings
) -> None:
    before = list_media(settings)
    change(as_root, ada, display_name="Ada King", description="At her desk")
    assert (read(ada).display_name, read(ada).description) == ("Ada King", "At her desk")
    assert list_media(settings) == before
    assert read(ada).avatar.name in before


def test_a_picture_replaces_the_old_one(as_root: Client, ada: User, settings: LazySettings) -> None:
    before = list_media(settings)
    change(as_root, ada, avatar=photo(draw_jpeg(300, 300)))
    after = list_media(settings)
    assert len(after) == 5
    assert set(after).isdisjoint(before)
    assert read(ada).avatar.name in after


def test_a_first_picture_is_uploaded(as_root: Client, settings: LazySettings) -> None:
    root = User.objects.get()
    change(as_root, root, avatar=photo(draw_jpeg()))
    assert len(list_media(settings)) == 5
    assert read(root).avatar.name in list_media(settings)


def test_a_new_picture_empties_the_old_description(as_root: Client, ada: User) -> None:
    Profile.objects.filter(user=ada).update(description="At her desk")
    ada.profile.refresh_from_db()
    change(as_root, ada, avatar=photo(draw_jpeg()))
    assert read(ada).description == ""


def test_a_new_picture_comes_with_its_description(as_root: Client, ada: User) -> None:
    change(as_root, ada, avatar=photo(draw_jpeg()), description="On a boat")
    assert read(ada).description == "On a boat"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<html>", "This file is not a picture we can read."),
        (b"", "The submitted file is empty."),
        (draw_jpeg()[:3000], "This file breaks off part-way."),
        (draw_jpeg(31, 31), "each side must have at least 32."),
        (draw_jpeg() + bytes(MAX_BYTES), "This photo is 21 MB; the limit is 20 MB."),
    ],
    ids=["text", "empty", "half", "small", "heavy"],
)
def test_a_wrong_file_is_refused_in_our_words(
    data: bytes, sentence: str, as_root: Client, ada: User, settings: LazySettings
) -> None:
    before = list_media(settings)
    assert sentence in change(as_root, ada, 200, avatar=photo(data), display_name="Ada King")
    assert list_media(settings) == before
    assert read(ada).display_name == "Ada Lovelace"


def test_the_checkbox_removes_a_picture(as_root: Client, ada: User, settings: LazySettings) -> None:
    change(as_root, ada, 302, **{"avatar-clear": "on"})
    assert not read(ada).avatar
    assert list_media(settings) == []


def test_a_picture_cannot_be_removed_and_replaced_at_once(
    as_root: Client, ada: User, settings: LazySettings
) -> None:
    before = list_media(settings)
    page = change(as_root, ada, 200, avatar=photo(draw_jpeg()), **{"avatar-clear": "on"})
    assert "Please either submit a file or check the clear checkbox" in page
    assert list_media(settings) == before


@pytest.mark.parametrize("visibility", ["members", "private"])
def test_a_picture_moves_out_of_sight_with_its_profile(
    visibility: str, as_root: Client, ada: User, settings: LazySettings
) -> None:
    before = {Path(name).name for name in list_media(settings)}
    change(as_root, ada, visibility=visibility)
    after = list_media(settings)
    assert {Path(name).parts[0] for name in after} == {"protected"}
    assert before.isdisjoint(Path(name).name for name in after)
    assert (len(after), read(ada).visibility) == (5, visibility)


def test_a_new_picture_and_its_audience_change_at_once(
    as_root: Client, grace: User, settings: LazySettings
) -> None:
    change(as_root, grace, avatar=photo(draw_jpeg()), visibility="public")
    assert {Path(name).parts[0] for name in list_media(settings)} == {"avatars"}
    assert len(list_media(settings)) == 5
    assert read(grace).avatar.name in list_media(settings)


def test_a_form_opened_before_an_upload_keeps_the_new_picture(
    as_root: Client, ada: User, settings: LazySettings
) -> None:
    as_root.get(f"/admin/profiles/profile/{ada.profile.pk}/change/")
    sign_in(ada).post("/profile/avatar/", {"avatar": photo(draw_jpeg())})
    change(as_root, ada, display_name="Ada King")
    assert read(ada).avatar.name != ada.profile.avatar.name
    assert read(ada).avatar.name in list_media(settings)


def test_the_action_removes_the_pictures_of_the_chosen(
    as_root: Client, ada: User, grace: User, linus: User, settings: LazySettings
) -> None:
    chosen = [ada.profile.pk, grace.profile.pk]
    fields = {"action": "remove_avatar", "_selected_action": chosen}
    page = as_root.post("/admin/profiles/profile/", fields, follow=True).content.decode()
    assert "The pictures are removed." in page
    assert not read(ada).avatar
    assert not read(grace).avatar
    assert len(list_media(settings)) == 5
    assert read(linus).avatar.name in list_media(settings)


def test_a_deleted_account_takes_its_files_along(
    as_root: Client, ada: User, settings: LazySettings
) -> None:
    as_root.post(f"/admin/profiles/user/{ada.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=ada.pk).exists()
    assert list_media(settings) == []


def test_many_deleted_accounts_take_their_files_along(
    as_root: Client, ada: User, grace: User, settings: LazySettings
) -> None:
    fields = {"action": "delete_selected", "_selected_action": [ada.pk, grace.pk], "post": "yes"}
    as_root.post("/admin/profiles/user/", fields)
    assert User.objects.get().username == "root"
    assert list_media(settings) == []


def test_a_profile_is_deleted_with_its_account(as_root: Client, ada: User) -> None:
    url = f"/admin/profiles/profile/{ada.profile.pk}/delete/"
    assert as_root.post(url, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=ada.pk).exists()


def test_profiles_are_deleted_with_their_accounts(as_root: Client, ada: User, grace: User) -> None:
    fields = {"action": "delete_selected", "_selected_action": [ada.profile.pk], "post": "yes"}
    as_root.post("/admin/profiles/profile/", fields)
    assert not User.objects.filter(pk=ada.pk).exists()
    assert User.objects.filter(pk=grace.pk).exists()


def make_staff(*rights: str) -> Client:
    """Return a browser with a staff member signed in who has the given permissions."""
    user = User.objects.create_user("staff", password=PASSWORD, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return sign_in(user)


def test_staff_who_may_not_delete_accounts_delete_no_profile(as_root: Client, ada: User) -> None:
    url = f"/admin/profiles/profile/{ada.profile.pk}/delete/"
    staff = make_staff("view_profile", "delete_profile")
    assert staff.post(url, {"post": "yes"}).status_code == 403
    fields = {"action": "delete_selected", "_selected_action": [ada.profile.pk], "post": "yes"}
    assert staff.post("/admin/profiles/profile/", fields).status_code == 403
    assert User.objects.filter(pk=ada.pk).exists()
    assert f'<a href="/admin/profiles/user/{ada.pk}/change/">' in as_root.get(url).content.decode()


def test_staff_who_may_only_view_remove_no_picture(ada: User, settings: LazySettings) -> None:
    before = list_media(settings)
    fields = {"action": "remove_avatar", "_selected_action": [ada.profile.pk]}
    make_staff("view_profile").post("/admin/profiles/profile/", fields)
    assert list_media(settings) == before


def test_staff_who_may_not_see_accounts_learn_no_address(ada: User) -> None:
    list_of_profiles = make_staff("view_profile")
    found = list_of_profiles.get("/admin/profiles/profile/", {"q": "ada@example.org"})
    assert "Ada Lovelace" not in found.content.decode()
    found = list_of_profiles.get("/admin/profiles/profile/", {"q": "lovelace"})
    assert "Ada Lovelace" in found.content.decode()


def test_an_account_that_has_lost_its_profile_is_found(as_root: Client, ada: User) -> None:
    Profile.objects.filter(user=ada).delete()
    page = as_root.get("/admin/profiles/user/", {"q": "ada"}).content.decode()
    assert f"/admin/profiles/user/{ada.pk}/change/" in page


@pytest.mark.parametrize("lookup", ["visibility__regex=((", "visibility__startswith=p"])
def test_other_filters_than_those_that_are_shown_are_refused(lookup: str, as_root: Client) -> None:
    assert as_root.get(f"/admin/profiles/profile/?{lookup}").status_code == 400


def test_a_renamed_person_is_found_by_the_new_name(as_root: Client, ada: User) -> None:
    change(as_root, ada, display_name="Rude Word")
    page = as_root.get("/profiles/?q=lovelace").content.decode()
    assert "Nobody called" in page
    assert "Rude Word" in as_root.get("/profiles/?q=rude").content.decode()


def test_a_profile_hidden_meanwhile_stays_hidden(as_root: Client, ada: User) -> None:
    url = f"/admin/profiles/profile/{ada.profile.pk}/change/"
    opened = as_root.get(url).context["adminform"].form
    fields = {name: opened[name].value() or "" for name in opened.fields if name != "avatar"}
    fields |= {f"initial-{name}": fields[name] for name in ("visibility", "description")}
    ada.profile.visibility = "private"
    ada.profile.save()
    as_root.post(url, fields | {"bio": "Countess"})
    profile = Profile.objects.get(user=ada)
    assert (profile.visibility, profile.bio) == ("private", "Countess")


def test_the_admin_changes_passwords_on_the_throttled_page(as_root: Client) -> None:
    # On the site's own page, which counts guesses.
    response = as_root.get("/admin/password_change/")
    assert response.headers["Location"] == "/accounts/password_change/"


def test_staff_see_that_a_picture_cannot_be_stored(
    as_root: Client, ada: User, settings: LazySettings
) -> None:
    full = {"BACKEND": "tests.helpers.storages.FullStorage"}
    settings.STORAGES = settings.STORAGES | {"default": full, "protected": full}
    page = change(as_root, ada, 503, visibility="private")
    assert "We cannot reach our pictures just now" in page
    assert Profile.objects.get(user=ada).visibility == "public"
    assert len(list_media(settings)) == 5


def test_an_account_without_a_profile_is_closed(as_root: Client) -> None:
    [user] = User.objects.bulk_create([User(username="bare")])
    change_account(as_root, user, is_active="")
    user.refresh_from_db()
    assert not user.is_active


def test_an_account_that_has_left_is_not_brought_back(ada: User) -> None:
    User.objects.get(pk=ada.pk).delete()
    with pytest.raises(User.DoesNotExist):
        ada.save()
    assert not User.objects.exists()


def list_log() -> list[tuple[str, int]]:
    """Return which rows the admin's log names, and what was done to them."""
    return list(LogEntry.objects.order_by("pk").values_list("object_repr", "action_flag"))


def test_the_log_keeps_no_name_of_an_account(as_root: Client) -> None:
    add(as_root, "mary")
    mary = User.objects.get(username="mary")
    change_account(as_root, mary, email="mary@example.org", username="mary2")
    change(as_root, mary, display_name="Mary Shelley")
    as_root.post(f"/admin/profiles/user/{mary.pk}/delete/", {"post": "yes"})
    account, profile = f"#{mary.pk}", f"#{mary.profile.pk}"
    assert list_log() == [(account, 1), (account, 2), (profile, 2), (account, 3)]
    entry = LogEntry.objects.get(action_flag=3)
    root = User.objects.get(username="root")
    assert (entry.user_id, entry.object_id) == (root.pk, str(mary.pk))
    assert "mary" not in str(list(LogEntry.objects.values())).lower()
    as_root.get("/admin/")  # It shows the messages of what was done.
    page = as_root.get("/admin/").content.decode()
    assert account in page
    assert "mary" not in page.lower()


@pytest.mark.parametrize("model", ["user", "profile"])
def test_the_log_keeps_no_name_of_many_accounts_either(
    model: str, as_root: Client, ada: User, grace: User
) -> None:
    users = [ada, grace]
    keys = [user.pk if model == "user" else user.profile.pk for user in users]
    fields = {"action": "delete_selected", "_selected_action": keys, "post": "yes"}
    as_root.post(f"/admin/profiles/{model}/", fields)
    assert sorted(list_log()) == sorted((f"#{key}", 3) for key in keys)


def test_names_that_the_log_has_kept_are_removed(as_root: Client, ada: User) -> None:
    root = User.objects.get(username="root")
    for row in (ada, ada.profile, ContentType.objects.get_for_model(User)):
        LogEntry.objects.log_actions(root.pk, [row], 2)
    other = LogEntry.objects.latest("pk")
    migration = import_module("profiles.migrations.0011_remove_names_from_log")
    migration.remove_names(apps, SimpleNamespace(connection=connection))
    assert list_log() == [(f"#{ada.pk}", 2), (f"#{ada.profile.pk}", 2), (other.object_repr, 2)]
    assert not other.object_repr.startswith("#")
