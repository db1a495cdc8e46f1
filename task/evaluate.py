"""Champion and challenger on the same unseen votes, each figure with its n and an interval.

Both answer from their tables as read back from disk. Point values are exact functions of the
votes; F1 and its paired difference get a bootstrap by group, the other metrics an interval
from their influence function summed by group (Huber's sandwich with clusters), since votes of
one person are not independent. A champion that cannot be scored raises: it is never treated
as "no champion".
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from task import metrics
from task.artifact import ScoreTable
from task.bootstrap import Draws, paired_f1, profiles
from task.features import Vocabulary
from task.intervals import (
    Interval,
    centred,
    interval,
    mean,
    p_positive,
    paired,
    percentiles,
    z,
)
from task.prepare import Prepared, TestVotes

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SLICE_VOTES = 50
"""Test votes from which on a slice is tested for being worse."""
TOP_STYLES = 10
WORSE_LEVEL = 0.05
"""One-sided level at which a slice or the log-loss counts as shown to be worse."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One face shape, tone or style: F1 of both, and whether it is shown to be worse."""

    by: str
    name: str
    votes: int
    challenger: Interval
    champion: Interval | None
    difference: Interval | None
    p_worse: float | None
    worse: bool


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Challenger minus champion, paired by group. `f1_deviation` is the bootstrap's SD."""

    f1: Interval
    f1_deviation: float
    log_loss: Interval
    log_loss_p_worse: float | None
    disagreements: int


