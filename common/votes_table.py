"""What both kinds of database have in common: one consistent view of `analysis_history`.

`common.database.connect` opens one. The drivers' classes add how a statement is sent and what
each kind knows about itself; what is asked, and in which order, stands here once.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Self

from common import queries
from common.errors import DatabaseError
from common.queries import Dialect

Row = Sequence[bytes]  # in the order of queries.ROW, then all votes and clicks in one field


@dataclass(frozen=True, kw_only=True)
class VoteCounts:
    """Votes in all, and new ones: after the last verdict's cutoff and not after this one."""

    total: int
    new: int
    unknown: int = 0
    """Cells in the new ones' window that hold a spelling which nobody knows, and so no vote."""

    def shortage(self, *, min_total: int, min_new: int) -> str | None:
        """Why these are too few votes for a run; None when they are enough."""
        if self.total < min_total:
            return f"too few votes: {self.total:,} of {min_total:,}"
        if self.new < min_new:
            return f"nothing new: {self.new:,} of {min_new:,} votes since the last verdict"
        return None

    def unread(self) -> str:
        """The end of a reason: what looks like silence may be votes written in a new way."""
        if not self.unknown:
            return ""
        return f"; {self.unknown:,} cells are in unknown spellings and count as no votes"


@dataclass(frozen=True, kw_only=True)
class ServerAddress:
    """Where a MySQL or MariaDB server is; without a password, which never is in an address."""

    user: str
    host: str
    port: int
    database: str


class Database(ABC):
    """A read-only snapshot, from opening to closing; every failure is a DatabaseError."""

    kind: ClassVar[Literal["sqlite", "mysql"]]
    dialect: ClassVar[Dialect]
    identity: str
    """Hex SHA-256 of what is read, without the user."""

    @abstractmethod
    def clock(self) -> datetime:
        """The database's own clock when the snapshot began, in UTC."""

    @abstractmethod
    def columns(self) -> frozenset[str]:
        """The columns of the table; a missing table or needed column is an error."""

    @abstractmethod
    def has_feedback_index(self) -> bool:
        """Whether an index begins with feedback_at."""

    @abstractmethod
    def tls_in_use(self) -> bool:
        """Whether the connection is encrypted; a file has none."""

    @abstractmethod
    def can_write(self) -> bool:
        """Whether this user could change anything: a right beyond SELECT, a writable file."""

    @abstractmethod
    def close(self) -> None:
        """End the snapshot."""

    @abstractmethod
    def _bound(self, time: datetime) -> object:
        """A time as this kind compares it."""

    @abstractmethod
    def _numbers(self, statement: str, values: Sequence[object]) -> list[int]:
        """The numbers in the one row that a statement answers; nothing counts as 0."""

    @abstractmethod
    def _stream(self, statement: str, values: Sequence[object]) -> Iterator[Row]:
        """Rows as they come, few in memory at a time."""

    def count_votes(self, since: datetime | None) -> VoteCounts:
        """Eligible votes; before any verdict (`since` None) every vote is new."""
        numbers = queries.vote_columns(self.columns())
        total, cells = self._numbers(*queries.count_votes(self.dialect, numbers))
        if since is None:
            return VoteCounts(total=total, new=total, unknown=cells - total)
        window = self._bound(since), self._bound(self.clock())
        between = queries.count_votes_between(self.dialect, numbers, *window)
        new, cells = self._numbers(*between)
        return VoteCounts(total=total, new=new, unknown=cells - new)

    def voted_rows(self) -> Iterator[Row]:
        """Every voted row, by id."""
        numbers = queries.vote_columns(self.columns())
        return self._stream(*queries.read_voted(self.dialect, numbers))

    def changed_rows(self, since: datetime) -> Iterator[Row]:
        """What may have changed since then, in no order: see `queries.read_changed`."""
        numbers = queries.vote_columns(self.columns())
        return self._stream(*queries.read_changed(self.dialect, numbers, self._bound(since)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def check_columns(columns: frozenset[str], where: str) -> frozenset[str]:
    """`columns` if the table has all that is needed, else a DatabaseError with the remedy."""
    if not columns:
        raise DatabaseError(
            f"{where} must have a table {queries.TABLE}, found none: check the database's name "
            f"in DATABASE_URL and that its user may SELECT from {queries.TABLE}"
        )
    missing = queries.missing_columns(columns)
    if missing:
        raise DatabaseError(
            f"{queries.TABLE} must have every needed column, got no {', '.join(missing)}: "
            "add it, or give the user the right to read it"
        )
    return columns
