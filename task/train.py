"""Fit the candidates on all votes, choose one, calibrate, and make the folds' models beside it.

Every decision that a fold's model rests on (candidate, calibration, threshold) is made on its
partner fold by a model that was fitted on neither, so a fold's votes reach nothing that they
judge. The same decisions for the model that ships are made on all votes, each scored by the model
of its fold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from task import calibrate, metrics
from task.artifact import FoldTables
from task.candidates import (
    EMBEDDING,
    HIERARCHICAL,
    Candidate,
    FoldCounts,
    Options,
    Weights,
    base_counts,
    base_table,
    choose,
    embedding_candidate,
    fold_counts,
    held_out_loss,
    hierarchical_candidate,
    loss_weight,
)
from task.features import Vocabulary
from task.folds import FOLDS, pair, partner
from task.models import hierarchical
from task.models.crossed import Counts, Sizes, sigmoid
from task.models.hierarchical import Base
from task.prepare import BASE, REAL, Cells, Prepared, encode
from task.prepare import train_vocabulary as vocabulary_of

Floats = NDArray[np.float64]

__all__ = ["Options", "Trained", "rebuild", "train"]

MIN_GROUPS = 200
"""Effective groups from which on the network may compete."""


@dataclass(frozen=True, kw_only=True)
class FoldModels:
    """What each fold is judged by: like probability and score (FOLDS, F, T, S), threshold (FOLDS,).

    `constant` (FOLDS,) is the like rate of the votes outside each fold; `base` (F, T, S) the base
    data's own answer, None without base data: what a first model must beat.
    """

    like: Floats
    score: Floats
    threshold: Floats
    constant: Floats
    base: Floats | None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The candidate that ships with its final table, its folds' models, and the account."""

    vocabulary: Vocabulary
    chosen: Candidate
    like: Floats
    threshold: float
    calibration: Mapping[str, Any]
    folds: FoldModels
    account: dict[str, Any]


