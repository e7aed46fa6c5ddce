"""Storages that fail as disks and buckets do."""

from typing import IO, Any, ClassVar

from django.core.files.storage import FileSystemStorage

from profiles.models import Profile


class FullStorage(FileSystemStorage):
    """A disk that is full after two files."""

    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:
        if str(name).endswith("128.webp"):
            raise OSError("No space left on device")
        return super().save(name, content, max_length)


class StuckStorage(FileSystemStorage):
    """A storage that deletes nothing."""

    def delete(self, name: str) -> None:
        raise OSError("Read-only file system")


class RenamingStorage(FileSystemStorage):
    """A storage that reports every name as taken."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name.replace("-", "_")


class SlowStorage(FileSystemStorage):
    """A slow storage: the owner changes the visibility while a picture is written."""

    meanwhile: ClassVar[list[str]] = []

    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:
        if self.meanwhile:
            Profile.objects.update(visibility=self.meanwhile.pop())
        return super().save(name, content, max_length)
