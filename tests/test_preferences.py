"""The language and the theme: from the browser, or chosen and kept."""

import pytest
from django.test import Client


def test_the_page_follows_the_device_until_a_theme_is_chosen(db: None, client: Client) -> None:
    assert "data-theme" not in client.get("/").content.decode()
    assert client.post("/preferences/", {"theme": "dark"}).headers["Location"] == "/preferences/"
    page = client.get("/").content.decode()
    assert '<html lang="en" dir="ltr" data-theme="dark">' in page
    assert '<meta name="color-scheme" content="dark">' in page
    client.post("/preferences/", {"theme": ""})
    assert "data-theme" not in client.get("/").content.decode()


def test_an_invalid_theme_changes_nothing(db: None, client: Client) -> None:
    client.cookies["theme"] = '"><script>'
    assert "data-theme" not in client.get("/").content.decode()
    assert client.post("/preferences/", {"theme": "sepia"}).cookies["theme"].value == ""


def test_the_language_follows_the_browser_and_can_be_chosen(db: None, client: Client) -> None:
    german = {"Accept-Language": "de-AT,en;q=0.5"}
    assert '<html lang="de" dir="ltr"' in client.get("/", headers=german).content.decode()
    client.post("/i18n/setlang/", {"language": "ar", "next": "/preferences/"})
    page = client.get("/preferences/", headers=german).content.decode()
    assert '<html lang="ar" dir="rtl"' in page
    assert 'value="ar" lang="ar" aria-pressed="true"' in page


@pytest.mark.parametrize("path", ["https://evil.example/", "//evil.example", "javascript:0"])
def test_choosing_a_language_leads_to_no_other_site(db: None, client: Client, path: str) -> None:
    response = client.post("/i18n/setlang/", {"language": "de", "next": path})
    assert response.headers["Location"] == "/"
