"""Every statement that reads `analysis_history`, for both kinds of database.

Statements are built from fixed texts and the columns that the table has; values are only ever
bound. The two dialects differ in how a text is fetched and how times compare. What a vote is,
is spelt once (`vote_text`): counting, reading and reconciling cannot differ in it.

A row comes back as bytes in the order of `ROW`, joined by the server where there is one (see
`_joined`), because the driver's cost is per column and row.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from common.cell_answers import DISLIKED, LIKED, NOTHING, UNKNOWN
from common.column_types import NUMBERS
from common.feedback import DISLIKE, FIRST_DAY, LAST_DAY, LIKE, VOTES

TABLE = "analysis_history"
VOTE_COLUMNS = (1, 2, 3, 4, 5)
REQUIRED_VOTE_COLUMNS = 3
# The fields of a row; behind them stands one with all its votes and clicks by turns.
ROW = (
    "id",
    "user_id",
    "image_hash",
    "face_shape",
    "personal_color",
    "created_at",
    "feedback_at",
    "recommended_styles",
)
# Bytes that stand in no UTF-8 text.
SEPARATOR = b"\xff"  # between the fields of a row
VOTE_SEPARATOR = b"\xfe"  # between its votes and clicks
PRESENT = b"="  # stands before each vote, so that an empty vote differs from NULL
CLICKED = ("1", "y", "yes", "t", "true", "on")
"""What a click is where its column holds texts, in small letters."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one kind of database spells what the statements need; `{}` is a column's name."""

    mark: str  # where a value is bound
    text: str  # the column as UTF-8 text, '' for NULL
    vote: str  # the column as UTF-8 text, NULL for NULL
    padded: str  # the same of a column that is filled up with zero bytes
    exact: str  # such a text, so that it compares byte by byte
    time: str  # a time that compares with a bound one
    since: str  # whether it is readable and not before a bound one; an index may answer
    no_time: str  # whether an increment has to read it because its time says nothing
    checksum: str  # the CRC-32 of the id's decimal text
    readable: str  # whether a time between bounds is one of the calendar


MYSQL = Dialect(
    mark="%s",
    text="IFNULL(CONVERT({} USING utf8mb4), '')",
    vote="CONVERT({} USING utf8mb4)",
    padded="CONVERT(TRIM(TRAILING X'00' FROM {}) USING utf8mb4)",
    exact="CAST({} AS BINARY)",
    time="{}",
    since=f"{{0}} >= %s AND {{0}} < '{LAST_DAY}'",
    # Zero dates and the end of all days are no times, but they are not NULL either.
    no_time=f"({{0}} IS NULL OR {{0}} < '{FIRST_DAY}' OR {{0}} >= '{LAST_DAY}')",
    # Servers keep 2026-00-15 and 2026-09-31 when told to.
    readable="DAYOFMONTH({0}) BETWEEN 1 AND IFNULL(DAYOFMONTH(LAST_DAY({0})), 0)",
    checksum="CRC32(id + 0)",  # a sum is never filled up with noughts, as ZEROFILL shows ids
)
SQLITE = Dialect(
    mark="?",
    text="IFNULL(CAST({} AS TEXT), '')",
    vote="CAST({} AS TEXT)",
    padded="CAST({} AS TEXT)",
    exact="{} COLLATE BINARY",
    # A function that the connection brings: times are text here.
    # As bytes, which may be of no text.
    time="utc_us(CAST({} AS BLOB))",
    since="utc_us(CAST({} AS BLOB)) >= ?",
    no_time="utc_us(CAST({} AS BLOB)) IS NULL",
    readable="1",
    checksum="crc32(CAST(id AS INTEGER))",
)


