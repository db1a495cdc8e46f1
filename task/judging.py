"""Which votes may judge which model, and what each model answers on them.

Nobody is judged on a vote that the judged model was fitted on:

- A challenger is judged by its folds: each vote by the model that was fitted without its group.
- A champion is judged as it is published on votes that came after its cutoff, and by its own folds
  on those before. The folds are constant, so both models hold out the same groups.
- A champion of format 1 has no folds: it was fitted on the train and validation side of a fixed
  split, so it is judged as published on that split's test side and on what came after.

What is left out of the comparison is counted. N votes, L of them judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.feedback import SPLIT_VERSION
from task.artifact import FoldTables, ScoreTable
from task.features import Vocabulary
from task.prepare import Examples
from task.recency import NO_TIME

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version as it is judged. `cutoff`: it may have been fitted on votes up to here, in µs."""

    table: ScoreTable
    folds: FoldTables | None
    cutoff: int


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One model on N votes: like probability, answer and predicted score, each (N,)."""

    p: Floats
    answer: Bools
    score: Floats

    def where(self, mask: Bools) -> Scored:
        return Scored(p=self.p[mask], answer=self.answer[mask], score=self.score[mask])


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The L votes that both models are judged on, and how each vote came to be among them."""

    examples: Examples
    challenger: Scored
    champion: Scored
    after_cutoff: int
    out_of_fold: int
    fixed_split: int


def out_of_fold(version: Version, levels: Vocabulary, examples: Examples) -> Scored:
    """Each vote as answered by the model that was fitted without its fold."""
    assert version.folds is not None, "a challenger is always made with its folds"
    face, tone, style = _codes(version.table, levels, examples)
    at = (examples.fold.astype(np.int64), face, tone, style)
    p = version.folds.like[at].astype(np.float64)
    answer = p >= version.folds.threshold[examples.fold]
    return Scored(p=p, answer=answer, score=version.folds.score[at].astype(np.float64))


def as_published(table: ScoreTable, levels: Vocabulary, examples: Examples) -> Scored:
    """Each vote as the published version answers it."""
    at = _codes(table, levels, examples)
    p = table.like[at].astype(np.float64)
    return Scored(p=p, answer=p >= table.threshold, score=table.score[at].astype(np.float64))


def judge(challenger: Version, champion: Version, levels: Vocabulary, examples: Examples) -> Judged:
    """Both on all votes that may judge both."""
    after = (examples.feedback_at != NO_TIME) & (examples.feedback_at > champion.cutoff)
    comparable = champion.table.metadata.get("split_version") == SPLIT_VERSION
    folds = champion.folds if comparable else None
    before = ~after
    published = as_published(champion.table, levels, examples)
    fixed_split = np.zeros_like(after)
    if folds is not None:
        held = out_of_fold(champion, levels, examples)
        theirs = Scored(
            p=np.where(after, published.p, held.p),
            answer=np.where(after, published.answer, held.answer),
            # A vote that was changed after the cutoff keeps the score that was fitted before.
            score=held.score,
        )
        usable = np.ones_like(after)
    else:
        theirs = published
        if comparable:
            fixed_split = before & examples.test
        usable = after | fixed_split
    return Judged(
        examples=examples.where(usable),
        challenger=out_of_fold(challenger, levels, examples).where(usable),
        champion=theirs.where(usable),
        after_cutoff=int(after.sum()),
        out_of_fold=0 if folds is None else int(before.sum()),
        fixed_split=int(fixed_split.sum()),
    )


def _codes(
    table: ScoreTable, levels: Vocabulary, examples: Examples
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The votes' codes in a version's own vocabulary; names it has not learned become 0."""
    face, tone, style = levels.translate(table.vocabulary)
    return (
        face[examples.face].astype(np.int64),
        tone[examples.tone].astype(np.int64),
        style[examples.style].astype(np.int64),
    )
