"""1: the whole hierarchical fit against one epoch of the usual loop, and against LightGBM.

Speed at a million votes and 500 styles, from arrays of codes; quality at 10,000 votes, where
it is hard, and in the full size at a million too. The fit before this one, which stopped after 40
sweeps, is an arm of both; and ten fits without a fold each are held against one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from bench.figure import (
    Arm,
    Figure,
    Outcome,
    Round,
    Size,
    Target,
    middle,
    milliseconds,
    paired,
    ratio,
)
from bench.lightgbm_peer import GRID, tuned
from bench.sweeps import swept
from bench.worlds import cells_of, fold_of, levels_of, places, prepared
from local.world import KINDS, Votes, World, make_world
from task.candidates import FoldCounts, fold_counts, hierarchical_candidate
from task.folds import FOLDS, learned_from
from task.models.crossed import Counts, fit, sigmoid, table

Ints = NDArray[np.int64]

VOTES, STYLES = 1_000_000, 500
SMALL_VOTES, SMALL_STYLES = 10_000, 50
FASTER, WORSE, WORST, TIMES = 200.0, 1.0, 1.02, 12.0
LOADER_VOTES = 64_000
"""Part of an epoch that the quick form measures."""
LEARNED, HELD = range(7), (7, 8)
"""Folds for quality: 70 % to learn from and, for LightGBM, 20 % to stop and choose by."""

HIERARCHICAL, SWEPT, LOADER, LIGHTGBM = "hierarchical", "40 sweeps", "DataLoader epoch", "LightGBM"
ONE, TEN, ALL = "one fit", "ten folds", "all fits"
ARMS = (
    Arm(
        name=HIERARCHICAL,
        says="code arrays of all votes → cells → both heads (likes and scores) fitted until they "
        "settle; for quality the like head, trained on seven folds alone",
    ),
    Arm(
        name=SWEPT,
        says="the fit before this one: the same cells, the like head alone, diagonal steps, "
        "stopped after 40 sweeps before it has settled",
    ),
    Arm(
        name=LOADER,
        says="one epoch of the same network on the same votes: DataLoader over resident tensors, "
        "batch 64, shuffled, no workers, Adam; making the tensors is not counted. The quick form "
        f"measures {LOADER_VOTES:,} votes and scales to the epoch",
    ),
    Arm(
        name=LIGHTGBM,
        says=f"quality only: categorical features, the best of {len(GRID)} settings by log-loss on "
        "two other folds, each stopped early on them; the hierarchical fit has nothing tuned",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Coded:
    """Votes with their codes in the vocabulary, and the sizes of that."""

    codes: tuple[Ints, Ints, Ints]
    votes: Votes
    sizes: tuple[int, int, int]


def run(size: Size) -> Outcome:
    """Speed in paired rounds, then quality over worlds and seeds."""
    speed = _speed(size)
    folds = {
        (votes, styles): _fold_times(coded(votes, styles), size)
        for votes, styles in ((SMALL_VOTES, SMALL_STYLES), (VOTES, STYLES))
    }
    small = [
        _quality(kind_world, seed, SMALL_VOTES)
        for seed in range(size.times(3, 5))
        for kind_world in _worlds(SMALL_STYLES, seed)
    ]
    large = [
        _quality(kind_world, seed, VOTES)
        for seed in range(5 if size.full else 0)
        for kind_world in _worlds(STYLES, seed)
    ]
    found = [(some, votes) for some, votes in ((small, SMALL_VOTES), (large, VOTES)) if some]
    times = [milliseconds(middle(speed, arm)) for arm in (HIERARCHICAL, SWEPT, LOADER)]
    return Outcome(
        arms=ARMS,
        columns=("", HIERARCHICAL, SWEPT, LOADER, LIGHTGBM),
        lines=(
            (f"CPU time, {VOTES:,} votes, {STYLES} styles", *times, ""),
            *(line for (votes, styles), some in folds.items() for line in _times(some, votes)),
            *(line for some, _ in found for line in _lines(some)),
        ),
        targets=(
            Target(
                says="one DataLoader epoch ÷ the whole fit",
                value=ratio(speed, LOADER, HIERARCHICAL),
                bound=FASTER,
            ),
            *(
                Target(
                    says=f"ten folds ÷ one fit, {votes:,} votes, {styles} styles",
                    value=ratio(some, TEN, ONE),
                    bound=TIMES,
                    at_most=True,
                )
                for (votes, styles), some in folds.items()
            ),
            *(target for some, votes in found for target in _targets(some, votes)),
        ),
        rounds=(*speed, *(entry for some in folds.values() for entry in some), *small, *large),
        note="Excess log-loss over the truth, exact; medians over the seeds.",
    )


def _worlds(styles: int, seed: int) -> list[tuple[str, World]]:
    return [(kind, make_world(kind, styles=styles, seed=100 + seed)) for kind in KINDS]


def _speed(size: Size) -> list[Round]:
    data = coded(VOTES, STYLES)
    from bench.rows_network import Trainer, rows

    some = VOTES if size.full else LOADER_VOTES
    trainer = Trainer(
        data.sizes,
        rows(data.codes, data.votes.like, data.votes.score).part(slice(some)),
        seed=0,
        loader=True,
    )
    arms: dict[str, Callable[[], object]] = {
        HIERARCHICAL: lambda: whole_fit(data),
        SWEPT: lambda: swept_fit(data),
        LOADER: trainer.epoch,
    }
    found = paired(arms, size.times(5, 3))
    return [{"votes": VOTES, **entry, LOADER: entry[LOADER] * VOTES / some} for entry in found]


def coded(count: int, styles: int) -> Coded:
    """Votes of one world as codes."""
    world = make_world("random", styles=styles, seed=1)
    votes, levels = world.sample(count, seed=1), levels_of(world)
    face, tone, style = places(world, levels)
    codes = face[votes.face], tone[votes.tone], style[votes.style]
    return Coded(codes=codes, votes=votes, sizes=levels.sizes)


def by_fold(data: Coded, *, seed: int | None = None) -> FoldCounts:
    """From code arrays to counts by fold; without a seed all votes stand in one."""
    votes = data.votes
    fold = np.zeros(len(votes.like), dtype=np.int8)
    if seed is not None:
        fold = fold_of(votes.group, seed)
    return fold_counts(cells_of(data.codes, votes, fold, data.sizes), data.sizes, 1)


def whole_fit(data: Coded) -> None:
    """From code arrays to two fitted heads."""
    folds = by_fold(data)
    for counts in heads(folds, np.ones((1, FOLDS), dtype=bool)):
        fit(counts)


def swept_fit(data: Coded) -> None:
    """The same with the fit before this one, for the like head."""
    folds = by_fold(data)
    swept(folds.n.sum(axis=0), folds.like.sum(axis=0))


def heads(folds: FoldCounts, learned: NDArray[np.bool_]) -> tuple[Counts, Counts]:
    """Likes and scores of K fits that learn from the folds marked in (K, FOLDS)."""
    mask = learned.astype(np.float64)

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.einsum("kf,f...->k...", mask, values))

    likes = Counts(n=summed(folds.n), total=summed(folds.like))
    squares = summed(folds.score_square)
    return likes, Counts(n=summed(folds.scored), total=summed(folds.score_sum), squares=squares)


def _fold_times(data: Coded, size: Size) -> list[Round]:
    """Both heads once, ten times without a fold each, and all that a training fits."""
    folds, learned = by_fold(data, seed=1), learned_from()

    def fitted(part: NDArray[np.bool_]) -> None:
        for counts in heads(folds, part):
            table(fit(counts), data.sizes)

    arms: dict[str, Callable[[], object]] = {
        ONE: lambda: fitted(learned[:1]),
        TEN: lambda: fitted(learned[1 : 1 + FOLDS]),
        ALL: lambda: hierarchical_candidate(folds, (None, None), 1.0),
    }
    return [dict(entry) for entry in paired(arms, size.times(5, 3))]


def _quality(kind_world: tuple[str, World], seed: int, count: int) -> Round:
    """Excess log-loss of all arms on one sample."""
    kind, world = kind_world
    votes = world.sample(count, seed)
    data = prepared(world, votes, fold_of(votes.group, seed))
    sizes, at = data.levels.sizes, np.ix_(*places(world, data.levels))
    train, held = (data.cells.where(np.isin(data.cells.fold, part)) for part in (LEARNED, HELD))
    peer = tuned(train, held, sizes)
    folds = fold_counts(train, sizes, 1)
    counts, _ = heads(folds, np.ones((1, FOLDS), dtype=bool))
    ours = fit(counts)
    before, sweeps = swept(counts.n[0], counts.total[0])
    return {
        "votes": count,
        "styles": len(world.styles),
        "kind": kind,
        "seed": seed,
        HIERARCHICAL: world.excess_log_loss(sigmoid(table(ours, sizes)[0])[at]),
        "rounds": ours.rounds,
        "settled": ours.settled,
        SWEPT: world.excess_log_loss(sigmoid(before)[at]),
        "sweeps": sweeps,
        LIGHTGBM: world.excess_log_loss(peer.p[at]),
        "settings": peer.settings,
        "trees": peer.trees,
    }


def _times(found: list[Round], votes: int) -> list[tuple[str, ...]]:
    return [
        (f"{name}, {votes:,} votes, both heads", milliseconds(middle(found, name)), "", "", "")
        for name in (ONE, TEN, ALL)
    ]


def _lines(found: list[Round]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    size = f"{found[0]['votes']:,} votes, {found[0]['styles']} styles"
    for kind in dict.fromkeys(entry["kind"] for entry in found):
        some = [entry for entry in found if entry["kind"] == kind]
        ours, before, theirs = (
            f"{middle(some, arm):.4f}" for arm in (HIERARCHICAL, SWEPT, LIGHTGBM)
        )
        lines.append((f"excess, {size}, {kind}", ours, before, "", theirs))
    rounds, sweeps = (f"{middle(found, name):.0f}" for name in ("rounds", "sweeps"))
    settled = f"{sum(entry['settled'] for entry in found)} of {len(found)}"
    lines.append((f"rounds, {size}", rounds, sweeps, "", ""))
    lines.append((f"settled, {size}", settled, "", "", ""))
    return lines


def _targets(found: list[Round], votes: int) -> tuple[Target, ...]:
    n = f"{votes:,} votes"
    return (
        Target(
            says=f"excess log-loss ÷ LightGBM's, {n}, median of {len(found)} seed-worlds",
            value=median(entry[HIERARCHICAL] / entry[LIGHTGBM] for entry in found),
            bound=WORSE,
            at_most=True,
        ),
        Target(
            says=f"excess log-loss ÷ that of 40 sweeps, {n}, worst of {len(found)} seed-worlds",
            value=max(entry[HIERARCHICAL] / entry[SWEPT] for entry in found),
            bound=WORST,
            at_most=True,
        ),
        Target(
            says=f"fits that settled, {n}, of {len(found)}",
            value=float(sum(entry["settled"] for entry in found)),
            bound=float(len(found)),
        ),
    )


FIGURE = Figure(name="1", title="the hierarchical fit: speed and quality", run=run)
