"""What a page says to search engines, as a browser takes it."""

import json

from playwright.sync_api import Browser

from .conftest import House
from .faults import watch


def test_structured_data_break_no_rule_of_the_policy(browser: Browser, house: House) -> None:
    page = browser.new_context().new_page()
    faults = watch(page)
    page.goto(f"{house.url}/profiles/ada/", wait_until="networkidle")
    data = json.loads(page.locator("script[type='application/ld+json']").inner_text())
    assert data["mainEntity"]["url"] == f"{house.url}/profiles/ada/"
    assert faults == []
    page.context.close()
