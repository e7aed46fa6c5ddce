"""Django's admin under the site's Content Security Policy, which allows nothing inline."""

import shutil
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from ..helpers.servers import GUNICORN, make_environment, manage, serve
from .faults import watch
from .test_accessibility import set_media

WORD = "correct horse battery"
# Django's pages have faults of their own; the colours are the site's.
FIND_FAINT_TEXT = """async () => {
  const { violations } = await axe.run({ runOnly: ["color-contrast", "link-in-text-block"] });
  return violations.flatMap(({ nodes }) => nodes.map(({ html }) => html));
}"""
# More people than a list of the admin has.
CROWD = """
from profiles.models import Profile, User
users = User.objects.bulk_create(User(username=f"member{i}") for i in range(520))
Profile.objects.bulk_create(Profile(user=user) for user in users)
"""
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
    browser: Browser, prepared: Path, tmp_path: Path, tools: Path
) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    environment = make_environment(tmp_path, DJANGO_SUPERUSER_PASSWORD=WORD)
    for command in (
        ["demo", "--profiles=2"],
        ["createsuperuser", "--noinput", "--username=root", "--email="],
        ["shell", "--command", CROWD],
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
            page.evaluate((tools / "node_modules/axe-core/axe.min.js").read_text())
            for scheme in ("light", "dark"):
                set_media(page, color_scheme=scheme)
                assert page.evaluate(FIND_FAINT_TEXT) == [], f"{url}, {scheme}"
        # Its scripts ran: they make two lists out of one, and a filter that hides.
        page.goto("/admin/profiles/user/1/change/")
        expect(page.locator(".selector-chosen").first).to_be_visible()
        read_on_a_phone(page)
        context.close()
    assert faults == []


def read_on_a_phone(page: Page) -> None:
    """Go to the end of a list and on to older accounts, by the keyboard."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/admin/profiles/user/?p=5")
    note = page.get_by_text("The list ends after 500")
    expect(note).to_be_in_viewport()
    older = page.get_by_role("link", name="Older")
    page.get_by_role("link", name="4", exact=True).focus()
    page.keyboard.press("Tab")
    expect(older).to_be_focused()
    expect(older).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Newest")).to_be_visible()
    expect(page.get_by_role("link", name="member19", exact=True)).to_be_visible()
    expect(note).to_be_hidden()
