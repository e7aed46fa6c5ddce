"""Media in a bucket on a real S3 server, behind gunicorn: LIKENESS_S3 names it (see buckets.py)."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from zipfile import ZipFile

import pytest

from profiles.pictures.names import PRIVATE, PUBLIC
from tests.helpers.pictures import draw_jpeg
from tests.helpers.servers import GUNICORN, ROOT, find, make_environment, manage, serve

from .buckets import S3, Bucket, Line, fetch
from .databases import BIN, run_postgres
from .engine import read_documented
from .visitors import PASSWORD, Visitor, found

pytestmark = pytest.mark.skipif(
    not S3.hostname,
    reason="Start an S3 server and name it: LIKENESS_S3=http://key:secret@host:port.",
)
EDIT = {"display_name": "Ada", "location": "", "website": "", "bio": ""}


@dataclass
class Site:
    """gunicorn, a bucket, the line between them, and two members."""

    origin: str
    environment: dict[str, str]
    bucket: Bucket
    line: Line
    ada: Visitor
    grace: Visitor

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return manage(self.environment, *arguments)

    def audit(self, *arguments: str) -> str:
        """Return the output of audit_media; fail if a file is missing."""
        done = self.manage("audit_media", "--older-than", "0", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def ask(self, path: str, visitor: Visitor | None = None) -> tuple[HTTPResponse, bytes]:
        """Send a request to the site, without following redirects."""
        cookies = list(visitor.cookies) if visitor else []
        return fetch(self.origin + path, Cookie="; ".join(f"{c.name}={c.value}" for c in cookies))

    def show_to(self, visibility: str) -> None:
        self.ada.send("/profile/edit/", **EDIT, visibility=visibility)

    def find_picture(self) -> str:
        """Return the URL of Ada's picture on her page, in the largest size."""
        url = r'src="([^"]+/(?:avatars|protected)/[^"]+)-\d+\.webp"'
        return found(url, self.ada.page("/profiles/ada/")) + "-512.webp"


def make_variables(bucket: Bucket, port: int) -> dict[str, str]:
    return {
        "AWS_STORAGE_BUCKET_NAME": bucket.name,
        "AWS_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        # Another host than the bucket's, like a CDN.
        "AWS_S3_CUSTOM_DOMAIN": f"localhost:{port}/{bucket.name}",
        "AWS_S3_URL_PROTOCOL": "http:",
        "AWS_ACCESS_KEY_ID": str(S3.username),
        "AWS_SECRET_ACCESS_KEY": str(S3.password),
    }


def join(origin: str, username: str) -> Visitor:
    visitor = Visitor(origin)
    account = {"username": username, "email": f"{username}@example.com"}
    visitor.send("/accounts/signup/", **account, password1=PASSWORD, password2=PASSWORD)
    return visitor


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("bucket")
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    bucket, line = Bucket(), Line()
    environment = make_environment(folder, **make_variables(bucket, line.port))
    try:
        with serve(environment, *GUNICORN) as port:
            origin = f"http://127.0.0.1:{port}"
            ada, grace = join(origin, "ada"), join(origin, "grace")
            ada.upload("/profile/avatar/", "avatar", draw_jpeg())
            yield Site(origin, environment, bucket, line, ada, grace)
    finally:
        line.close()
        bucket.delete()


def test_a_public_picture_comes_from_the_cdn_and_is_kept_for_a_year(site: Site) -> None:
    site.show_to("public")
    url = site.find_picture()
    assert url.startswith(f"http://localhost:{site.line.port}/{site.bucket.name}/avatars/")
    for name, kind in ((url, "image/webp"), (url.replace("512.webp", "256.jpg"), "image/jpeg")):
        response, body = fetch(name)
        assert (response.status, response.headers["Content-Type"]) == (200, kind)
        assert response.headers["Cache-Control"] == PUBLIC
        assert body[:4] in (b"RIFF", b"\xff\xd8\xff\xe0")


def test_a_page_may_show_pictures_of_the_bucket_and_of_its_cdn(site: Site) -> None:
    policy = str(site.ask("/")[0].headers["Content-Security-Policy"])
    sources = find("img-src [^;]+", policy).split()
    assert f"http://localhost:{site.line.port}" in sources
    assert f"http://127.0.0.1:{site.line.port}" in sources


