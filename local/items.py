"""The items of `recommended_styles` in three generations of JSON.

Text is put together from prepared pieces rather than by `json.dumps` for each row, which would
be the slowest part of filling a large table. Names and reasons come in as JSON text.
"""

from __future__ import annotations

import json
import unicodedata

REASONS = (
    "얼굴형의 균형을 살려 줘요",
    "손질이 쉽고 자연스러워요",
    "퍼스널 컬러와 잘 어울려요",
    "요즘 인기 ✨💇",
    "'); DROP TABLE analysis_history;--",
    'He said "ok" \\ fine',
)
PLAIN_REASONS = 3
"""So many of REASONS are harmless."""
RANKS = (1, 2, 3, 4, 5)


def spellings(name: str) -> list[str]:
    """Ways to write a style's name, as JSON text; the last is a style of its own."""
    ways = (
        name,
        name.replace(" ", ""),
        unicodedata.normalize("NFD", name),
        name.lower().replace(" ", "  "),
        name,
        f"{name} (앞머리 짧게 ✨)",
    )
    return [json.dumps(way, ensure_ascii=i == 4) for i, way in enumerate(ways)]


def _today(name: str, score: str, reason: str, rank: int) -> str:
    trending = score == "null"
    return (
        f'{{"hairstyle_id": {"null" if trending else 42}, "style_name": {name}, '
        f'"reason": {reason}, "source": "{"trending" if trending else "ml"}", '
        f'"score": {score}, "rank": {rank}}}'
    )


def _with_confidence(name: str, score: str, reason: str, _rank: int) -> str:
    return (
        f'{{"style_name": {name}, "reason": {reason}, "ml_confidence": {score}, '
        f'"confidence_level": "높음", "image_search_url": '
        f'"https://search.naver.com/search.naver?query={name[1:-1]}"}}'
    )


def _percent(name: str, score: str, _reason: str, _rank: int) -> str:
    return f'{{"style": {name}, "ml_confidence_score": {score}}}'


def _name_only(name: str, _score: str, _reason: str, _rank: int) -> str:
    return f'{{"hairstyle": {name}}}'


ITEMS = (_today, _with_confidence, _percent, _name_only)
"""Items of the list, from the newest generation to the oldest."""
