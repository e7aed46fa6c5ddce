"""The site in German and in Arabic."""

import re

import pytest
from django.conf import LazySettings
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from profiles.models import User

from .helpers.accounts import JOINING
from .helpers.pictures import draw_jpeg

pytestmark = pytest.mark.django_db

DIRECTIONS = {"de": "ltr", "ar": "rtl"}
# What a visitor reads on each page, in German and in Arabic.
PAGES = {
    "/": ("Das Gesicht zum Namen.", "لكل اسم وجه."),
    "/profiles/": ("Die Neuesten zuerst.", "الأحدث أولًا."),
    "/profiles/?q=xyz": ("Niemand mit „<bdi>xyz</bdi>“ im Namen.", "لا أحد باسم «<bdi>xyz</bdi>»."),
    "/profiles/ada/": ("Alle können diese Seite sehen.", "يمكن للجميع رؤية هذه الصفحة."),
    "/profiles/nobody/": ("Hier ist niemand und nichts", "لا أحد هنا ولا شيء"),
    "/profile/edit/": ("Profil bearbeiten", "تعديل الملف الشخصي"),
    "/profile/avatar/": ("Bild speichern", "حفظ الصورة"),
    "/profile/avatar/delete/": ("Dein Bild entfernen?", "إزالة صورتك؟"),
    "/accounts/delete/": ("Dein Konto löschen?", "حذف حسابك؟"),
    "/accounts/password_reset/": ("Passwort zurücksetzen", "استعادة كلمة المرور"),
    "/preferences/": ("Sprache und Farben", "اللغة والألوان"),
    "/how-it-works/": ("Statische Dateien wegnehmen", "الملفات الثابتة"),
    "/how-it-works/symptoms/": ("Den Fehler finden", "ابحث عن الخلل"),
}
ARABIC_COUNTS = {
    0: "أي عدد من الأحرف.",
    1: "حرف واحد على الأقل.",
    2: "حرفان على الأقل.",
    3: "3\xa0أحرف على الأقل.",
    11: "11\xa0حرفًا على الأقل.",
    100: "100\xa0حرف على الأقل.",
}


@pytest.fixture(params=DIRECTIONS)
def language(request: pytest.FixtureRequest) -> str:
    """The language of the visitor's browser."""
    return str(request.param)


@pytest.fixture
def visitor(language: str) -> Client:
    """A browser in that language."""
    return Client(headers={"Accept-Language": language})


@pytest.fixture
def as_ada(visitor: Client, ada: User) -> Client:
    """That browser, with Ada signed in."""
    visitor.force_login(ada)
    return visitor


def pick(language: str, german: str, arabic: str) -> str:
    """Return the words of a language."""
    return {"de": german, "ar": arabic}[language]


def send(client: Client, content: bytes) -> str:
    """Upload a picture with the form; return the page that shows the result."""
    file = SimpleUploadedFile("photo.jpg", content)
    return client.post("/profile/avatar/", {"avatar": file}, follow=True).content.decode()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_in_the_visitors_language(path: str, language: str, as_ada: Client) -> None:
    page = as_ada.get(path).content.decode()
    assert f'<html lang="{language}" dir="{DIRECTIONS[language]}"' in page
    assert pick(language, *PAGES[path]) in page
    assert pick(language, "Leute", "الأشخاص") in page


def test_the_xray_is_in_the_visitors_language(language: str, visitor: Client) -> None:
    panel = visitor.get("/x-ray/").content.decode()
    assert pick(language, "die Dateien dieser Seite", "ملفات هذه الصفحة") in panel


def test_a_refusal_is_in_the_visitors_language(language: str, as_ada: Client) -> None:
    page = send(as_ada, b"%PDF-1.7")
    assert pick(language, "ist kein Bild, das wir lesen können", "ليس صورة يمكننا قراءتها") in page
    page = send(as_ada, draw_jpeg() + bytes(20_500_000))
    german = "ist 21\xa0MB groß, erlaubt sind 20\xa0MB."
    assert pick(language, german, "21\xa0ميغابايت، والحد 20\xa0ميغابايت.") in page


