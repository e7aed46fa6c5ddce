"""Media in an S3-compatible bucket: within bounded time, and failing as a disk does."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.base import ContentFile, File
from django.utils.functional import cached_property
from storages.backends.s3 import S3Storage

from .names import get_headers

# At most some 15 seconds for a request that nobody answers. Checksums only where they are asked
# for: many servers do not know those that botocore adds by itself.
CLIENT = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"total_max_attempts": 2, "mode": "standard"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
# botocore reports "404" where HEAD finds no file. A missing bucket has the same status, but
# another code, and does not mean that a file is missing.
ERRORS = {
    "404": FileNotFoundError,
    "NoSuchKey": FileNotFoundError,
    "PreconditionFailed": FileExistsError,
}


class BucketError(TimeoutError):
    """The bucket does not answer, or not as it should."""


class BucketStorage(S3Storage):
    """Public files: anybody gets them from the bucket, or from the CDN in front of it."""

    is_protected = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client_config: Config = self.client_config.merge(CLIENT)

    @contextmanager
    def _failing_as_a_disk(self, name: str) -> Iterator[None]:
        """Turn botocore's errors into those of a disk, which the rest of the site knows."""
        place = f"{name} in the bucket {self.bucket_name}"
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise ERRORS.get(code, BucketError)(f"{place}: {error}") from error
        except (BotoCoreError, ValueError) as error:  # The latter of an address that is none.
            raise BucketError(f"{place}: {error}") from error

    def get_default_settings(self) -> dict[str, Any]:
        return super().get_default_settings() | {"querystring_auth": False, "file_overwrite": False}

    @cached_property
    def base_url(self) -> str:
        """The base URL of public files, so that botocore does not build one for each picture."""
        return super().url("-").removesuffix("-")

    def url(self, name: str, *args: Any, **kwargs: Any) -> str:
        return self.base_url + name

    def direct_url(self, name: str) -> str:
        """Return the URL at which the bucket itself serves a file."""
        return self.url(name)

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name  # `_save` refuses a name that is taken, without a question before it.

    def _save(self, name: str, content: File) -> str:
        headers = get_headers(name, self.is_protected)
        with self._failing_as_a_disk(name):
            self.connection.meta.client.put_object(
                Bucket=self.bucket_name,
                Key=name,
                Body=content.read(),
                ContentType=headers["Content-Type"],
                CacheControl=headers["Cache-Control"],
                IfNoneMatch="*",
            )
        return name

    def _open(self, name: str, mode: str = "rb") -> File:
        """Read a file at once: it is small, and the bucket is asked once."""
        with self._failing_as_a_disk(name):
            found = self.connection.meta.client.get_object(Bucket=self.bucket_name, Key=name)
            # Not `with body`: it returns urllib3's stream, whose errors are not converted here.
            with closing(found["Body"]) as body:
                return ContentFile(body.read(), name)

    def delete(self, name: str) -> None:
        with self._failing_as_a_disk(name):
            super().delete(name)

    def exists(self, name: str) -> bool:
        with self._failing_as_a_disk(name):
            return super().exists(name)

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        with self._failing_as_a_disk(name):
            return super().listdir(name)

    def get_modified_time(self, name: str) -> datetime:
        with self._failing_as_a_disk(name):
            return super().get_modified_time(name)


class ProtectedBucketStorage(BucketStorage):
    """Protected files: their URL is that of our view, which redirects those who may see them."""

    is_protected = True

    def get_default_settings(self) -> dict[str, Any]:
        # Never through a CDN, which would not ask for the signature.
        signed = {"querystring_auth": True, "querystring_expire": 300, "custom_domain": None}
        return super().get_default_settings() | signed

    def url(self, name: str, *args: Any, **kwargs: Any) -> str:
        return settings.MEDIA_URL + name

    def direct_url(self, name: str) -> str:
        """Return a signed URL, valid for five minutes."""
        return S3Storage.url(self, name)
