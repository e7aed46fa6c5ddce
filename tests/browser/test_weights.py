"""The bytes of pages without pictures, and which sizes of pictures they load."""

import gzip
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Response

PHONE = {"width": 390, "height": 844}


def weigh(visit: Callable[..., Page], name: str) -> Counter[str]:
    """Return the bytes of a page by kind as they came, and HTML as gzip makes it.

    The site leaves compressing HTML to the proxy in front: deploy/nginx.conf does it.
    """
    answers: list[Response] = []
    page = visit(name, answers, viewport=PHONE, device_scale_factor=3)
    page.wait_for_load_state("networkidle")
    weights: Counter[str] = Counter()
    for answer in answers:
        kind = answer.request.resource_type
        body = len(gzip.compress(answer.body(), 6)) if kind == "document" else None
        weights[kind] += body or answer.request.sizes()["responseBodySize"]
        if kind in ("stylesheet", "script"):
            assert answer.headers["content-encoding"] == "br", answer.url
    return weights


def test_the_list_is_light(visit: Callable[..., Page]) -> None:
    weights = weigh(visit, "list")
    assert 0 < weights["document"] <= 12_000
    assert 0 < weights["stylesheet"] <= 10_000
    assert weights["script"] <= 4_000


def test_the_editor_is_light(visit: Callable[..., Page]) -> None:
    assert weigh(visit, "picture-bare")["script"] <= 13_000


def test_no_script_of_the_editor_waits_for_another(visit: Callable[..., Page]) -> None:
    answers: list[Response] = []
    page = visit("picture-bare", answers)
    loaded = [answer.url for answer in answers if answer.request.resource_type == "script"]
    named = page.locator("script[src], link[rel=modulepreload]").evaluate_all(
        "parts => parts.map(({ src, href }) => src || href)"
    )
    assert sorted(loaded) == sorted(named)


@pytest.mark.parametrize(
    ("width", "density", "most"), [(390, 1, 256), (390, 3, 512), (1440, 2, 512)]
)
def test_pictures_come_in_the_size_that_is_shown(
    width: int, density: int, most: int, visit: Callable[..., Page]
) -> None:
    options = {"viewport": {"width": width, "height": 844}, "device_scale_factor": density}
    page = visit("list", **options)
    sizes = page.evaluate(
        """[...document.querySelectorAll("img.avatar")].filter((image) => image.currentSrc).map(
          (image) => [image.clientWidth, parseInt(image.currentSrc.match(/-(\\d+)\\.webp$/)[1])])"""
    )
    assert sizes
    for shown, loaded in sizes:
        assert loaded <= most
        assert loaded >= min(shown * density * 0.9, 512)


def test_pictures_out_of_sight_wait(visit: Callable[..., Page]) -> None:
    page = visit("list", viewport={"width": 390, "height": 400})
    lazy = page.locator("img.avatar").evaluate_all("images => images.map(({ loading }) => loading)")
    assert lazy[6:] == ["lazy"] * len(lazy[6:])
    assert "lazy" not in lazy[:2]
    assert len(lazy) > 12


def test_nothing_is_loaded_from_other_hosts(visit: Callable[..., Page]) -> None:
    answers: list[Response] = []
    page = visit("list", answers)
    assert {urlsplit(answer.url).netloc for answer in answers} == {urlsplit(page.url).netloc}
