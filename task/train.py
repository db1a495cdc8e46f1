"""Train the candidates, choose one on validation, and turn it into a score table.

Both candidates see train cells only; validation decides which ships, how its probabilities
are recalibrated and where its threshold stands. With fewer than 200 real validation votes
there is nothing to decide on: the hierarchical model ships as it is, threshold 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from task import calibrate, metrics
from task.features import Vocabulary
from task.models import hierarchical
from task.models.hierarchical import Counts, Head, Sizes, sigmoid
from task.prepare import BASE, REAL, SCORE_UNIT, TRAIN, VALIDATION, Cells, Prepared, encode
from task.prepare import train_vocabulary as vocabulary_of

Floats = NDArray[np.float64]
Weights = Mapping[str, NDArray[Any]]
Choice = Literal["auto", "hierarchical", "embedding"]

HIERARCHICAL, EMBEDDING = "hierarchical", "embedding"


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
class Candidate:
    """One trained candidate. Tables are (F, T, S): like logits (class weights corrected), scores.

    `rounds` are sweeps or epochs; `best_round` the one whose weights were kept.
    """

    name: str
    weights: Weights
    logit: Floats
    score: Floats
    rounds: int
    best_round: int
    class_weights: tuple[float, float] = (1.0, 1.0)
    curve: tuple[Mapping[str, float], ...] = ()
    head: Head | None = None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The candidate that ships with its final tables, and the account of how it came to be."""

    vocabulary: Vocabulary
    chosen: Candidate
    like: Floats
    threshold: float
    calibration: Mapping[str, Any]
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
    validation = cells.of(REAL, VALIDATION)
    enough = validation.votes >= calibrate.MIN_VOTES
    fits: dict[str, Callable[[], Candidate]] = {
        HIERARCHICAL: lambda: _hierarchical(cells, vocabulary.sizes, options),
        EMBEDDING: lambda: _embedding(cells, vocabulary.sizes, options, checkpoint, progress),
    }
    found, lines = [], []
    for name in _names(options.candidates, enough):
        start = clock()
        found.append(fits[name]())
        lines.append(_line(found[-1], validation, clock() - start))
    best = min(range(len(found)), key=lambda i: _rank(lines[i]))
    chosen = found[best]
    like, threshold, calibration = _calibrated(chosen, validation, enough)
    # What the hierarchical fit learned about the data is worth telling whichever ships.
    head = next((candidate.head for candidate in found if candidate.head), None)
    account = {
        "chosen": chosen.name,
        "reason": _reason(options.candidates, enough, validation.votes),
        "candidates": lines,
        "curve": [line for candidate in found for line in candidate.curve],
        "variances": _variances(head),
        "base": _base(cells, validation, chosen, head, vocabulary.sizes, options),
        "calibration": calibration,
        "threshold": threshold,
        "class_weights": list(chosen.class_weights),
        "train_votes": cells.of(REAL, TRAIN).votes,
        "validation_votes": validation.votes,
    }
    return Trained(
        vocabulary=vocabulary,
        chosen=chosen,
        like=like,
        threshold=threshold,
        calibration=calibration,
        account=account,
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


def loss_weight(source: int, real_data_weight: float) -> float:
    """A vote's weight in the loss: real 1, base 1/`real_data_weight`; with 0, base alone."""
    if real_data_weight == 0:
        return 1.0 if source == BASE else 0.0
    return 1.0 if source == REAL else 1.0 / real_data_weight


def like_counts(cells: Cells, weight: float) -> Counts | None:
    """The likes of some cells as sufficient statistics; None when there are none."""
    n = (cells.n_like + cells.n_dislike).astype(np.float64) * weight
    codes = (cells.face, cells.tone, cells.style)
    return (
        Counts(codes=codes, n=n, total=cells.n_like.astype(np.float64) * weight)
        if n.any()
        else None
    )


def score_counts(cells: Cells, weight: float) -> Counts | None:
    """The same of the scores, in 0..1."""
    n = cells.n_scored.astype(np.float64) * weight
    if not n.any():
        return None
    return Counts(
        codes=(cells.face, cells.tone, cells.style),
        n=n,
        total=cells.score_sum.astype(np.float64) * (weight / SCORE_UNIT),
        squares=cells.score_square.astype(np.float64) * (weight / SCORE_UNIT**2),
    )


def _names(choice: str, enough: bool) -> list[str]:
    if choice != "auto":
        return [choice]
    return [HIERARCHICAL, EMBEDDING] if enough else [HIERARCHICAL]


def _reason(choice: str, enough: bool, votes: int) -> str:
    if choice != "auto":
        return f"the setting `candidates` asks for {choice}"
    if not enough:
        return (
            f"{votes} real validation votes, fewer than {calibrate.MIN_VOTES}: "
            "the hierarchical model, not recalibrated"
        )
    return "the lowest log-loss on validation"


def _hierarchical(cells: Cells, sizes: Sizes, options: Options) -> Candidate:
    base, real = cells.of(BASE, TRAIN), cells.of(REAL, TRAIN)
    of_base = loss_weight(BASE, options.real_data_weight)
    of_real = loss_weight(REAL, options.real_data_weight)
    like = hierarchical.fit_head(like_counts(base, of_base), like_counts(real, of_real), sizes)
    score = hierarchical.fit_head(score_counts(base, of_base), score_counts(real, of_real), sizes)
    rounds = (like.real or like.base).rounds if like.real or like.base else 0  # type: ignore[union-attr]
    return Candidate(
        name=HIERARCHICAL,
        weights=hierarchical.to_weights(like, "like") | hierarchical.to_weights(score, "score"),
        logit=like.table(sizes),
        score=score.table(sizes),
        rounds=rounds,
        best_round=rounds,
        head=like,
    )


def _embedding(
    cells: Cells,
    sizes: Sizes,
    options: Options,
    checkpoint: Callable[[dict[str, NDArray[np.float32]]], None] | None,
    progress: Callable[[int], None] | None,
) -> Candidate:
    # Imported here: torch takes seconds to start, and not every run trains the network.
    from task.models import embedding

    validation = cells.of(REAL, VALIDATION)
    data = network_batch(cells.where(cells.split == TRAIN), options.real_data_weight)
    trained = embedding.train(
        sizes,
        data,
        network_batch(validation, 1.0) if validation.votes else None,
        embedding.Options(
            batch_size=options.batch_size,
            max_epochs=options.max_epochs,
            learning_rate=options.learning_rate,
            patience=options.early_stopping_patience,
            seed=options.seed,
        ),
        checkpoint=checkpoint,
        progress=progress,
    )
    weights = embedding.class_weights(data)
    logit, score = embedding.tables(trained.weights, sizes)
    return Candidate(
        name=EMBEDDING,
        weights=trained.weights,
        logit=logit - embedding.correction(weights),
        score=score,
        rounds=len(trained.curve),
        best_round=trained.best_epoch,
        class_weights=(float(weights[0]), float(weights[1])),
        curve=tuple(asdict(epoch) for epoch in trained.curve),
    )


def network_batch(cells: Cells, real_data_weight: float) -> Any:
    """Cells as the network's tensors; cells of weight 0 are left out."""
    import torch

    from task.models.embedding import Batch

    weights = np.array([loss_weight(source, real_data_weight) for source in (BASE, REAL)])
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


def _line(candidate: Candidate, validation: Cells, seconds: float) -> dict[str, Any]:
    return {
        "name": candidate.name,
        "validation_log_loss": _loss(candidate.logit, validation),
        "validation_auc": _auc(candidate.logit, validation),
        "seconds": round(seconds, 3),
        "rounds": candidate.rounds,
        "best_round": candidate.best_round,
    }


def _rank(line: Mapping[str, Any]) -> float:
    loss = line["validation_log_loss"]
    return float("inf") if loss is None else float(loss)


def _calibrated(
    chosen: Candidate, validation: Cells, enough: bool
) -> tuple[Floats, float, dict[str, Any]]:
    """Final like probabilities (F, T, S), threshold, and the recalibration."""
    if not enough:
        identity = {"fitted": False, "u": 0.0, "v": 1.0}
        return sigmoid(chosen.logit), calibrate.DEFAULT_THRESHOLD, identity
    logit = _at(chosen.logit, validation)
    u, v = calibrate.recalibrate(logit, validation.n_like, validation.n_dislike)
    like = sigmoid(u + v * chosen.logit)
    # The threshold belongs to the probabilities as they are served: float32.
    served = _at(like.astype(np.float32).astype(np.float64), validation)
    threshold = calibrate.best_threshold(served, validation.n_like, validation.n_dislike)
    return like, threshold, {"fitted": True, "u": u, "v": v}


def _base(
    cells: Cells,
    validation: Cells,
    chosen: Candidate,
    head: Head | None,
    sizes: Sizes,
    options: Options,
) -> dict[str, Any]:
    """How far the base data are believed, and validation with and without them."""
    found: dict[str, Any] = {
        "rows": cells.of(BASE, TRAIN).votes,
        "trust": None,
        "trust_low": None,
        "trust_high": None,
        "validation_log_loss_with": _loss(head.table(sizes) if head else chosen.logit, validation),
        "validation_log_loss_without": None,
        "validation_votes": validation.votes,
    }
    real = like_counts(cells.of(REAL, TRAIN), loss_weight(REAL, options.real_data_weight))
    if head is None or head.real is None or head.base is None or not real:
        return found
    effects = head.real
    alone = hierarchical.fit_head(None, real, sizes).table(sizes)
    half = 1.645 * effects.trust_deviation
    return found | {
        "trust": effects.trust,
        "trust_low": effects.trust - half,
        "trust_high": effects.trust + half,
        "validation_log_loss_without": _loss(alone, validation),
    }


def _variances(head: Head | None) -> dict[str, float]:
    effects = (head.real or head.base) if head else None
    return dict(effects.variances) if effects else {}


def _at(table: Floats, cells: Cells) -> Floats:
    return table[cells.face, cells.tone, cells.style]


def _loss(logit: Floats, cells: Cells) -> float | None:
    p = sigmoid(_at(logit, cells))
    return metrics.log_loss(p, cells.n_like, cells.n_dislike) if cells.votes else None


def _auc(logit: Floats, cells: Cells) -> float | None:
    found = metrics.auc(_at(logit, cells), cells.n_like, cells.n_dislike)
    return None if np.isnan(found) else found
