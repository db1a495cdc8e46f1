"""2: an epoch of the network over cells, against one over a DataLoader.

Speed at a million votes and 500 styles; then both train for equally long on the same votes,
and what each has learned by then is compared.
"""

from __future__ import annotations

from collections.abc import Callable
from time import process_time
from typing import Any

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
from bench.fit import HELD, LEARNED, STYLES, VOTES, Coded, coded
from bench.networks import Sample, cells_in, row_data, sample
from bench.worlds import cells_of, places
from local.world import KINDS
from task.candidates import merged, network_batch
from task.models.crossed import sigmoid

Floats = NDArray[np.float64]

LOADER_VOTES = 64_000
QUICK_VOTES, QUICK_STYLES = 100_000, 200
FASTER, NO_WORSE = 100.0, 1.0
BATCH, RATE = 64, 0.001

CELLS, LOADER = "cells", "DataLoader"
ARMS = (
    Arm(
        name=CELLS,
        says="code arrays of all votes → cells → one epoch of `task.models.embedding` in batches "
        "of 64 cells, the making of the network included",
    ),
    Arm(
        name=LOADER,
        says="the same network and votes: DataLoader over resident tensors, batch 64, shuffled, "
        f"no workers, Adam. The quick form measures {LOADER_VOTES:,} votes and scales",
    ),
)


class _OutOfTimeError(Exception):
    """Ends a training that has had its seconds."""


def run(size: Size) -> Outcome:
    """Speed in paired rounds, then quality at equal CPU time, one sample a kind of world."""
    speed = _speed(size)
    votes, styles = size.pick(QUICK_VOTES, VOTES), size.pick(QUICK_STYLES, STYLES)
    quality = [_equal_time(sample(kind, 0, votes=votes, styles=styles)) for kind in KINDS]
    times = [milliseconds(middle(speed, arm)) for arm in (CELLS, LOADER)]
    return Outcome(
        arms=ARMS,
        columns=("", CELLS, LOADER),
        lines=(
            (f"CPU time of an epoch, {VOTES:,} votes, {STYLES} styles", *times),
            *(
                (
                    f"excess after {entry['seconds']:.1f} s, {votes:,} votes, {entry['kind']}",
                    f"{entry[CELLS]:.4f}",
                    f"{entry[LOADER]:.4f}",
                )
                for entry in quality
            ),
            ("epochs in that time", f"{middle(quality, 'epochs'):.0f}", "1"),
        ),
        targets=(
            Target(
                says="epoch, DataLoader ÷ cells", value=ratio(speed, LOADER, CELLS), bound=FASTER
            ),
            Target(
                says="excess log-loss at equal CPU time, cells ÷ DataLoader, median of 3 worlds",
                value=ratio(quality, CELLS, LOADER),
                bound=NO_WORSE,
                at_most=True,
            ),
        ),
        rounds=(*speed, *quality),
        note=(
            "Excess log-loss of the probabilities corrected for class weights, exact. Over cells "
            "the best epoch by two held-out folds counts, over the DataLoader the only one."
        ),
    )


def _speed(size: Size) -> list[Round]:
    from bench.rows_network import Trainer, rows

    data = coded(VOTES, STYLES)
    some = VOTES if size.full else LOADER_VOTES
    tensors = rows(data.codes, data.votes.like, data.votes.score).part(slice(some))
    loader = Trainer(data.sizes, tensors, seed=0, loader=True)
    cells_epoch(data)  # the first optimiser imports a good deal; that is no epoch
    arms: dict[str, Callable[[], None]] = {
        CELLS: lambda: cells_epoch(data),
        LOADER: loader.epoch,
    }
    found = paired(arms, size.times(5, 3))
    return [{**entry, LOADER: entry[LOADER] * VOTES / some} for entry in found]


def cells_epoch(data: Coded) -> None:
    """From code arrays to one epoch over cells."""
    from task.models import embedding

    fold = np.zeros(len(data.votes.like), dtype=np.int8)
    batch = network_batch(cells_of(data.codes, data.votes, fold, data.sizes), 1.0, 1)
    embedding.train(data.sizes, batch, None, _options(epochs=1))


def _equal_time(found: Sample) -> Round:
    """One DataLoader epoch, then as many epochs over cells as fit into its seconds."""
    from bench.rows_network import Trainer

    train, _ = row_data(found)
    trainer = Trainer(found.prepared.levels.sizes, train, seed=0, loader=True)
    start = process_time()
    trainer.epoch()
    seconds = process_time() - start
    loader = trainer.fitted(1, seconds)
    logit, epochs = _cells_for(found, seconds)
    at = np.ix_(*places(found.world, found.prepared.levels))
    return {
        "kind": found.kind,
        "seconds": seconds,
        "epochs": epochs,
        CELLS: found.world.excess_log_loss(sigmoid(logit[at])),
        LOADER: found.world.excess_log_loss(sigmoid(loader.logit - loader.correction)[at]),
    }


def _cells_for(found: Sample, seconds: float) -> tuple[Floats, int]:
    """The corrected like logits after so many CPU seconds over cells, and the epochs in them."""
    from task.models import embedding

    start, best, epochs = process_time(), [dict[str, Any]()], 0

    def progress(epoch: int) -> None:
        nonlocal epochs
        epochs = epoch
        if process_time() - start > seconds:
            raise _OutOfTimeError

    def keep(weights: dict[str, Any]) -> None:
        best[0] = weights

    train, held = (network_batch(merged(cells_in(found, part)), 1.0, 1) for part in (LEARNED, HELD))
    sizes = found.prepared.levels.sizes
    try:
        embedding.train(
            sizes, train, held, _options(epochs=10**6), checkpoint=keep, progress=progress
        )
    except _OutOfTimeError:
        logit, _ = embedding.tables(best[0], sizes)
        return logit - embedding.correction(embedding.class_weights(train)), epochs
    raise AssertionError("a training without end has ended")


def _options(epochs: int) -> Any:
    from task.models.embedding import Options

    return Options(
        batch_size=BATCH, max_epochs=epochs, learning_rate=RATE, patience=epochs + 1, seed=0
    )


FIGURE = Figure(name="2", title="an epoch over cells against one over rows", run=run)