@dataclass(frozen=True, kw_only=True)
class SinceChampion:
    """The comparison on the votes given after the champion's cutoff alone."""

    votes: int
    challenger: dict[str, Interval]
    champion: dict[str, Interval]
    difference: Interval


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Everything that the gate decides on and the report shows."""

    test: dict[str, int]
    champion_version: str | None
    challenger: dict[str, Interval]
    champion: dict[str, Interval] | None
    majority: dict[str, float | None]
    threshold: dict[str, float | None]
    difference: Difference | None
    since_champion: SinceChampion | None
    slices: tuple[Slice, ...]
    confusion: dict[str, Any]
    roc: dict[str, Any]
    calibration: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """One model on N votes: like probability, answer and predicted score, each (N,)."""

    p: Floats
    answer: Bools
    score: Floats

    def where(self, mask: Bools) -> _Scored:
        return _Scored(p=self.p[mask], answer=self.answer[mask], score=self.score[mask])


def evaluate(
    prepared: Prepared,
    challenger: ScoreTable,
    champion: ScoreTable | None,
    *,
    champion_cutoff: int | None = None,
    confidence: float = 0.90,
    seed: int = 0,
) -> Evaluation:
    """Score both tables on the real test votes. `champion_cutoff` is in microseconds UTC."""
    votes, levels = prepared.test, prepared.levels
    ours = _score(challenger, levels, votes)
    theirs = _score(champion, levels, votes) if champion else None
    drawn = _draw(votes, ours, theirs, seed)
    likes = int(votes.like.sum())
    return Evaluation(
        test={
            "votes": len(votes.like),
            "groups": len(np.unique(votes.group)),
            "likes": likes,
        },
        champion_version=champion.version if champion else None,
        challenger=_metrics(votes, ours, drawn.challenger, drawn.challenger_value, confidence),
        champion=_metrics(votes, theirs, drawn.champion, drawn.champion_value, confidence)
        if theirs
        else None,
        majority=_majority(votes),
        threshold={
            "challenger": challenger.threshold,
            "champion": champion.threshold if champion else None,
        },
        difference=_difference(votes, ours, theirs, drawn, confidence, seed) if theirs else None,
        since_champion=_since(votes, ours, theirs, champion_cutoff, confidence, seed),
        slices=_slices(levels, votes, ours, theirs, confidence, seed),
        confusion=_both(lambda s: _confusion(votes, s).tolist(), ours, theirs),
        roc=_both(lambda s: metrics.roc(s.p, *_labels(votes)), ours, theirs),
        calibration=_both(lambda s: _reliability(votes, s, confidence), ours, theirs),
    )


def self_test_cells(prepared: Prepared) -> list[list[Any]]:
    """The labelled real test cells by name: [face, tone, style key, likes, dislikes]."""
    cells, levels = prepared.cells.of(1, 2), prepared.levels
    return [
        [levels.faces[f], levels.tones[t], levels.styles[s], int(like), int(dislike)]
        for f, t, s, like, dislike in zip(
            cells.face, cells.tone, cells.style, cells.n_like, cells.n_dislike, strict=True
        )
    ]


def _score(table: ScoreTable, levels: Vocabulary, votes: TestVotes) -> _Scored:
    face, tone, style = levels.translate(table.vocabulary)
    at = face[votes.face], tone[votes.tone], style[votes.style]
    p = table.like[at].astype(np.float64)
    return _Scored(p=p, answer=p >= table.threshold, score=table.score[at].astype(np.float64))


def _labels(votes: TestVotes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    like = votes.like.astype(np.int64)
    return like, 1 - like


def _confusion(votes: TestVotes, scored: _Scored) -> NDArray[np.int64]:
    return metrics.confusion(scored.answer, *_labels(votes))


def _draw(votes: TestVotes, ours: _Scored, theirs: _Scored | None, seed: int) -> Draws:
    other = (theirs or ours).answer
    return paired_f1(profiles(votes.group, votes.like, other, ours.answer), seed=seed)


def _metrics(
    votes: TestVotes, scored: _Scored, draws: Floats, f1: float, confidence: float
) -> dict[str, Interval]:
    """All metrics of one model. Every influence (N,) sums to zero over the votes."""
    y, p, answer = votes.like.astype(np.float64), scored.p, scored.answer.astype(np.float64)
    like, dislike = _labels(votes)
    table = _confusion(votes, scored)
    of_like, of_dislike = metrics.log_losses(p)
    above, below = metrics.placements(p, like, dislike)
    auc = metrics.auc(p, like, dislike)
    gap = np.sign(np.bincount(metrics.bins(p), y - p, metrics.BINS))[metrics.bins(p)] * (y - p)
    squared = (votes.score - scored.score) ** 2
    known = ~np.isnan(squared)
    rmse = math.sqrt(squared[known].mean()) if known.any() else math.nan
    of_rmse = np.where(known, (squared - rmse**2) / (2 * rmse or 1.0), 0.0) / max(known.sum(), 1)

    def of_mean(values: Floats) -> Interval:
        return interval(mean(values), centred(values), votes.group, confidence)

    def of_ratio(value: float, part: Floats, whole: Floats) -> Interval:
        influence = (part - value * whole) / max(float(whole.sum()), 1.0)
        return interval(value, influence, votes.group, confidence)

    likes, dislikes = max(int(like.sum()), 1), max(int(dislike.sum()), 1)
    of_auc = y * (above - auc) / likes + (1 - y) * (below - auc) / dislikes
    return {
        "f1": percentiles(f1, draws, len(y), confidence),
        "accuracy": of_mean((y == answer).astype(np.float64)),
        "precision": of_ratio(float(metrics.precision(table)), y * answer, answer),
        "recall": of_ratio(float(metrics.recall(table)), y * answer, y),
        "auc": interval(auc, of_auc, votes.group, confidence),
        "log_loss": of_mean(y * of_like + (1 - y) * of_dislike),
        "brier": of_mean((y - p) ** 2),
        "calibration_error": interval(mean(gap), centred(gap), votes.group, confidence),
        "score_rmse": interval(rmse, of_rmse, votes.group, confidence, n=int(known.sum())),
    }


def _difference(
    votes: TestVotes, ours: _Scored, theirs: _Scored, drawn: Draws, confidence: float, seed: int
) -> Difference:
    y = votes.like
    of_ours, of_theirs = metrics.log_losses(ours.p), metrics.log_losses(theirs.p)
    if_like, if_dislike = of_ours[0] - of_theirs[0], of_ours[1] - of_theirs[1]
    worse = np.where(y, if_like, if_dislike)
    p = (ours.p + theirs.p) / 2
    found = paired(worse, votes.group, variance=p * (1 - p) * (if_like - if_dislike) ** 2)
    return Difference(
        f1=percentiles(drawn.difference_value, drawn.difference, len(y), confidence),
        f1_deviation=_f1_deviation(votes, ours, theirs, seed),
        log_loss=interval(mean(worse), centred(worse), votes.group, confidence),
        log_loss_p_worse=p_positive(found.value, found.jackknife, found.effective_groups),
        disagreements=int((ours.answer != theirs.answer).sum()),
    )


def _f1_deviation(votes: TestVotes, ours: _Scored, theirs: _Scored, seed: int) -> float:
    """The standard error that `votes_needed` extrapolates: of the plain, unsmoothed bootstrap."""
    if not len(votes.like):
        return 0.0
    table = profiles(votes.group, votes.like, theirs.answer, ours.answer)
    return float(np.std(paired_f1(table, seed=seed, smooth=False).difference))


def _since(
    votes: TestVotes,
    ours: _Scored,
    theirs: _Scored | None,
    cutoff: int | None,
    confidence: float,
    seed: int,
) -> SinceChampion | None:
    if theirs is None or cutoff is None:
        return None
    mask = votes.feedback_at > cutoff
    part, our_part, their_part = votes.where(mask), ours.where(mask), theirs.where(mask)
    drawn = _draw(part, our_part, their_part, seed)
    n = int(mask.sum())
    return SinceChampion(
        votes=n,
        challenger=_metrics(part, our_part, drawn.challenger, drawn.challenger_value, confidence),
        champion=_metrics(part, their_part, drawn.champion, drawn.champion_value, confidence),
        difference=percentiles(drawn.difference_value, drawn.difference, n, confidence),
    )


def _slices(
    levels: Vocabulary,
    votes: TestVotes,
    ours: _Scored,
    theirs: _Scored | None,
    confidence: float,
    seed: int,
) -> tuple[Slice, ...]:
    """Every face shape and tone with votes, and the styles with the most; Holm-corrected."""
    masks = [
        *((("face_shape"), levels.faces[i], votes.face == i) for i in range(len(levels.faces))),
        *((("skin_tone"), levels.tones[i], votes.tone == i) for i in range(len(levels.tones))),
        *(
            ("hairstyle", levels.names[i], votes.style == i)
            for i in _top(votes.style, len(levels.styles))
        ),
    ]
    found = [
        _slice(by, name, votes, ours, theirs, mask, confidence, seed)
        for by, name, mask in masks
        if mask.any()
    ]
    return tuple(_holm(found))


def _top(style: NDArray[np.int32], styles: int) -> list[int]:
    counts = np.bincount(style, minlength=styles)
    order = np.argsort(-counts, kind="stable")[:TOP_STYLES]
    return [int(i) for i in order if counts[i]]


def _slice(
    by: str,
    name: str,
    votes: TestVotes,
    ours: _Scored,
    theirs: _Scored | None,
    mask: Bools,
    confidence: float,
    seed: int,
) -> Slice:
    part, our_part = votes.where(mask), ours.where(mask)
    their_part = theirs.where(mask) if theirs else None
    drawn = _draw(part, our_part, their_part, seed)
    n = int(mask.sum())
    tested = theirs is not None and n >= SLICE_VOTES
    not_worse = int((drawn.difference >= 0).sum())
    return Slice(
        by=by,
        name=name,
        votes=n,
        challenger=percentiles(drawn.challenger_value, drawn.challenger, n, confidence),
        champion=percentiles(drawn.champion_value, drawn.champion, n, confidence)
        if theirs
        else None,
        difference=percentiles(drawn.difference_value, drawn.difference, n, confidence)
        if theirs
        else None,
        p_worse=(1 + not_worse) / (1 + len(drawn.difference)) if tested else None,
        worse=False,
    )


def _holm(slices: list[Slice]) -> list[Slice]:
    """Mark the slices shown to be worse, by Holm's step-down procedure (1979)."""
    tested = sorted((s.p_worse, i) for i, s in enumerate(slices) if s.p_worse is not None)
    worse: set[int] = set()
    for rank, (p, i) in enumerate(tested):
        if p > WORSE_LEVEL / (len(tested) - rank):
            break
        worse.add(i)
    return [Slice(**{**vars(s), "worse": True}) if i in worse else s for i, s in enumerate(slices)]


