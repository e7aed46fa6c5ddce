"""Show a piece of code within a sentence."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def code(text: object) -> SafeString:
    """Return a piece of code as HTML: always from left to right, and never translated."""
    return format_html('<code dir="ltr" translate="no">{}</code>', text)
