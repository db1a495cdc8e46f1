"""Champion and challenger on the votes that may judge both, each figure with its n and an interval.

Which votes those are, and which model answers for whom, is `judging.py`. Point values are exact
functions of the votes; F1 and its paired difference get a bootstrap by group, everything else an
interval from its influence summed by group, since votes of one person are not independent. A
champion that cannot be scored raises: it is never treated as "no champion".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from task import metrics, refit
from task.bootstrap import paired_f1
from task.faults import Faults, Slice, Suspicion, found_faults
from task.features import Vocabulary
from task.harm import Gain
from task.intervals import Interval, effective_groups, percentiles
from task.judging import Judged, Scored, Version, as_published, judge, out_of_fold
from task.model_metrics import (
    NO_CURVES,
    confusion_of,
    curves_of,
    metrics_of,
    point,
    points_of,
    profiles_of,
)
from task.paired import gain
from task.prepare import Examples, Prepared
from task.recency import NO_TIME
from task.refit import Refit

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LAST_WEEKS = 28 * 86_400 * 1_000_000
"""Microseconds before the cutoff whose votes the base rate of the last weeks is made of."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Challenger against champion by group; `f1` and `log_loss` are challenger − champion.

    `disagreements` are votes that the two answer differently, `changed` those to which what would
    ship gives another like probability than what is published.
    """

    f1: Interval
    log_loss: Interval
    gain: Gain
    disagreements: int
    changed: int


@dataclass(frozen=True, kw_only=True)
class SinceChampion:
    """The comparison on the votes given after the champion's cutoff alone."""

    votes: int
    challenger: dict[str, Interval]
    champion: dict[str, Interval]
    difference: Interval
    gain: Gain


