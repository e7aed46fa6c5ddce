"""A template tag for the error pages."""

from django import template

from .logs import current_request_id

register = template.Library()


# A tag, since Django renders 500.html without context processors.
@register.simple_tag
def request_id() -> str:
    return current_request_id.get()
