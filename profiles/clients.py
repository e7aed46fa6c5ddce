"""Whom a request comes from: for throttles, lock-out and logs."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address


def client_ip(request: HttpRequest) -> str | None:
    """Return the visitor's address; None over a unix socket without a proxy that is trusted.

    Each proxy adds whom it hears to the end of X-Forwarded-For. What stands before the entries of
    the trusted ones, `DJANGO_TRUSTED_PROXIES` in number, the visitor may have written.
    """
    address = find_address(request)
    return str(address) if address else None


def client_network(request: HttpRequest) -> str | None:
    """Return whom attempts are counted for: an address, or of IPv6 the /64 a household has."""
    address = find_address(request)
    if isinstance(address, IPv6Address):
        address = IPv6Address(int(address) >> 64 << 64)
    return str(address) if address else None


def find_address(request: HttpRequest) -> Address | None:
    nearest = parse(request.META.get("REMOTE_ADDR", ""))
    proxies = settings.TRUSTED_PROXIES
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if not 0 < proxies <= len(forwarded):
        return nearest
    return parse(forwarded[-proxies]) or nearest


def parse(text: str) -> Address | None:
    """Read an address as proxies write it: perhaps with a port, in brackets, with a zone."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
