"""The votes in an SQLite file: opened read-only, never created.

For one machine and for the demo. Times are text in mixed forms there, so the connection
brings `utc_us`, the very function that reads times elsewhere, instead of SQLite's own date
functions, which round to milliseconds.
"""

import os
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from common import queries
from common.column_types import check_types
from common.errors import DatabaseError
from common.feedback import utc_microseconds
from common.votes_table import Database, Row, check_columns

BUSY_SECONDS = 10.0
STEPS_BETWEEN_CHECKS = 20_000  # of SQLite's virtual machine: about a millisecond
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SqliteDatabase(Database):
    """See `common.votes_table.Database`."""

    kind = "sqlite"
    dialect = queries.SQLITE

    def __init__(self, path: Path, identity: str, statement_timeout_seconds: float) -> None:
        self.identity = identity
        self._path = path
        self._seconds = statement_timeout_seconds
        self._busy_seconds = min(BUSY_SECONDS, statement_timeout_seconds)
        self._deadline = float("inf")
        if not path.is_file():
            raise DatabaseError(
                f"an SQLite database is opened, never created, and there is no file {path}: "
                "check the path in DATABASE_URL (three slashes relative, four absolute)"
            )
        with self._reasons():
            self._connection = sqlite3.connect(
                f"{path.as_uri()}?mode=ro",
                uri=True,
                timeout=self._busy_seconds,
                isolation_level=None,
            )
        try:
            self._clock = self._begin()
        except DatabaseError:
            self.close()
            raise

    def clock(self) -> datetime:
        """The machine's clock when the snapshot began, in UTC."""
        return self._clock

    def columns(self) -> Mapping[str, str]:
        """See `Database.columns`."""
        named = self._all("SELECT name, type FROM pragma_table_info(?)", [queries.TABLE])
        found = {name.decode().lower(): of.decode().lower() for name, of in named}
        where = f"the database {self._path}"
        check_types(check_columns(found, where), self.kind, where)
        return found

    def has_feedback_index(self) -> bool:
        """Whether an index begins with feedback_at."""
        found = self._all(
            "SELECT 1 FROM pragma_index_list(?) AS i, pragma_index_info(i.name) AS c "
            "WHERE c.seqno = 0 AND c.name = 'feedback_at'",
            [queries.TABLE],
        )
        return bool(found)

    def tls_in_use(self) -> bool:
        """False: a file needs no connection."""
        return False

    def can_write(self) -> bool:
        """Whether this process could write the file, though it never opens it so."""
        return os.access(self._path, os.W_OK)

    def close(self) -> None:
        """End the snapshot."""
        self._connection.close()

    def _begin(self) -> datetime:
        """Begin the snapshot, which is what the first statement of a transaction sees."""
        self._connection.text_factory = bytes
        (encoding,) = self._all("PRAGMA encoding", [])[0]
        read = partial(_utc_us, encoding.decode())
        self._connection.create_function("utc_us", 1, read, deterministic=True)
        self._connection.create_function("crc32", 1, _crc32, deterministic=True)
        self._connection.set_progress_handler(self._overdue, STEPS_BETWEEN_CHECKS)
        clock = datetime.now(UTC)  # a file has no clock but its machine's
        with self._reasons():
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        return clock

    def _bound(self, time: datetime) -> object:
        return _microseconds(time)

    def _stream(self, statement: str, values: Sequence[object]) -> Iterator[Row]:
        with self._reasons():
            for row in self._connection.execute(statement, values):
                fields = [_utf8(value) for value in row]
                votes = queries.VOTE_SEPARATOR.join(fields[len(queries.ROW) :])
                yield [*fields[: len(queries.ROW)], votes]

    def _all(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._reasons():
            return self._connection.execute(statement, values).fetchall()

    def _overdue(self) -> bool:
        return time.monotonic() > self._deadline

    @contextmanager
    def _reasons(self) -> Iterator[None]:
        """Every error of the driver becomes a DatabaseError that says what to do."""
        self._deadline = time.monotonic() + self._seconds
        try:
            yield
        except sqlite3.Error as exc:
            raise DatabaseError(self._explain(exc)) from exc

    def _explain(self, exc: sqlite3.Error) -> str:
        code = getattr(exc, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_INTERRUPT:
            return (
                f"a statement may take {self._seconds:g} s and took longer: "
                "raise statement_timeout_seconds"
            )
        if code == sqlite3.SQLITE_BUSY:
            return f"{self._path} stayed locked for {self._busy_seconds:g} s: try again later"
        return f"{self._path} cannot be read as an SQLite database: {exc}"


def _utf8(value: bytes | float) -> bytes:
    """The bytes of a value as text; what is not UTF-8, which a file may hold, is replaced."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.encode()


def _utc_us(encoding: str, text: bytes | None) -> int | None:
    """SQL function: the microseconds in UTC of a time, NULL where there is none."""
    return None if text is None else utc_microseconds(text.decode(encoding, "replace"))


def _crc32(value: object) -> int:
    """SQL function: the CRC-32 of a value's text, as servers have it built in."""
    return zlib.crc32(str(value).encode())


def _microseconds(time: datetime) -> int:
    since = time.astimezone(UTC) - _EPOCH
    return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds
