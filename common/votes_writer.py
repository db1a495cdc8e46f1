"""Writes what was recommended, and what people thought of it, into `analysis_history`.

    writer = open_writer(settings)
    row = writer.record(face_shape="계란형", personal_color="봄웜", recommended_styles=text)
    writer.vote(row, 1, "like")        # True: changed; the same again: False

Apart from the reader, which cannot write by any means. Every operation is one or two short
statements that commit by themselves, on a connection of a small pool that threads share. Somebody
waits for each, so the time limits are seconds, and a failure empties the pool: after a restart of
the server all of its connections are gone.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from common import queries
from common.credentials import chosen
from common.database import authority, check_verified, kind, server_address, sqlite_path
from common.errors import DatabaseError
from common.settings import Settings, require

LIMIT_SECONDS = 2.0
"""Of connecting, and of one statement."""
RESTED_SECONDS = 30.0
"""A connection that was not used for longer is asked whether it is still there."""

Vote = Literal["like", "dislike"]


@dataclass(frozen=True, kw_only=True)
class Table:
    """What the writer has to know of the table."""

    votable: int
    """Positions from 1 on that have columns for a vote and a click."""
    now: str
    """SQL: this moment in UTC as `feedback_at` keeps it, cut off and not rounded: a vote from the
    future would be one that no cutoff has reached."""


class Place(Protocol):
    """One kind of database, as the writer needs it. Connections are those of the driver."""

    mark: str
    """Where a value is bound."""
    differs: str
    """SQL: whether the column `{}` is another than a bound value; NULL is."""
    keeps: bool
    """Whether a connection is worth keeping."""

    @property
    def errors(self) -> type[Exception]:
        """What the driver raises."""

    def connect(self) -> Any:
        """A new connection that may write and commits each statement."""

    def alive(self, connection: Any, /) -> bool:
        """Whether a connection that has rested still answers."""

    def table(self, connection: Any, /) -> Table:
        """What the table is like. DatabaseError when a needed column is missing."""

    def explain(self, error: Exception, /) -> str:
        """What an error of the driver means, and what to do."""


class VotesWriter:
    """See the module. Every failure is a DatabaseError that says what to do."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._idle: queue.LifoQueue[tuple[float, Any]] = queue.LifoQueue()
        self._known: Table | None = None

    def votable(self) -> int:
        """Positions from 1 on that can be voted on."""
        if self._known is not None:
            return self._known.votable
        with self._connection() as connection:
            return self._table(connection).votable

    def record(
        self, *, face_shape: str | None, personal_color: str | None, recommended_styles: str
    ) -> int:
        """Write down a recommendation that nobody has voted on yet; the id of its row."""
        mark = self._place.mark
        with self._connection() as connection:
            statement = (
                f"INSERT INTO {queries.TABLE} "
                "(user_id, face_shape, personal_color, recommended_styles, created_at) VALUES "
                f"('anonymous', {mark}, {mark}, {mark}, {self._table(connection).now})"
            )
            with closing(connection.cursor()) as cursor:
                cursor.execute(statement, [face_shape, personal_color, recommended_styles])
                row = int(cursor.lastrowid or 0)
        if not row:
            raise DatabaseError(
                f"the id of {queries.TABLE} must be given by the database, got none: make the "
                "column AUTO_INCREMENT"
            )
        return row

    def recommended(self, row: int) -> bytes | None:
        """The `recommended_styles` of a row, in UTF-8; None when there is no such row."""
        statement = f"SELECT recommended_styles FROM {queries.TABLE} WHERE id = {self._place.mark}"
        with self._connection() as connection, closing(connection.cursor()) as cursor:
            cursor.execute(statement, [row])
            found = cursor.fetchone()
        text = found[0] if found else None
        return text.encode() if isinstance(text, str) else text

    def vote(self, row: int, position: int, vote: Vote) -> bool:
        """Set the vote at a votable position; whether it was another before.

        The same vote again leaves `feedback_at` as it is: it is the time of the last change.
        """
        return self._set(row, queries.vote_column(position), vote, moves=True)

    def click(self, row: int, position: int) -> bool:
        """Note that the style at a votable position was clicked; whether it was not before.

        It leaves `feedback_at` as it is. That is the time of the last vote, by which votes count
        as new; a click would make an old vote new again, and give a time to a row without any.
        """
        return self._set(row, queries.clicked_column(position), 1, moves=False)

    def close(self) -> None:
        """Let go of the connections that nobody uses."""
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait()[1].close()

    def _set(self, row: int, column: str, value: object, *, moves: bool) -> bool:
        mark, differs = self._place.mark, self._place.differs.format(column)
        with self._connection() as connection:
            moved = f", feedback_at = {self._table(connection).now}" if moves else ""
            change = f"SET {column} = {mark}{moved} WHERE id = {mark} AND {differs}"
            with closing(connection.cursor()) as cursor:
                cursor.execute(f"UPDATE {queries.TABLE} {change}", [value, row, value])
                return bool(cursor.rowcount > 0)

    def _table(self, connection: Any) -> Table:
        if self._known is None:
            self._known = self._place.table(connection)
        return self._known

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """A connection for one operation; the driver's errors become DatabaseErrors."""
        try:
            connection = self._taken()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            if self._place.keeps:
                self._idle.put((time.monotonic(), connection))
            else:
                connection.close()
        except self._place.errors as error:
            self.close()
            raise DatabaseError(self._place.explain(error)) from error

    def _taken(self) -> Any:
        with suppress(queue.Empty):
            while True:
                used, connection = self._idle.get_nowait()
                fresh = time.monotonic() - used < RESTED_SECONDS
                if fresh or self._place.alive(connection):
                    return connection
                connection.close()
        return self._place.connect()


def open_writer(settings: Settings) -> VotesWriter:
    """A writer to the votes' database that the settings name. Nothing is opened yet.

    UsageError: an address that cannot be meant, or a server that would not be verified.
    """
    (url,) = require(settings, "database_url")
    if kind(url) == "sqlite":
        from common.sqlite_writing import SqlitePlace

        return VotesWriter(SqlitePlace(sqlite_path(url), seconds=LIMIT_SECONDS))
    from common.mysql_writing import MysqlPlace

    address, credential, ca = server_address(url), chosen(settings), authority(settings.db_ca)
    check_verified(address, credential, ca)
    return VotesWriter(MysqlPlace(address, credential, ca, seconds=LIMIT_SECONDS))
