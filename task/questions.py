"""What is asked of a version in service, and the answers that were evaluated.

The golden requests of its self-test and its labelled cells, so that the answers which people
get are held against those that the evaluation judged: labels that are swapped on the way, a
constant answer, another threshold cannot pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.feedback import few_marks
from task import artifact

NAMES = ("face_shape", "skin_tone", "hairstyle")
MOST = 2_000
"""Questions at most: two requests, a fraction of a second."""
LONGEST_NAME = 100
"""Characters of a style that is asked about: a whole batch then fits into one request, and none
is longer than the API takes, whatever somebody has once typed."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request, and the answer to it."""

    item: Mapping[str, str]
    like_probability: float
    like: bool


def of(folder: Path) -> list[Question]:
    """The questions to the version in a folder, at most `MOST`, spread over all its labelled cells.

    Raises ArtifactError when it fails its self-test.
    """
    table = artifact.self_test(folder)
    test = artifact.read_self_test(folder)
    golden = [[each[name] for name in NAMES] for each in test["golden"]]
    cells = [cell[:3] for cell in test["cells"] if _can_be_asked(cell[2])]
    requests = [request for request in golden if _can_be_asked(request[2])]
    requests += _spread(cells, MOST - len(requests))
    return [_question(table, *request) for request in requests]


def _can_be_asked(style: str) -> bool:
    return 0 < len(style) <= LONGEST_NAME and few_marks(style)


def _spread(cells: Sequence[Any], most: int) -> list[Any]:
    if len(cells) <= most:
        return list(cells)
    return [cells[i * len(cells) // most] for i in range(most)]


def _question(table: artifact.ScoreTable, face: str, tone: str, style: str) -> Question:
    at = table.lookup(face, tone, style)
    values = zip(NAMES, (face, tone, style), strict=True)
    return Question(
        item={name: value for name, value in values if value},
        like_probability=float(table.like[at]),
        like=bool(table.answers()[at]),
    )
