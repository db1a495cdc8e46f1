"""The table that the system reads, as tests make it: its columns, its rows, its databases."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow.parquet as pq

from common.credentials import Password
from common.database import Database, connect
from local.mariadb import columns
from task.extract import extract
from task.snapshot import BaseSnapshot, Snapshot

if TYPE_CHECKING:
    from local.mariadb import Server

TIMEOUT = 60.0
HOUR = timedelta(hours=1)
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
VOTED = datetime(2026, 1, 2, tzinfo=UTC)


def styles(*names: str, **more: object) -> str:
    """The text of `recommended_styles` in its newest form."""
    return json.dumps([{"style_name": name, **more} for name in names], ensure_ascii=False)


def analysis(row_id: int, *votes: str | None, **changed: object) -> dict[str, object]:
    """A row, by column: three good styles, one photo, one time, and the votes in order."""
    row: dict[str, object] = {
        "id": row_id,
        "user_id": "anonymous",
        "image_hash": f"photo-{row_id}",
        "face_shape": "계란형",
        "personal_color": "봄웜",
        "recommended_styles": styles("가일컷", "댄디컷", "리젠트컷", score=0.5),
        "created_at": f"{CREATED:%F %T}",
        "feedback_at": f"{VOTED:%F %T}",
    }
    for number, vote in enumerate(votes, 1):
        row[f"style_{number}_feedback"] = vote
    return row | changed


class History(Protocol):
    """A database with the table, for a test to write and the reader to open."""

    def execute(self, statement: str) -> None:
        """One statement, committed."""

    def store(self, *rows: Mapping[str, object]) -> None:
        """Insert rows, or replace those with the same id."""

    def open(self, timeout: float = TIMEOUT) -> Database:
        """Open it for reading, as the program does."""


class SqliteHistory:
    """An SQLite file with the table."""

    def __init__(self, path: Path, votes: int = 3) -> None:
        self.path = path
        self.execute(f"CREATE TABLE analysis_history ({columns(votes)})")

    def execute(self, statement: str) -> None:
        """One statement, committed."""
        self._write([(statement, ())])

    def store(self, *rows: Mapping[str, object]) -> None:
        """Insert rows, or replace those with the same id."""
        self._write((_replace(row, "?"), tuple(row.values())) for row in rows)

    def open(self, timeout: float = TIMEOUT) -> Database:
        """Open it for reading, as the program does."""
        url = f"sqlite:///{self.path}"
        return connect(url, credential=Password(None), ca=None, statement_timeout_seconds=timeout)

    def _write(self, statements: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        connection = sqlite3.connect(self.path)
        with connection:
            for statement, values in statements:
                connection.execute(statement, values)
        connection.close()


class MysqlHistory:
    """A database of its own, with the table, on a real server."""

    def __init__(self, server: "Server", database: str, votes: int = 3) -> None:
        self.server = server
        self.database = database
        server.create(database, votes)

    def execute(self, statement: str) -> None:
        """One statement, committed."""
        self.server.execute(statement, database=self.database)

    def store(self, *rows: Mapping[str, object]) -> None:
        """Insert rows, or replace those with the same id."""
        with self.server.admin(self.database) as connection, connection.cursor() as cursor:
            for row in rows:
                cursor.execute(_replace(row, "%s"), tuple(row.values()))

    def open(self, timeout: float = TIMEOUT) -> Database:
        """Open it for reading, as the program does."""
        return self.server.open(self.database, timeout=timeout)


def read(
    history: History,
    destination: Path,
    *,
    base: BaseSnapshot | None = None,
    since: datetime | None = None,
    overlap: timedelta = HOUR,
) -> Snapshot:
    """A snapshot of the votes, full without a `base`."""
    with history.open() as db:
        return extract(
            db, destination, base=base, last_verdict=since, overlap=overlap, full=base is None
        )


def as_base(snapshot: Snapshot, cutoff: datetime | None = None) -> BaseSnapshot:
    """A snapshot as the base of an incremental read, as if it was read at `cutoff`."""
    return BaseSnapshot(
        path=snapshot.path,
        cutoff=cutoff or snapshot.cutoff,
        run_id="m-base",
        source=snapshot.source,
    )


def votes_in(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The votes of a snapshot, by column."""
    found: list[dict[str, Any]] = pq.read_table(snapshot.path).to_pylist()
    return found


def _replace(row: Mapping[str, object], mark: str) -> str:
    names, marks = ", ".join(row), ", ".join([mark] * len(row))
    return f"REPLACE INTO analysis_history ({names}) VALUES ({marks})"
