"""Standard output and error that take every text, whatever they lead to.

What a command did is done before it is told. A console of another encoding, a reader that has
gone or a full disk must not turn it into a failure: so both streams are UTF-8, and what cannot
be written is dropped, standard output's loss told once on standard error.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STANDARD = 3
"""The descriptors of standard input, output and error are 0, 1 and 2."""
GONE = (errno.EPIPE, errno.ECONNRESET)
"""A reader that stopped reading, as `head` does: nobody is there to be told."""


class Lossy(io.RawIOBase):
    """What is below a text stream: writes what can be written, and drops the rest from then on."""

    def __init__(self, raw: io.RawIOBase, tell: Callable[[OSError], None]) -> None:
        super().__init__()
        self._raw = raw
        self._tell = tell
        self._lost = False

    def writable(self) -> bool:
        """It is; the answer is what makes a buffer accept it."""
        return True

    def fileno(self) -> int:
        """Of the stream below."""
        return self._raw.fileno()

    def isatty(self) -> bool:
        """Of the stream below."""
        return self._raw.isatty()

    def write(self, data: ReadableBuffer, /) -> int:
        """The number of bytes that are dealt with: all of them once writing has failed."""
        size = memoryview(data).nbytes
        while not self._lost:
            try:
                written = self._raw.write(data)
            except OSError as error:
                self._lost = True
                self._tell(error)
                break
            if written is not None:
                return written
            select.select([], [self._raw], [])  # a pipe that never waits by itself, and is full
        return size


def steady() -> None:
    """Make both streams of this process such ones. For a process's own first lines only."""
    _reserve()
    sys.stderr = _made(sys.stderr, 2, lambda _error: None)
    sys.stdout = _made(sys.stdout, 1, _told)


def _reserve() -> None:
    """Have something behind 0, 1 and 2: else the next file opened would be written into."""
    while (number := os.open(os.devnull, os.O_RDWR)) < STANDARD:
        os.set_inheritable(number, True)
    os.close(number)


def _made(stream: TextIO | None, number: int, tell: Callable[[OSError], None]) -> TextIO:
    if stream is None:
        raw: io.RawIOBase = io.FileIO(number, "w", closefd=False)
    else:
        stream.flush()
        below: Any = stream.buffer
        raw = getattr(below, "raw", below)
    return io.TextIOWrapper(
        io.BufferedWriter(Lossy(raw, tell)),
        encoding="utf-8",
        errors="replace",
        line_buffering=number == STANDARD - 1 or raw.isatty(),
    )


def _told(error: OSError) -> None:
    if error.errno not in GONE:
        sys.stderr.write(
            f"warning: standard output must take what is printed, got {error.strerror}: the rest "
            "of it is lost and the exit status is right; send it elsewhere\n"
        )
