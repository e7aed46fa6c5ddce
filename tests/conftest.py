"""The settings, the cast and the pictures of the tests."""

import os
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from datetime import timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from unittest import mock

import pytest
from django.conf import LazySettings
from django.core.cache import caches
from django.core.management.color import no_style
from django.db import connection
from django.test import Client, TransactionTestCase
from django.utils import timezone, translation

from config import health
from profiles.accounts.factors import VERIFIED
from profiles.models import Profile, User
from profiles.pictures import cell
from profiles.pictures.avatar import Avatar

from .helpers.pictures import draw_jpeg
from .helpers.servers import prepare
from .helpers.throttles import Forward
from .symptoms import project


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, where everything is installed, a test that is skipped has failed."""
    report = yield
    if report.skipped and os.environ.get("LIKENESS_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped here. {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def unhurried_cells() -> None:
    """Let only a cell's time of CPU be short: on a loaded machine the clock would end it first."""
    start = "from {package}.pipeline import zygote; zygote.CLOCK_FACTOR = 15; zygote.main()"
    cell.PROGRAM = cell.PROGRAM.replace("from {package}.pipeline.zygote import main; main()", start)
    assert start in cell.PROGRAM


@pytest.fixture(scope="session", autouse=True)
def quick_flush() -> Generator[None]:
    """After a test with transactions, keep the permissions: adding them again takes a while."""

    def flush(_: TransactionTestCase) -> None:
        kept = {"auth_permission", "django_content_type"}
        tables = set(connection.introspection.django_table_names(only_existing=True)) - kept
        connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), sorted(tables)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", flush)
        yield


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database after `migrate` and the collected static files, to copy."""
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder)
    return folder


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest example with its database and two people, to copy and to break."""
    folder = tmp_path_factory.mktemp("example")
    project.prepare(folder)
    return folder


@pytest.fixture(autouse=True)
def apart(settings: LazySettings, tmp_path: Path) -> None:
    """A media folder of each test's own, quick passwords, and no manifest of static files.

    And the site's own language, no known health, and an empty cache: those of the test before stay.
    """
    health._answers.clear()
    caches["default"].clear()
    health._media_checked.clear()
    translation.activate(settings.LANGUAGE_CODE)
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STATIC_ROOT = tmp_path / "staticfiles"
    settings.STATIC_ROOT.mkdir()
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.fixture
def later() -> Generator[Callable[[float], None]]:
    """Move the clock forward, by so many seconds."""
    real = time.time
    with ExitStack() as stack:

        def move(seconds: float) -> None:
            moved = mock.patch("time.time", side_effect=lambda: real() + seconds)
            stack.enter_context(moved)

        yield move


@pytest.fixture
def ada(db: None) -> User:
    """A member with a public picture."""
    return make_person("ada", "Ada Lovelace", Profile.Visibility.PUBLIC)


@pytest.fixture
def grace(db: None) -> User:
    """A member whom members see."""
    return make_person("grace", "Grace Hopper", Profile.Visibility.MEMBERS)


@pytest.fixture
def linus(db: None) -> User:
    """A member whom nobody else sees."""
    return make_person("linus", "Linus Pauling", Profile.Visibility.PRIVATE)


def make_person(username: str, name: str, visibility: str) -> User:
    """Make a member with a picture, whose password is "pass phrase"."""
    user = User.objects.create_user(username, f"{username}@example.org", "pass phrase")
    user.profile.change(display_name=name, visibility=visibility)
    user.profile.avatar.replace(make_picture())
    return User.objects.get(pk=user.pk)


@cache
def make_picture() -> Avatar:
    """Make the picture of all members once."""
    return cell.make_avatar(BytesIO(draw_jpeg()))


@pytest.fixture
def as_ada(ada: User) -> Client:
    """A browser in which Ada has signed in."""
    return sign_in(ada)


@pytest.fixture
def as_grace(grace: User) -> Client:
    """A browser in which Grace has signed in."""
    return sign_in(grace)


def sign_in(user: User, for_hours: int = 0) -> Client:
    """Return a browser in which somebody has just signed in; it is not asked again for so long."""
    client = Client()
    client.force_login(user)
    session = client.session
    session[VERIFIED] = time.time() + for_hours * 3600
    session.save()
    return client


def list_media(settings: LazySettings) -> list[str]:
    """Return the names of all files in the media folder."""
    root = Path(settings.MEDIA_ROOT)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture
def few(settings: LazySettings) -> None:
    """Let everything be done twice."""
    settings.THROTTLES = dict.fromkeys(settings.THROTTLES, 2)


@pytest.fixture
def forward(monkeypatch: pytest.MonkeyPatch) -> Forward:
    """Sets the clock to some minutes after the test began."""
    began = timezone.now()

    def set_clock(minutes: float) -> None:
        then = began + timedelta(minutes=minutes)
        monkeypatch.setattr("profiles.throttles.timezone.now", lambda: then)

    return set_clock
