"""The list of people, and more of them."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

PEOPLE = ".people li"
NEW = f"{PEOPLE}:nth-child(25) a"


def test_show_more_people_adds_to_those_who_are_there(visit: Callable[..., Page]) -> None:
    page = visit("list")
    expect(page.locator(PEOPLE)).to_have_count(24)
    first = page.locator(f"{PEOPLE} b").first.inner_text()
    page.get_by_role("link", name="Show more people").click()
    expect(page.locator(NEW)).to_be_focused()
    names = page.locator(f"{PEOPLE} a").evaluate_all("links => links.map(({ href }) => href)")
    assert 24 < len(names) == len(set(names))
    expect(page.locator(f"{PEOPLE} b").first).to_have_text(first)
    # The cast and thirty demo people have two pages.
    expect(page.get_by_role("link", name="Show more people")).to_have_count(0)


def test_more_people_come_once_for_two_clicks(visit: Callable[..., Page]) -> None:
    page = visit("list")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    more = page.get_by_role("link", name="Show more people")
    more.evaluate("link => { link.click(); link.click() }")
    expect(page.locator(NEW)).to_be_focused()
    assert len([url for url in requests if "after=" in url]) == 1


def test_where_no_more_people_come_the_link_is_followed(visit: Callable[..., Page]) -> None:
    page = visit("list")
    page.route(
        "**/profiles/?after=*",
        lambda route: route.continue_() if route.request.is_navigation_request() else route.abort(),
    )
    page.get_by_role("link", name="Show more people").click()
    expect(page.get_by_role("link", name="Previous page")).to_be_visible()


@pytest.mark.parametrize("name", ["home", "own"])  # a guest and a member
def test_who_comes_back_from_a_person_finds_the_added_people_where_they_were(
    name: str, visit: Callable[..., Page]
) -> None:
    page = visit(name, viewport={"width": 390, "height": 600})
    page.get_by_role("link", name="People", exact=True).click()
    page.get_by_role("link", name="Show more people").click()
    expect(page.locator(NEW)).to_be_focused()
    people = page.locator(PEOPLE).count()
    person = page.locator(NEW)
    person.scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    person.click()
    expect(page.locator(".person")).to_be_visible()
    page.go_back()
    expect(page.locator(PEOPLE)).to_have_count(people)
    page.wait_for_function("place => Math.abs(scrollY - place) < 2", arg=place)
    expect(page.get_by_role("link", name="Show more people")).to_have_count(0)


def test_a_click_while_people_come_back_adds_nobody_twice(visit: Callable[..., Page]) -> None:
    page = visit("list")
    page.get_by_role("link", name="Show more people").click()
    expect(page.locator(NEW)).to_be_focused()
    people = page.locator(PEOPLE).count()
    page.locator(NEW).click()
    expect(page.locator(".person")).to_be_visible()
    held: list[Route] = []
    page.route("**/profiles/?after=*", lambda route: held.append(route))
    with page.expect_request("**/profiles/?after=*"):
        page.go_back()
    more = page.get_by_role("link", name="Show more people")
    expect(more).to_have_attribute("aria-disabled", "true")
    more.click(force=True)
    [route] = held
    route.continue_()
    expect(page.locator(PEOPLE)).to_have_count(people)
    expect(more).to_have_count(0)
