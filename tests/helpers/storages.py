"""Storages that fail as disks and buckets do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, ClassVar

from django.core.files.base import ContentFile, File
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


@dataclass
class Fault:
    """What fails: the operation with this number, and if it lasts, each one after it."""

    kind: str
    at: int = 0
    lasts: bool = False
    count: int = 0
    # What others do while a storage does not answer.
    meanwhile: Callable[[], None] | None = None

    def strikes(self) -> bool:
        """Count an operation; return whether it fails."""
        self.count += 1
        return self.count == self.at or (self.lasts and self.count > self.at)

    @property
    def has_struck(self) -> bool:
        return self.count >= self.at


class FaultyStorage(FileSystemStorage):
    """A disk that fails at one operation: before it, half-way, after it, or by another name."""

    fault: ClassVar[Fault | None] = None

    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:
        data, kind = content.read(), self.strike()
        if kind == "rename":
            name = str(name).replace("-", "_")
        elif kind == "half":
            super().save(name, ContentFile(data[: len(data) // 2]))
        if kind in ("", "rename", "whole", "slow"):
            name = super().save(name, ContentFile(data))
        return self.end(kind, str(name))

    def delete(self, name: str) -> None:
        kind = self.strike("half", "rename")
        if kind in ("", "whole", "slow"):
            super().delete(name)
        self.end(kind)

    def open(self, name: str, mode: str = "rb") -> File:
        self.end(self.strike("half", "whole", "rename"))
        return super().open(name, mode)

    def strike(self, *without: str) -> str:
        """Return how this operation fails, or nothing."""
        fault = FaultyStorage.fault
        if not fault or fault.kind in ("sync", *without) or not fault.strikes():
            return ""
        if fault.meanwhile:
            FaultyStorage.fault = None
            fault.meanwhile()
            FaultyStorage.fault = fault
        return fault.kind

    def end(self, kind: str, name: str = "") -> str:
        """Fail, or return the name."""
        if kind not in ("", "rename", "slow"):
            raise OSError("Input/output error")
        return name
