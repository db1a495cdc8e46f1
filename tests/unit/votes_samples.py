"""Generated tables for the tests of the generator, and how their rows are taken apart."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common import feedback
from common.feedback import VOTES
from local.table import create_sqlite
from local.votes import Written, write_votes
from local.world import World, make_world

START = datetime(2025, 3, 1, tzinfo=UTC)
END = datetime(2025, 9, 1, tzinfo=UTC)
LATER = datetime(2025, 10, 1, 12, tzinfo=UTC)

Rows = list[dict[str, Any]]


def a_world() -> World:
    return make_world("rules", styles=40, seed=1, skewed=True)


def fill(
    path: Path, votes: int, *, ugly: bool, styles: int = 3, world: World | None = None
) -> tuple[Rows, Written]:
    """The rows of a new table, and what was said about them."""
    connection = create_sqlite(path, styles=styles)
    written = write_votes(
        connection, world or a_world(), votes, seed=7, ugly=ugly, start=START, end=END
    )
    rows = read(connection)
    connection.close()
    return rows, written


def read(connection: sqlite3.Connection) -> Rows:
    """All rows by id."""
    cursor = connection.execute("SELECT * FROM analysis_history ORDER BY id")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def cells(row: dict[str, Any]) -> list[str | None]:
    """The votes of a row, None for none."""
    return [row[f"style_{i}_feedback"] for i in range(1, 6) if f"style_{i}_feedback" in row]


def items(row: dict[str, Any]) -> list[Any]:
    """The items of a row's list; [] if there is none."""
    try:
        found = json.loads(row["recommended_styles"])
    except (TypeError, ValueError):
        return []
    return found if isinstance(found, list) else []


def all_items(rows: Rows) -> Iterator[dict[str, Any]]:
    """The items of all rows' lists."""
    return (item for row in rows for item in items(row))


def usable(row: dict[str, Any], i: int) -> bool:
    """Whether the i-th vote can be used, by the definition that the whole loop shares."""
    listed = items(row)
    return cells(row)[i] in VOTES and i < len(listed) and bool(feedback.item_name(listed[i]))
