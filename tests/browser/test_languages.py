"""The main story in Arabic, from right to left; and every page in both languages, on any screen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ..helpers.pictures import draw_jpeg, make_exif
from .editor import expect_editor
from .faults import watch
from .pages import PAGES
from .test_layout import FIND_CUT, FIND_WIDE
from .test_lesson import FIND_DIRECTIONS

WORD = "correct horse battery"


@pytest.fixture
def arabic(browser: Browser, site: str) -> Iterator[Page]:
    """A page on a phone in Arabic; nothing on it is wider than the screen."""
    context = browser.new_context(
        base_url=site, locale="ar", viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    faults = watch(page)
    # In the page itself, since the test goes on to other pages meanwhile.
    page.add_init_script(f"""addEventListener("load", async () => {{
        for (const fault of await ({FIND_WIDE})()) console.error(fault);
    }});""")
    yield page
    context.close()
    assert faults == []


def join(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_role("link", name="أضف صورتك").click()
    page.get_by_label("اسم المستخدم").fill(name)
    page.get_by_label("البريد الإلكتروني").fill(f"{name}@example.org")
    page.get_by_label("كلمة المرور", exact=True).fill(WORD)
    page.get_by_label("تأكيد كلمة المرور").fill(WORD)
    page.get_by_role("button", name="الانضمام").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("اسمك ومن يمكنه رؤيتك")


def test_an_empty_field_begins_where_its_text_will(arabic: Page) -> None:
    arabic.goto("/profiles/")
    field = arabic.get_by_role("searchbox")
    expect(field).to_have_css("direction", "rtl")
    field.fill("Dvořák")
    expect(field).to_have_css("direction", "ltr")


def test_an_arabic_visitor_uploads_a_picture(arabic: Page, tmp_path: Path) -> None:
    join(arabic, "layla")
    arabic.get_by_label("الاسم").fill("ليلى الهاشمي")
    arabic.get_by_label("الجميع").check()
    arabic.get_by_role("button", name="المتابعة إلى صورتك").click()
    expect(arabic.locator("svg.avatar text").first).to_have_text("ل")
    expect_editor(arabic)

    photo = tmp_path / "IMG_0001.JPG"
    photo.write_bytes(draw_jpeg(1600, 1200, exif=make_exif(6)))
    with arabic.expect_file_chooser() as chooser:
        arabic.get_by_role("button", name="اختيار صورة").click()
    chooser.value.set_files(photo)
    expect(arabic.get_by_text("لا يُرسل سوى هذا المربع.")).to_be_visible()
    arabic.get_by_text("التحريك بلا سحب").click()
    # Left stays left in a photo, also in a right-to-left language.
    expect(arabic.get_by_role("slider", name="يسارًا ويمينًا")).to_have_css("direction", "ltr")
    expect(arabic.get_by_role("application")).to_have_css("direction", "ltr")
    arabic.get_by_role("button", name="حفظ الصورة").click()
    expect(arabic.get_by_role("heading", name="حُفظت صورتك")).to_be_focused()
    expect(arabic.get_by_text("بقية الصورة والمكان")).to_be_visible()
    arabic.get_by_role("button", name="إضافة وصف").click()
    arabic.get_by_label("الوصف").fill("تضحك عند البحر")
    arabic.get_by_role("button", name="حفظ الوصف").click()
    expect(arabic.get_by_role("button", name="تغيير الوصف")).to_be_focused()

    arabic.get_by_role("link", name="إلى صفحتك").click()
    expect(arabic.get_by_role("heading", level=1)).to_have_text("ليلى الهاشمي")
    expect(arabic.get_by_role("img", name="تضحك عند البحر")).to_be_visible()
    arabic.wait_for_load_state()  # So that the dialog's script is there.
    arabic.get_by_role("link", name="إزالة الصورة").click()
    dialog = arabic.get_by_role("dialog", name="إزالة صورتك؟")
    expect(dialog.get_by_role("button", name="إلغاء")).to_be_focused()
    dialog.get_by_role("button", name="إزالة الصورة").click()
    expect(arabic.get_by_role("status").first).to_have_text("أُزيلت صورتك.")


def test_a_refusal_is_in_arabic(arabic: Page, tmp_path: Path) -> None:
    join(arabic, "samir")
    arabic.get_by_role("link", name="التخطي الآن").click()
    expect_editor(arabic)
    (tmp_path / "cv.pdf").write_bytes(b"%PDF-1.7 and so on")
    with arabic.expect_file_chooser() as chooser:
        arabic.get_by_role("button", name="اختيار صورة").click()
    chooser.value.set_files(tmp_path / "cv.pdf")
    expect(arabic.get_by_text("هذا الملف ليس صورة يمكننا قراءتها.")).to_be_visible()


def test_people_are_found_in_arabic(arabic: Page) -> None:
    arabic.goto("/profiles/")
    arabic.get_by_role("link", name="عرض المزيد من الأشخاص").click()
    expect(arabic.locator(".people li:nth-child(25)")).to_be_visible()
    arabic.get_by_role("searchbox", name="البحث بالاسم").fill("ليلى")
    arabic.get_by_role("button", name="بحث").click()
    arabic.locator(".people a").first.click()
    expect(arabic.get_by_role("heading", level=1)).to_have_text("ليلى الهاشمي")


def test_arabic_starts_at_the_right_and_what_is_latin_at_the_left(arabic: Page) -> None:
    arabic.goto("/accounts/signup/")
    heading = arabic.get_by_role("heading", level=1)
    expect(heading).to_have_css("letter-spacing", "normal")
    expect(arabic.locator("html")).to_have_css("direction", "rtl")
    for label in ("البريد الإلكتروني", "اسم المستخدم"):
        expect(arabic.get_by_label(label)).to_have_css("direction", "ltr")
    arabic.goto("/how-it-works/")
    assert arabic.locator("code:visible").evaluate_all(FIND_DIRECTIONS) == ["ltr"]


@pytest.mark.parametrize("name", [name for name, state in PAGES.items() if not state.language])
@pytest.mark.parametrize("language", ["de", "ar"])
def test_no_page_is_too_wide_in_another_language(
    language: str, name: str, look: Callable[..., Page]
) -> None:
    page = look(name, locale=language, viewport={"width": 320, "height": 700})
    # The error pages were rendered beforehand, since nothing fails here.
    if name not in ("forbidden", "broken", "too-often", "outage"):
        expect(page.locator("html")).to_have_attribute("lang", language)
    assert page.evaluate(FIND_WIDE) == []
    assert page.evaluate(FIND_CUT) == []
