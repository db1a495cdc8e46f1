"""What both kinds of database have in common: one consistent view of `analysis_history`.

`common.database.connect` opens one. The drivers' classes add how a statement is sent and what
each kind knows about itself; what is asked, and in which order, stands here once.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal, Self, TypeVar

from common import queries
from common.cell_answers import Answers
from common.errors import DatabaseError, UsageError
from common.queries import Dialect, Table

Names = TypeVar("Names", bound=Collection[str])
Row = Sequence[bytes]  # in the order of queries.ROW, then all votes and clicks in one field
AHEAD = timedelta(minutes=5)
"""So far clocks may differ; a cutoff further ahead of the database's clock was never true."""


@dataclass(frozen=True, kw_only=True)
class VoteCounts:
    """Votes in all, and new ones: after the last verdict's cutoff and not after this one."""

    total: int
    new: int
    unknown: int = 0
    """Cells in the new ones' window that hold a spelling which nobody knows, and so no vote."""
    before: int | None = None
    """Votes in all at the last verdict; None before any, and where it was not noted."""

    @property
    def fresh(self) -> int:
        """New votes, or by how many the total differs from the last verdict's if that is more:
        votes may be deleted, or come with old times or none."""
        return max(self.new, 0 if self.before is None else abs(self.total - self.before))

    def shortage(self, *, min_total: int, min_new: int) -> str | None:
        """Why these are too few votes for a run; None when they are enough."""
        if self.total < min_total:
            return f"too few votes: {self.total:,} of {min_total:,}"
        if self.fresh < min_new:
            return f"nothing new: {self.fresh:,} of {min_new:,} votes since the last verdict"
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
    def columns(self) -> Mapping[str, str]:
        """The columns' types by name, in small letters.

        A missing table or needed column is a DatabaseError, a type that cannot serve a
        UsageError.
        """

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
    def _all(self, statement: str, values: Sequence[object]) -> Sequence[Sequence[bytes | int]]:
        """All rows that a statement answers."""

    @abstractmethod
    def _stream(self, statement: str, values: Sequence[object]) -> Iterator[Row]:
        """Rows as they come, few in memory at a time."""

    def count_votes(self, since: datetime | None) -> VoteCounts:
        """Eligible votes; before any verdict (`since` None) every vote is new.

        UsageError: `since` lies ahead of the database's clock, so that nothing would be new.
        """
        self.refuse_ahead(since)
        table = self._table()
        total, cells = self._numbers(queries.count_votes(table))
        if since is None:
            return VoteCounts(total=total, new=total, unknown=cells - total)
        window = self._bound(since), self._bound(self.clock())
        new, cells = self._numbers(*queries.count_votes_between(table, *window))
        return VoteCounts(total=total, new=new, unknown=cells - new)

    def refuse_ahead(self, since: datetime | None) -> None:
        """Raise UsageError for a last verdict's cutoff ahead of the database's clock."""
        if since is not None and self.is_ahead(since):
            raise UsageError(
                "the last verdict's cutoff must not lie ahead of the database's clock, got "
                f"{since:%F %T} at {self.clock():%F %T} UTC: one of the two clocks was wrong; "
                "set this one right, or if it is right, run once with `python -m task run --full`, "
                "which passes that cutoff over"
            )

    def is_ahead(self, time: datetime) -> bool:
        """Whether a time lies further ahead of the database's clock than clocks may differ."""
        return time > self.clock() + AHEAD

    def count_untimed(self) -> int:
        """Voted rows whose time is there and cannot be read."""
        return self._numbers(queries.count_untimed(self._table()))[0]

    def answers(self, *, checksums: bool = True) -> Answers:
        """What all cells hold: the rows, and the sum of their ids' CRC-32, by pattern."""
        table = self._table()
        rows = self._all(queries.sum_answers(table, checksums=checksums), [])
        digits = range(len(table.numbers))
        return {
            tuple(int(pattern) // 4**place % 4 for place in digits): (int(count), int(crc))
            for pattern, count, crc in rows
        }

    def voted_rows(self) -> Iterator[Row]:
        """Every voted row, by id."""
        return self._stream(*queries.read_voted(self._table()))

    def changed_rows(self, since: datetime) -> Iterator[Row]:
        """What may have changed since then, in no order: see `queries.read_changed`."""
        return self._stream(*queries.read_changed(self._table(), self._bound(since)))

    def _table(self) -> Table:
        return Table(dialect=self.dialect, types=self.columns())

    def _numbers(self, statement: str, values: Sequence[object] = ()) -> list[int]:
        """The numbers in the one row that a statement answers; nothing counts as 0."""
        return [int(number or 0) for number in self._all(statement, values)[0]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def check_columns(columns: Names, where: str) -> Names:
    """`columns` if the table has all that is needed, else an error with the remedy."""
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
