"""How templates show a picture, or the initials of somebody who has none."""

import re
from pathlib import Path
from typing import IO, Any

import pytest
from django.conf import LazySettings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage
from django.template import Context, Template
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from profiles.models import Profile, User
from profiles.pictures.initials import get_initials
from profiles.pictures.traces import TRACES
from profiles.templatetags.receipts import trace_name, trace_names

from .helpers.pictures import draw, draw_jpeg, draw_noise, encode
from .test_uploads import upload_named

SEEDS_LINE = '<img src="{{ user.profile.avatar.url }}">'


class UntouchableStorage(FileSystemStorage):
    """A remote bucket; rendering a page must not send requests to it."""

    def path(self, name: str) -> str:
        raise AssertionError(f"Where is {name}?")

    def exists(self, name: str) -> bool:
        raise AssertionError(f"Is there {name}?")

    def size(self, name: str) -> int:
        raise AssertionError(f"How large is {name}?")

    def _open(self, name: str, mode: str = "rb") -> File:
        raise AssertionError(f"What is in {name}?")

    def _save(self, name: str | None, content: IO[Any]) -> str:
        raise AssertionError(f"Put {name} there!")


class SigningStorage(FileSystemStorage):
    """A bucket without public files: the URL of each file has a signature of its own."""

    def url(self, name: str | None) -> str:
        return f"{super().url(name)}?signed={name}&for=all"


def render(text: str, user: User, **context: str) -> str:
    """Return a template rendered for somebody."""
    return Template("{% load avatars %}" + text).render(Context({"user": user, **context}))


def show(user: User, options: str = "") -> str:
    """Return somebody's avatar as the tag shows it."""
    return render("{% avatar user.profile " + options + " %}", user)


def read_attributes(tag: str) -> dict[str, str]:
    """Return the attributes of the first tag."""
    return dict(re.findall(r'([\w-]+)="([^"]*)"', tag.partition(">")[0]))


@pytest.fixture
def mary(db: None) -> User:
    """A member who has no picture."""
    user = User.objects.create_user("mary")
    Profile.objects.filter(user=user).update(display_name="Mary Shelley")
    return User.objects.get(pk=user.pk)


def test_a_size_that_is_no_number_cannot_end_the_attribute(ada: User) -> None:
    Profile.objects.filter(user=ada).update(avatar="avatars/me.png")  # It has no other sizes.
    tag = render("{% avatar user.profile size=evil %}", User.objects.get(pk=ada.pk), evil='"><b>')
    assert "<b>" not in tag


def test_a_picture_is_shown_in_its_size(ada: User) -> None:
    image = read_attributes(show(ada))
    assert image["src"] == ada.profile.avatar.url_for("128.webp")
    assert (image["width"], image["height"], image["sizes"]) == ("96", "96", "96px")
    assert image["class"] == "avatar"


@pytest.mark.parametrize(
    ("side", "is_drawing", "size", "name"),
    [
        (48, True, 96, "avatar pixel-art"),
        (64, True, 64, "avatar pixel-art"),
        (64, True, 40, "avatar"),  # It would lose rows.
        (65, True, 96, "avatar"),
        (48, False, 96, "avatar"),
    ],
)
def test_of_a_small_drawing_the_pixels_are_shown(
    side: int, is_drawing: bool, size: int, name: str, as_ada: Client, ada: User
) -> None:
    im = draw(side, side) if is_drawing else draw_noise(side)
    assert upload_named(as_ada, "sprite.png", encode(im, "PNG")).status_code == 201
    ada = User.objects.get(pk=ada.pk)
    assert read_attributes(show(ada, f"size={size}"))["class"] == name
    # It stays a drawing when it moves to another audience.
    ada.profile.avatar.replace(visibility="private")
    assert read_attributes(show(User.objects.get(pk=ada.pk), f"size={size}"))["class"] == name


def test_a_small_photo_is_no_drawing(as_ada: Client, ada: User) -> None:
    upload_named(as_ada, "sky.jpg", draw_jpeg(48, 48))
    assert read_attributes(show(User.objects.get(pk=ada.pk)))["class"] == "avatar"


def test_a_picture_is_loaded_when_it_comes_into_sight(ada: User) -> None:
    image = read_attributes(show(ada))
    assert (image["loading"], image["decoding"]) == ("lazy", "async")


def test_a_picture_in_sight_is_loaded_at_once(ada: User) -> None:
    assert "loading" not in read_attributes(show(ada, "lazy=False"))


def test_the_browser_can_choose_among_all_sizes(ada: User) -> None:
    choice = read_attributes(show(ada))["srcset"].split(", ")
    url_for = ada.profile.avatar.url_for
    assert choice == [f"{url_for(f'{width}.webp')} {width}w" for width in (64, 128, 256, 512)]


@pytest.mark.parametrize(
    ("size", "width"),
    [(1, 64), (64, 64), (65, 128), (176, 256), (256, 256), (512, 512), (800, 512)],
)
def test_the_smallest_file_that_is_large_enough_is_taken(size: int, width: int, ada: User) -> None:
    image = read_attributes(show(ada, f"size={size}"))
    assert image["src"] == ada.profile.avatar.url_for(f"{width}.webp")


def test_each_address_in_the_tag_leads_to_a_file(ada: User, settings: LazySettings) -> None:
    image = read_attributes(show(ada))
    urls = [image["src"], *(entry.split()[0] for entry in image["srcset"].split(", "))]
    assert all((settings.MEDIA_ROOT / url.removeprefix("/media/")).is_file() for url in urls)


