"""The application that gunicorn runs."""

import os
import re
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

from profiles.pictures import cell

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django = get_wsgi_application()
cell.start()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer a request, and read it as UTF-8, in which browsers send every form of this site.

    Django would read it by any codec of Python's that Content-Type names, and fail where that is
    none of text (base64) or gives what is none (utf-7).
    """
    content_type = environ.get("CONTENT_TYPE", "")
    environ["CONTENT_TYPE"] = re.sub(r";\s*charset\s*=[^;]*", "", content_type, flags=re.I)
    return django(environ, start_response)
