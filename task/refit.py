"""Does the model that ships answer like its folds? What was proved of them must hold for it.

Each fold's model lacks a tenth of the votes, so the folds scatter around their mean as far as a
tenth of the votes moves a model. One that learned from all of them lies well inside: on sound fits
of 10 to 500 votes a week its squared distance was at most 0.09 of the farthest fold's (0.6 for the
worst style); noise of 0.6 on the logits gave at least 3, a tenth of the labels flipped 1.5, two
styles swapped up to 240 on one of them wherever that did harm. Not the mean fold's distance: where
the votes leave two answers open, most folds take one of them and the whole may take the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST, MOST_OF_A_STYLE = 1.0, 2.0
"""Bounds of the two ratios."""
_FLOOR, _STYLE_FLOOR = 0.01**2, 0.05**2
"""Squared logits below which a distance is nothing."""
_CLIP = 1e-6


@dataclass(frozen=True, kw_only=True)
class Refit:
    """Squared distance in logits of the shipped model from its folds' mean ÷ the farthest fold's.

    `overall` over all votes, `worst_style` over those of the style where it is largest.
    """

    overall: float
    worst_style: float

    @property
    def alike(self) -> bool:
        return self.overall <= MOST and self.worst_style <= MOST_OF_A_STYLE


def compare(shipped: Floats, folds: Floats, votes: Floats) -> Refit:
    """Shipped like table (F, T, S) against those of the folds (FOLDS, F, T, S), by votes (F, T, S).

    Cells without votes do not count: nothing was judged there.
    """
    total = float(votes.sum())
    if not total:
        return Refit(overall=0.0, worst_style=0.0)
    logits = _logit(folds)
    mean = logits.mean(axis=0)
    farthest = (logits - mean) ** 2 * votes
    distance = (_logit(shipped) - mean) ** 2 * votes
    by_style = votes.sum(axis=(0, 1))
    bound = farthest.sum(axis=(1, 2)).max(axis=0) + _STYLE_FLOOR * by_style
    ratios = distance.sum(axis=(0, 1))[by_style > 0] / bound[by_style > 0]
    most = float(farthest.sum(axis=(1, 2, 3)).max())
    overall = float(distance.sum() / (most + _FLOOR * total))
    return Refit(overall=overall, worst_style=float(ratios.max()))


def _logit(p: Floats) -> Floats:
    safe = np.clip(p.astype(np.float64), _CLIP, 1.0 - _CLIP)
    return np.asarray(np.log(safe) - np.log1p(-safe))
