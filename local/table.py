"""The table `analysis_history` in SQLite and in MySQL, as the application owns it.

The loop never makes, alters or writes this table; the demo, the tests and the benchmarks do,
through a connection of their own that may write. Two kinds of database differ in the mark of
a bound value, in the type of a time, and in that a server can take a whole file of rows.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.queries import TABLE, create_index
from local.rows import Row, Times, row_columns

if TYPE_CHECKING:
    from pymysql.connections import Connection as MySQLConnection

    Connection = sqlite3.Connection | MySQLConnection[Any]

STYLES = (3, 5)
"""The table has been made with so many styles per row."""
TYPES = {
    "user_id": "VARCHAR(100) DEFAULT 'anonymous'",
    "image_hash": "VARCHAR(64)",
    "face_shape": "VARCHAR(50)",
    "personal_color": "VARCHAR(50)",
    # Not JSON: that type refuses text that is none, and such text is what we want to have.
    "recommended_styles": "LONGTEXT",
    "opencv_face_ratio": "FLOAT",
    "mediapipe_face_ratio": "FLOAT",
    "feedback_at": "DATETIME",
    "created_at": "DATETIME",
    **{f"style_{i}_feedback": "VARCHAR(10)" for i in range(1, max(STYLES) + 1)},
    **{f"style_{i}_naver_clicked": "BOOLEAN" for i in range(1, max(STYLES) + 1)},
}
ROWS_PER_STATEMENT = 500


def create_sqlite(path: Path, *, styles: int = 3) -> sqlite3.Connection:
    """Make the file and the table with 3 or 5 styles per row; the caller closes."""
    connection = sqlite3.connect(path)
    connection.execute(_create(styles, "INTEGER PRIMARY KEY AUTOINCREMENT"))
    connection.execute(create_index(range(1, styles + 1)))
    connection.commit()
    return connection


def create_mysql(
    connection: MySQLConnection[Any], *, styles: int = 3, whole_seconds: bool = True
) -> None:
    """Make the table with 3 or 5 styles per row in the connection's database."""
    table = _create(styles, "INT AUTO_INCREMENT PRIMARY KEY") + " CHARACTER SET utf8mb4"
    if not whole_seconds:
        table = table.replace("DATETIME", "DATETIME(6)")
    with connection.cursor() as cursor:
        cursor.execute(table)
        cursor.execute(create_index(range(1, styles + 1)))


def _create(styles: int, key: str) -> str:
    fields = ", ".join(f"{name} {TYPES[name]} NULL" for name in row_columns(styles))
    return f"CREATE TABLE {TABLE} (id {key}, {fields})"


def is_sqlite(connection: Connection) -> bool:
    """Whether this is a file and not a server."""
    return isinstance(connection, sqlite3.Connection)


def styles_per_row(connection: Connection) -> int:
    """How many votes a row of this table can hold."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"SELECT * FROM {TABLE} LIMIT 0")
        names = [column[0] for column in cursor.description or ()]
    return sum(f"style_{i}_feedback" in names for i in range(1, max(STYLES) + 1))


def times(connection: Connection) -> Times:
    """How precisely, and in how many forms, the table keeps its times."""
    if isinstance(connection, sqlite3.Connection):
        return "text"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT datetime_precision FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = %s AND column_name = 'feedback_at'",
            [TABLE],
        )
        return "microseconds" if cursor.fetchone() == (6,) else "seconds"


def time_value(connection: Connection, at: datetime) -> str:
    """A time with an offset as the database's own column takes it: naive, in UTC."""
    form = "%Y-%m-%d %H:%M:%S" + ("" if times(connection) == "seconds" else ".%f")
    return at.astimezone(UTC).strftime(form)


def insert(connection: Connection, styles: int, rows: Sequence[Row]) -> None:
    """Insert rows whose values are in the order of `row_columns`."""
    columns = row_columns(styles)
    marks = ", ".join([_mark(connection)] * len(columns))
    statement = f"INSERT INTO {TABLE} ({', '.join(columns)}) VALUES ({marks})"
    with closing(connection.cursor()) as cursor:
        cursor.executemany(statement, rows)
    connection.commit()


def load(connection: Connection, styles: int, rows: Sequence[Row]) -> None:
    """Insert rows as one file: MySQL only, and the connection needs `local_infile=True`."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="") as file:
        file.writelines("\t".join(map(_field, row)) + "\n" for row in rows)
        file.flush()
        with closing(connection.cursor()) as cursor:
            cursor.execute(
                f"LOAD DATA LOCAL INFILE %s INTO TABLE {TABLE} CHARACTER SET utf8mb4 "
                f"({', '.join(row_columns(styles))})",
                (file.name,),
            )
    connection.commit()


def _field(value: object) -> str:
    if value is None:
        return "\\N"
    return value.replace("\\", "\\\\") if isinstance(value, str) else str(value)


def select(connection: Connection, columns: Sequence[str], ids: Sequence[int]) -> Iterator[Row]:
    """These columns of the rows with these ids, by id."""
    mark = _mark(connection)
    for at in range(0, len(ids), ROWS_PER_STATEMENT):
        some = list(ids[at : at + ROWS_PER_STATEMENT])
        marks = ", ".join([mark] * len(some))
        statement = f"SELECT {', '.join(columns)} FROM {TABLE} WHERE id IN ({marks}) ORDER BY id"
        with closing(connection.cursor()) as cursor:
            cursor.execute(statement, some)
            yield from cursor.fetchall()


def ids_where(connection: Connection, condition: str = "1 = 1") -> list[int]:
    """The ids of the rows that meet a condition (a fixed text of ours), in order."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"SELECT id FROM {TABLE} WHERE {condition} ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def update(connection: Connection, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Set columns row by row; each row holds their values and then the id."""
    mark = _mark(connection)
    changes = ", ".join(f"{name} = {mark}" for name in columns)
    with closing(connection.cursor()) as cursor:
        cursor.executemany(f"UPDATE {TABLE} SET {changes} WHERE id = {mark}", rows)
    connection.commit()


def _mark(connection: Connection) -> str:
    return "?" if is_sqlite(connection) else "%s"
