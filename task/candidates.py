"""The candidates, each fitted on all votes and cross-fitted: once without each fold.

What ships has learned from every vote; what judges it are its folds' models, each on the votes
that it was not fitted on. The hierarchical model makes all of its fits as one batch. The network
takes seconds a fit, so it is fitted once a pair of folds, and only where it can win: if it is not
the better one on the first pair, it is left out. But not for the first pair itself: whether it was
left out rests on these folds' votes, so each of them is judged by what its partner prefers.
Shapes: F faces, T tones, S styles; K = 1 + FOLDS + PAIRS fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from task import metrics
from task.folds import FOLDS, PAIRS, learned_from, pair, partner
from task.models import hierarchical
from task.models.crossed import Counts, sigmoid, table
from task.models.hierarchical import Base, Head
from task.prepare import BASE, REAL, SCORE_UNIT, Cells

Floats = NDArray[np.float64]
Sizes = tuple[int, int, int]
Weights = Mapping[str, NDArray[Any]]

HIERARCHICAL, EMBEDDING = "hierarchical", "embedding"
_NUMBERS_AT_ONCE = 8_000_000
"""Cells of all fits in one batch; more are fitted in several, for the memory."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a person may tune; see the settings of the same names."""

    real_data_weight: float = 2.0
    candidates: str = "auto"
    batch_size: int = 64
    max_epochs: int = 50
    learning_rate: float = 0.001
    early_stopping_patience: int = 7
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class FoldCounts:
    """The real votes of each fold on the model's grid: (FOLDS, F, T, S), squares (FOLDS,)."""

    n: Floats
    like: Floats
    scored: Floats
    score_sum: Floats
    score_square: Floats

    @property
    def sizes(self) -> Sizes:
        return self.n.shape[1], self.n.shape[2], self.n.shape[3]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One candidate: what would ship, and its models without a fold or a pair of folds.

    `logit` and `score` are (F, T, S), like logits corrected for class weights; `fold_logit` and
    `fold_score` (FOLDS, F, T, S), `pair_logit` (PAIRS, F, T, S); those of the first pair alone
    where it was left out after that. `rounds` are steps or epochs.
    """

    name: str
    weights: Weights
    logit: Floats
    score: Floats
    fold_logit: Floats
    fold_score: Floats
    pair_logit: Floats
    rounds: int
    best_round: int
    settled: bool = True
    class_weights: tuple[float, float] = (1.0, 1.0)
    curve: tuple[Mapping[str, float], ...] = ()
    head: Head | None = None

    @property
    def whole(self) -> bool:
        """Whether it was fitted for all folds, so that it may ship."""
        return len(self.pair_logit) == PAIRS


def fold_counts(cells: Cells, sizes: Sizes, unit: int) -> FoldCounts:
    """The real cells, coded in the model's vocabulary, as counts of votes by fold."""
    real = cells.of(REAL)
    shape = (FOLDS, *sizes)
    codes = (real.fold.astype(np.int64), real.face, real.tone, real.style)
    at = np.ravel_multi_index(codes, shape)
    length = int(np.prod(shape))

    def summed(values: NDArray[np.int64], scale: float = 1.0) -> Floats:
        found = np.bincount(at, values.astype(np.float64), length) / (unit * scale)
        return np.asarray(found.reshape(shape))

    squares = np.bincount(real.fold, real.score_square.astype(np.float64), FOLDS)
    return FoldCounts(
        n=summed(real.n_like + real.n_dislike),
        like=summed(real.n_like),
        scored=summed(real.n_scored),
        score_sum=summed(real.score_sum, SCORE_UNIT),
        score_square=squares / (unit * SCORE_UNIT**2),
    )


def base_counts(cells: Cells, sizes: Sizes, weight: float) -> tuple[Counts, Counts]:
    """The base rows' likes and scores, each weighing `weight`."""
    base = cells.of(BASE)
    at = np.ravel_multi_index((base.face, base.tone, base.style), sizes)

    def summed(values: NDArray[np.int64], scale: float = 1.0) -> Floats:
        found = np.bincount(at, values * (weight / scale), int(np.prod(sizes)))
        return np.asarray(found.reshape(1, *sizes))

    likes = Counts(n=summed(base.n_like + base.n_dislike), total=summed(base.n_like))
    squares = np.array([base.score_square.sum() * (weight / SCORE_UNIT**2)])
    scores = Counts(
        n=summed(base.n_scored), total=summed(base.score_sum, SCORE_UNIT), squares=squares
    )
    return likes, scores


