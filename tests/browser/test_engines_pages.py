"""The X-ray, the lesson and the colours in browsers of three engines."""

from typing import Any

import pytest

from .engines import Engine, visit, wait

# What the X-ray says of the page.
XRAY = """(() => {
    const find = (selector) => [...document.querySelectorAll(selector)];
    const readAll = (selector) => find(selector).map((one) => one.textContent);
    return {
        text: document.querySelector("aside.xray").innerText,
        sheets: readAll("aside tbody[data-kind=static] button"),
        pictures: readAll("aside tbody[data-kind=media] code"),
        total: readAll("[data-total=media]").join(),
    };
})()"""
# Whether each picture that the page shows is outlined, and in the list. The list may be longer:
# Chromium may load a picture in two sizes.
IS_COMPLETE = """(() => {
    const find = (selector) => [...document.querySelectorAll(selector)];
    const shown = find("main img").filter((one) => one.naturalWidth);
    const listed = find("aside tbody[data-kind=media] code").map((one) => one.textContent);
    return shown.length && shown.every((one) => {
        const { outlineStyle } = getComputedStyle(one);
        return outlineStyle === "dashed" && listed.includes(new URL(one.currentSrc).pathname);
    });
})()"""
GROUND = "getComputedStyle(document.documentElement).backgroundColor"
WALL = {"light": "rgb(246, 245, 241)", "dark": "rgb(19, 21, 19)"}
WALK = "document.querySelector('.walk')"
PLACE = "document.querySelector('.map [aria-current=step] b')?.textContent"


def test_the_xray_counts_the_files_of_each_page(engine: Engine, site: str) -> None:
    visit(engine, f"{site}/profiles/")
    engine.click("#xray-switch")
    expect_xray(engine)
    for path in ("/profiles/", "/profiles/demo-00010/"):  # Now the files are in the memory.
        visit(engine, f"{site}{path}")
        expect_xray(engine)
    engine.click("aside tbody[data-kind=media] tr button")
    wait(engine, "document.querySelector('aside tbody[data-kind=media] td:last-child').innerText")
    assert "immutable" in engine.run(XRAY)["text"]
    engine.click("#xray-switch")
    wait(engine, "!document.querySelector('aside.xray, [data-xray]')")
    visit(engine, f"{site}/profiles/")
    wait(engine, "!document.querySelector('#xray-switch').hidden")
    assert engine.run("document.querySelector('aside.xray') === null")


def expect_xray(engine: Engine) -> None:
    """Wait until the X-ray lists each picture that is shown, and check what it says."""
    wait(engine, IS_COMPLETE)
    found: dict[str, Any] = engine.run(XRAY)
    assert found["total"].startswith(f"files: {len(found['pictures'])}")
    assert "together 0 kB" not in found["text"]
    assert "other server" not in found["text"]
    assert any(name.startswith("site.") and name.endswith(".css") for name in found["sheets"])


@pytest.mark.parametrize("way", ["buttons", "keys"])
def test_a_file_is_followed_through_the_lesson(way: str, engine: Engine, site: str) -> None:
    visit(engine, f"{site}/how-it-works/")
    follow(engine, "static", way)
    assert "Content-Type: text/css" in engine.run(f"{WALK}.innerText")
    engine.click(".switch label:not(:has(:checked))")
    wait(engine, f"{PLACE} === 'runserver'")
    leave(engine, "static", way)
    engine.click(".switch label:not(:has(:checked))")
    follow(engine, "media", way)
    assert "Content-Type: image/webp" in engine.run(f"{WALK}.innerText")
    leave(engine, "media", way)


def follow(engine: Engine, kind: str, way: str) -> None:
    """Follow a file as far as where the headers are that it is served with."""
    engine.click(f"[data-follow={kind}]")
    for number in range(2, 5):
        if way == "keys":
            engine.press("[data-walk='1']", "ArrowRight")
        else:
            engine.click("[data-walk='1']")
        wait(engine, f"{WALK}.innerText.includes('{number} of 5')")
    wait(engine, f"{WALK}.innerText.includes('Cache-Control:')")


def leave(engine: Engine, kind: str, way: str) -> None:
    if way == "keys":
        engine.press("[data-walk='-1']", "Escape")
    else:
        engine.click("[data-walk='0']")
    wait(engine, f"{WALK}.hidden")
    assert engine.run(f"document.activeElement.dataset.follow === '{kind}'")


def test_the_lesson_takes_files_away_and_shows_their_headers(engine: Engine, site: str) -> None:
    visit(engine, f"{site}/how-it-works/")
    headers = "[...document.querySelectorAll('.headers')].map((one) => one.textContent).join(' ')"
    for kind in ("text/css", "image/webp"):
        wait(engine, f"{headers}.includes('Content-Type: {kind}')")
    ground = engine.run(GROUND)
    engine.click(".take-away [data-kind=static]")
    wait(engine, f"{GROUND} !== '{ground}'")
    engine.click(".take-away [data-kind=static]")
    wait(engine, f"{GROUND} === '{ground}'")
    engine.click(".take-away [data-kind=media]")
    wait(engine, "document.querySelector('main img').naturalWidth === 0")
    engine.click(".take-away [data-kind=media]")
    wait(engine, "document.querySelector('main img').naturalWidth > 0")


def test_the_colours_are_those_that_are_chosen(engine: Engine, site: str) -> None:
    visit(engine, f"{site}/preferences/")
    for theme in ("dark", "light"):
        engine.click(f"[name=theme][value={theme}]")
        wait(engine, f"{GROUND} === '{WALL[theme]}'")
    engine.click("[name=theme][value='']")
    wait(engine, "!document.documentElement.dataset.theme")
    is_dark = engine.run("matchMedia('(prefers-color-scheme: dark)').matches")
    wait(engine, f"{GROUND} === '{WALL['dark' if is_dark else 'light']}'")
