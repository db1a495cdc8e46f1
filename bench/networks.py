"""The row-trained network on samples of worlds, for the figures that are held against it.

Trained once for each world and seed; figure 3 compares the shipped model with it, figure 4
its own probabilities before and after the correction for class weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.worlds import Quality, places, prepared, quality, split_of
from local.world import Kind, Votes, World, make_world
from task import calibrate
from task.models.hierarchical import sigmoid
from task.prepare import REAL, TRAIN, VALIDATION, Cells, Prepared

if TYPE_CHECKING:
    from bench.rows_network import Rows

Floats = NDArray[np.float64]
THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Votes drawn from one world, split by group, also as cells."""

    kind: Kind
    seed: int
    world: World
    votes: Votes
    split: NDArray[np.int8]
    prepared: Prepared


@dataclass(frozen=True, kw_only=True)
class RowTrained:
    """The row-trained network's quality in three forms of its answers.

    As they come, corrected for the class weights, and then also recalibrated with a threshold,
    both from validation as the shipped model's are.
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
    split = split_of(drawn.group, seed)
    return Sample(
        kind=kind,
        seed=seed,
        world=world,
        votes=drawn,
        split=split,
        prepared=prepared(world, drawn, split),
    )


def row_data(found: Sample) -> tuple[Rows, Rows]:
    """The train and the validation votes of a sample as the network's rows."""
    import torch

    from bench.rows_network import rows

    face, tone, style = places(found.world, found.prepared.levels)
    votes = found.votes
    data = rows((face[votes.face], tone[votes.tone], style[votes.style]), votes.like, votes.score)
    train, held = (
        data.part(torch.from_numpy(np.flatnonzero(found.split == part)))
        for part in (TRAIN, VALIDATION)
    )
    return train, held


def row_trained(found: Sample) -> RowTrained:
    """Train the network on the rows of a sample."""
    from bench.rows_network import fit

    levels = found.prepared.levels
    fitted = fit(levels.sizes, *row_data(found), seed=found.seed)
    at = np.ix_(*places(found.world, levels))
    corrected = fitted.logit - fitted.correction
    calibrated, threshold = _calibrated(corrected, found.prepared.cells.of(REAL, VALIDATION))
    return RowTrained(
        plain=quality(found.world, sigmoid(fitted.logit)[at], THRESHOLD),
        corrected=quality(found.world, sigmoid(corrected)[at], THRESHOLD),
        calibrated=quality(found.world, calibrated[at], threshold),
        seconds=fitted.seconds,
        epochs=fitted.epochs,
    )


def _calibrated(logit: Floats, held: Cells) -> tuple[Floats, float]:
    seen = logit[held.face, held.tone, held.style]
    u, v = calibrate.recalibrate(seen, held.n_like, held.n_dislike)
    threshold = calibrate.best_threshold(sigmoid(u + v * seen), held.n_like, held.n_dislike)
    return sigmoid(u + v * logit), threshold