def test_an_old_address_of_a_public_picture_leads_to_the_bucket(site: Site) -> None:
    site.show_to("public")
    url = site.find_picture()
    response, _ = site.ask("/media/avatars/" + url.partition("/avatars/")[2])
    assert (response.status, response.headers["Location"]) == (302, url)
    # Also on other sites' pages: browsers check this header at each redirect.
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_a_browser_may_keep_a_signed_url_for_less_time_than_it_is_valid(site: Site) -> None:
    site.show_to("members")
    path = site.find_picture()
    assert path.startswith("/media/protected/")
    response, _ = site.ask(path, site.grace)
    assert response.status == 302
    assert response.headers["Cache-Control"] == "private, max-age=240"
    # Who signs in later in the same browser does not get it from there.
    assert "Cookie" in response.headers["Vary"]
    location = str(response.headers["Location"])
    assert parse_qs(urlsplit(location).query)["X-Amz-Expires"] == ["300"]
    picture, body = fetch(location)
    assert (picture.status, picture.headers["Content-Type"], body[:4]) == (
        200,
        "image/webp",
        b"RIFF",
    )
    assert picture.headers["Cache-Control"] == PRIVATE


def test_nobody_else_gets_a_protected_picture(site: Site) -> None:
    site.show_to("private")
    path = site.find_picture()
    assert site.ask(path)[0].status == 404
    assert site.ask(path, site.grace)[0].status == 404
    key = path.removeprefix("/media/")
    for host in ("localhost", "127.0.0.1"):
        assert fetch(f"http://{host}:{site.line.port}/{site.bucket.name}/{key}")[0].status == 403
    assert fetch(f"http://127.0.0.1:{site.line.port}/{site.bucket.name}/")[0].status == 403


@pytest.mark.parametrize("field", ["X-Amz-Signature", "X-Amz-Expires", "X-Amz-Date"])
def test_a_changed_signed_url_is_refused(field: str, site: Site) -> None:
    site.show_to("members")
    location = str(site.ask(site.find_picture(), site.ada)[0].headers["Location"])
    parts = urlsplit(location)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    last = query[field].rstrip("Z")[-1]
    query[field] = query[field].replace(last, "1" if last != "1" else "2")
    assert fetch(parts._replace(query=urlencode(query)).geturl())[0].status == 403


def test_a_signed_url_is_valid_for_one_file(site: Site) -> None:
    site.show_to("members")
    location = str(site.ask(site.find_picture(), site.ada)[0].headers["Location"])
    assert fetch(location.replace("-512.webp", "-64.webp"))[0].status == 403


def test_a_signed_url_expires(site: Site) -> None:
    site.show_to("members")
    name = site.find_picture().removeprefix("/media/")
    code = (
        "from django.core.files.storage import storages; s = storages['protected'];"
        f"s.querystring_expire = 1; print(s.direct_url({name!r}))"
    )
    url = site.manage("shell", "--no-imports", "-c", code).stdout.strip()
    deadline = time.monotonic() + 20
    while fetch(url)[0].status != 403:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_picture_that_is_hidden_is_gone_from_its_public_address(site: Site) -> None:
    site.show_to("public")
    public = site.find_picture()
    before = fetch(public)[1]
    site.show_to("members")
    assert fetch(public)[0].status in (403, 404)
    _, after = fetch(str(site.ask(site.find_picture(), site.ada)[0].headers["Location"]))
    assert after == before
    assert {name.partition("/")[0] for name in site.bucket.list()} == {"protected"}
    assert len(site.bucket.list()) == 5


def test_rendering_a_page_sends_nothing_to_the_bucket(site: Site) -> None:
    for visibility in ("public", "members"):
        site.show_to(visibility)
        sent = site.line.sent
        with site.line.being("hang"):
            pages = ["/", "/profiles/", "/profiles/ada/", "/profile/edit/", "/profile/avatar/"]
            for path in [*pages, site.find_picture() if visibility == "members" else "/"]:
                assert site.ask(path, site.ada)[0].status in (200, 302)
        assert site.line.sent == sent


@pytest.mark.parametrize("state", ["cut", "hang"])
def test_while_the_bucket_is_down_the_form_says_so_and_the_old_picture_stays(
    state: str, site: Site
) -> None:
    site.show_to("members")
    before, files = site.find_picture(), site.bucket.list()
    with site.line.being(state):
        with pytest.raises(HTTPError) as refused:
            site.ada.upload("/profile/avatar/", "avatar", draw_jpeg(50, 50))
        with refused.value as answer:
            assert (answer.code, answer.headers["Retry-After"]) == (503, "60")
            assert "We cannot reach our pictures just now." in answer.read().decode()
        assert site.find_picture() == before
    assert site.bucket.list() == files


def test_while_the_bucket_is_down_no_audience_changes(site: Site) -> None:
    site.show_to("members")
    with site.line.being("cut"), pytest.raises(HTTPError) as refused:
        site.show_to("public")
    with refused.value as answer:
        assert answer.code == 503
        assert "We cannot reach our pictures just now." in answer.read().decode()
    assert site.find_picture().startswith("/media/protected/")


