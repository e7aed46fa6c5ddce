"""The X-ray, which shows the files of a page."""

import gzip

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from ..helpers.servers import ROOT

RULE = "public, max-age=31536000, s-maxage=3600, immutable"
PANEL = """
- 'complementary "X-ray: the files of this page"':
  - 'heading "X-ray: the files of this page" [level=2]'
  - button "Close"
  - list:
    - listitem: '/S Static, solid line: ours, from the source files: \\d+, together [\\d.]+ kB/'
    - listitem: '/M Media, dashed line: sent by visitors files: 1, together [\\d.]+ kB/'
  - 'table "X-ray: the files of this page"':
    - rowgroup:
      - row "Kind File Size, compressed Cache rule (open a file)":
        - columnheader "Kind"
        - columnheader "File"
        - columnheader "Size, compressed"
        - columnheader "Cache rule (open a file)"
    - rowgroup:
      - row /S site\\.[0-9a-f]{12}\\.css [\\d.]+ kB of [\\d.]+ kB/:
        - cell "S"
        - rowheader /site/:
          - button /site/
        - cell /kB/
        - cell
    - rowgroup:
      - row /M [0-9a-f]{6}…-\\d+\\.webp [\\d.]+ kB/
"""


@pytest.fixture
def page(calm: Page) -> Page:
    return calm


def switch_on(page: Page) -> None:
    page.get_by_role("button", name="X-ray").click()
    expect(page.get_by_role("heading", name="X-ray: the files")).to_be_focused()


def open_row(page: Page, kind: str) -> str:
    row = page.locator(f"aside tbody[data-kind={kind}] tr").first
    row.get_by_role("button").click()
    expect(row.get_by_role("cell").last).not_to_be_empty()
    return row.get_by_role("cell").last.inner_text()


def test_without_javascript_there_is_no_switch(plain: Page) -> None:
    plain.goto("/profiles/")
    expect(plain.locator("#xray-switch")).to_be_hidden()


def test_pictures_are_outlined_and_named(page: Page) -> None:
    page.goto("/profiles/")
    outline = "element => getComputedStyle(element).outlineStyle"
    assert page.locator("img.avatar").first.evaluate(outline) == "none"
    switch_on(page)
    first = page.locator("img.avatar").first
    expect(first).to_have_css("outline-style", "dashed")
    expect(page.locator(".xray-marks [data-xray=media]").first).to_have_text("M")
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]


def test_static_pictures_and_initials_differ_from_media(page: Page) -> None:
    page.goto("/")
    page.evaluate(
        """() => {
            const image = document.createElement("img");
            image.src = document.querySelector("link[rel=icon]").href;
            image.width = image.height = 120;
            const initials = '<svg class="avatar" width="200" viewBox="0 0 64 64"></svg>';
            document.querySelector("main").prepend(image);
            document.querySelector("main").insertAdjacentHTML("beforeend", initials);
        }"""
    )
    switch_on(page)
    expect(page.locator("main > img")).to_have_css("outline-style", "solid")
    expect(page.locator(".xray-marks [data-xray=static]")).to_have_text("S")
    expect(page.locator(".xray-marks [data-xray=drawn]")).to_have_text("–")
    expect(page.locator("svg.avatar")).to_have_css("outline-style", "dotted")


def test_the_outlines_are_there_in_forced_colours(browser: Browser, site: str) -> None:
    page = browser.new_page(base_url=site, forced_colors="active")
    page.goto("/profiles/")
    switch_on(page)
    expect(page.locator("img.avatar").first).to_have_css("outline-style", "dashed")
    expect(page.locator(".xray-marks span").first).to_be_visible()
    page.close()


def test_the_panel_lists_every_file(page: Page) -> None:
    page.goto("/profiles/demo-00010/")
    switch_on(page)
    expect(page.locator("aside tbody[data-kind=media] tr")).to_have_count(1)
    expect(page.locator("aside.xray")).to_match_aria_snapshot(PANEL)


def test_an_opened_row_shows_the_cache_rule(page: Page) -> None:
    page.goto("/profiles/demo-00010/")
    asked: list[str] = []
    switch_on(page)
    page.on("request", lambda request: asked.append(request.method))
    assert open_row(page, "media") == RULE
    assert "immutable" in open_row(page, "static")
    assert "HEAD" not in asked  # Both were in the browser's own cache.


def test_a_file_that_the_browser_does_not_keep_is_asked_for_without_its_body(
    browser: Browser, site: str
) -> None:
    page = browser.new_page(base_url=site)
    asked: list[str] = []
    page.goto("/profiles/demo-00010/")
    switch_on(page)
    page.context.new_cdp_session(page).send("Network.clearBrowserCache")
    page.on("request", lambda request: asked.append(request.method))
    assert open_row(page, "media") == RULE
    assert asked == ["GET", "HEAD"]  # The first was answered by the browser's cache.
    page.close()


def test_a_file_of_another_server_is_marked_as_hidden(browser: Browser, site: str) -> None:
    page = browser.new_page(base_url=site, bypass_csp=True)
    picture = page.request.get(f"{site}/static/img/mark.svg").body()
    page.route(
        "https://elsewhere.example/*",
        lambda route: route.fulfill(body=picture, content_type="image/svg+xml"),
    )
    page.goto("/profiles/demo-00010/")
    page.evaluate("document.querySelector('img').srcset = 'https://elsewhere.example/a.svg'")
    switch_on(page)
    row = page.get_by_role("row", name="a.svg")
    expect(row.get_by_role("cell").nth(1)).to_have_text("hidden by the other server")
    row.get_by_role("button").click()
    expect(row.get_by_role("cell").last).to_have_text("hidden by the other server")
    page.close()


