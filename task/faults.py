"""What may be wrong with a challenger that is no worse on the whole: looked for one by one.

Each suspicion is a one-sided test by group that something is worse beyond a bound. The gate holds
them together at 5 % (Holm 1979), so that looking in twenty places raises no more false alarms
than looking in one, and each has what power its votes give it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from task.features import Vocabulary
from task.harm import Gain
from task.intervals import Interval, mean, p_positive, paired
from task.judging import Judged, Scored, Version
from task.paired import gain
from task.prepare import Examples

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SLICE_GROUPS = 50
"""Effective groups from which on a slice is tested for being worse."""
SLICE_MARGIN = 0.02
"""Nats per vote by which a slice may be worse. Without one, a slice that two models differ on by
chance met the same champion on the same votes each week, and sound challengers were refused for
months."""
TOP_STYLES = 10
FIRST_PLACES = 3
LEVEL = 0.05
"""One-sided level at which all suspicions together may be false."""
CALIBRATION_SLOPE, CALIBRATION_BIAS = 0.25, 0.02
"""What a calibration's slope may be off 1, and its mean off the like rate."""
SCORE_WORSE = 1.1
"""The squared error of the score may be so many times the champion's."""


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One face shape, tone or style: log-loss of challenger − champion, and its test."""

    by: str
    name: str
    votes: int
    groups: int
    difference: Interval
    p_worse: float | None


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """One test: its name, the p-value of "it is worse beyond its bound", and Holm's answer."""

    name: str
    says: str
    p: float | None
    shown: bool = False


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What was looked at besides the mean.

    `negative_flips` is the share of votes that the champion answers rightly and the challenger
    wrongly, with its p-values by bound; `first_places` the share of the first three styles of a
    face and tone, by votes, that are others than the champion's.
    """

    slices: tuple[Slice, ...]
    gain: Gain
    slope: float | None
    bias: float | None
    p_calibration: float | None
    score_ratio: float | None
    p_score: float | None
    negative_flips: float | None
    flips_deviation: float | None
    flips_groups: float
    first_places: float | None

    def suspicions(
        self, base_rate: Gain | None, max_negative_flips: float
    ) -> tuple[Suspicion, ...]:
        """All tests, with those that Holm's step-down procedure finds shown."""
        flips = None
        # Each step away from a poor first model turns some right answers wrong, and more the
        # other way: a challenger that is shown to be better is not kept back for that.
        better = self.gain.low is not None and self.gain.low > 0.0
        if self.negative_flips is not None and self.flips_deviation is not None and not better:
            flips = p_positive(
                self.negative_flips - max_negative_flips, self.flips_deviation, self.flips_groups
            )
        found = [
            Suspicion(name="log_loss", says="log-loss", p=self.gain.p_worse),
            Suspicion(name="calibration", says="calibration", p=self.p_calibration),
            Suspicion(name="score", says="the error of the score", p=self.p_score),
            Suspicion(name="negative_flips", says="right answers that turned wrong", p=flips),
            *(
                Suspicion(name="slices", says=f"{s.name or 'unknown'} ({s.by})", p=s.p_worse)
                for s in self.slices
            ),
        ]
        # A champion that is worse still would not be mended by keeping it.
        if base_rate is not None and (self.gain.value or 0.0) <= 0.0:
            found.append(
                Suspicion(
                    name="base_rate",
                    says="log-loss against the like rate of the last weeks",
                    p=base_rate.p_worse,
                )
            )
        return holm(found)


def holm(suspicions: list[Suspicion]) -> tuple[Suspicion, ...]:
    """Mark what is shown at `LEVEL` for all of them together."""
    tested = sorted((s.p, i) for i, s in enumerate(suspicions) if s.p is not None)
    shown: set[int] = set()
    for rank, (p, i) in enumerate(tested):
        if p > LEVEL / (len(tested) - rank):
            break
        shown.add(i)
    return tuple(replace(s, shown=i in shown) for i, s in enumerate(suspicions))


def found_faults(
    judged: Judged, over: Gain, levels: Vocabulary, challenger: Version, champion: Version
) -> Faults:
    """Look everywhere; `over` is the gain on all votes."""
    votes, ours, theirs = judged.examples, judged.challenger, judged.champion
    slope, bias, p_calibration = _calibration(votes, ours)
    ratio, p_score = _score(votes, ours, theirs)
    flipped = ((theirs.answer == votes.like) & (ours.answer != votes.like)).astype(np.float64)
    flips = paired(flipped, votes.group)
    return Faults(
        slices=_slices(levels, votes, ours, theirs),
        gain=over,
        slope=slope,
        bias=bias,
        p_calibration=p_calibration,
        score_ratio=ratio,
        p_score=p_score,
        negative_flips=flips.value,
        flips_deviation=flips.jackknife,
        flips_groups=flips.effective_groups,
        first_places=_first_places(challenger, champion, levels, votes),
    )


