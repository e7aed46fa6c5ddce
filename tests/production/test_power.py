"""The power fails right after an answer, or while a picture is being stored: nothing is lost.

The pictures, and mostly the database, are on an ext4 in a file. What that file holds at a moment
is what had reached the disk; what the kernel still keeps in memory is not in it.
LIKENESS_POWER_CUTS says how often the power fails; `make long` cuts it more often.
"""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from tests.helpers.cells import find_children
from tests.helpers.pictures import encode
from tests.helpers.servers import GUNICORN, get, make_environment, manage, serve, upload

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("mkfs.ext4") or os.geteuid() != 0,
        reason="Install e2fsprogs, and be root, to mount a disk.",
    ),
]
CUTS = int(os.environ.get("LIKENESS_POWER_CUTS", "5"))
TOKEN = "t" * 32
SHADES = (60, 120, 180)
ADD_MEMBER = """
from django.test import Client
from profiles.models import User
client = Client()
client.force_login(User.objects.create_user("ada"))
print(client.cookies["sessionid"].value)
"""


@dataclass
class Site:
    """A running site of one worker, whose data are on a disk of its own."""

    image: Path
    port: int
    worker: int
    session: str

    def upload(self, number: int) -> int:
        """Upload a picture of the shade with a number."""
        noise = Image.effect_noise((600, 600), 20)
        shade = SHADES[number % len(SHADES)]
        picture = noise.point(lambda value: max(0, min(255, value - 128 + shade)))
        return upload(self.port, self.session, encode(picture.convert("RGB"), "JPEG"))

    def remove(self) -> int:
        """Remove the picture; return the status of the response."""
        cookies = f"sessionid={self.session}; csrftoken={TOKEN}"
        path = "/profile/avatar/delete/"
        return get(self.port, path, "POST", Cookie=cookies, X_CSRFToken=TOKEN)[0].status

    def read_disk(self) -> bytes:
        """Return what is on the disk at one moment: what two readings in a row find."""
        content = self.image.read_bytes()
        while content != (again := self.image.read_bytes()):
            content = again
        return content

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop the worker between two of its system calls."""
        os.kill(self.worker, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.worker, signal.SIGCONT)


@contextmanager
def mount(image: Path, folder: Path) -> Iterator[Path]:
    """Mount a disk; only what is synced is written to it at once."""
    folder.mkdir()
    subprocess.run(["mount", "-o", "loop,commit=300", image, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def run_site(prepared: Path, tmp_path: Path, with_database: bool = True) -> Iterator[Site]:
    """Run a site whose media are on a disk of its own, with or without the database."""
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(64_000_000)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    with mount(image, tmp_path / "mounted") as folder:
        database = shutil.copy(prepared / "db.sqlite3", folder if with_database else tmp_path)
        environment = make_environment(
            folder,
            DATABASE_URL=f"sqlite:///{database}",
            STATIC_ROOT=str(prepared / "staticfiles"),
            WEB_CONCURRENCY="1",
        )
        session = manage(environment, "shell", "--no-imports", "-c", ADD_MEMBER).stdout.strip()
        pid = tmp_path / "gunicorn.pid"
        with serve(environment, *GUNICORN, f"--pid={pid}") as port:
            (worker,) = find_children(int(pid.read_text()))
            # The last connection that closes syncs the database, so keep another one open.
            with closing(sqlite3.connect(database)) as other:
                other.execute("SELECT * FROM profiles_profile").fetchall()
                yield Site(image, port, worker, session)


@pytest.fixture
def site(prepared: Path, tmp_path: Path) -> Iterator[Site]:
    with run_site(prepared, tmp_path) as site:
        yield site


@contextmanager
def back_up_again(content: bytes, folder: Path) -> Iterator[Path]:
    """Mount what was on a disk when the power failed, as a machine does that starts again."""
    folder.mkdir()
    image = folder / "disk"
    image.write_bytes(content)
    repaired = subprocess.run(["e2fsck", "-p", image], capture_output=True, text=True)
    assert repaired.returncode in (0, 1), repaired.stdout
    with mount(image, folder / "mounted") as mounted:
        yield mounted
    image.unlink()


def find_shade(folder: Path) -> int:
    """Return the number of the shade that all files of the one picture show."""
    with closing(sqlite3.connect(folder / "db.sqlite3")) as database:
        [(name,)] = database.execute("SELECT avatar FROM profiles_profile")
    assert name, "The picture is lost."
    paths = list((folder / "media" / name).parent.glob(Path(name).name.replace("-512.webp", "*")))
    assert len(paths) == 5, name
    [found] = {see_shade(path) for path in paths}
    return found


def see_shade(path: Path) -> int:
    """Open a file of a picture; return the number of its shade."""
    with Image.open(path) as im:
        [mean] = ImageStat.Stat(im.convert("L")).mean
    return min(range(len(SHADES)), key=lambda number: abs(SHADES[number] - mean))


def check_clean(folder: Path, files: int) -> None:
    """Check that after `tidy` only the files are left that a row names."""
    environment = make_environment(folder)
    tidied = manage(environment, "tidy", "--now")
    assert tidied.returncode == 0, tidied.stderr
    audited = manage(environment, "audit_media", "--older-than", "0")
    assert audited.stdout == f"{files} files, 0 orphans found.\n", audited.stderr


def test_a_new_picture_survives_a_power_cut_right_after_the_answer(
    site: Site, tmp_path: Path
) -> None:
    for number in range(CUTS):
        assert site.upload(number) == 201
        content = site.read_disk()
        with back_up_again(content, tmp_path / str(number)) as folder:
            assert find_shade(folder) == number % len(SHADES)
            check_clean(folder, files=5)


def test_a_power_cut_during_an_upload_leaves_the_old_picture_or_the_new_one(
    site: Site, tmp_path: Path
) -> None:
    chance = random.Random(1815)
    assert site.upload(0) == 201
    start = time.monotonic()
    assert site.upload(0) == 201
    duration = time.monotonic() - start
    for number in range(1, CUTS + 1):
        with ThreadPoolExecutor(1) as member:
            answer = member.submit(site.upload, number)
            time.sleep(chance.uniform(0, duration))
            with site.stopped():
                content = site.read_disk()
            assert answer.result() == 201
        with back_up_again(content, tmp_path / str(number)) as folder:
            either = {(number - 1) % len(SHADES), number % len(SHADES)}
            assert find_shade(folder) in either
            check_clean(folder, files=5)


def test_a_removed_picture_stays_removed_when_the_power_fails_right_after(
    site: Site, tmp_path: Path
) -> None:
    assert site.upload(0) == 201
    assert site.remove() == 302
    with back_up_again(site.read_disk(), tmp_path / "again") as folder:
        assert not [path for path in (folder / "media").rglob("*") if path.is_file()]
        check_clean(folder, files=0)


def test_files_that_are_deleted_are_gone_before_their_entry_of_the_journal_is(
    prepared: Path, tmp_path: Path
) -> None:
    # On one disk with the files, the COMMIT of the entry would sync them as well.
    with run_site(prepared, tmp_path, with_database=False) as site:
        assert site.upload(0) == 201
        assert site.remove() == 302
        with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
            assert not database.execute("SELECT * FROM pictures_journalentry").fetchall()
        with back_up_again(site.read_disk(), tmp_path / "again") as folder:
            assert not [path for path in (folder / "media").rglob("*") if path.is_file()]
