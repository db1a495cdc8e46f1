"""Every statement that reads `analysis_history`, for both kinds of database.

Statements are built from fixed texts and the vote columns that the table has; values are
only ever bound. The two dialects differ in how a text is fetched and how times compare.

A row comes back as bytes in the order of `ROW`, joined by the server where there is one (see
`_joined`), because the driver's cost is per column and row.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from common.feedback import VOTES

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


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one kind of database spells what the statements need; `{}` is a column's name."""

    mark: str  # where a value is bound
    text: str  # the column as UTF-8 text, '' for NULL
    vote: str  # a vote with PRESENT before it, '' for NULL
    exact: str  # a vote that compares byte by byte
    time: str  # a time that compares with a bound one
    no_time: str  # whether a time is missing or unreadable


MYSQL = Dialect(
    mark="%s",
    text="IFNULL(CONVERT({} USING utf8mb4), '')",
    vote="IFNULL(CONCAT('=', CONVERT({} USING utf8mb4)), '')",
    exact="CAST({} AS BINARY)",
    time="{}",
    # A zero date is no time, but it is not NULL either.
    no_time="({0} IS NULL OR {0} < '1000-01-01')",
)
SQLITE = Dialect(
    mark="?",
    text="IFNULL(CAST({} AS TEXT), '')",
    vote="IFNULL('=' || CAST({} AS TEXT), '')",
    exact="{} COLLATE BINARY",
    # A function that the connection brings: times are text here.
    time="utc_us(CAST({} AS TEXT))",
    no_time="utc_us(CAST({} AS TEXT)) IS NULL",
)


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

    The vote columns are in it so that timeless votes are found without reading the rows.
    """
    columns = ", ".join(["feedback_at", *(vote_column(i) for i in numbers)])
    return f"CREATE INDEX ix_feedback_at ON {TABLE} ({columns})"


def count_votes(dialect: Dialect, numbers: Collection[int]) -> tuple[str, list[object]]:
    """The statement that counts all votes, then all cells that hold anything; what to bind."""
    spellings: list[object] = list(VOTES)
    marks = ", ".join([dialect.mark] * len(spellings))
    votes = (f"{dialect.exact.format(vote_column(i))} IN ({marks})" for i in numbers)
    total = " + ".join(f"SUM(CASE WHEN {vote} THEN 1 ELSE 0 END)" for vote in votes)
    cells = " + ".join(f"COUNT({vote_column(i)})" for i in numbers)
    return f"SELECT {total}, {cells} FROM {TABLE}", spellings * len(numbers)


def count_votes_between(
    dialect: Dialect, numbers: Collection[int], since: object, cutoff: object
) -> tuple[str, list[object]]:
    """The same where since < feedback_at <= cutoff."""
    statement, values = count_votes(dialect, numbers)
    time = dialect.time.format("feedback_at")
    window = f" WHERE {time} > {dialect.mark} AND {time} <= {dialect.mark}"
    return statement + window, [*values, since, cutoff]


def read_voted(dialect: Dialect, numbers: Collection[int]) -> tuple[str, list[object]]:
    """The statement that reads every voted row, in the order of the primary key."""
    return f"{_select(dialect, numbers)} WHERE {_voted(numbers)} ORDER BY id", []


def read_changed(
    dialect: Dialect, numbers: Collection[int], since: object
) -> tuple[str, list[object]]:
    """The statement that reads what may have changed since a time, in no order.

    Every row with feedback_at >= since, voted or not (its votes may all have been withdrawn),
    and the voted rows whose time is not known. Two selects rather than one with OR: rows that
    nobody voted on have no time either, and for their sake a server would scan the whole table;
    the inner select is answered by the index that the README asks for.
    """
    select, time = _select(dialect, numbers), dialect.time.format("feedback_at")
    timeless = f"{dialect.no_time.format('feedback_at')} AND ({_voted(numbers)})"
    changed = f"{select} WHERE {time} >= {dialect.mark}"
    others = f"{select} WHERE id IN (SELECT id FROM {TABLE} WHERE {timeless})"
    return f"{changed} UNION ALL {others}", [since]


def _voted(numbers: Collection[int]) -> str:
    return " OR ".join(f"{vote_column(i)} IS NOT NULL" for i in numbers)


def _select(dialect: Dialect, numbers: Collection[int]) -> str:
    fields = [dialect.text.format(name) for name in ROW]
    votes = []
    for i in numbers:
        votes += [dialect.vote.format(vote_column(i)), f"IFNULL({clicked_column(i)} <> 0, 0)"]
    if dialect is MYSQL:
        return f"SELECT {_joined('FF', [*fields, _joined('FE', votes)])} FROM {TABLE}"
    return f"SELECT {', '.join([*fields, *votes])} FROM {TABLE}"


def _joined(separator: str, fields: Iterable[str]) -> str:
    """All fields in one binary column, which is twice as fast to fetch."""
    return f"CONCAT_WS(CAST(X'{separator}' AS BINARY), {', '.join(fields)})"