def loss_weight(source: int, real_data_weight: float) -> float:
    """A vote's weight in the loss: real 1, base 1/`real_data_weight`; with 0, base alone."""
    if real_data_weight == 0:
        return 1.0 if source == BASE else 0.0
    return 1.0 if source == REAL else 1.0 / real_data_weight


def parts(of_fold: Floats) -> Floats:
    """Sums over the folds that each of the K fits learns from: (FOLDS, …) → (K, …)."""
    mask = learned_from().astype(np.float64)
    return np.asarray(np.einsum("kf,f...->k...", mask, of_fold))


def cross_fitted(counts: Counts, base: Base | None) -> tuple[Floats, Head, bool]:
    """Every fit of one head: predictions (K, F, T, S), the head that ships, all settled?"""
    tables, heads = [], []
    width = max(1, _NUMBERS_AT_ONCE // max(counts.n[0].size, 1))
    for start in range(0, len(counts.n), width):
        at = slice(start, start + width)
        squares = None if counts.squares is None else counts.squares[at]
        part = Counts(n=counts.n[at], total=counts.total[at], squares=squares)
        heads.append(hierarchical.fit_head(base, part))
        found = heads[-1].table(counts.sizes)
        tables.append(np.broadcast_to(found, (len(part.n), *counts.sizes)))
    return np.concatenate(tables), heads[0].of(0), all(head.settled for head in heads)


def hierarchical_candidate(
    folds: FoldCounts, base: tuple[Base | None, Base | None], real_weight: float
) -> Candidate:
    """All fits of the hierarchical model; `real_weight` 0 leaves the base data alone."""
    likes = Counts(n=parts(folds.n) * real_weight, total=parts(folds.like) * real_weight)
    scores = Counts(
        n=parts(folds.scored) * real_weight,
        total=parts(folds.score_sum) * real_weight,
        squares=parts(folds.score_square) * real_weight,
    )
    logit, like_head, like_settled = cross_fitted(likes, base[0])
    # The pairs decide nothing about scores.
    some = slice(0, 1 + FOLDS)
    assert scores.squares is not None
    scores = Counts(n=scores.n[some], total=scores.total[some], squares=scores.squares[some])
    score, score_head, score_settled = cross_fitted(scores, base[1])
    shipped = like_head.real or like_head.base
    rounds = shipped.rounds if shipped else 0
    return Candidate(
        name=HIERARCHICAL,
        weights=hierarchical.to_weights(like_head, "like")
        | hierarchical.to_weights(score_head, "score"),
        logit=logit[0],
        score=score[0],
        fold_logit=logit[1 : 1 + FOLDS],
        fold_score=score[1 : 1 + FOLDS],
        pair_logit=logit[1 + FOLDS :],
        rounds=rounds,
        best_round=rounds,
        settled=like_settled and score_settled,
        head=like_head,
    )


def embedding_candidate(
    cells: Cells,
    unit: int,
    sizes: Sizes,
    options: Options,
    *,
    competes: Callable[[Floats], bool],
    checkpoint: Callable[[dict[str, NDArray[np.float32]]], None] | None,
    progress: Callable[[int], None] | None,
) -> Candidate:
    """The network, fitted once a pair of folds and then on all votes.

    `competes` is asked with the first pair's like logits (F, T, S) before the others are fitted.
    """
    # Imported here: torch takes seconds to start, and not every run trains the network.
    from task.models import embedding

    tuning = embedding.Options(
        batch_size=options.batch_size,
        max_epochs=options.max_epochs,
        learning_rate=options.learning_rate,
        patience=options.early_stopping_patience,
        seed=options.seed,
    )

    def fit(learned: Cells, held: Cells | None, epochs: int | None = None) -> Any:
        data = network_batch(merged(learned), options.real_data_weight, unit)
        stop = network_batch(held, 1.0, unit) if held is not None and held.votes else None
        chosen = tuning
        if epochs is not None:  # as long as the pairs took, since nothing is held out to stop by
            chosen = embedding.Options(**{**vars(tuning), "max_epochs": epochs, "patience": epochs})
        found = embedding.train(sizes, data, stop, chosen, checkpoint=checkpoint, progress=progress)
        return found, embedding.class_weights(data), embedding.tables(found.weights, sizes)

    fits: list[Any] = []
    for index in range(PAIRS):
        stop_fold = 2 * ((index + 1) % PAIRS)
        real = cells.source == REAL
        learned = ~real | ((pair(cells.fold) != index) & (cells.fold != stop_fold))
        fits.append(fit(cells.where(learned), cells.where(real & (cells.fold == stop_fold))))
        _, weights, (logit, _) = fits[0]
        if index == 0 and not competes(logit - embedding.correction(weights)):
            return _network(fits, fits[0])
    epochs = int(np.median([found.best_epoch for found, _, _ in fits]))
    return _network(fits, fit(cells, None, max(epochs, 1)))


def _network(fits: list[Any], shipped: Any) -> Candidate:
    """The candidate from the fits without a pair, and the one that would ship."""
    from task.models import embedding

    of_pair = np.stack([raw - embedding.correction(each) for _, each, (raw, _) in fits])
    scores = np.stack([found for _, _, (_, found) in fits])
    found, weights, (logit, score) = shipped
    return Candidate(
        name=EMBEDDING,
        weights=found.weights,
        logit=logit - embedding.correction(weights),
        score=score,
        fold_logit=np.repeat(of_pair, 2, axis=0),
        fold_score=np.repeat(scores, 2, axis=0),
        pair_logit=of_pair,
        rounds=len(found.curve),
        best_round=found.best_epoch,
        class_weights=(float(weights[0]), float(weights[1])),
        curve=tuple(asdict(epoch) for epoch in fits[0][0].curve),
    )


def merged(cells: Cells) -> Cells:
    """The same votes with a cell for each choice instead of one in each fold.

    An epoch takes as long as there are cells: up to nine times longer without this.
    """
    keys = np.stack([cells.source, cells.face, cells.tone, cells.style])
    _, first, at = np.unique(keys, axis=1, return_index=True, return_inverse=True)

    def summed(values: NDArray[np.int64]) -> NDArray[np.int64]:
        total = np.zeros(len(first), dtype=np.int64)
        np.add.at(total, at.ravel(), values)
        return total

    return replace(
        cells.where(first),
        fold=np.zeros(len(first), dtype=np.int8),
        n_like=summed(cells.n_like),
        n_dislike=summed(cells.n_dislike),
        n_scored=summed(cells.n_scored),
        score_sum=summed(cells.score_sum),
        score_square=summed(cells.score_square),
    )


def network_batch(cells: Cells, real_data_weight: float, unit: int) -> Any:
    """Cells as the network's tensors; cells of weight 0 are left out."""
    import torch

    from task.models.embedding import Batch

    weights = np.array([loss_weight(source, real_data_weight) for source in (BASE, REAL)])
    weights /= [1, unit]
    kept = cells.where(weights[cells.source] > 0)

    def tensor(values: NDArray[Any], scale: float = 1.0) -> torch.Tensor:
        return torch.from_numpy((values * scale).astype(np.float32))

    return Batch(
        codes=torch.from_numpy(np.stack([kept.face, kept.tone, kept.style], axis=1).astype(int)),
        weight=tensor(weights[kept.source]),
        like=tensor(kept.n_like),
        dislike=tensor(kept.n_dislike),
        scored=tensor(kept.n_scored),
        total=tensor(kept.score_sum, 1.0 / SCORE_UNIT),
        square=tensor(kept.score_square, 1.0 / SCORE_UNIT**2),
    )


def held_out_loss(logit: Floats, folds: FoldCounts, fold: int) -> float:
    """The summed log-loss of a table's like logits (F, T, S) on one fold's votes, in nats."""
    p = sigmoid(logit)
    of_like, of_dislike = metrics.log_losses(p)
    like = folds.like[fold]
    return metrics.dot(of_like, like) + metrics.dot(of_dislike, folds.n[fold] - like)


def choose(found: list[Candidate], folds: FoldCounts) -> list[Candidate]:
    """Which candidate each fold is judged by, (FOLDS,): decided on its partner alone."""
    return [
        min(
            (each for each in found if pair(fold) < len(each.pair_logit)),
            key=lambda each: held_out_loss(each.pair_logit[pair(fold)], folds, partner(fold)),
        )
        for fold in range(FOLDS)
    ]


def base_table(base: Base | None, sizes: Sizes) -> Floats | None:
    """What the base data alone would answer: like probabilities (F, T, S)."""
    return None if base is None else sigmoid(table(base.effects, sizes)[0])