def test_each_address_has_its_own_signature(ada: User, settings: LazySettings) -> None:
    storage = {"BACKEND": "tests.test_templatetags.SigningStorage"}
    settings.STORAGES = settings.STORAGES | {"default": storage}
    image = read_attributes(show(ada))
    stem = ada.profile.avatar.name.removesuffix("512.webp")
    signed = [f"{stem}{width}.webp" for width in (64, 128, 256, 512)]
    assert re.findall(r"signed=([^&]*)&amp;for=all", image["srcset"]) == signed
    assert image["src"] == f"/media/{stem}128.webp?signed={stem}128.webp&amp;for=all"


def test_beside_a_name_a_picture_says_nothing(ada: User) -> None:
    ada.profile.description = "At her desk"
    assert read_attributes(show(ada))["alt"] == ""


def test_alone_a_picture_says_what_its_owner_wrote(ada: User) -> None:
    ada.profile.description = 'At her "desk"'
    assert read_attributes(show(ada, "described=True"))["alt"] == "At her &quot;desk&quot;"


def test_alone_a_picture_that_nobody_described_says_whose_it_is(ada: User) -> None:
    assert read_attributes(show(ada, "described=True"))["alt"] == "Picture of Ada Lovelace"


def test_initials_need_no_request(mary: User) -> None:
    tag = show(mary)
    assert ">MS</text>" in tag
    assert "<img" not in tag
    assert "/static/" not in tag
    assert "href" not in tag


def test_initials_have_a_colour_and_a_size_of_their_own(mary: User) -> None:
    image = read_attributes(show(mary, "size=40"))
    assert re.fullmatch(r"avatar hue-\d\d?", image["class"])
    assert (image["width"], image["height"]) == ("40", "40")


def test_the_colour_of_initials_does_not_tell_who_joined_when(mary: User) -> None:
    before = show(mary)
    Profile.objects.filter(user=mary).update(id=mary.profile.pk + 1)
    assert show(User.objects.get(pk=mary.pk)) == before


def test_initials_are_never_read_aloud(mary: User) -> None:
    Profile.objects.filter(user=mary).update(description="In a hat")
    for arguments in ("", "described=True"):
        shown = show(User.objects.get(pk=mary.pk), arguments)
        assert 'aria-hidden="true"' in shown
        assert "In a hat" not in shown


@pytest.mark.parametrize(
    ("name", "initials"),
    [
        ("Ada Lovelace", "AL"),
        ("ada", "A"),
        ("Mary Wollstonecraft Shelley", "MS"),
        ("Ludwig van Beethoven 2", "L2"),
        ("ßeta", "S"),
        ("ǆ ǆ", "ǄǄ"),
        ("李 小龍", "李小"),
        ("ليلى الهاشمي", "ل"),
        ("Ada (she/her)", "A"),
        ("  Ada   Lovelace  ", "AL"),
        ("🦊 Fox", "F"),
    ],
)
def test_initials_are_the_first_letters_of_the_first_and_the_last_word(
    name: str, initials: str
) -> None:
    assert get_initials(name) == initials


@pytest.mark.parametrize("name", ["🦊", "★ ★", "(Mary)", "\u202e", "..."])
def test_a_name_without_letters_still_has_an_initial(name: str, mary: User) -> None:
    mary.profile.display_name = name
    assert re.search(r">\w{1,2}</text>", show(mary))


def test_html_in_a_name_is_shown_as_text(mary: User, ada: User) -> None:
    for user in (mary, ada):
        user.profile.display_name = '"><script>'
        assert "<script>" not in show(user, "described=True")


def test_the_seeds_own_line_shows_a_picture(ada: User, settings: LazySettings) -> None:
    tag = render(SEEDS_LINE, ada)
    assert tag == f'<img src="/media/{ada.profile.avatar.name}">'
    assert (settings.MEDIA_ROOT / ada.profile.avatar.name).is_file()


def test_the_seeds_own_line_shows_a_members_only_picture(grace: User) -> None:
    tag = render(SEEDS_LINE, grace)
    assert tag == f'<img src="/media/{grace.profile.avatar.name}">'
    assert tag.startswith('<img src="/media/protected/')


def test_the_seeds_own_line_shows_a_placeholder_where_there_is_no_picture(mary: User) -> None:
    assert render(SEEDS_LINE, mary) == '<img src="/static/pictures/placeholder.svg">'
    assert not mary.profile.avatar


def test_the_placeholder_is_a_file_of_the_site(settings: LazySettings) -> None:
    folder = Path(settings.BASE_DIR) / "profiles/pictures/static/pictures"
    assert (folder / "placeholder.svg").read_text().startswith("<svg")


@pytest.mark.parametrize("name", ["ada", "grace", "mary"])
def test_showing_a_picture_looks_nothing_up(
    name: str,
    ada: User,
    grace: User,
    mary: User,
    settings: LazySettings,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    storage = {"BACKEND": "tests.test_templatetags.UntouchableStorage"}
    settings.STORAGES = settings.STORAGES | {"default": storage, "protected": storage}
    user = User.objects.select_related("profile").get(username=name)
    with django_assert_num_queries(0):
        assert render(SEEDS_LINE, user)
        assert show(user, "described=True")
        assert user.profile.avatar.url_for("256.jpg")


@pytest.mark.parametrize("change", ["save", "delete", "replace"])
def test_a_template_cannot_change_a_picture(change: str, ada: User) -> None:
    assert render("{{ user.profile.avatar." + change + " }}", ada) == ""
    assert Profile.objects.get(user=ada).avatar


def test_each_kind_of_trace_has_a_name() -> None:
    assert [trace_name(kind) for kind in ("place", "camera")] == ["place", "camera"]
    assert set(TRACES) <= set(trace_names())


def test_a_kind_of_trace_without_a_name_is_named_as_it_is() -> None:
    assert trace_name("rumour") == "rumour"