def _majority(votes: TestVotes) -> dict[str, float | None]:
    table = metrics.majority(*_labels(votes))
    return {
        "f1": _number(float(metrics.weighted_f1(table))),
        "accuracy": _number(float(metrics.accuracy(table))),
    }


def _reliability(votes: TestVotes, scored: _Scored, confidence: float) -> list[dict[str, Any]]:
    """Observed against predicted per bin, with Wilson's interval (1927)."""
    at = metrics.bins(scored.p)
    n = np.bincount(at, minlength=metrics.BINS)
    predicted = np.bincount(at, scored.p, metrics.BINS)
    observed = np.bincount(at, votes.like, metrics.BINS)
    z2 = z(confidence) ** 2
    rows = []
    for i in np.flatnonzero(n):
        share, size = observed[i] / n[i], float(n[i])
        centre = (share + z2 / (2 * size)) / (1 + z2 / size)
        half = math.sqrt(z2 * (share * (1 - share) / size + z2 / (4 * size**2))) / (1 + z2 / size)
        rows.append(
            {
                "predicted": float(predicted[i] / n[i]),
                "observed": float(share),
                "votes": int(n[i]),
                "low": float(max(0.0, centre - half)),
                "high": float(min(1.0, centre + half)),
            }
        )
    return rows


def _both(of: Any, ours: _Scored, theirs: _Scored | None) -> dict[str, Any]:
    return {"challenger": of(ours), "champion": of(theirs) if theirs else None}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as `evaluation.json` holds it."""
    found = asdict(evaluation)
    difference = found.pop("difference")
    found["disagreements"] = difference["disagreements"] if difference else None
    found["difference"] = None
    if difference:
        log_loss = difference["log_loss"] | {"p_worse": difference["log_loss_p_worse"]}
        found["difference"] = {"f1": difference["f1"], "log_loss": log_loss}
    return found
