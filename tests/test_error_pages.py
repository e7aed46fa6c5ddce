"""The pages of errors: what they say, in whose colours, and what to do next."""

from unittest import mock

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("error", "status"), [(OSError("The disk is gone."), 503), (ValueError("Broken."), 500)]
)
def test_a_page_of_an_outage_asks_the_database_for_nothing(
    error: Exception, status: int, as_ada: Client
) -> None:
    as_ada.raise_request_exception = False
    as_ada.cookies["theme"] = "dark"
    with (
        mock.patch("profiles.views.Profile.objects.visible_to", side_effect=error),
        CaptureQueriesContext(connection) as queries,
    ):
        response = as_ada.get("/profiles/?q=ada")
    page = response.content.decode()
    assert response.status_code == status
    assert 'data-theme="dark"' in page
    assert '<a class="button" href="/profiles/?q=ada">' in page
    assert len(queries) <= 2  # The session and its member, by the view.
    assert 'action="/accounts/logout/"' not in page


def test_what_cannot_be_read_is_answered_in_ones_colours(client: Client) -> None:
    client.cookies["theme"] = "dark"
    response = client.get("/profiles/?" + "q&" * 1001)
    assert response.status_code == 400
    assert 'data-theme="dark"' in response.content.decode()


def test_whoever_finds_nobody_can_search(client: Client) -> None:
    response = client.get("/profiles/nobody/")
    assert response.status_code == 404
    assert 'action="/profiles/"' in response.content.decode()


@pytest.mark.parametrize(
    ("referer", "url"),
    [
        ("http://testserver/accounts/signup/?next=/", "http://testserver/accounts/signup/?next=/"),
        ("http://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_a_form_that_has_expired_leads_back_to_it_and_never_off_the_site(
    referer: str, url: str, client: Client
) -> None:
    browser = Client(enforce_csrf_checks=True)
    response = browser.post("/accounts/signup/", headers={"referer": referer})
    assert response.status_code == 403
    page = response.content.decode()
    assert f'<a class="button" href="{url}">' in page
    assert "evil" not in page
