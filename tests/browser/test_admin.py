"""Django's admin under the site's Content Security Policy, which allows nothing inline."""

import shutil
from pathlib import Path

from playwright.sync_api import Browser, expect

from ..helpers.servers import GUNICORN, make_environment, manage, serve
from .conftest import watch

WORD = "correct horse battery"
PAGES = [
    "/admin/",
    "/admin/profiles/user/",
    "/admin/profiles/user/add/",
    "/admin/profiles/user/1/change/",
    "/admin/profiles/user/1/password/",
    "/admin/profiles/user/1/history/",
    "/admin/profiles/user/1/delete/",
    "/admin/profiles/profile/?visibility__exact=public",
    "/admin/profiles/profile/1/change/",
    "/admin/auth/group/add/",
    "/admin/password_change/",
]


def test_the_admin_works_without_anything_that_the_policy_forbids(
    browser: Browser, prepared: Path, tmp_path: Path
) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    environment = make_environment(tmp_path, DJANGO_SUPERUSER_PASSWORD=WORD)
    for command in (
        ["demo", "--profiles=2"],
        ["createsuperuser", "--noinput", "--username=root", "--email="],
    ):
        assert manage(environment, *command).returncode == 0
    with serve(environment, *GUNICORN) as port:
        context = browser.new_context(base_url=f"http://127.0.0.1:{port}")
        page = context.new_page()
        faults = watch(page)
        page.goto("/admin/")
        page.get_by_label("User name").fill("root")
        page.get_by_label("Password").fill(WORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#user-tools")).to_contain_text("root")
        for url in PAGES:
            answer = page.goto(url)
            assert answer
            assert answer.status == 200, url
        # Its scripts ran: they make two lists out of one, and a filter that hides.
        page.goto("/admin/profiles/user/1/change/")
        expect(page.locator(".selector-chosen").first).to_be_visible()
        context.close()
    assert faults == []
