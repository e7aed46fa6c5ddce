"""Show pieces of code within a sentence, and a path."""

import re

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def code(text: object) -> SafeString:
    """Return a piece of code as HTML: always from left to right, and never translated."""
    return format_html('<code dir="ltr" translate="no">{}</code>', text)


@register.filter
def with_breaks(path: object) -> SafeString:
    """Return a path or a name as HTML that may be broken after each slash and underscore."""
    parts = re.split("(?<=[/_])", str(path))
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in parts))


@register.filter
def with_code(sentence: object) -> SafeString:
    """Return a sentence as HTML, in which code is between backticks."""
    parts = enumerate(str(sentence).split("`"))
    return format_html_join(
        "", "{}", ((code(part) if index % 2 else part,) for index, part in parts)
    )
