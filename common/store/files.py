"""Files that are whole or not there at all, also after a crash or on a full disk."""

import os
import secrets
import shutil
from collections.abc import Callable
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Protocol


class Source(Protocol):
    """Bytes to be read to their end."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, all that are left if negative, none at the end."""


def opened(source: bytes | Path) -> BytesIO | BufferedReader:
    """The bytes, or those of the file."""
    return BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def write_whole(
    target: Path, data: Source, place: Callable[[Path, Path], None] = os.replace
) -> None:
    """Write a temporary file beside `target`, on disk for certain, and `place` it there."""
    # The leading dot is in no key, so that an unfinished object is never listed or read.
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            shutil.copyfileobj(data, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        place(temporary, target)
        sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path, system: str = os.name) -> None:
    """Make the names in the folder survive a power cut."""
    if system == "nt":
        return  # Windows opens no folder; its file systems keep a journal of the names
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
