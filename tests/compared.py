"""What tests of the comparison start from: versions with folds, crowds of votes, and figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.feedback import SPLIT_VERSION
from task.artifact import FORMAT_VERSION, FoldTables, ScoreTable
from task.faults import Suspicion
from task.features import Vocabulary
from task.folds import FOLDS
from task.harm import Gain
from task.judging import Version
from task.prepare import Prepared
from tests.learning import score_table, unseen

OF_THIS_RELEASE = {
    "format_version": FORMAT_VERSION,
    "split_version": SPLIT_VERSION,
    "folds": FOLDS,
}
OF_FORMAT_1 = {"format_version": 1, "split_version": SPLIT_VERSION}


def folds_of(table: ScoreTable, like: Any = None, **changes: Any) -> FoldTables:
    """Folds that answer as the table does, or `like` ((FOLDS, F, T, S) or what becomes that)."""
    shape = (FOLDS, *table.vocabulary.sizes)
    answers = table.like if like is None else np.asarray(like, dtype=np.float32)
    folds = FoldTables(
        like=answers if answers.ndim == 4 else np.broadcast_to(answers, shape).copy(),
        score=np.broadcast_to(table.score, shape).copy(),
        threshold=np.full(FOLDS, table.threshold),
        constant=np.full(FOLDS, 0.5),
        base=None,
    )
    return replace(folds, **changes)


def by_fold(values: Any, known: Vocabulary) -> NDArray[np.float64]:
    """A fold's own like probability everywhere: (FOLDS,) → (FOLDS, F, T, S)."""
    found = np.asarray(values, dtype=np.float64)[:, None, None, None]
    return np.broadcast_to(found, (FOLDS, *known.sizes)).copy()


def version(
    table: ScoreTable, *, like: Any = None, cutoff: int = 0, name: str | None = None, **folds: Any
) -> Version:
    """A version of this release; `like` is what its folds answer, where that differs."""
    table = replace(table, version=name or table.version, metadata=dict(OF_THIS_RELEASE))
    return Version(table=table, folds=folds_of(table, like, **folds), cutoff=cutoff)


def format_1(table: ScoreTable, *, cutoff: int = 0, **metadata: Any) -> Version:
    """A version of the release before: no folds, and a fixed split."""
    table = replace(table, metadata=OF_FORMAT_1 | metadata)
    return Version(table=table, folds=None, cutoff=cutoff)


def constant(known: Vocabulary, like: float, *, cutoff: int = 0, name: str = "m-a") -> Version:
    """A version that gives one chance to everything."""
    return version(score_table(known, like), cutoff=cutoff, name=name)


def crowd(
    known: Vocabulary,
    chances: NDArray[np.float64],
    votes: int,
    *,
    seed: int = 1,
    heavy: bool = False,
) -> Prepared:
    """Votes on random styles that are liked with these chances (S,), codes of `known`.

    One vote a group or, if heavy, most groups small and a few that vote very often.
    """
    rng = np.random.default_rng(seed)
    style = rng.integers(1, len(known.styles), votes)
    group = np.arange(votes)
    if heavy:
        sizes = np.minimum(rng.zipf(1.8, votes), max(votes // 20, 1))
        group = np.repeat(np.arange(votes), sizes)[:votes]
    return unseen(
        known,
        style.tolist(),
        (rng.random(votes) < chances[style]).tolist(),
        group=group.tolist(),
        at=[1] * votes,
    )


def a_gain(
    value: float | None = 0.01,
    deviation: float | None = 0.002,
    *,
    groups: float = 1_000.0,
    divergence: float = 0.01,
    p_worse: float | None = 0.9,
    **ends: float | None,
) -> Gain:
    """What the paired comparison found; the ends are two deviations away."""
    known = value is not None and deviation is not None
    found = Gain(
        value=value,
        deviation=deviation,
        divergence=divergence,
        votes=int(2 * groups),
        groups=int(groups),
        effective_groups=groups,
        low=value - 2 * deviation if known else None,  # type: ignore[operator]
        high=value + 2 * deviation if known else None,  # type: ignore[operator]
        p_worse=p_worse,
    )
    return replace(found, **ends)  # type: ignore[arg-type]


def suspicion(name: str, shown: bool, p: float | None = 0.3, says: str = "") -> Suspicion:
    return Suspicion(name=name, says=says or name, p=p, shown=shown)
