"""The synthetic base data: what is believed about hair before anyone has voted.

`generate` draws rows from the rules of `task.base_rules`; `read_csv` takes a file of the same
columns instead. The file is read line by line with the standard library rather than as a data
frame: a bad line must be rejected for a reason and counted, not guessed or fatal. `write_csv`
writes the seven columns of the training row; only five are needed to read them again.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common import feedback
from common.errors import UsageError
from common.feedback import FACE_SHAPES, SKIN_TONES
from task import encodings
from task.base_rules import STYLES, chances, reason

SCORE_NOISE = 0.06
"""Standard deviation of a row's score around the chance."""

REQUIRED = ("face_shape", "skin_tone", "hairstyle", "score", "feedback")
COLUMNS = (*REQUIRED, "naver_clicked", "reason")
"""The columns of a file that is read, and of one that is written."""

_SAMPLE = 1 << 16
"""Bytes that tell an encoding."""


@dataclass(frozen=True, kw_only=True)
class BaseRows:
    """N base rows as columns.

    `face_shape` None is the unknown face. `score` is in 0..1, NaN where missing. `rejected`
    counts the lines of a file that could not be used, by reason.
    """

    face_shape: list[str | None]
    skin_tone: list[str]
    hairstyle: list[str]
    score: NDArray[np.float64]
    like: NDArray[np.bool_]
    rejected: dict[str, int]


def generate(rows: int, seed: int) -> BaseRows:
    """Draw `rows` base rows, each face, tone and style equally often. Same seed, same rows."""
    rng = np.random.default_rng(seed)
    table = chances()
    face, tone, style = (rng.integers(0, size, rows) for size in table.shape)
    chance = table[face, tone, style]
    score = np.clip(chance + rng.normal(0.0, SCORE_NOISE, rows), 0.0, 1.0)
    return BaseRows(
        face_shape=np.array(FACE_SHAPES, dtype=object)[face].tolist(),
        skin_tone=np.array(SKIN_TONES, dtype=object)[tone].tolist(),
        hairstyle=np.array(list(STYLES), dtype=object)[style].tolist(),
        score=np.round(score, 4),
        like=rng.random(rows) < chance,
        rejected={},
    )


def write_csv(path: Path, rows: BaseRows) -> None:
    """Write the rows with the rules' reasons; nobody ever clicked on a base row."""
    votes = np.where(rows.like, feedback.LIKE, feedback.DISLIKE).tolist()
    scores = ["" if np.isnan(score) else score for score in rows.score.tolist()]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        for face, tone, style, score, vote in zip(
            rows.face_shape, rows.skin_tone, rows.hairstyle, scores, votes, strict=True
        ):
            out.writerow([face or "", tone, style, score, vote, 0, reason(face, tone, style)])


def read_csv(path: Path, *, named: str | None = None, most_rejected: float = 1.0) -> BaseRows:
    """Read base rows from a file, line by line; UTF-8 with or without a byte order mark.

    A line with too few or too many fields, without a style or with an unknown vote is rejected
    and counted. An unknown face or tone is the unknown class; a score that is none is missing.
    A header without any line is an empty base: there is none to learn from. UsageError if the
    file cannot be read as CSV in UTF-8, lacks a column or has one twice, or has lines of which
    none is usable or a larger share than `most_rejected` is not.

    named: the file as the person gave it, since what is read is a run's own copy.
    """
    name = named or str(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            rows = _columns(lines, _header(name, next(lines, [])))
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise UsageError(
            f"base_csv must be a readable CSV file in UTF-8, got {name}: {exc}. "
            f"Correct the path, or: {encodings.advice(_beginning(path))}."
        ) from exc
    rejected, usable = sum(rows.rejected.values()), len(rows.hairstyle)
    if rejected and not usable:
        raise UsageError(
            f"base_csv must be empty or have a usable line, got none in {name} "
            f"(rejected: {rows.rejected}). Mend the lines, or leave only the header to learn "
            "without base data."
        )
    if rejected > most_rejected * (rejected + usable):
        raise UsageError(
            f"base_csv must have no more than {most_rejected:.0%} of its lines rejected "
            f"(max_reject_share), got {rejected:,} of {rejected + usable:,} in {name} "
            f"({rows.rejected}). Mend the lines, or leave base_csv out to use the built-in rules."
        )
    return rows


def _beginning(path: Path) -> bytes:
    """The file's first lines, nothing for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return b"".join(file.readlines(_SAMPLE))
    except OSError:
        return b""


def _header(name: str, header: list[str]) -> list[str]:
    for wrong, columns in (
        ("lacks", [column for column in REQUIRED if column not in header]),
        ("has more than once", [column for column in REQUIRED if header.count(column) > 1]),
    ):
        if columns:
            raise UsageError(
                f"base_csv must have the columns {', '.join(REQUIRED)} once each; {name} {wrong} "
                f"{', '.join(columns)}. Correct its first line, or leave base_csv out to use the "
                "built-in rules."
            )
    return header


def _columns(lines: Iterable[list[str]], header: list[str]) -> BaseRows:
    """The usable lines as columns, the others as counts."""
    rejected: Counter[str] = Counter()
    kept = []
    for fields in filter(None, lines):
        line = _line(dict(zip(header, fields, strict=False)), len(fields) == len(header))
        if isinstance(line, str):
            rejected[line] += 1
        else:
            kept.append(line)
    face, tone, style, score, like = zip(*kept, strict=True) if kept else ((),) * 5
    return BaseRows(
        face_shape=list(face),
        skin_tone=list(tone),
        hairstyle=list(style),
        score=np.array(score, dtype=np.float64),
        like=np.array(like, dtype=bool),
        rejected=dict(rejected),
    )


def _line(field: dict[str, str], complete: bool) -> tuple[str | None, str, str, float, bool] | str:
    """One line's (face, tone, style, score, like), or the reason why it is rejected."""
    if not complete:
        return "wrong_number_of_fields"
    style = feedback.display_name(field["hairstyle"])
    vote = feedback.VOTES.get(field["feedback"])
    if not style or vote is None:
        return "unknown_vote" if style else "no_style_name"
    tone = field["skin_tone"]
    return (
        feedback.face_shape(field["face_shape"]),
        tone if tone in SKIN_TONES else feedback.skin_tone(tone),
        sys.intern(style),
        _score(field["score"]),
        vote == feedback.LIKE,
    )


def _score(text: str) -> float:
    try:
        value, _ = feedback.score(float(text))
    except ValueError:
        return float("nan")
    return float("nan") if value is None else value
