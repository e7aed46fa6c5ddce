"""Show pieces of code within a sentence, and a path."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def code(text: object) -> SafeString:
    """Return a piece of code as HTML: always from left to right, and never translated."""
    return format_html('<code dir="ltr" translate="no">{}</code>', text)


@register.filter
def with_breaks(path: str) -> SafeString:
    """Return a path as HTML that may be broken after each slash."""
    return format_html_join(mark_safe("/<wbr>"), "{}", ((part,) for part in path.split("/")))


@register.filter
def with_code(sentence: object) -> SafeString:
    """Return a sentence as HTML, in which code is between backticks."""
    parts = enumerate(str(sentence).split("`"))
    return format_html_join(
        "", "{}", ((code(part) if index % 2 else part,) for index, part in parts)
    )
