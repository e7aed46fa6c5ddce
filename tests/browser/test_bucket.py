"""What a browser keeps of members' pictures in a bucket: LIKENESS_S3 names a real S3 server."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from ..helpers.servers import GUNICORN, make_environment, manage, serve, wait_until
from ..production.buckets import S3, Bucket, Line
from ..production.test_bucket import join, make_variables
from ..production.visitors import Visitor

pytestmark = pytest.mark.skipif(
    not S3.hostname,
    reason="Start an S3 server and name it: LIKENESS_S3=http://key:secret@host:port.",
)
ADD_MEMBERS = """
from django.core.files.base import ContentFile
from profiles.models import Profile, User
from tests.helpers.pictures import draw_jpeg
avatar = Profile.avatar.field.make_avatar(ContentFile(draw_jpeg()))
for number in range(24):
    User.objects.create_user(f"member-{number}").profile.avatar.replace(avatar)
"""
FETCH = """
(url) => new Promise((done) => {
  const image = new Image();
  image.onload = image.onerror = (event) => done(event.type);
  image.src = url;
})
"""
SHOWN = "[...document.images].filter(image => image.naturalWidth).length"


@dataclass
class Site:
    """A site with a member who has signed in, and what is counted between its parts."""

    origin: str
    member: Visitor
    line: Line
    log: Path

    def count(self) -> tuple[int, int]:
        """Return how often the site was asked for a picture, and what was sent to the bucket."""
        return self.log.read_text().count('"path": "/media/protected/'), self.line.sent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("bucket")
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    bucket, line, log = Bucket(), Line(), folder / "log"
    environment = make_environment(folder, **make_variables(bucket, line.port))
    try:
        with log.open("w") as output, serve(environment, *GUNICORN, output=output) as port:
            member = join(f"http://127.0.0.1:{port}", "grace")
            result = manage(environment, "shell", "--no-imports", "-c", ADD_MEMBERS)
            assert result.returncode == 0, result.stderr
            yield Site(member.origin, member, line, log)
    finally:
        line.close()
        bucket.delete()


def look(context: BrowserContext, site: Site) -> str:
    """Open the list of people until all their pictures are shown; return the URL of one."""
    page = context.new_page()
    page.goto(f"{site.origin}/profiles/")
    wait_until(lambda: page.evaluate(SHOWN) == 24)
    url = str(page.evaluate("document.images[0].currentSrc"))
    page.close()
    return url


def test_a_members_browser_asks_once_for_a_picture_and_others_who_use_it_ask_again(
    browser: Browser, site: Site
) -> None:
    # So high that no picture waits until it is scrolled into view.
    context = browser.new_context(viewport={"width": 1280, "height": 6000})
    context.add_cookies(
        [{"name": c.name, "value": str(c.value), "url": site.origin} for c in site.member.cookies]
    )
    look(context, site)
    asked, sent = site.count()
    assert asked == 24
    assert sent > 0
    url = look(context, site)
    assert site.count() == (asked, sent)
    # Without Clear-Site-Data, which Chromium obeys over HTTPS only.
    context.clear_cookies()
    page = context.new_page()
    page.goto(site.origin)
    assert page.evaluate(FETCH, url) == "error"
    assert site.count() == (asked + 1, sent)
    context.close()
