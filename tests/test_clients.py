"""The address that a request comes from, with and without trusted proxies."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.http import HttpRequest
from django.test import RequestFactory

from profiles.clients import client_ip, client_networks

SOCKET, PROXY, VISITOR = "", "10.0.0.1", "203.0.113.7"


def find(nearest: str, forwarded: str | None, of: Callable[[HttpRequest], Any] = client_ip) -> Any:
    """Return the address that the site takes a request from."""
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return of(RequestFactory().get("/", headers=headers, REMOTE_ADDR=nearest))


@pytest.mark.parametrize("forwarded", [None, VISITOR, f"{VISITOR}, 198.51.100.1"])
def test_without_a_trusted_proxy_the_header_is_ignored(forwarded: str | None) -> None:
    assert find("198.51.100.9", forwarded) == "198.51.100.9"
    assert find(SOCKET, forwarded) is None


@pytest.mark.parametrize("nearest", [SOCKET, PROXY])
@pytest.mark.parametrize(
    ("proxies", "forwarded"),
    [
        (1, VISITOR),
        (1, f"1.1.1.1, {VISITOR}"),
        (1, f"1.1.1.1,2.2.2.2 ,{VISITOR} "),
        (2, f"{VISITOR}, 10.0.0.2"),
        (2, f"1.1.1.1, {VISITOR}, 10.0.0.2"),
    ],
)
def test_behind_proxies_it_is_the_address_that_the_first_one_saw(
    nearest: str, proxies: int, forwarded: str, settings: LazySettings
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert find(nearest, forwarded) == VISITOR


@pytest.mark.parametrize("forwarded", [None, "", "unknown", "1.2.3.4.5", "\0", "é", "[", ":", ","])
def test_an_invalid_header_is_ignored(forwarded: str | None, settings: LazySettings) -> None:
    settings.TRUSTED_PROXIES = 1
    assert find(PROXY, forwarded) == PROXY
    assert find(SOCKET, forwarded) is None


def test_a_request_that_bypassed_a_proxy_counts_for_the_nearest(settings: LazySettings) -> None:
    settings.TRUSTED_PROXIES = 2
    assert find(PROXY, VISITOR) == PROXY


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("203.0.113.7:4711", VISITOR),
        ("::ffff:203.0.113.7", VISITOR),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_is_read_however_a_proxy_writes_it(
    written: str, meant: str, settings: LazySettings
) -> None:
    settings.TRUSTED_PROXIES = 1
    assert find(SOCKET, written) == meant


def test_a_household_counts_as_one_and_a_customer_as_ten(settings: LazySettings) -> None:
    settings.TRUSTED_PROXIES = 1
    for end in (":1", "aaaa:b:c:d"):
        counted = find(SOCKET, f"2001:db8:1:2:{end}", client_networks)
        assert counted == {"2001:db8:1:2::": 1, "2001:db8:1::/48": 10}
    assert find(SOCKET, VISITOR, client_networks) == {VISITOR: 1}
