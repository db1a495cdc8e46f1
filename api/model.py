"""A version in memory, as one value: its score table, where it came from, its rankings.

A request takes the model once and answers with it to the end, so no answer can be half of one
version and half of the next. The best styles of each face and tone are put in order when the
version is loaded and not per request: 18 rankings, however many requests there are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from common import feedback
from common.registry.records import HistoryEntry
from task.artifact import ScoreTable

MAX_STYLES = 50
"""Styles in one recommendation at most."""
MAX_EXCLUSIONS = 100
"""Styles that one request may leave out at most."""
HEAD = MAX_STYLES + MAX_EXCLUSIONS
"""So many of a ranking are enough for any request."""


class Styled(NamedTuple):
    """A style in a ranking; score and probability are in 0..1."""

    key: str
    name: str
    score: float
    like: float


class Known(NamedTuple):
    """Whether the model has learned each name that was asked about."""

    face_shape: bool
    skin_tone: bool
    hairstyle: bool


class Prediction(NamedTuple):
    """What the model says of one face, tone and style."""

    score: float
    like_probability: float
    like: bool
    known: Known


Ranking = tuple[Styled, ...]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A version that may answer."""

    version: str
    sha: str
    """sha256 of its manifest."""
    serial: int
    """Of the change that made it active."""
    previous: str | None
    """The version that was active before."""
    since: datetime
    """When this process began to answer with it."""
    table: ScoreTable
    rankings: tuple[tuple[Ranking, ...], ...]
    """[face][tone], the best style first."""

    def predict(self, face_shape: str | None, tone: Tone, hairstyle: str | None) -> Prediction:
        """Score and like probability; what was not learned is the unknown class."""
        table = self.table
        at = table.lookup(feedback.face_shape(face_shape), tone.name, hairstyle)
        like = float(table.like[at])
        return Prediction(
            score=float(table.score[at]),
            like_probability=like,
            like=like >= table.threshold,
            known=Known(at[0] != 0, self._knows(tone), at[2] != 0),
        )

    def recommend(
        self, face_shape: str | None, tone: Tone, *, k: int, without: Collection[str]
    ) -> tuple[Styled, ...]:
        """The `k` best styles whose keys are not among `without`; fewer where there are fewer."""
        face, tone_code, _ = self.table.lookup(feedback.face_shape(face_shape), tone.name, None)
        ranking = self.rankings[face][tone_code]
        if not without:
            return ranking[:k]
        return tuple(style for style in ranking if style.key not in without)[:k]

    def knows(self, face_shape: str | None, tone: Tone) -> tuple[bool, bool]:
        """Whether the face and the tone were learned."""
        face = self.table.vocabulary.face(feedback.face_shape(face_shape))
        return face != 0, self._knows(tone)

    def _knows(self, tone: Tone) -> bool:
        # The neutral tone is the unknown class too, but whoever names it is understood.
        return tone.understood and tone.name in self.table.vocabulary.tone_codes


class Tone(NamedTuple):
    """A skin tone as the table names it, and whether it was told rather than assumed."""

    name: str
    understood: bool


def tone_of(skin_tone: str | None, personal_color: str | None) -> Tone:
    """The tone of whichever is given; a colour that nobody knows is the neutral tone."""
    if personal_color is not None:
        name = feedback.skin_tone(personal_color)
        return Tone(name, name != feedback.NEUTRAL)
    return Tone(unicodedata.normalize("NFC", skin_tone or "").strip(), True)


def made(entry: HistoryEntry, table: ScoreTable, since: datetime) -> Model:
    """The model that `entry` made active, ready to answer from `since` on."""
    assert entry.version is not None, "a change to no version has no model"
    faces, tones, _ = table.vocabulary.sizes
    return Model(
        version=entry.version,
        sha=entry.sha,
        serial=entry.serial,
        previous=entry.previous,
        since=since,
        table=table,
        rankings=tuple(
            tuple(_ranking(table, face, tone) for tone in range(tones)) for face in range(faces)
        ),
    )


def _ranking(table: ScoreTable, face: int, tone: int) -> Ranking:
    """The best styles by like probability, then score, then code; the unknown one is no style."""
    like, score = table.like[face, tone], table.score[face, tone]
    order = np.lexsort((-score[1:], -like[1:]))[:HEAD] + 1  # stable, so the codes break ties
    known = table.vocabulary
    return tuple(
        Styled(known.styles[code], known.names[code], float(score[code]), float(like[code]))
        for code in order.tolist()
    )