def train(
    prepared: Prepared,
    options: Options,
    *,
    clock: Callable[[], float],
    checkpoint: Callable[[dict[str, NDArray[np.float32]]], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Trained:
    """Fit, choose, calibrate. `clock` gives seconds; `checkpoint` gets the network's best."""
    vocabulary = vocabulary_of(prepared)
    codes = encode(prepared.cells, prepared.levels, vocabulary)
    cells = replace(prepared.cells, face=codes[0], tone=codes[1], style=codes[2])
    folds = fold_counts(cells, vocabulary.sizes, prepared.unit)
    _, sizes = np.unique(prepared.examples.group, return_counts=True)
    share = calibrate.effective_share(sizes)
    groups = share * len(prepared.examples)
    start = clock()
    base = _fit_base(cells, vocabulary.sizes, options)
    real_weight = loss_weight(REAL, options.real_data_weight)
    found = [hierarchical_candidate(folds, base, real_weight)]
    seconds = [clock() - start]
    if options.candidates == EMBEDDING or (options.candidates == "auto" and groups >= MIN_GROUPS):
        start = clock()
        network = embedding_candidate(
            cells,
            prepared.unit,
            vocabulary.sizes,
            options,
            competes=lambda logit: (
                options.candidates == EMBEDDING or _better(logit, found[0], folds)
            ),
            checkpoint=checkpoint,
            progress=progress,
        )
        found.append(network)
        seconds.append(clock() - start)
    whole = [each for each in found if each.whole]
    screened = len(whole) < len(found)
    chosen, fold_models, like, threshold, calibration = decide(
        found[-1:] if options.candidates == EMBEDDING else found,
        folds,
        share,
        base[0] if real_weight else None,
    )
    account = {
        "chosen": chosen.name,
        "reason": _reason(options.candidates, groups, screened),
        "candidates": [
            _line(each, folds, took) for each, took in zip(whole, seconds, strict=False)
        ],
        "curve": [line for candidate in whole for line in candidate.curve],
        "variances": _variances(found[0]),
        "base": _base(cells, folds, found[0], options),
        "calibration": calibration,
        "threshold": threshold,
        "class_weights": list(chosen.class_weights),
        "votes": len(prepared.examples),
        "groups": len(sizes),
        "effective_groups": round(groups, 1),
        "learned_votes": float(folds.n.sum()),
        "settled": chosen.settled,
    }
    return Trained(
        vocabulary=vocabulary,
        chosen=chosen,
        like=like,
        threshold=threshold,
        calibration=calibration,
        folds=fold_models,
        account=account,
    )


def decide(
    found: list[Candidate], folds: FoldCounts, share: float, base: Base | None
) -> tuple[Candidate, FoldModels, Floats, float, dict[str, Any]]:
    """Choose, recalibrate and set the threshold: for each fold by its partner, and for all.

    Returns the candidate that ships, the folds' models, and its like table, threshold and
    recalibration. `share` is the effective weight of a vote (see `calibrate`).
    """
    like, threshold = np.empty_like(folds.n), np.empty(FOLDS)
    score = np.empty_like(folds.n)
    slopes, choices = np.empty((FOLDS, 2)), choose(found, folds)
    for fold, of in enumerate(choices):
        u, v, threshold[fold] = _decisions(
            of.pair_logit[pair(fold)][None], folds, [partner(fold)], share
        )
        slopes[fold] = u, v
        like[fold] = sigmoid(u + v * of.fold_logit[fold])
        score[fold] = of.fold_score[fold]
    chosen = min(
        (each for each in found if each.whole),
        key=lambda each: sum(
            held_out_loss(each.fold_logit[fold], folds, fold) for fold in range(FOLDS)
        ),
    )
    # What ships is recalibrated as its folds are on average: on all of them at once it would be
    # shrunk less than they are, and what was judged would not be what ships.
    mine = np.array([of is chosen for of in choices])
    u, v = slopes[mine].mean(axis=0).tolist() if mine.any() else (0.0, 1.0)
    cut = _threshold(sigmoid(u + v * chosen.fold_logit), folds, list(range(FOLDS)), share)
    votes = folds.n.sum()
    outside = votes - folds.n.sum(axis=(1, 2, 3))
    likes = folds.like.sum() - folds.like.sum(axis=(1, 2, 3))
    constant = np.where(outside > 0, (likes + 1.0) / (outside + 2.0), 0.5)
    models = FoldModels(
        like=like,
        score=score,
        threshold=threshold,
        constant=constant,
        base=base_table(base, folds.sizes),
    )
    calibration = {"fitted": bool(votes), "u": u, "v": v}
    return chosen, models, sigmoid(u + v * chosen.logit), cut, calibration


def fold_tables(folds: FoldModels) -> FoldTables:
    """The folds' models as they are published: probabilities in float32, as they are served."""
    return FoldTables(
        like=folds.like.astype(np.float32),
        score=np.clip(folds.score, 0.0, 1.0).astype(np.float32),
        threshold=folds.threshold,
        constant=folds.constant,
        base=None if folds.base is None else folds.base.astype(np.float32),
    )


def rebuild(metadata: Mapping[str, Any], weights: Weights, sizes: Sizes) -> tuple[Floats, Floats]:
    """Like probabilities and scores (F, T, S) from a version's weights and metadata alone."""
    if metadata["kind"] == HIERARCHICAL:
        logit = hierarchical.table_from_weights(weights, "like", sizes)
        score = hierarchical.table_from_weights(weights, "score", sizes)
    else:
        from task.models import embedding

        logit, score = embedding.tables(weights, sizes)
        logit = logit - embedding.correction(np.array(metadata["class_weights"]))
    calibration = metadata["calibration"]
    return sigmoid(calibration["u"] + calibration["v"] * logit), score


def _decisions(
    logit: Floats, folds: FoldCounts, held: list[int], share: float
) -> tuple[float, float, float]:
    """(u, v, threshold) from folds (L) that these like logits (L, F, T, S) were not fitted on."""
    n, like = folds.n[held], folds.like[held]
    at = np.nonzero(n)
    likes, dislikes = like[at], (n - like)[at]
    if not len(likes):
        return 0.0, 1.0, calibrate.DEFAULT_THRESHOLD
    u, v = calibrate.recalibrate(logit[at], share * likes, share * dislikes)
    return u, v, _threshold(sigmoid(u + v * logit), folds, held, share)


def _threshold(p: Floats, folds: FoldCounts, held: list[int], share: float) -> float:
    """The threshold from folds (L) that these like probabilities (L, F, T, S) hold out."""
    n, like = folds.n[held], folds.like[held]
    at = np.nonzero(n)
    # The threshold belongs to the probabilities as they are served: float32.
    served = p[at].astype(np.float32).astype(np.float64)
    effective = share * float(n.sum())
    return calibrate.best_threshold(served, like[at], (n - like)[at], effective)


def _fit_base(cells: Cells, sizes: Sizes, options: Options) -> tuple[Base | None, Base | None]:
    likes, scores = base_counts(cells, sizes, loss_weight(BASE, options.real_data_weight))
    return hierarchical.fit_base(likes), hierarchical.fit_base(scores)


def _better(logit: Floats, other: Candidate, folds: FoldCounts) -> bool:
    """Whether these logits (F, T, S), fitted without the first pair, are better on it."""
    first = (0, 1)
    ours = sum(held_out_loss(logit, folds, fold) for fold in first)
    return ours < sum(held_out_loss(other.pair_logit[0], folds, fold) for fold in first)


def _reason(choice: str, groups: float, screened: bool) -> str:
    if choice != "auto":
        return f"the setting `candidates` asks for {choice}"
    if groups < MIN_GROUPS:
        return (
            f"{groups:,.0f} effective groups, fewer than {MIN_GROUPS}: the hierarchical model alone"
        )
    if screened:
        return "the network was not the better one on the first two folds: hierarchical"
    return "the lowest log-loss on votes held out"


def _line(candidate: Candidate, folds: FoldCounts, seconds: float) -> dict[str, Any]:
    votes = float(folds.n.sum())
    loss = sum(held_out_loss(candidate.fold_logit[f], folds, f) for f in range(FOLDS))
    auc = metrics.auc(
        candidate.fold_logit.ravel(), folds.like.ravel(), (folds.n - folds.like).ravel()
    )
    return {
        "name": candidate.name,
        "log_loss": loss / votes if votes else None,
        "auc": None if np.isnan(auc) else auc,
        "seconds": round(seconds, 3),
        "rounds": candidate.rounds,
        "best_round": candidate.best_round,
        "settled": candidate.settled,
    }


def _base(
    cells: Cells,
    folds: FoldCounts,
    candidate: Candidate,
    options: Options,
) -> dict[str, Any]:
    """How far the base data are believed, and two folds' log-loss with and without them."""
    held = (0, 1)
    votes = float(sum(folds.n[fold].sum() for fold in held))
    found: dict[str, Any] = {
        "rows": cells.of(BASE).votes,
        "trust": None,
        "trust_low": None,
        "trust_high": None,
        "log_loss_with": None,
        "log_loss_without": None,
        "votes": votes,
    }
    head = candidate.head
    if head is None or head.real is None or head.base is None or not votes:
        return found
    learned = [fold for fold in range(FOLDS) if fold not in held]
    weight = loss_weight(REAL, options.real_data_weight)
    n, like = (folds.n[learned].sum(axis=0), folds.like[learned].sum(axis=0))
    alone = hierarchical.fit_head(None, Counts(n=n[None] * weight, total=like[None] * weight))
    half = 1.645 * float(head.real.trust_deviation[0])
    trust = float(head.real.trust[0])

    def loss(logit: Floats) -> float:
        return sum(held_out_loss(logit, folds, fold) for fold in held) / votes

    return found | {
        "trust": trust,
        "trust_low": trust - half,
        "trust_high": trust + half,
        "log_loss_with": loss(candidate.pair_logit[0]),
        "log_loss_without": loss(alone.table(folds.sizes)[0]),
    }


def _variances(candidate: Candidate) -> dict[str, float]:
    head = candidate.head
    effects = (head.real or head.base) if head else None
    return {name: float(values[0]) for name, values in effects.variances.items()} if effects else {}
