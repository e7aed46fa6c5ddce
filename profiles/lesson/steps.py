"""The steps from the smallest example to production, each a diff on the one before."""

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

DIFFS = {
    "static": "1-static.diff",
    "pictures": "2-pictures.diff",
    "nginx": "3-nginx.diff",
    "members": "4-members.diff",
}


@require_safe
def four_steps(request: HttpRequest) -> HttpResponse:
    return render(request, "steps.html", {step: read_diff(name) for step, name in DIFFS.items()})


def read_diff(name: str) -> list[tuple[str, list[str]]]:
    """Return the files that a diff changes, each with the diff's lines; none if it is missing."""
    try:
        diff = (settings.BASE_DIR / "examples" / "steps" / name).read_text("utf-8")
    except OSError:  # The page leaves the diff out; a test fails.
        return []
    return split_diff(diff)


def split_diff(diff: str) -> list[tuple[str, list[str]]]:
    """Return the files that a diff changes, each with the diff's lines."""
    _, *parts = re.split(r"^--- .+\n\+\+\+ b/(.+)\n", diff, flags=re.M)
    bodies = [part.splitlines(keepends=True) for part in parts[1::2]]
    return list(zip(parts[::2], bodies, strict=True))
