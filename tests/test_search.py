import pytest
from django.test import Client


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("n", range(6))
def test_x(n: int, as_ada: Client) -> None:
    assert as_ada.post("/profile/avatar/delete/").status_code == 302


@pytest.mark.parametrize("n", range(6))
def test_y(n: int, as_ada: Client) -> None:
    assert as_ada.post("/profile/avatar/delete/").status_code == 302
