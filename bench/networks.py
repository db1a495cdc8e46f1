"""The row-trained network on samples of worlds, for the figures that are held against it.

Trained once for each world and seed; figure 3 compares the shipped model with it, figure 4
its own probabilities before and after the correction for class weights.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.fit import HELD, LEARNED
from bench.worlds import Quality, fold_of, places, prepared, quality
from local.world import Kind, Votes, World, make_world
from task import calibrate
from task.models.crossed import sigmoid
from task.prepare import Cells, Prepared

if TYPE_CHECKING:
    from bench.rows_network import Rows

Floats = NDArray[np.float64]
THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Votes drawn from one world, in folds by group, also as cells."""

    kind: Kind
    seed: int
    world: World
    votes: Votes
    fold: NDArray[np.int8]
    prepared: Prepared


@dataclass(frozen=True, kw_only=True)
class RowTrained:
    """The row-trained network's quality in three forms of its answers.

    As they come, corrected for the class weights, and then also recalibrated with a threshold,
    both from the held-out folds, in the way that the shipped model's are.
    """

    plain: Quality
    corrected: Quality
    calibrated: Quality
    seconds: float
    epochs: int


def sample(kind: Kind, seed: int, *, votes: int, styles: int) -> Sample:
    """Draw one sample; the same arguments give the same one."""
    world = make_world(kind, styles=styles, seed=100 + seed)
    drawn = world.sample(votes, seed)
    fold = fold_of(drawn.group, seed)
    return Sample(
        kind=kind,
        seed=seed,
        world=world,
        votes=drawn,
        fold=fold,
        prepared=prepared(world, drawn, fold),
    )


def row_data(found: Sample) -> tuple[Rows, Rows]:
    """The votes to learn from and those to stop by, as the network's rows."""
    import torch

    from bench.rows_network import rows

    face, tone, style = places(found.world, found.prepared.levels)
    votes = found.votes
    data = rows((face[votes.face], tone[votes.tone], style[votes.style]), votes.like, votes.score)
    train, held = (
        data.part(torch.from_numpy(np.flatnonzero(np.isin(found.fold, part))))
        for part in (LEARNED, HELD)
    )
    return train, held


def row_trained(found: Sample) -> RowTrained:
    """Train the network on the rows of a sample."""
    from bench.rows_network import fit

    levels = found.prepared.levels
    fitted = fit(levels.sizes, *row_data(found), seed=found.seed)
    at = np.ix_(*places(found.world, levels))
    corrected = fitted.logit - fitted.correction
    calibrated, threshold = _calibrated(corrected, found)
    return RowTrained(
        plain=quality(found.world, sigmoid(fitted.logit)[at], THRESHOLD),
        corrected=quality(found.world, sigmoid(corrected)[at], THRESHOLD),
        calibrated=quality(found.world, calibrated[at], threshold),
        seconds=fitted.seconds,
        epochs=fitted.epochs,
    )


def cells_in(found: Sample, folds: Iterable[int]) -> Cells:
    """The cells of a sample that stand in some folds."""
    cells = found.prepared.cells
    return cells.where(np.isin(cells.fold, list(folds)))


def _calibrated(logit: Floats, found: Sample) -> tuple[Floats, float]:
    held = cells_in(found, HELD)
    seen = logit[held.face, held.tone, held.style]
    likes, dislikes = held.n_like.astype(np.float64), held.n_dislike.astype(np.float64)
    _, sizes = np.unique(found.votes.group[np.isin(found.fold, HELD)], return_counts=True)
    share = calibrate.effective_share(sizes)
    u, v = calibrate.recalibrate(seen, share * likes, share * dislikes)
    p = sigmoid(u + v * seen)
    threshold = calibrate.best_threshold(p, likes, dislikes, share * held.votes)
    return sigmoid(u + v * logit), threshold
