"""1: the whole hierarchical fit against one epoch of the usual loop, and against LightGBM.

Speed at a million votes and 500 styles, from arrays of codes; quality at 10,000 votes, where
it is hard, and in the full size at a million too.
"""

from __future__ import annotations

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
from bench.worlds import cells_of, levels_of, places, prepared, split_of
from local.world import KINDS, Votes, World, make_world
from task.models.hierarchical import fit_head, sigmoid
from task.prepare import REAL, TRAIN, VALIDATION, Cells
from task.train import like_counts, score_counts

Ints = NDArray[np.int64]

VOTES, STYLES = 1_000_000, 500
SMALL_VOTES, SMALL_STYLES = 10_000, 50
FASTER, WORSE = 200.0, 1.1
LOADER_VOTES = 64_000
"""Part of an epoch that the quick form measures."""

HIERARCHICAL, LOADER, LIGHTGBM = "hierarchical", "DataLoader epoch", "LightGBM"
ARMS = (
    Arm(
        name=HIERARCHICAL,
        says="code arrays of all votes → cells → both heads (likes and scores) fitted to the end, "
        "as `task.train` calls them; for quality the like head, trained on the train votes alone",
    ),
    Arm(
        name=LOADER,
        says="one epoch of the same network on the same votes: DataLoader over resident tensors, "
        "batch 64, shuffled, no workers, Adam; making the tensors is not counted. The quick form "
        f"measures {LOADER_VOTES:,} votes and scales to the epoch",
    ),
    Arm(
        name=LIGHTGBM,
        says=f"quality only: categorical features, the best of {len(GRID)} settings by validation "
        "log-loss, each with early stopping on validation; the hierarchical fit has nothing tuned",
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
    faster = ratio(speed, LOADER, HIERARCHICAL)
    targets = [
        Target(says="one DataLoader epoch ÷ the whole fit", value=faster, bound=FASTER),
        *(
            _target(found, votes)
            for found, votes in ((small, SMALL_VOTES), (large, VOTES))
            if found
        ),
    ]
    return Outcome(
        arms=ARMS,
        columns=("", HIERARCHICAL, LOADER, LIGHTGBM),
        lines=(
            (
                f"CPU time, {VOTES:,} votes, {STYLES} styles",
                milliseconds(middle(speed, HIERARCHICAL)),
                milliseconds(middle(speed, LOADER)),
                "",
            ),
            *(line for found in (small, large) for line in _lines(found)),
        ),
        targets=tuple(targets),
        rounds=(*speed, *small, *large),
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
    arms = {HIERARCHICAL: lambda: whole_fit(data), LOADER: trainer.epoch}
    found = paired(arms, size.times(5, 3))
    return [{"votes": VOTES, **entry, LOADER: entry[LOADER] * VOTES / some} for entry in found]


def coded(count: int, styles: int) -> Coded:
    """Votes of one world as codes."""
    world = make_world("random", styles=styles, seed=1)
    votes, levels = world.sample(count, seed=1), levels_of(world)
    face, tone, style = places(world, levels)
    codes = face[votes.face], tone[votes.tone], style[votes.style]
    return Coded(codes=codes, votes=votes, sizes=levels.sizes)


def whole_fit(data: Coded) -> None:
    """From code arrays to two fitted heads."""
    split = np.zeros(len(data.votes.like), dtype=np.int8)
    cells = cells_of(data.codes, data.votes, split, data.sizes)
    fit_head(None, like_counts(cells, 1.0), data.sizes)
    fit_head(None, score_counts(cells, 1.0), data.sizes)


def _quality(kind_world: tuple[str, World], seed: int, count: int) -> Round:
    """Excess log-loss of both on one sample."""
    kind, world = kind_world
    votes = world.sample(count, seed)
    data = prepared(world, votes, split_of(votes.group, seed))
    sizes, at = data.levels.sizes, np.ix_(*places(world, data.levels))
    train, held = (data.cells.of(REAL, part) for part in (TRAIN, VALIDATION))
    peer = tuned(train, held, sizes)
    return {
        "votes": count,
        "styles": len(world.styles),
        "kind": kind,
        "seed": seed,
        HIERARCHICAL: world.excess_log_loss(_hierarchical(train, sizes)[at]),
        LIGHTGBM: world.excess_log_loss(peer.p[at]),
        "settings": peer.settings,
        "trees": peer.trees,
    }


def _hierarchical(train: Cells, sizes: tuple[int, int, int]) -> NDArray[np.float64]:
    return sigmoid(fit_head(None, like_counts(train, 1.0), sizes).table(sizes))


def _lines(found: list[Round]) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for kind in dict.fromkeys(entry["kind"] for entry in found):
        some = [entry for entry in found if entry["kind"] == kind]
        name = f"excess, {some[0]['votes']:,} votes, {some[0]['styles']} styles, {kind}"
        ours, theirs = (f"{middle(some, arm):.4f}" for arm in (HIERARCHICAL, LIGHTGBM))
        lines.append((name, ours, "", theirs))
    return lines


def _target(found: list[Round], votes: int) -> Target:
    return Target(
        says=f"excess log-loss ÷ LightGBM's, {votes:,} votes, median of {len(found)} seed-worlds",
        value=median(entry[HIERARCHICAL] / entry[LIGHTGBM] for entry in found),
        bound=WORSE,
        at_most=True,
    )


FIGURE = Figure(name="1", title="the hierarchical fit: speed and quality", run=run)
