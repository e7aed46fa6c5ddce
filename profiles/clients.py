"""Whom a request comes from: the address, for throttles and logs, and the browser."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

Address = IPv4Address | IPv6Address


def client_ip(request: HttpRequest) -> str | None:
    """Return the visitor's address, or None over a unix socket without a trusted proxy.

    Each proxy appends the address that it was reached from to X-Forwarded-For. Only the last
    `DJANGO_TRUSTED_PROXIES` entries are trusted: a visitor can write the ones before them.
    """
    address = find_address(request)
    return str(address) if address else None


def client_networks(request: HttpRequest) -> dict[str, int]:
    """Return what attempts are counted by, each with the number of households it stands for.

    That is the IPv4 address; or of IPv6 the /64, one household, and the /48, which one customer of
    a provider may have: it is allowed ten times as much.
    """
    address = find_address(request)
    if isinstance(address, IPv6Address):
        return {cut(address, 64): 1, cut(address, 48) + "/48": 10}
    return {str(address): 1}


def find_network(request: HttpRequest) -> str:
    """Return the network of a visitor, so coarse that it names no household; or nothing."""
    if not (address := find_address(request)):
        return ""
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


def cut(address: IPv6Address, bits: int) -> str:
    """Return the first address of the network that an address is in."""
    rest = 128 - bits
    return str(IPv6Address(int(address) >> rest << rest))


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


def is_loopback(host: str) -> bool:
    """Return whether an address, a network or a name is local to this machine or container."""
    try:
        return ip_network(host).is_loopback
    except ValueError:
        return host == "localhost"


# The first that a User-Agent has counts: each browser also pretends to be those after it.
BROWSERS = {
    r"Edg(e|A|iOS)?/": "Edge",
    r"(OPR|OPT|OPX)/": "Opera",
    r"SamsungBrowser/": "Samsung Internet",
    r"(Firefox|FxiOS)/": "Firefox",
    r"(Chrome|CriOS)/": "Chrome",
    r"Version/\S+ .*Safari/": "Safari",
}
SYSTEMS = {
    r"iPhone": "iPhone",
    r"iPad": "iPad",
    r"Android": "Android",
    r"Windows": "Windows",
    r"CrOS": "ChromeOS",
    r"Macintosh": "Mac",
    r"Linux": "Linux",
}


def name_browser(request: HttpRequest) -> str:
    """Return the browser and its system, as "Firefox on Windows"; or nothing if it is unknown."""
    agent = request.headers.get("User-Agent", "")[:500]
    browser, system = find_name(agent, BROWSERS), find_name(agent, SYSTEMS)
    return f"{browser} on {system}" if browser and system else browser


def find_name(agent: str, names: dict[str, str]) -> str:
    return next((name for pattern, name in names.items() if re.search(pattern, agent)), "")


def translate_browser(name: str) -> str:
    """Return what `name_browser` returned, in the visitor's language."""
    browser, _on, system = name.partition(" on ")
    if system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or _("Unknown browser")


KNOWN, YEAR = "known", 365 * 24 * 60 * 60
MAX_MEMBERS = 5  # Who sign in with one browser, such as a family's.


def is_known_browser(request: HttpRequest, username: str, password_hash: str) -> bool:
    """Return whether somebody has signed in with this browser by the password of now."""
    return make_mark(username, password_hash) in list_marks(request)


def remember_browser(
    request: HttpRequest, response: HttpResponseBase, user: AbstractBaseUser
) -> None:
    """Set the cookie by which the browser is known; it does not tell whom it knows."""
    marks = [make_mark(user.get_username(), user.password), *list_marks(request)]
    response.set_signed_cookie(
        KNOWN,
        ".".join(dict.fromkeys(marks[:MAX_MEMBERS])),
        KNOWN,
        max_age=YEAR,
        path="/",
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def list_marks(request: HttpRequest) -> list[str]:
    """Return the marks of the members whom the browser is known by."""
    return (request.get_signed_cookie(KNOWN, "", KNOWN, YEAR) or "").split(".")


def make_mark(username: str, password_hash: str) -> str:
    return salted_hmac("profiles.known", f"{username.lower()} {password_hash}").hexdigest()
