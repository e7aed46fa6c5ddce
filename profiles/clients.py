"""The address that a request comes from, for throttles, lock-out and logs."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest

Address = IPv4Address | IPv6Address


def client_ip(request: HttpRequest) -> str | None:
    """Return the visitor's address, or None over a unix socket without a trusted proxy.

    Each proxy appends the address that it was reached from to X-Forwarded-For. Only the last
    `DJANGO_TRUSTED_PROXIES` entries are trusted: a visitor can write the ones before them.
    """
    address = find_address(request)
    return str(address) if address else None


def client_network(request: HttpRequest) -> str | None:
    """Return what attempts are counted by: the IPv4 address, or the /64 of IPv6, one household."""
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
    """Parse an address as proxies write it: it may have a port, brackets or a zone."""
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
