"""An SQLite file as `common.votes_writer` needs it: opened for writing, never created."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from common import queries
from common.errors import DatabaseError
from common.votes_table import check_columns
from common.votes_writer import Table


class SqlitePlace:
    """See `common.votes_writer.Place`."""

    mark = "?"
    differs = "{} IS NOT ?"
    # Opening costs less than a millisecond, and a file that was replaced is not written to.
    keeps = False
    errors = sqlite3.Error

    def __init__(self, path: Path, *, seconds: float) -> None:
        self._path = path
        self._seconds = seconds

    def connect(self) -> sqlite3.Connection:
        """A new connection, on the file that must be there."""
        if not self._path.is_file():
            raise DatabaseError(
                f"an SQLite database is opened, never created, and there is no file {self._path}: "
                "check the path in DATABASE_URL (three slashes relative, four absolute)"
            )
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw", uri=True, timeout=self._seconds, isolation_level=None
        )
        connection.create_function("utc_now", 0, _utc_now)
        return connection

    def alive(self, _connection: sqlite3.Connection) -> bool:
        """Whether it still answers: a file does."""
        return True

    def table(self, connection: sqlite3.Connection) -> Table:
        """What the table is like."""
        found = connection.execute(
            "SELECT name, type, pk FROM pragma_table_info(?)", [queries.TABLE]
        ).fetchall()
        columns = frozenset(name.lower() for name, *_ in found)
        check_columns(columns, f"the database {self._path}")
        keys = [(name.lower(), kind.upper()) for name, kind, key in found if key]
        if keys != [("id", "INTEGER")]:
            # Any other table numbers its rows in secret: a vote would never find its row again.
            raise DatabaseError(
                f"the id of {queries.TABLE} must be given by the database, but it is no INTEGER "
                f"PRIMARY KEY in {self._path}: make the table anew with one, and copy the rows"
            )
        return Table(votable=len(queries.vote_columns(columns)), now="utc_now()")

    def explain(self, error: Exception) -> str:
        """What an error of the driver means, and what to do."""
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            return f"{self._path} stayed locked for {self._seconds:g} s: try again later"
        return (
            f"{self._path} cannot be written as an SQLite database: {error}; check the file, its "
            "rights and its disk"
        )


def _utc_now() -> str:
    """SQL function: a file has no clock but its machine's."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"
