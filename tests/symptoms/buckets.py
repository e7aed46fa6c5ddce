"""Faults of buckets, with a real one."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from ..production.buckets import S3, Bucket, fetch
from .looks import Look, page
from .project import PICTURE, Project
from .variant import Variant, change

LOCAL = '"BACKEND": "django.core.files.storage.FileSystemStorage",\n'
STORAGE = """"BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": "pictures",
        },
"""
NAMED = '"bucket_name": "pictures",\n'


def option(line: str) -> tuple[str, str, str]:
    """Return the change that adds an option."""
    return "settings.py", NAMED, f"{NAMED}            {line},\n"


def bucket(is_public: bool) -> Callable[[Project], AbstractContextManager[None]]:
    @contextmanager
    def serve(project: Project) -> Iterator[None]:
        """Make a bucket, in which everybody may read the pictures, or nobody."""
        made = Bucket()
        if not is_public:
            made.client.delete_bucket_policy(Bucket=made.name)
        origin = f"http://{S3.hostname}:{S3.port}"
        project.shown = {origin: "https://s3.example.com", made.name: "pictures"}
        project.variables |= {
            "AWS_ENDPOINT_URL_S3": origin,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": str(S3.username),
            "AWS_SECRET_ACCESS_KEY": str(S3.password),
        }
        settings = project.read("settings.py")
        project.change("settings.py", '"pictures"', f'"{made.name}"')
        try:
            yield
        finally:
            made.delete()
            project.write("settings.py", settings)

    return serve


def picture(seconds: int = 0) -> Look:
    """See what is answered to a browser that asks for the picture after so many seconds."""

    def look(project: Project) -> str:
        shown = page(uploads=("me.jpg",), pattern="<img")(project)
        [url] = re.findall('src="([^"]+)"', shown)
        time.sleep(seconds)
        response, body = fetch(url.replace("&amp;", "&"))
        codes = re.findall("<Code>.*?</Code>", body.decode("latin-1"))
        return "\n".join([f"{response.status} {response.reason}", *codes])

    return look


VARIANTS = [
    Variant(
        "bucket_private",
        [change("settings.py", LOCAL, STORAGE), change(*option('"querystring_auth": False'))],
        picture(),
        f"manage.py why {PICTURE} | grep 'answer '",
        serve=bucket(is_public=False),
        needs="bucket",
    ),
    Variant(
        "bucket_expired",
        [change("settings.py", LOCAL, STORAGE), change(*option('"querystring_expire": 1'))],
        picture(2),
        f"manage.py why {PICTURE} | grep name",
        [change("settings.py", '"querystring_expire": 1', '"querystring_auth": False')],
        serve=bucket(is_public=True),
        needs="bucket",
    ),
]
