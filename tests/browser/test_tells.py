"""What the picture editor shows of a photo's metadata before anything is sent."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ..helpers.corpus import FOLDERS
from ..helpers.details import (
    NOWHERE,
    SHOWN,
    SHOWN_OF_XMP,
    XMP,
    make_exif_details,
    make_text_png,
    make_xmp_segment,
)
from ..helpers.pictures import draw, draw_jpeg, encode, make_exif_bomb
from .editor import (
    WITHDRAWN,
    choose,
    expect_editor,
    frame,
    get_stage,
    open_editor,
    save,
)
from .engines import Chromium, wait

NOTHING = "We found no place, camera or date in this photo."
NOT_SENT = "Your photo also contains these details. They are not sent."
SENT = "Your photo also contains these details. They are sent with it, and our server deletes them."
LIST_SHOWN = """list => Object.fromEntries([...list.querySelectorAll("dt")].map((title) => {
    const values = [];
    for (let next = title.nextElementSibling; next?.matches("dd"); next = next.nextElementSibling) {
        values.push(next.firstChild.textContent);
    }
    return [title.textContent, values];
}))"""
SHOW_ALL = """async () => {
    const names = performance.getEntriesByType("resource").map(({ name }) => name);
    const tells = await import(names.find((name) => /tells[^/]*[.]js$/.test(name)));
    const silent = [];
    for (const file of document.querySelector("#many").files) {
        tells.renderDetails((await tells.readDetails(file)).details, false);
        if (!document.querySelector("#tells p")?.textContent) silent.push(file.name);
    }
    return silent;
}"""
# Holds back the content of files, but not the first bytes of them.
SLOW = """
    const { arrayBuffer } = Blob.prototype;
    const held = new Promise((resolve) => (window.read = resolve));
    window.reading = false;
    Blob.prototype.arrayBuffer = async function () {
        if (this.size > 12) window.reading = true;
        if (this.size > 12) await held;
        return arrayBuffer.call(this);
    };
"""
NOTE = """() => {
    const [picture, tells] = ["#picture", "#tells"].map((part) => document.querySelector(part));
    const note = () => (window.told ??= picture.dataset.state === "frame" && tells.innerText);
    new MutationObserver(note).observe(picture, { attributeFilter: ["data-state"] });
}"""
SPOIL = """
    const read = CanvasRenderingContext2D.prototype.getImageData;
    CanvasRenderingContext2D.prototype.getImageData = function (...box) {
        const image = read.apply(this, box);
        image.data.fill(77);
        return image;
    };
