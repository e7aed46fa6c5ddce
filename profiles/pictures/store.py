"""The files of a field's avatars: written under fresh names, read, and deleted."""

import secrets
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import transaction

from .limits import Refused
from .making import open_in_cell
from .names import Sizes, find_prefix, find_stem, make_stem


@dataclass(frozen=True)
class AvatarStore:
    """Where the files of a field's avatars are stored. The prefix of a name selects the storage."""

    public_to: str
    protected_to: str
    public_storage: Storage
    protected_alias: str
    sizes: Sizes

    def is_protected(self, name: str) -> bool:
        return find_prefix(name) == self.protected_to

    def get_storage(self, name: str) -> Storage:
        """Return the storage of a file."""
        return self.select_storage(find_prefix(name))

    def select_storage(self, prefix: str) -> Storage:
        """Return the storage of all files under a prefix."""
        is_protected = prefix == self.protected_to
        return storages[self.protected_alias] if is_protected else self.public_storage

    def list_names(self, name: str) -> list[str]:
        """Return the names of all files of an avatar; none where there is no avatar."""
        stem = find_stem(name)
        others = [stem + ending for ending in self.sizes.endings] if stem else []
        # The name itself as well: its size may no longer be among the sizes.
        return list(dict.fromkeys([name, *others])) if name else []

    def read(self, name: str) -> dict[str, bytes]:
        """Return the content of those of an avatar's files that exist, by name ending."""
        files, stem = {}, find_stem(name)
        for file_name in self.list_names(name):
            with suppress(FileNotFoundError), self.get_storage(name).open(file_name) as file:
                files[file_name.removeprefix(stem)] = file.read()
        return files

    def restore(self, name: str) -> dict[str, bytes]:
        """Return an avatar's files; if one is missing, all are made again from the largest.

        Returns none where the largest is missing or cannot be read. Raises `OSError` where that
        cannot be known now.
        """
        files, endings = self.read(name), self.sizes.endings
        if set(files) >= set(endings):
            return {ending: files[ending] for ending in endings}
        try:
            largest = BytesIO(files[name.removeprefix(find_stem(name))])
            return open_in_cell(largest, sizes=self.sizes).files
        except (KeyError, Refused) as error:
            if getattr(error, "code", "") in ("busy", "unable", "unsafe"):  # It may succeed later.
                raise TimeoutError("The picture cannot be opened now.") from error
            return {}

    def write(self, files: dict[str, bytes], prefix: str, is_pixel_art: bool) -> str:
        """Write an avatar's files under a new random name; return the name for the row."""
        if list(files) != self.sizes.endings:
            raise ValueError("This avatar has other sizes than the field.")
        stem = make_stem(prefix, secrets.token_hex(16), is_pixel_art)
        name = stem + self.sizes.endings[0]
        storage = self.select_storage(prefix)
        try:
            for ending, data in files.items():
                written = storage.save(stem + ending, ContentFile(data))
                if written != stem + ending:
                    storage.delete(written)
                    message = f"The storage renamed {stem + ending} to {written}."
                    raise SuspiciousFileOperation(message)
        except BaseException:
            with suppress(OSError):  # `audit_media` finds what cannot be deleted now.
                self.delete(name)
            raise
        return name

    def delete(self, name: str) -> None:
        """Delete all files of an avatar."""
        for file_name in self.list_names(name):
            self.get_storage(name).delete(file_name)

    def delete_after_commit(self, name: str, using: str) -> None:
        """Delete an avatar's files once no row names them.

        Where that fails, Django logs it, and `audit_media` finds the files.
        """
        transaction.on_commit(lambda: self.delete(name), using, robust=True)