@dataclass(frozen=True, kw_only=True)
class Table:
    """The table as it is: how its database spells things, and its columns' types by name."""

    dialect: Dialect
    types: Mapping[str, str]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The positions that can be voted on."""
        return vote_columns(self.types)

    def vote_text(self, number: int) -> str:
        """The ONE text of a vote, NULL where there is none or it is no text at all."""
        name = vote_column(number)
        form = self.dialect.padded if self.types[name] == "binary" else self.dialect.vote
        return form.format(name)

    def answer(self, number: int) -> str:
        """What a cell holds, one of NOTHING to UNKNOWN."""
        vote = self.dialect.exact.format(self.vote_text(number))
        return (
            f"CASE WHEN {vote_column(number)} IS NULL THEN {NOTHING} "
            f"WHEN {vote} IN ({_spellings(LIKE)}) THEN {LIKED} "
            f"WHEN {vote} IN ({_spellings(DISLIKE)}) THEN {DISLIKED} ELSE {UNKNOWN} END"
        )

    def clicked(self, number: int) -> str:
        """1 for a click. A number is one unless it is 0; an ENUM would compare by its index."""
        name = clicked_column(number)
        words = ", ".join(f"'{word}'" for word in CLICKED)
        as_text = f"LOWER({self.dialect.vote.format(name)}) IN ({words})"
        if self.dialect is SQLITE:
            as_number = f"typeof({name}) IN ('integer', 'real')"
            return f"IFNULL(CASE WHEN {as_number} THEN {name} <> 0 ELSE {as_text} END, 0)"
        return f"IFNULL({name} <> 0, 0)" if self.types[name] in NUMBERS else f"IFNULL({as_text}, 0)"


def vote_column(number: int) -> str:
    """The column of the vote on the style at this position."""
    return f"style_{number}_feedback"


def clicked_column(number: int) -> str:
    """The column that says whether that style was clicked."""
    return f"style_{number}_naver_clicked"


def vote_columns(columns: Collection[str]) -> tuple[int, ...]:
    """The numbers i for which the table has `style_i_feedback`, from 1 on."""
    return tuple(i for i in VOTE_COLUMNS if vote_column(i) in columns)


def missing_columns(columns: Collection[str]) -> list[str]:
    """The needed columns that the table lacks; measurement columns are never needed."""
    numbers = sorted({*range(1, REQUIRED_VOTE_COLUMNS + 1), *vote_columns(columns)})
    needed = [*ROW, *(name for i in numbers for name in (vote_column(i), clicked_column(i)))]
    return [name for name in needed if name not in columns]


def create_index(numbers: Collection[int]) -> str:
    """The index that makes an incremental read cost what changed: times, then the votes.

    The vote columns are in it so that timeless votes are found, and all votes reconciled,
    without reading the rows.
    """
    columns = ", ".join(["feedback_at", *(vote_column(i) for i in numbers)])
    return f"CREATE INDEX ix_feedback_at ON {TABLE} ({columns})"


def count_votes(table: Table) -> str:
    """The statement that counts all votes, then all cells that hold anything."""
    votes = (f"{table.answer(i)} IN ({LIKED}, {DISLIKED})" for i in table.numbers)
    total = " + ".join(f"SUM(CASE WHEN {vote} THEN 1 ELSE 0 END)" for vote in votes)
    cells = " + ".join(f"COUNT({vote_column(i)})" for i in table.numbers)
    return f"SELECT {total}, {cells} FROM {TABLE}"


def count_votes_between(table: Table, since: object, cutoff: object) -> tuple[str, list[object]]:
    """The same where since < feedback_at <= cutoff, and what to bind."""
    dialect = table.dialect
    time, readable = (form.format("feedback_at") for form in (dialect.time, dialect.readable))
    window = f"{time} > {dialect.mark} AND {time} <= {dialect.mark} AND {readable}"
    return f"{count_votes(table)} WHERE {window}", [since, cutoff]


def count_untimed(table: Table) -> str:
    """The statement that counts the voted rows whose time is there and cannot be read."""
    dialect = table.dialect
    unread = dialect.no_time.format("feedback_at")
    unread += f" OR NOT ({dialect.readable.format('feedback_at')})"
    where = f"feedback_at IS NOT NULL AND ({_voted(table)}) AND ({unread})"
    return f"SELECT COUNT(*) FROM {TABLE} WHERE {where}"


def sum_answers(table: Table, *, checksums: bool) -> str:
    """The statement that tells what all cells hold, by patterns of answers.

    Each row of its answer: the pattern (a digit of base 4 for each position, the first one
    lowest), how many rows have it, and the sum of the CRC-32 of their ids (0 if not asked for).
    One expression a row is evaluated, which is what limits it: by position would be five.
    """
    digits = (f"{4**place} * ({table.answer(i)})" for place, i in enumerate(table.numbers))
    crc = f"SUM({table.dialect.checksum})" if checksums else "0"
    return (
        f"SELECT {' + '.join(digits)}, COUNT(*), {crc} FROM {TABLE} "
        f"WHERE {_voted(table)} GROUP BY 1"
    )


def read_voted(table: Table) -> tuple[str, list[object]]:
    """The statement that reads every voted row, in the order of the primary key."""
    return f"{_select(table)} WHERE {_voted(table)} ORDER BY id", []


def read_changed(table: Table, since: object) -> tuple[str, list[object]]:
    """The statement that reads what may have changed since a time, in no order.

    Every row with feedback_at >= since, voted or not (its votes may all have been withdrawn),
    and the voted rows whose time is not known. Two selects rather than one with OR: rows that
    nobody voted on have no time either, and for their sake a server would scan the whole table;
    the inner select is answered by the index that the README asks for.
    """
    select, dialect = _select(table), table.dialect
    timeless = f"{dialect.no_time.format('feedback_at')} AND ({_voted(table)})"
    changed = f"{select} WHERE {dialect.since.format('feedback_at')}"
    others = f"{select} WHERE id IN (SELECT id FROM {TABLE} WHERE {timeless})"
    return f"{changed} UNION ALL {others}", [since]


def _voted(table: Table) -> str:
    return " OR ".join(f"{vote_column(i)} IS NOT NULL" for i in table.numbers)


def _spellings(answer: str) -> str:
    return ", ".join(f"'{spelling}'" for spelling, means in VOTES.items() if means == answer)


def _select(table: Table) -> str:
    fields = [table.dialect.text.format(name) for name in ROW]
    votes = []
    for i in table.numbers:
        vote = _concatenated(table.dialect, f"IFNULL({table.vote_text(i)}, '?')")
        votes.append(f"CASE WHEN {vote_column(i)} IS NULL THEN '' ELSE {vote} END")
        votes.append(table.clicked(i))
    if table.dialect is MYSQL:
        return f"SELECT {_joined('FF', [*fields, _joined('FE', votes)])} FROM {TABLE}"
    return f"SELECT {', '.join([*fields, *votes])} FROM {TABLE}"


def _concatenated(dialect: Dialect, vote: str) -> str:
    """A vote with PRESENT before it."""
    return f"CONCAT('=', {vote})" if dialect is MYSQL else f"'=' || {vote}"


def _joined(separator: str, fields: Iterable[str]) -> str:
    """All fields in one binary column, which is twice as fast to fetch."""
    return f"CONCAT_WS(CAST(X'{separator}' AS BINARY), {', '.join(fields)})"
