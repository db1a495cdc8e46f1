"""The votes in the order they came, the looks at them, and what a look knows of them.

What is replayed is the last known state of each vote, by its `feedback_at`: a vote that was
changed has left no history, and one without a time cannot be placed, so it is left out and
counted. The votes are prepared once; a look counts those that it knows from columns in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from common.errors import UsageError
from task.features import Vocabulary
from task.folds import FOLDS
from task.prepare import BASE, REAL, SCORE_UNIT, Cells, Examples, Prepared
from task.recency import NO_TIME, Recency

Ints = NDArray[np.int64]

WEEK = 7 * 86_400 * 1_000_000
"""Microseconds."""


@dataclass(frozen=True, kw_only=True)
class History:
    """The N votes that have a time, in its order, and the base rows.

    Groups are numbered from 0 in the order of their first votes: sums by group then need no
    sorting, which was half of the time that judging takes.
    """

    levels: Vocabulary
    base: Cells
    votes: Examples


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look: it knows the first `known` votes, and `until` ends those it is scored on.

    `cutoff` and `end`, when the next look comes, are in microseconds since 1970 UTC.
    """

    number: int
    cutoff: int
    end: int
    known: int
    until: int

    @property
    def at(self) -> datetime:
        return moment(self.cutoff)

    @property
    def following(self) -> slice:
        """The votes that come before the next look."""
        return slice(self.known, self.until)


def moment(microseconds: int) -> datetime:
    """A time in UTC."""
    return datetime.fromtimestamp(microseconds / 1e6, tz=UTC)


def taken(votes: Examples, at: slice | Ints) -> Examples:
    """Some of the votes; those of a slice are not copied."""
    return Examples(**{name: column[at] for name, column in vars(votes).items()})


def history(prepared: Prepared) -> History:
    """The votes with a time; UsageError when none has one."""
    votes = prepared.examples
    known = np.flatnonzero(votes.feedback_at != NO_TIME).astype(np.int64)
    if not len(known):
        raise UsageError(
            f"a backtest needs votes with a time, got {len(votes):,} votes without any: "
            "let the application write feedback_at"
        )
    timed = taken(votes, known[np.argsort(votes.feedback_at[known], kind="stable")])
    numbered = replace(timed, group=_numbered(timed.group))
    return History(levels=prepared.levels, base=prepared.cells.of(BASE), votes=numbered)


def _numbered(group: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The same groups (N,) by numbers from 0, in the order of their first votes."""
    _, first, code = np.unique(group, return_index=True, return_inverse=True)
    number = np.empty(len(first), dtype=np.uint64)
    number[np.argsort(first)] = np.arange(len(first))
    return np.asarray(number[code])


def looks(times: Ints, start: int, end: int, every: int) -> tuple[Look, ...]:
    """A look at `start` and each `every` weeks until `end`; `times` (N,) in order.

    UsageError unless at least two weeks have votes: one to learn from, one to be judged by.
    """
    edges = np.arange(start, end + WEEK, WEEK).clip(max=end)
    busy = int((np.diff(np.searchsorted(times, edges, side="right")) > 0).sum())
    if busy < 2:
        raise UsageError(
            f"at least two weeks from {moment(start):%Y-%m-%d} to {moment(end):%Y-%m-%d} must have "
            f"votes, got {busy}: one is learned from and the next one judges; "
            "move --from or --to apart"
        )
    cutoffs = [*range(start, end, every * WEEK), end]
    known = np.searchsorted(times, cutoffs, side="right").tolist()
    return tuple(
        Look(number=i, cutoff=cutoffs[i], end=cutoffs[i + 1], known=known[i], until=known[i + 1])
        for i in range(len(cutoffs) - 1)
    )


def prepared_at(history: History, known: int, recency: Recency) -> Prepared:
    """What `prepare` would make of the first `known` votes at the recency's cutoff."""
    votes = taken(history.votes, slice(0, known))
    weight = recency.weights(votes.feedback_at, int(votes.feedback_at[0]) if known else 0)
    shape = (FOLDS, *history.levels.sizes)
    codes = (votes.fold, votes.face, votes.tone, votes.style)
    at = np.ravel_multi_index(tuple(code.astype(np.int64) for code in codes), shape)
    scored = ~np.isnan(votes.score)
    # Scores are stored in single precision, and are whole numbers of units.
    units = np.rint(np.where(scored, votes.score, 0.0).astype(np.float64) * SCORE_UNIT)
    units = units.astype(np.int64)
    weight_scored = weight * scored
    values = (
        weight * votes.like,
        weight * ~votes.like,
        weight_scored,
        weight_scored * units,
        weight_scored * units * units,
    )
    counts = np.zeros((len(values), int(np.prod(shape))), dtype=np.int64)
    for row, value in zip(counts, values, strict=True):
        np.add.at(row, at, value)
    return Prepared(
        levels=history.levels,
        cells=_joined(history.base, _cells(counts, shape)),
        unit=recency.unit,
        examples=votes,
        base_rejected={},
    )


def _cells(counts: Ints, shape: tuple[int, ...]) -> Cells:
    """The non-empty cells in canonical order; counts (5, FOLDS·F·T·S)."""
    kept = np.flatnonzero(counts[0] + counts[1])
    fold, face, tone, style = np.unravel_index(kept, shape)
    like, dislike, scored, total, square = counts[:, kept]
    return Cells(
        source=np.full(kept.shape, REAL, dtype=np.int8),
        fold=fold.astype(np.int8),
        face=face.astype(np.int32),
        tone=tone.astype(np.int32),
        style=style.astype(np.int32),
        n_like=like,
        n_dislike=dislike,
        n_scored=scored,
        score_sum=total,
        score_square=square,
    )


def _joined(base: Cells, real: Cells) -> Cells:
    both = {
        name: np.concatenate([getattr(base, name), column]) for name, column in vars(real).items()
    }
    return Cells(**both)
