"""The table that the system reads, as tests make it: its columns, its rows, an SQLite file."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

VOTE_COLUMNS = (3, 5)  # the table's two forms


def columns(votes: int = 3) -> str:
    """The columns' definitions, for MySQL and SQLite alike, with `votes` votes a row."""
    own = (
        "id INTEGER PRIMARY KEY",
        "user_id VARCHAR(100) DEFAULT 'anonymous'",
        "image_hash VARCHAR(64)",
        "face_shape VARCHAR(50)",
        "personal_color VARCHAR(50)",
        "recommended_styles JSON",
        "created_at DATETIME(6)",
        "feedback_at DATETIME(6) NULL",
    )
    numbers = range(1, votes + 1)
    voted = (f"style_{i}_feedback VARCHAR(10)" for i in numbers)
    clicked = (f"style_{i}_naver_clicked BOOLEAN" for i in numbers)
    return ", ".join((*own, *voted, *clicked))


def styles(*names: str, **more: object) -> str:
    """The text of `recommended_styles` in its newest form."""
    return json.dumps([{"style_name": name, **more} for name in names], ensure_ascii=False)


def analysis(row_id: int, *votes: str | None, **changed: object) -> dict[str, object]:
    """A row, by column: three good styles, one time, and the votes in order."""
    row: dict[str, object] = {
        "id": row_id,
        "user_id": "anonymous",
        "image_hash": f"photo-{row_id}",
        "face_shape": "계란형",
        "personal_color": "봄웜",
        "recommended_styles": styles("가일컷", "댄디컷", "리젠트컷", score=0.5),
        "created_at": "2026-01-01 00:00:00",
        "feedback_at": "2026-01-02 00:00:00",
    }
    for number, vote in enumerate(votes, 1):
        row[f"style_{number}_feedback"] = vote
    return row | changed


def insert(row: Mapping[str, object], mark: str = "?", verb: str = "INSERT") -> str:
    """The statement that stores a row; its values are the row's, in order."""
    return (
        f"{verb} INTO analysis_history ({', '.join(row)}) VALUES ({', '.join([mark] * len(row))})"
    )


class SqliteHistory:
    """An SQLite file with the table, for a test to write."""

    def __init__(self, path: Path, votes: int = 3) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self.execute(f"CREATE TABLE analysis_history ({columns(votes)})")

    def execute(self, statement: str, values: Iterable[object] = ()) -> None:
        """One statement, committed."""
        with sqlite3.connect(self.path) as connection:
            connection.execute(statement, tuple(values))
        connection.close()

    def store(self, *rows: Mapping[str, object]) -> None:
        """Insert rows, or replace those with the same id."""
        connection = sqlite3.connect(self.path)
        with connection:
            for row in rows:
                connection.execute(insert(row, verb="REPLACE"), tuple(row.values()))
        connection.close()
