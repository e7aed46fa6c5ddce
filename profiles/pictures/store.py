"""The files of a field's avatars: written under fresh names, read, and deleted."""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from errno import EBADF, EINVAL
from io import BytesIO
from pathlib import Path, PurePath

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

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
        """Return an avatar's files; if one is missing, all are made again from the largest left.

        Returns none where none is left that can be opened. Raises `OSError` where that cannot be
        known now.
        """
        files, endings = self.read(name), self.sizes.endings
        if not set(files) >= set(endings):
            files = self.read(name) | files  # A network disk may miss a file once.
        if set(files) >= set(endings):
            return {ending: files[ending] for ending in endings}
        for ending in sorted(files, key=find_width, reverse=True):
            try:
                return open_in_cell(BytesIO(files[ending]), sizes=self.sizes).files
            except Refused as error:
                if error.code in ("busy", "unable", "unsafe"):  # It may succeed later.
                    raise TimeoutError("The picture cannot be opened now.") from error
        self._check_mounted(name)
        return {}

    def make_name(self, prefix: str, is_pixel_art: bool) -> str:
        """Return a new random name for a row, that of the largest file."""
        return make_stem(prefix, secrets.token_hex(16), is_pixel_art) + self.sizes.endings[0]

    def write(self, name: str, files: dict[str, bytes]) -> None:
        """Write an avatar's files under a new name, so that they survive a power cut."""
        if not files:
            return
        if list(files) != self.sizes.endings:
            raise ValueError("This avatar has other sizes than the field.")
        storage, stem = self.get_storage(name), find_stem(name)
        make_folder(storage, str(PurePath(name).parent))
        for ending, data in files.items():
            written = storage.save(stem + ending, ContentFile(data))
            if written != stem + ending:
                storage.delete(written)
                raise FileExistsError(f"The storage renamed {stem + ending} to {written}.")
        forget_time(storage, *(stem + ending for ending in files))
        sync(storage, *(stem + ending for ending in files), *map(str, PurePath(name).parents))

    def delete(self, name: str) -> None:
        """Delete all files of an avatar, so that they stay deleted after a power cut."""
        if not name:
            return
        storage, errors = self.get_storage(name), []
        for file_name in self.list_names(name):
            try:
                storage.delete(file_name)
            except TimeoutError:
                raise  # The storage does not answer: do not wait as long for each file.
            except OSError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        self._check_mounted(name)
        with suppress(FileNotFoundError):
            sync(storage, str(PurePath(name).parent))

    def _check_mounted(self, name: str) -> None:
        """Raise `FileNotFoundError` if the folder of all avatars is missing: no disk is mounted."""
        sync(self.get_storage(name), find_prefix(name) or ".")

    def has_folder(self, prefix: str) -> bool:
        """Return whether the folder of all avatars is there. A bucket needs none."""
        try:
            return os.path.isdir(self.select_storage(prefix).path(prefix))
        except NotImplementedError:
            return True

    def make_folder(self, prefix: str) -> None:
        """Make the folder of all avatars on a disk."""
        make_folder(self.select_storage(prefix), prefix)


# The time that each file has, in seconds: 1 January 2000.
FILE_TIME = 946_684_800


def forget_time(storage: Storage, *names: str) -> None:
    """Give files of a disk a time that says nothing.

    Servers send it (Last-Modified, and nginx in its ETag): everybody could read when a picture was
    uploaded, hidden or shown.
    """
    with suppress(NotImplementedError):  # A bucket sets the time itself.
        for name in names:
            os.utime(storage.path(name), (FILE_TIME, FILE_TIME))


def find_width(ending: str) -> int:
    """Return the width that the ending of a name has; 0 for a file of a former `ImageField`."""
    width = ending.partition(".")[0]
    return int(width) if width.isdecimal() else 0


def make_folder(storage: Storage, name: str) -> None:
    """Make a folder of a disk, and those above it, with the permissions that settings name.

    Django sets the umask meanwhile, which all threads share: one thread would reset another's.
    """
    with suppress(NotImplementedError):  # A bucket has no folders.
        path = Path(storage.path(name))
        mode = getattr(storage, "directory_permissions_mode", None) or 0
        for folder in reversed([each for each in [path, *path.parents] if not each.exists()]):
            folder.mkdir(exist_ok=True)
            folder.chmod(folder.stat().st_mode | mode)


def sync(storage: Storage, *names: str) -> None:
    """Wait until files and folders are on the disk. A bucket answers only once it has stored."""
    try:
        paths = [storage.path(name) for name in names]
    except NotImplementedError:
        return
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            # Some network disks cannot sync folders.
            if not (os.path.isdir(path) and error.errno in (EBADF, EINVAL)):
                raise
        finally:
            os.close(descriptor)
