"""Rows of the votes' table, written by hand: plain ones, in which a test changes what it tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from common.feedback import FACE_SHAPES
from local.table import create_sqlite
from tests.e2e.home import Home

STYLES = ("가일컷", "댄디컷", "리젠트컷", "투블럭")
COLOURS = ("봄웜", "여름쿨", None)

Row = dict[str, Any]


def just_now() -> str:
    """A vote's time after every cutoff so far."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"


def styles(*names: str, **more: object) -> str:
    """The text of `recommended_styles`."""
    return json.dumps([{"style_name": name, "score": 0.5, **more} for name in names])


def plain(number: int, **changed: object) -> Row:
    """The row of one person who voted on one style, a while ago; likes depend on face and style."""
    face, style = number % len(FACE_SHAPES), number % len(STYLES)
    row: Row = {
        "user_id": "anonymous",
        "image_hash": f"photo-{number}",
        "face_shape": FACE_SHAPES[face],
        "personal_color": COLOURS[number % len(COLOURS)],
        "recommended_styles": styles(STYLES[style], "가일컷", "댄디컷"),
        "style_1_feedback": "like" if (face + style + number // 20) % 3 else "dislike",
        "created_at": "2026-01-01 00:00:00",
        "feedback_at": f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%d %H:%M:%S}",
    }
    return row | changed


def write(home: Home, rows: Iterable[Row]) -> None:
    """Insert rows, into a new table if there is none."""
    if not home.votes.exists():
        create_sqlite(home.votes).close()
    with home.table() as table:
        for row in rows:
            marks = ", ".join("?" * len(row))
            table.execute(
                f"INSERT INTO analysis_history ({', '.join(row)}) VALUES ({marks})",
                tuple(row.values()),
            )