"""


def add_segment(segment: bytes) -> bytes:
    """Return a JPEG with one more segment."""
    jpeg = draw_jpeg()
    return jpeg[:2] + segment + jpeg[2:]


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        pytest.param(draw_jpeg(exif=make_exif_details(">")), SHOWN, id="JPEG"),
        pytest.param(draw_jpeg(exif=make_exif_details("<")), SHOWN, id="little-endian JPEG"),
        pytest.param(encode(draw(), "PNG", exif=make_exif_details()), SHOWN, id="PNG"),
        pytest.param(encode(draw(), "WEBP", exif=make_exif_details()), SHOWN, id="WebP"),
        pytest.param(encode(draw(), "AVIF", exif=make_exif_details()), SHOWN, id="AVIF"),
        pytest.param(add_segment(make_xmp_segment()), SHOWN_OF_XMP, id="XMP in JPEG"),
        pytest.param(make_text_png(xmp=XMP), SHOWN_OF_XMP, id="XMP in PNG"),
        pytest.param(encode(draw(), "WEBP", xmp=XMP.encode()), SHOWN_OF_XMP, id="XMP in WebP"),
        pytest.param(encode(draw(), "AVIF", xmp=XMP.encode()), SHOWN_OF_XMP, id="XMP in AVIF"),
        pytest.param(
            make_text_png(("Author", "Jürgen"), ("Software", "Pinsel"), ("date:create", "2026")),
            {"Name": ["Jürgen"], "Software": ["Pinsel"]},
            id="texts in PNG",
        ),
    ],
)
def test_what_a_photo_contains_is_struck_out(
    content: bytes, shown: dict[str, list[str]], phone: Page, tmp_path: Path
) -> None:
    (tmp_path / "photo").write_bytes(content)
    frame(phone, tmp_path / "photo")
    expect(phone.get_by_text(NOT_SENT)).to_be_visible()
    details = phone.locator("#tells")
    assert details.evaluate(LIST_SHOWN) == shown
    expect(details.get_by_role("deletion")).to_have_count(sum(map(len, shown.values())))
    # Screen readers do not say that a text is struck out.
    expect(details.locator("dd").first).to_contain_text("(not sent)")


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        pytest.param(draw_jpeg(exif=make_exif_details()), SHOWN, id="EXIF"),
        pytest.param(add_segment(make_xmp_segment()), SHOWN_OF_XMP, id="XMP"),
        pytest.param(
            draw_jpeg(exif=make_exif_details(place=NOWHERE)), [*SHOWN][1:], id="no reception"
        ),
        pytest.param(make_text_png(("Software", "Pinsel")), ["Software"], id="texts in PNG"),
    ],
)
def test_the_receipt_has_the_kinds_that_the_list_had(
    content: bytes, kinds: Iterable[str], phone: Page, tmp_path: Path
) -> None:
    (tmp_path / "photo").write_bytes(content)
    frame(phone, tmp_path / "photo")
    assert [*phone.locator("#tells").evaluate(LIST_SHOWN)] == [*kinds]
    save(phone)
    stayed = phone.locator("[data-fact=stayed]").inner_text()
    parts = re.split(", and |, | and ", stayed)
    assert parts[1:] == [kind.lower() for kind in kinds], stayed


@pytest.fixture
def slow(phone: Page) -> Page:
    """The editor where a file can be shown, but not read before `read()` is called."""
    phone.add_init_script(SLOW)
    phone.reload()
    expect_editor(phone)
    return phone


def test_the_details_come_with_the_photo(slow: Page, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(draw_jpeg(exif=make_exif_details()))
    slow.evaluate(NOTE)
    choose(slow, tmp_path / "photo")
    wait(Chromium(slow), "reading")
    slow.evaluate("read()")
    expect(get_stage(slow)).to_be_focused()
    # As the photo was shown: what comes later moves what is below it.
    assert slow.evaluate("told") == slow.locator("#tells").inner_text() != ""


def test_where_the_whole_photo_is_sent_nothing_is_struck_out(phone: Page, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(draw_jpeg(exif=make_exif_details()))
    phone.add_init_script(SPOIL)
    phone.reload()
    frame(phone, tmp_path / "photo")
    expect(phone.get_by_text(WITHDRAWN)).to_be_visible()
    details = phone.locator("#tells")
    expect(details.get_by_text(SENT)).to_be_visible()
    assert details.evaluate(LIST_SHOWN) == SHOWN
    expect(details.get_by_role("deletion")).to_have_count(0)
    expect(details).not_to_contain_text("(not sent)")


def test_of_a_photo_that_contains_nothing_more_one_sentence_is_shown(
    phone: Page, tmp_path: Path
) -> None:
    (tmp_path / "full.jpg").write_bytes(draw_jpeg(exif=make_exif_details()))
    (tmp_path / "bare.jpg").write_bytes(draw_jpeg())
    frame(phone, tmp_path / "full.jpg")
    expect(phone.get_by_text("Fotofabrik")).to_be_visible()
    with phone.expect_file_chooser() as chooser:
        phone.get_by_role("button", name="Other photo").click()
    chooser.value.set_files(tmp_path / "bare.jpg")
    expect(phone.get_by_text(NOTHING)).to_be_visible()
    expect(phone.get_by_text("Fotofabrik")).to_be_hidden()


def test_what_a_photo_contains_is_text_and_stays_on_the_screen(phone: Page, tmp_path: Path) -> None:
    text = "<img src=x onerror=alert(1)>"
    xmp = XMP.replace("K-1815", text.replace("<", "&lt;")).replace("Ada", "A" * 180)
    (tmp_path / "photo").write_bytes(add_segment(make_xmp_segment(xmp)))
    frame(phone, tmp_path / "photo")
    expect(phone.get_by_text(text)).to_be_visible()
    expect(phone.locator("#tells img")).to_have_count(0)
    assert phone.evaluate("document.documentElement.scrollWidth") == 390


def test_nothing_of_it_leaves_the_page(phone: Page, tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(draw_jpeg(exif=make_exif_details()))
    asked: list[str] = []
    phone.on("request", lambda request: asked.append(request.method + " " + request.url))
    frame(phone, tmp_path / "photo")
    expect(phone.get_by_text("51.5073°")).to_be_visible()
    # What is not in the page itself is the site's scripts.
    script = r"GET http://[^/]+/static/profiles/editor/[a-z]+\.[0-9a-f]+\.js"
    remote = [request for request in asked if not request.startswith("GET blob:")]
    assert [request for request in remote if not re.fullmatch(script, request)] == []


def test_a_date_is_written_as_the_visitor_writes_it(
    browser: Browser, site: str, member: Any, tmp_path: Path
) -> None:
    (tmp_path / "photo").write_bytes(draw_jpeg(exif=make_exif_details()))
    with open_editor(browser, site, member, locale="de-DE") as page:
        page.locator("[name=avatar]").set_input_files(tmp_path / "photo")
        expect(page.locator("#tells")).to_contain_text("2. Januar 2026 um 03:04")
        expect(page.locator("#tells")).to_contain_text("51,5073°")


def test_details_that_are_made_to_keep_a_reader_busy_do_not(phone: Page, tmp_path: Path) -> None:
    files = {
        "tags": draw_jpeg(exif=make_exif_bomb()),
        "loop": draw_jpeg(
            exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x08\0\0\0\x08"
        ),
        "segments": b"\xff\xd8" + make_xmp_segment("<x" + " dc:creator" * 5900) * 200,
        "padding": b"\xff\xd8" + b"\xff" * 300_000,
        "chunks": b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0teXt\0\0\0\0" * 50_000,
        "boxes": b"\0\0\0\x10ftypavif\0\0\0\0" + b"\0\0\0\x08free" * 50_000,
        # `iloc` of very many items without a length, in the box `meta`.
        "items": b"\0\0\0\x10ftypheic\0\0\0\0"
        + b"\0\3\x0d\x4cmeta\0\0\0\0"
        + b"\0\3\x0d\x40iloc\2\0\0\0\0\0\xff\xff\xff\xff"
        + bytes(200_000),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert show_all(phone, tmp_path, [tmp_path / name for name in files]) == []


def test_no_file_of_the_corpus_makes_an_error(phone: Page, tmp_path: Path) -> None:
    if not FOLDERS:
        pytest.skip("LIKENESS_CORPUS names no corpus.")
    files = [path for folder in FOLDERS for path in folder.rglob("*") if path.is_file()]
    assert show_all(phone, tmp_path, files) == []


def show_all(page: Page, folder: Path, files: list[Path]) -> list[str]:
    """Show the details of files, one after the other; return those of which nothing is said."""
    (folder / "first.jpg").write_bytes(draw_jpeg())
    frame(page, folder / "first.jpg")
    expect(page.get_by_text(NOTHING)).to_be_visible()
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<input type=file id=many multiple>')"
    )
    page.locator("#many").set_input_files(files)
    silent: list[str] = page.evaluate(SHOW_ALL)
    return silent


def test_a_photo_of_a_phone_that_only_the_server_can_cut_is_read_too(phone: Page) -> None:
    if not FOLDERS:
        pytest.skip("LIKENESS_CORPUS names no corpus.")
    choose(phone, FOLDERS[0] / "good" / "heic_iphone8plus_12mp.heic")
    expect(phone.get_by_text(SENT)).to_be_visible()
    shown = phone.locator("#tells").evaluate(LIST_SHOWN)
    assert shown["Camera"] == ["Apple iPhone 8 Plus"]
    assert shown["Date"] == ["July 31, 2018 at 2:52 PM"]