@dataclass(frozen=True, kw_only=True)
class Against:
    """The challenger's gain over something else: an older version, or a reference."""

    name: str
    gain: Gain


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Everything that the gate decides on and the report shows.

    `judged` counts votes and groups, and the votes by the way in which they may judge the
    champion. `anchor` is the best version of the last year, where that is not the champion.
    `references` are what a first model must beat. `base_rate` is the challenger against the like
    rate of the last weeks.
    """

    judged: dict[str, float]
    champion_version: str | None
    challenger: dict[str, Interval]
    champion: dict[str, Interval] | None
    threshold: dict[str, float | None]
    difference: Difference | None
    since_champion: SinceChampion | None
    anchor: Against | None
    references: tuple[Against, ...]
    base_rate: Against | None
    slices: tuple[Slice, ...]
    faults: Faults | None
    suspicions: tuple[Suspicion, ...]
    refit: Refit
    confusion: dict[str, Any]
    roc: dict[str, Any]
    calibration: dict[str, Any]


def evaluate(
    prepared: Prepared,
    challenger: Version,
    champion: Version | None,
    *,
    cutoff: int,
    anchor: Version | None = None,
    confidence: float = 0.90,
    max_negative_flips: float = 0.10,
    seed: int = 0,
    report: bool = True,
) -> Evaluation:
    """Score all of them on the real votes; `cutoff` is this run's, in microseconds UTC.

    Without `report` only what the gate decides on is worked out: metrics are point values, and
    what a person would look at besides is left out.
    """
    levels, every = prepared.levels, prepared.examples
    judged = _judged(challenger, champion, levels, every)
    votes, ours = judged.examples, judged.challenger
    theirs = judged.champion if champion else None
    changed = _changed(challenger, champion, levels, votes) if champion else 0
    difference = None
    faults = None
    if champion:
        difference = _difference(judged, changed, confidence, seed, draw=report)
        faults = found_faults(judged, difference.gain, levels, challenger, champion)
    base_rate = _base_rate(votes, ours, cutoff, confidence)

    def of(votes: Examples, scored: Scored) -> dict[str, Interval]:
        return metrics_of(votes, scored, confidence, seed) if report else points_of(votes, scored)

    return Evaluation(
        judged=_counts(judged, champion is not None),
        champion_version=champion.table.version if champion else None,
        challenger=of(votes, ours),
        champion=of(votes, theirs) if theirs else None,
        threshold={
            "challenger": challenger.table.threshold,
            "champion": champion.table.threshold if champion else None,
        },
        difference=difference,
        since_champion=_since(judged, champion, confidence, seed) if champion and report else None,
        anchor=_anchor(challenger, anchor, levels, every, confidence),
        references=() if champion else _references(challenger, levels, every, ours, confidence),
        base_rate=base_rate,
        slices=faults.slices if faults else (),
        faults=faults,
        suspicions=faults.suspicions(base_rate.gain if base_rate else None, max_negative_flips)
        if faults
        else (),
        refit=_refit(challenger, levels, every),
        **(curves_of(votes, ours, theirs, confidence) if report else NO_CURVES),
    )


def self_test_cells(prepared: Prepared) -> list[list[Any]]:
    """The labelled votes of one fold by name: [face, tone, style key, likes, dislikes]."""
    levels = prepared.levels
    votes = prepared.examples.where(prepared.examples.fold == 0)
    sizes = levels.sizes
    at = np.ravel_multi_index((votes.face, votes.tone, votes.style), sizes)
    n = np.bincount(at, minlength=int(np.prod(sizes)))
    like = np.bincount(at, votes.like, len(n)).astype(np.int64)
    kept = np.flatnonzero(n)
    return [
        [levels.faces[f], levels.tones[t], levels.styles[s], int(likes), int(count - likes)]
        for f, t, s, likes, count in zip(
            *np.unravel_index(kept, sizes), like[kept], n[kept], strict=True
        )
    ]


def _judged(
    challenger: Version, champion: Version | None, levels: Vocabulary, every: Examples
) -> Judged:
    if champion is not None:
        return judge(challenger, champion, levels, every)
    ours = out_of_fold(challenger, levels, every)
    return Judged(
        examples=every,
        challenger=ours,
        champion=ours,
        after_cutoff=0,
        out_of_fold=len(every),
        fixed_split=0,
    )


def _counts(judged: Judged, compared: bool) -> dict[str, float]:
    _, sizes = np.unique(judged.examples.group, return_counts=True)
    counts = {
        "votes": len(judged.examples),
        "groups": len(sizes),
        "effective_groups": round(effective_groups(sizes), 1),
        "likes": int(judged.examples.like.sum()),
    }
    if compared:
        counts |= {
            "after_cutoff": judged.after_cutoff,
            "out_of_fold": judged.out_of_fold,
            "fixed_split": judged.fixed_split,
        }
    return counts


def _difference(
    judged: Judged, changed: int, confidence: float, seed: int, *, draw: bool
) -> Difference:
    votes, ours, theirs = judged.examples, judged.challenger, judged.champion
    found = gain(votes, ours.p, theirs.p, confidence)
    if draw:
        drawn = paired_f1(profiles_of(votes, theirs, ours), seed=seed)
        f1 = percentiles(drawn.difference_value, drawn.difference, len(votes), confidence)
    else:
        both = [metrics.weighted_f1(confusion_of(votes, each)) for each in (ours, theirs)]
        f1 = point(float(both[0] - both[1]), len(votes))
    return Difference(
        f1=f1,
        log_loss=Interval(
            value=_minus(found.value),
            low=_minus(found.high),
            high=_minus(found.low),
            n=found.votes,
        ),
        gain=found,
        disagreements=int((ours.answer != theirs.answer).sum()),
        changed=changed,
    )


def _changed(challenger: Version, champion: Version, levels: Vocabulary, votes: Examples) -> int:
    ours, theirs = (as_published(each.table, levels, votes) for each in (challenger, champion))
    return int((ours.p != theirs.p).sum())


def _since(judged: Judged, champion: Version, confidence: float, seed: int) -> SinceChampion:
    at = judged.examples.feedback_at
    mask = (at != NO_TIME) & (at > champion.cutoff)
    part = judged.examples.where(mask)
    ours, theirs = judged.challenger.where(mask), judged.champion.where(mask)
    drawn = paired_f1(profiles_of(part, theirs, ours), seed=seed)
    return SinceChampion(
        votes=len(part),
        challenger=metrics_of(part, ours, confidence, seed),
        champion=metrics_of(part, theirs, confidence, seed),
        difference=percentiles(drawn.difference_value, drawn.difference, len(part), confidence),
        gain=gain(part, ours.p, theirs.p, confidence),
    )


def _anchor(
    challenger: Version,
    anchor: Version | None,
    levels: Vocabulary,
    every: Examples,
    confidence: float,
) -> Against | None:
    if anchor is None:
        return None
    judged = judge(challenger, anchor, levels, every)
    found = gain(judged.examples, judged.challenger.p, judged.champion.p, confidence)
    return Against(name=anchor.table.version, gain=found)


def _references(
    challenger: Version, levels: Vocabulary, every: Examples, ours: Scored, confidence: float
) -> tuple[Against, ...]:
    """A constant that each fold knows from the others and, where there is one, the base alone."""
    folds = challenger.folds
    assert folds is not None, "a challenger is always made with its folds"
    found = [
        Against(name="a constant", gain=gain(every, ours.p, folds.constant[every.fold], confidence))
    ]
    if folds.base is not None:
        face, tone, style = levels.translate(challenger.table.vocabulary)
        at = face[every.face], tone[every.tone], style[every.style]
        base = folds.base[at].astype(np.float64)
        found.append(
            Against(name="the base data alone", gain=gain(every, ours.p, base, confidence))
        )
    return tuple(found)


def _base_rate(votes: Examples, ours: Scored, cutoff: int, confidence: float) -> Against | None:
    """Against the like rate of the last four weeks' votes in the other folds."""
    at = votes.feedback_at
    last = (at != NO_TIME) & (at > cutoff - LAST_WEEKS)
    if not last.any():
        return None
    part = votes.where(last)
    folds = int(votes.fold.max()) + 1
    n = np.bincount(part.fold, minlength=folds)
    likes = np.bincount(part.fold, part.like, folds)
    rate = (likes.sum() - likes + 1.0) / (n.sum() - n + 2.0)
    found = gain(part, ours.where(last).p, rate[part.fold], confidence)
    return Against(name="the like rate of the last four weeks", gain=found)


def _refit(challenger: Version, levels: Vocabulary, every: Examples) -> Refit:
    folds = challenger.folds
    assert folds is not None, "a challenger is always made with its folds"
    sizes = challenger.table.vocabulary.sizes
    face, tone, style = levels.translate(challenger.table.vocabulary)
    at = np.ravel_multi_index((face[every.face], tone[every.tone], style[every.style]), sizes)
    votes = np.bincount(at, minlength=int(np.prod(sizes))).reshape(sizes).astype(np.float64)
    return refit.compare(
        challenger.table.like.astype(np.float64), folds.like.astype(np.float64), votes
    )


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as `evaluation.json` holds it."""
    found = asdict(evaluation)
    found["refit"]["alike"] = evaluation.refit.alike
    return found


def named(gains: Sequence[Against]) -> dict[str, Gain]:
    """Gains by what they are over."""
    return {each.name: each.gain for each in gains}