def _calibration(
    votes: Examples, scored: Scored
) -> tuple[float | None, float | None, float | None]:
    """Slope and bias of the calibration, and the p-value of "one of them is beyond its bound".

    The slope is one scoring step from 1: Σ (y − p)·x / Σ p(1 − p)·x², x the centred logit.
    """
    if not len(votes):
        return None, None, None
    p = np.clip(scored.p, 1e-6, 1 - 1e-6)
    residual = votes.like - p
    logit = np.log(p) - np.log1p(-p)
    weight = p * (1.0 - p)
    x = logit - float((weight * logit).sum() / weight.sum())
    scale = float((weight * x**2).sum()) / len(p)
    bias = paired(residual, votes.group, variance=weight)
    found = [_beyond(bias.value, CALIBRATION_BIAS, bias.jackknife, bias.effective_groups)]
    slope = None
    if scale > 1e-9:
        part = paired(residual * x / scale, votes.group, variance=weight * (x / scale) ** 2)
        slope = None if part.value is None else 1.0 + part.value
        found.append(_beyond(part.value, CALIBRATION_SLOPE, part.jackknife, part.effective_groups))
    known = [each for each in found if each is not None]
    return slope, bias.value, min(1.0, 2.0 * len(found) * min(known)) if known else None


def _beyond(
    value: float | None, bound: float, deviation: float | None, groups: float
) -> float | None:
    return None if value is None else p_positive(abs(value) - bound, deviation, groups)


def _score(votes: Examples, ours: Scored, theirs: Scored) -> tuple[float | None, float | None]:
    """The squared errors' ratio, and the p-value of "it is beyond `SCORE_WORSE`"."""
    known = ~np.isnan(votes.score)
    if not known.any():
        return None, None
    score = votes.score[known].astype(np.float64)
    mine, other = (score - ours.score[known]) ** 2, (score - theirs.score[known]) ** 2
    found = paired(mine - SCORE_WORSE * other, votes.group[known])
    ratio = mean(mine) / mean(other) if mean(other) > 0.0 else None
    return ratio, p_positive(found.value, found.jackknife, found.effective_groups)


def _slices(levels: Vocabulary, votes: Examples, ours: Scored, theirs: Scored) -> tuple[Slice, ...]:
    """Every face shape and tone with votes, and the styles with the most."""
    masks = [
        *(("face_shape", levels.faces[i], votes.face == i) for i in range(len(levels.faces))),
        *(("skin_tone", levels.tones[i], votes.tone == i) for i in range(len(levels.tones))),
        *(
            ("hairstyle", levels.names[i], votes.style == i)
            for i in _top(votes.style, len(levels.styles))
        ),
    ]
    return tuple(
        _slice(by, name, votes.where(mask), ours.where(mask), theirs.where(mask))
        for by, name, mask in masks
        if mask.any()
    )


def _top(style: NDArray[np.int32], styles: int) -> list[int]:
    counts = np.bincount(style, minlength=styles)
    order = np.argsort(-counts, kind="stable")[:TOP_STYLES]
    return [int(i) for i in order if counts[i]]


def _slice(by: str, name: str, votes: Examples, ours: Scored, theirs: Scored) -> Slice:
    found = gain(votes, ours.p, theirs.p, 0.9)
    minus = [None if end is None else -end for end in (found.value, found.high, found.low)]
    return Slice(
        by=by,
        name=name,
        votes=len(votes),
        groups=found.groups,
        difference=Interval(value=minus[0], low=minus[1], high=minus[2], n=len(votes)),
        p_worse=_beyond_margin(found) if found.effective_groups >= SLICE_GROUPS else None,
    )


def _beyond_margin(found: Gain) -> float | None:
    worse = None if found.value is None else -found.value - SLICE_MARGIN
    return p_positive(worse, found.deviation, found.effective_groups)


def _first_places(
    challenger: Version, champion: Version, levels: Vocabulary, votes: Examples
) -> float | None:
    """How many of the first three styles of a face and tone changed, weighted by their votes."""
    if not len(votes):
        return None
    both = (challenger, champion)
    known = [each.table.vocabulary for each in both]
    shared = sorted((set(known[0].styles) & set(known[1].styles)) - {""})
    if len(shared) < FIRST_PLACES:
        return None
    at = np.bincount(votes.face.astype(np.int64) * len(levels.tones) + votes.tone)
    changed = total = 0.0
    for place in np.flatnonzero(at):
        face, tone = (
            levels.faces[place // len(levels.tones)],
            levels.tones[place % len(levels.tones)],
        )
        tops = []
        for version, names in zip(both, known, strict=True):
            codes = [names.style(style) for style in shared]
            p = version.table.like[names.face(face), names.tone(tone), codes]
            tops.append(set(np.argsort(-p, kind="stable")[:FIRST_PLACES].tolist()))
        changed += at[place] * len(tops[0] - tops[1]) / FIRST_PLACES
        total += at[place]
    return float(changed / total)
