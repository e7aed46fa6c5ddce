"""What a link to a website says: where the browser would go to."""

import re
import unicodedata
from typing import NamedTuple

from django import template
from django.utils.encoding import iri_to_uri

register = template.Library()

# As browsers read an address (https://url.spec.whatwg.org/#url-parsing), also where Python does
# not: a backslash is a slash, and there may be more than two.
PARTS = re.compile(r"https?:[/\\]{2,}(?:[^/\\?#]*@)?([^/\\?#]*)(.*)", re.I)
IGNORED = re.compile(r"[\t\n\r]")


class Website(NamedTuple):
    host: str
    rest: str


@register.filter
def split_website(url: str) -> Website:
    """Return the host that a browser would ask, and what it would ask for, in ASCII.

    Other letters could look like another host, or turn the line around.
    """
    url = IGNORED.sub("", url).strip()
    if not (match := PARTS.fullmatch(url)):
        return Website("", iri_to_uri(url))
    host, rest = match.groups()
    return Website(encode_host(host), "" if rest in ("/", "\\") else iri_to_uri(rest))


def encode_host(host: str) -> str:
    """Return a host as it is asked for in the DNS: with "xn--" for what is not ASCII (RFC 3492).

    Not by Python's codec "idna", which asks for strasse.example where browsers keep the "ß".
    """
    plain = unicodedata.normalize("NFKC", host.lower()).replace("。", ".")
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode").decode()
        for label in plain.split(".")
    )