@pytest.mark.parametrize("state", ["cut", "torn"])
def test_while_the_bucket_is_down_a_page_without_a_form_says_so(state: str, site: Site) -> None:
    with site.line.being(state):
        response, body = site.ask("/accounts/export/", site.ada)
    assert (response.status, response.headers["Retry-After"]) == (503, "60")
    assert "We cannot reach our pictures just now" in body.decode()


def test_while_the_bucket_is_down_a_picture_can_be_removed(site: Site) -> None:
    before = set(site.bucket.list())
    linus = join(site.origin, "linus")
    linus.upload("/profile/avatar/", "avatar", draw_jpeg())
    with site.line.being("cut"):
        page = linus.send("/profile/avatar/delete/")
    assert "Your picture has been removed." in page
    assert "The files of your old picture are deleted as soon as we can." in page
    assert len(set(site.bucket.list()) - before) == 5
    assert site.manage("tidy", "--now").returncode == 0
    assert set(site.bucket.list()) == before
    assert "0 orphans found." in site.audit()


def test_with_a_misspelt_bucket_no_picture_is_lost(site: Site) -> None:
    site.show_to("members")
    code = (
        "from profiles.models import Profile\n"
        "profile = Profile.objects.get(user__username='ada')\n"
        "profile.visibility = 'public'\n"
        "try:\n"
        "    profile.save()\n"
        "except OSError:\n"
        "    print(bool(Profile.objects.get(pk=profile.pk).avatar))"
    )
    environment = site.environment | {"AWS_STORAGE_BUCKET_NAME": "nowhere"}
    assert manage(environment, "shell", "--no-imports", "-c", code).stdout == "True\n"


def test_a_misspelt_bucket_is_named_with_its_variable(site: Site) -> None:
    environment = site.environment | {"AWS_STORAGE_BUCKET_NAME": "nowhere"}
    done = manage(environment, "audit_media")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "in the bucket nowhere" in done.stderr
    assert "AWS_STORAGE_BUCKET_NAME" in done.stderr


def test_an_account_is_erased_with_its_files(site: Site) -> None:
    before = site.bucket.list()
    mary = join(site.origin, "mary")
    mary.upload("/profile/avatar/", "avatar", draw_jpeg())
    assert len(site.bucket.list()) == len(before) + 5
    mary.send("/accounts/delete/", password=PASSWORD)
    assert site.bucket.list() == before


def test_all_data_can_be_downloaded(site: Site) -> None:
    archive = ZipFile(BytesIO(site.ada.get("/accounts/export/")[1]))
    assert len([name for name in archive.namelist() if name.startswith("picture-")]) == 5
    described = json.loads(archive.read("likeness.json"))
    assert described["profile"]["avatar"].startswith(("avatars/", "protected/"))


def test_all_pictures_are_rebuilt_under_new_names(site: Site) -> None:
    before = set(site.bucket.list())
    assert "1 avatars made anew." in site.manage("rebuild_avatars").stdout
    assert not before & set(site.bucket.list())
    assert "5 files, 0 orphans found." in site.audit()


def test_a_missing_file_is_found(site: Site) -> None:
    name = site.bucket.list()[0]
    kept = site.bucket.client.get_object(Bucket=site.bucket.name, Key=name)["Body"].read()
    site.bucket.client.delete_object(Bucket=site.bucket.name, Key=name)
    done = site.manage("audit_media")
    assert (done.returncode, f"missing   {name}" in done.stdout) == (1, True)
    site.bucket.client.put_object(Bucket=site.bucket.name, Key=name, Body=kept)


def test_a_name_is_never_written_twice(site: Site) -> None:
    name = site.bucket.list()[0]
    code = (
        "from django.core.files.base import ContentFile\n"
        "from django.core.files.storage import storages\n"
        "try:\n"
        f"    storages['protected'].save({name!r}, ContentFile(b'other'))\n"
        "except FileExistsError:\n"
        "    print('refused')"
    )
    assert site.manage("shell", "--no-imports", "-c", code).stdout == "refused\n"


MOVE = "Move the pictures from a disk to the bucket"
AUDIT = ("audit_media", "--delete-orphans", "--older-than", "0")
HIDE = """
from profiles.models import Profile
profile = Profile.objects.filter(visibility="public").first()
profile.visibility = "members"
profile.save()
"""
needs_rclone = pytest.mark.skipif(not shutil.which("rclone"), reason="Install rclone.")


