"""The application that gunicorn runs."""

import os
import re
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.urls import resolve
from gunicorn.errors import AppImportError

from profiles.pictures import cell

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
is_gunicorn = os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn/")
if is_gunicorn and "LIKENESS_GUNICORN" not in os.environ:
    # gunicorn prints it as one line, and ends.
    raise AppImportError(
        "Likeness does not start without its checks: add --config config/gunicorn.conf.py."
    )
django = get_wsgi_application()
resolve("/")  # Import the views now, not while the first visitor waits.
cell.start()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer a request, and read its form as UTF-8, which browsers use for every form of this site.

    Django would use any Python codec that Content-Type names, and fail if it is not a text
    encoding (base64) or its output is not valid text (utf-7).
    """
    content_type = environ.get("CONTENT_TYPE", "")
    environ["CONTENT_TYPE"] = re.sub(r";\s*charset\s*=[^;]*", "", content_type, flags=re.I)
    return django(environ, start_response)
