"""Template tags of the whole site."""

from django import template
from django.conf import settings

from .logs import current_request_id

register = template.Library()


# Tags, since Django renders 500.html without context processors.
@register.simple_tag
def request_id() -> str:
    return current_request_id.get()


@register.simple_tag
def imprint_url() -> str:
    return str(settings.IMPRINT_URL)