def manage_all(environment: dict[str, str], *commands: tuple[str, ...]) -> str:
    """Run commands of manage.py, which must not fail; return the last one's output."""
    for command in commands:
        done = manage(environment, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_rclone
def test_pictures_move_from_a_disk_to_a_bucket_and_back(tmp_path: Path) -> None:
    disk = make_environment(tmp_path)
    hide = ("shell", "-v0", "-c", HIDE)
    manage_all(disk, ("migrate",), ("demo", "--profiles", "2"), hide)
    media = tmp_path / "media"
    bucket = Bucket()
    in_bucket = disk | make_variables(bucket, S3.port or 80)
    to_bucket = read_documented(MOVE) + "to_bucket"
    try:
        rclone(to_bucket, tmp_path, bucket)
        for folder, rule in (("protected", PRIVATE), ("avatars", PUBLIC)):
            name = next((media / folder).rglob("*-512.webp")).relative_to(media)
            head = bucket.client.head_object(Bucket=bucket.name, Key=str(name))
            assert (head["ContentType"], head["CacheControl"]) == ("image/webp", rule)
        # Somebody hides a picture before the site stops and the rest is copied.
        manage_all(disk, hide)
        rclone(to_bucket, tmp_path, bucket)
        assert "15 files, 5 orphans deleted." in manage_all(in_bucket, AUDIT)
        url = f"http://{S3.hostname}:{S3.port}/{bucket.name}/{name}"
        assert fetch(url)[0].status in (403, 404)
        shutil.rmtree(media)
        rclone("rclone copy bucket:likeness-media media", tmp_path, bucket)
        assert "10 files, 0 orphans deleted." in manage_all(disk, AUDIT)
    finally:
        bucket.delete()


@needs_rclone
@pytest.mark.skipif(not BIN or not shutil.which("restic"), reason="Install postgresql, restic.")
def test_a_backup_of_many_machines_restores_everything(tmp_path: Path) -> None:
    bucket, second = Bucket(), Bucket()
    (tmp_path / "backups").mkdir()
    try:
        with run_postgres() as database:
            site = make_environment(tmp_path, **make_variables(bucket, S3.port or 80))
            site["DATABASE_URL"] = database.make_owned("old")
            hide = ("shell", "-v0", "-c", HIDE)
            manage_all(site, ("migrate",), ("demo", "--profiles", "2"), hide)
            run_script(site, tmp_path)
            [first] = (tmp_path / "backups").glob("2*")
            first.rename(first.with_name("2025-01-01T000000Z"))
            manage_all(site, hide)
            before = bucket.list()
            run_script(site, tmp_path, second)
            first, newest = sorted((tmp_path / "backups").glob("2*"))
            pictures = [{*list_names(backup / "media")} for backup in (first, newest)]
            assert pictures[1] == {*before} != pictures[0]
            bucket.clear()
            shutil.rmtree(newest)
            site["DATABASE_URL"] = database.make_owned("new")
            run_script(site, tmp_path, second, "--fetch")
            assert "10 files, 0 orphans deleted." in run_script(site, tmp_path, None, "--restore")
            assert bucket.list() == before
            name = next(name for name in before if name.startswith("protected/"))
            head = bucket.client.head_object(Bucket=bucket.name, Key=name)
            assert (head["ContentType"], head["CacheControl"]) == ("image/webp", PRIVATE)
    finally:
        bucket.delete()
        second.delete()


def list_names(folder: Path) -> Iterator[str]:
    """Yield the names of the files below a folder."""
    yield from (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def run_script(
    site: dict[str, str], folder: Path, second: Bucket | None = None, *arguments: str
) -> str:
    """Run deploy/backup.sh, perhaps with a second place for backups; return what it prints."""
    variables = {"BACKUP_DIR": str(folder / "backups"), "PATH": f"{BIN}:{os.environ['PATH']}"}
    if second:
        variables |= {
            "RESTIC_REPOSITORY": f"s3:http://{S3.hostname}:{S3.port}/{second.name}",
            "RESTIC_PASSWORD": "secret",
            "BACKUP_ACCESS_KEY_ID": str(S3.username),
            "BACKUP_SECRET_ACCESS_KEY": str(S3.password),
        }
    done = subprocess.run(
        ["deploy/backup.sh", *arguments],
        cwd=ROOT,
        env=site | variables,
        input="yes",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def rclone(script: str, folder: Path, bucket: Bucket) -> None:
    """Run commands of the manual, with the server as rclone's remote "bucket"."""
    remote = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": f"http://{S3.hostname}:{S3.port}",
        "ACCESS_KEY_ID": str(S3.username),
        "SECRET_ACCESS_KEY": str(S3.password),
        "NO_CHECK_BUCKET": "true",
    }
    variables = {f"RCLONE_CONFIG_BUCKET_{name}": value for name, value in remote.items()}
    variables["RCLONE_CONFIG"] = str(folder / "none.conf")
    command = ["sh", "-ec", script.replace("likeness-media", bucket.name)]
    environment = os.environ | variables
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_the_health_of_the_bucket_is_reported(site: Site) -> None:
    assert site.ask("/healthz?media=1")[0].status == 200
    assert not re.search("healthz", " ".join(site.bucket.list()))