@pytest.mark.parametrize(
    ("headers", "start", "words"),
    [
        # What browsers report for a response with status 304, and for a redirect to another
        # server, such as that of a protected picture to the bucket; and what WebKit reports for a
        # file in its memory.
        (300, 9, "unchanged, not sent again"),
        (0, 0, "hidden by the other server"),
        (0, 9, "from the browser’s memory"),
    ],
)
def test_a_file_without_a_size_is_explained_by_its_headers(
    headers: int, start: int, words: str, browser: Browser, site: str
) -> None:
    page = browser.new_page(base_url=site)
    page.add_init_script(
        f"""const facts = {{encodedBodySize: 0, decodedBodySize: 0, transferSize: {headers}}};
        facts.requestStart = {start};
        for (const [name, value] of Object.entries(facts))
            Object.defineProperty(PerformanceResourceTiming.prototype, name, {{value}});"""
    )
    page.goto("/profiles/demo-00010/")
    switch_on(page)
    row = page.locator("aside tbody tr").first
    expect(row.get_by_role("cell").nth(1)).to_have_text(words)
    expect(page.locator("[data-total=media]")).to_have_text("files: 1, sizes unknown")
    page.close()


def test_a_scripts_requests_are_not_files_of_the_page(browser: Browser, site: str) -> None:
    page = browser.new_page(base_url=site)
    page.goto("/how-it-works/")
    expect(page.locator(".headers").last).to_contain_text("Content-Type: image/webp")
    switch_on(page)
    rows = page.locator("aside tbody[data-kind=media] tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("-64.webp")
    page.close()


def test_a_module_that_does_not_come_is_not_remembered(page: Page) -> None:
    page.route("**/xray.*.js", lambda route: route.fulfill(status=503))
    page.goto("/")
    page.get_by_role("button", name="X-ray").click()
    page.wait_for_function("() => sessionStorage.getItem('xray') === 'off'")
    expect(page.get_by_role("button", name="X-ray")).to_have_attribute("aria-pressed", "false")


def test_it_is_worked_by_keyboard_and_esc_gives_the_focus_back(page: Page) -> None:
    page.goto("/profiles/demo-00010/")
    button = page.get_by_role("button", name="X-ray")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="X-ray: the files")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    first = page.locator("aside tbody button").first
    expect(first).to_have_attribute("aria-expanded", "true")
    expect(page.locator("aside code").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("aside.xray")).to_have_count(0)
    expect(page.locator("[data-xray]")).to_have_count(0)
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_it_appears_in_one_go_however_slow_its_style_sheet_is(page: Page) -> None:
    shown: list[int] = []

    def look(route: Route) -> None:
        shown.append(page.locator("aside.xray").count())
        route.continue_()

    page.route("**/xray.*.css", look)
    page.goto("/profiles/")
    switch_on(page)
    assert shown == [0]
    expect(page.locator("aside.xray")).to_have_css("position", "sticky")


def test_it_works_without_its_style_sheet(page: Page) -> None:
    page.route("**/xray.*.css", lambda route: route.fulfill(status=503))
    page.goto("/profiles/")
    switch_on(page)
    expect(page.locator("aside tbody button").first).to_be_visible()


def test_the_tab_remembers_it_and_another_tab_does_not(page: Page) -> None:
    page.goto("/")
    switch_on(page)
    page.goto("/profiles/")
    expect(page.locator("aside.xray")).to_be_visible()
    expect(page.locator("body")).to_be_focused()  # Nobody asked just now.
    expect(page.get_by_role("button", name="X-ray")).to_have_attribute("aria-pressed", "true")
    other = page.context.new_page()
    other.goto("/profiles/")
    expect(other.locator("#xray-switch")).to_be_visible()
    expect(other.locator("aside.xray")).to_have_count(0)
    page.get_by_role("button", name="Close").click()
    page.goto("/")
    expect(page.locator("#xray-switch")).to_be_visible()
    expect(page.locator("aside.xray")).to_have_count(0)


def test_it_is_loaded_when_it_is_first_used(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/profiles/")
    expect(page.locator("#xray-switch")).to_be_visible()
    assert not any("xray" in url for url in asked)
    switch_on(page)
    assert any("xray" in url for url in asked)


def test_from_right_to_left_nothing_leaves_the_screen(page: Page) -> None:
    page.goto("/profiles/")
    page.evaluate("document.documentElement.dir = 'rtl'")
    switch_on(page)
    page.locator("aside tbody button").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]  # type: ignore[index]
    cells = page.locator("aside tbody tr").first.locator("td, th")
    first, last = cells.first.bounding_box(), cells.last.bounding_box()
    assert first
    assert last
    assert first["x"] > last["x"]
    expect(page.locator("aside code").first).to_have_css("direction", "ltr")


def test_the_scripts_are_small() -> None:
    sizes = {
        name: len(gzip.compress((ROOT / "static/js" / name).read_bytes(), 9))
        for name in ("site.js", "xray.js")
    }
    assert sum(sizes.values()) <= 4000, sizes
