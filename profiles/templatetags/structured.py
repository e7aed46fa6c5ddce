"""What the page of a public person says to search engines (https://schema.org/ProfilePage)."""

from django import template
from django.utils.html import json_script
from django.utils.safestring import SafeString, mark_safe

from ..models import Profile

register = template.Library()


@register.simple_tag
def profile_page(profile: Profile, address: str, preview: str) -> SafeString:
    """Return what the page shows to everybody, as JSON-LD."""
    person = {
        "@type": "Person",
        "name": str(profile),
        "alternateName": profile.user.username,
        "url": address,
        "description": profile.bio,
        "image": preview if profile.avatar else "",
    }
    person = {name: value for name, value in person.items() if value}
    page = {"@context": "https://schema.org", "@type": "ProfilePage", "mainEntity": person}
    # Django escapes the text, so that "</script>" in it does not end the element. Browsers do not
    # execute this type, so the Content Security Policy does not apply to it.
    script = json_script(page).replace("application/json", "application/ld+json", 1)
    return mark_safe(script)  # noqa: S308  # json_script has escaped it.
