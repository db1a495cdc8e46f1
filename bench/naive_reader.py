"""The naive reader: all rows and all columns by PyMySQL, `json`, Python dictionaries.

What one writes first, and what many systems still run: it is right, easy to read, and holds
every row as a dictionary. It makes the same eligible votes as our own reader, so that the
numbers of both can be held against each other, but writes no file.
"""

from __future__ import annotations

import json
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

VOTES = {
    "like": "like",
    "LIKE": "like",
    "good": "like",
    "dislike": "dislike",
    "DISLIKE": "dislike",
    "bad": "dislike",
}
TONES = {"봄웜": "웜톤", "가을웜": "웜톤", "여름쿨": "쿨톤", "겨울쿨": "쿨톤"}


def read(host: str, port: int, user: str, database: str) -> list[dict[str, Any]]:
    """Every eligible vote as a dictionary."""
    connection = pymysql.connect(
        host=host,
        port=port,
        user=user,
        database=database,
        charset="utf8mb4",
        cursorclass=DictCursor,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM analysis_history")
        rows = cursor.fetchall()
    return [vote for row in rows for vote in votes_of(row)]


def votes_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The eligible votes of one row."""
    try:
        styles = json.loads(row["recommended_styles"] or "null")
    except ValueError:
        return []
    if not isinstance(styles, list):
        return []
    votes = []
    for number, style in enumerate(styles, 1):
        vote = VOTES.get(row.get(f"style_{number}_feedback") or "")
        name = style.get("style_name") or style.get("style") or style.get("hairstyle")
        if vote is not None and name and name.strip():
            votes.append(_vote(row, style, number, name, vote))
    return votes


def _vote(
    row: dict[str, Any], style: dict[str, Any], number: int, name: str, vote: str
) -> dict[str, Any]:
    return {
        "analysis_id": row["id"],
        "style_index": number,
        "user_id": row["user_id"],
        "image_hash": row["image_hash"],
        "face_shape": row["face_shape"],
        "skin_tone": TONES.get((row["personal_color"] or "").removesuffix("톤"), "중간톤"),
        "hairstyle": " ".join(name.split()),
        "score": _score(style),
        "feedback": vote,
        "naver_clicked": bool(row[f"style_{number}_naver_clicked"]),
        "reason": style.get("reason"),
        "created_at": row["created_at"],
        "feedback_at": row["feedback_at"],
    }


def _score(style: dict[str, Any]) -> float | None:
    for key in ("ml_confidence", "ml_confidence_score", "score"):
        value = style.get(key)
        if value is not None:
            value = value / 100 if value > 1 else value
            return value if 0 <= value <= 1 else None
    return None