def test_a_waiting_time_is_in_the_visitors_language(
    language: str, as_ada: Client, settings: LazySettings
) -> None:
    settings.THROTTLES = settings.THROTTLES | {"upload": 1}
    send(as_ada, draw_jpeg())
    page = send(as_ada, draw_jpeg())
    german = r"in (einer Minute|\d+\xa0Minuten) wieder ändern\."
    arabic = r"بعد (دقيقة واحدة|دقيقتين|\d+\xa0دقائق|\d+\xa0دقيقة)\."
    assert re.search(pick(language, german, arabic), page)


def test_figures_are_formatted_for_the_language(language: str, as_ada: Client) -> None:
    page = send(as_ada, draw_jpeg(1600, 1200))
    assert re.search(r"\d\xa0" + pick(language, "kB", "ك"), page)
    # Width before height, although the text runs from right to left.
    size = "1600\xa0×\xa01200"
    assert pick(language, size, f"\u2066{size}\u2069") in page


def test_the_mail_is_in_the_visitors_language(language: str, visitor: Client) -> None:
    visitor.post("/accounts/signup/", JOINING)
    subject = pick(language, "Bestätige deine Adresse", "تأكيد عنوانك")
    assert mail.outbox[0].subject == f"Likeness: {subject}"
    assert pick(language, "Hallo mary,", "مرحبًا \u2068mary\u2069،") in mail.outbox[0].body


def test_djangos_messages_are_reworded(language: str, visitor: Client) -> None:
    errors = {"username": "ada", "password": "wrong"}
    page = visitor.post("/accounts/login/", errors).content.decode()
    assert pick(language, "passen nicht zusammen", "لا يتطابق مع كلمة المرور") in page
    page = visitor.post("/accounts/signup/", {"password1": "a", "password2": "a"}).content.decode()
    assert pick(language, "Nimm mindestens 10\xa0Zeichen.", "الحد الأدنى 10\xa0أحرف.") in page
    assert pick(language, "Hier fehlt noch etwas.", "هذا الحقل مطلوب.") in page
    for other in ("Bitte", "This ", "الرجاء"):
        assert other not in page


@pytest.mark.parametrize("number", ARABIC_COUNTS)
def test_arabic_counts_in_six_ways(number: int, client: Client, settings: LazySettings) -> None:
    validator = "django.contrib.auth.password_validation.MinimumLengthValidator"
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": validator, "OPTIONS": {"min_length": number}}]
    page = client.get("/accounts/signup/", headers={"Accept-Language": "ar"}).content.decode()
    assert ARABIC_COUNTS[number] in page


@pytest.mark.parametrize("path", ["/", "/profiles/", "/profiles/ada/"])
def test_a_name_keeps_its_own_direction(path: str, as_ada: Client, ada: User) -> None:
    assert "<bdi>Ada Lovelace</bdi>" in as_ada.get(path).content.decode()


def test_languages_are_named_in_their_own_words(visitor: Client) -> None:
    page = visitor.get("/preferences/").content.decode()
    names = re.findall(r'lang="(\w+)" aria-pressed="\w+">([^<]+)<', page)
    assert names == [("en", "English"), ("de", "Deutsch"), ("ar", "العربيّة")]


def test_an_early_refusal_is_not_in_the_previous_visitors_language(
    db: None, client: Client, settings: LazySettings
) -> None:
    settings.SECURE_SSL_REDIRECT = True  # It checks the host before the language is known.
    page = client.get("/", headers={"accept-language": "ar"}, secure=True)
    assert '<html lang="ar"' in page.content.decode()
    refused = client.get("/", headers={"host": "evil.example"})
    assert refused.status_code == 400
    assert '<html lang="en" dir="ltr"' in refused.content.decode()
