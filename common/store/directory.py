"""A model store in a folder: one file per object, its key is its path under the root.

An object is written beside its place under a temporary name and then renamed or linked into
it, so a reader sees the whole object or none, also after a crash or on a full disk. Writing
straight to the place, even with a lock, would leave half an object behind a killed process.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from common.errors import AlreadyExistsError, MissingError, StoreError, UsageError
from common.store.files import opened, sync_folder, write_whole
from common.store.keys import check_key, check_prefix, is_key


class DirectoryStore:
    """Objects under the folder `root`, which the first write makes in a folder that must exist.

    A key is names of letters, digits and `._-`, none beginning with `.` or `-`, with `/` between
    them; another one is a `UsageError`. Whatever goes wrong with the disk is a `StoreError`.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_absolute():
            raise UsageError(f"the store's folder must be absolute, got {root}: correct STORE_URL")
        self._root = root

    def put(self, key: str, source: bytes | Path) -> None:
        """Write the object, or replace it, from bytes or from a file."""
        with _as_store_errors("write", key), opened(source) as data:
            target = self._file(key)
            _make_folder(target.parent, self._root.parent)
            write_whole(target, data)

    def create(self, key: str, data: bytes) -> None:
        """Write an object that must not be there yet; an equal one is left as it is.

        Raises `AlreadyExistsError` if there is one with other content, which stays. Of several
        who create at once, one wins.
        """
        with _as_store_errors("create", key):
            target = self._file(key)
            _make_folder(target.parent, self._root.parent)
            try:
                # A link, unlike a rename, fails if the name is taken.
                write_whole(target, BytesIO(data), os.link)
            except FileExistsError:
                if target.read_bytes() != data:
                    raise AlreadyExistsError(
                        f"an object of the store is created once, but {key} is there with other "
                        "content: use another version, or remove it if it is damaged"
                    ) from None
                # Whoever made it may not have got so far yet.
                sync_folder(target.parent)

    def read(self, key: str) -> bytes:
        """The object's bytes. Raises `MissingError` if there is none."""
        with self._open(key) as data:
            return data.read()

    def fetch(self, key: str, path: Path) -> None:
        """Copy the object to the file `path`, whole or not at all, in a folder that exists.

        Raises `MissingError` if there is no such object.
        """
        with self._open(key) as data:
            write_whole(path.absolute(), data)

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        with _as_store_errors("look for", key):
            return self._file(key).is_file()

    def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted. Unfinished objects are not among them."""
        check_prefix(prefix)
        with _as_store_errors("list", prefix):
            self._check_there()
            files = _files_under(self._root / prefix.rpartition("/")[0])
            keys = [path.relative_to(self._root).as_posix() for path in files]
        return sorted(key for key in keys if key.startswith(prefix) and is_key(key))

    def delete(self, key: str) -> None:
        """Remove the object; one that is not there is no error."""
        with _as_store_errors("delete", key):
            target = self._file(key)
            if target.is_file():
                target.unlink(missing_ok=True)
                sync_folder(target.parent)

    def _file(self, key: str) -> Path:
        check_key(key)
        self._check_there()
        return self._root / key

    def _check_there(self) -> None:
        """An unmounted disk must not look like an empty store."""
        if not self._root.parent.is_dir():
            raise StoreError(
                "the folder that holds the store must exist, got "
                f"{self._root.parent}: make or mount it, or correct STORE_URL"
            )

    @contextmanager
    def _open(self, key: str) -> Iterator[BinaryIO]:
        with _as_store_errors("read", key):
            try:
                data = self._file(key).open("rb")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise MissingError(
                    f"the object must be in the store, but {key} is not: check its name and "
                    "STORE_URL"
                ) from error
            with data:
                yield data


@contextmanager
def _as_store_errors(what: str, key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the store's folder must be readable and writable with room on its disk, got "
            f"{error.strerror or error} on trying to {what} {key!r}: mend it, then run again"
        ) from error


def _make_folder(folder: Path, above: Path) -> None:
    """Make `folder` and what is missing between it and `above`, each on disk for certain."""
    for parent in reversed([folder, *folder.parents]):
        if parent.is_relative_to(above) and not parent.is_dir():
            parent.mkdir(exist_ok=True)
            sync_folder(parent.parent)


def _files_under(folder: Path) -> Iterator[Path]:
    """Every file below; a folder that is not there, or no more, has none."""

    def refuse(error: OSError) -> None:
        # os.walk would pass over what it cannot read: an outage would look like no objects.
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error

    for parent, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(parent, name) for name in names)
