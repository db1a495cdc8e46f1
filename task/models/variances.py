"""The variances of the groupings: they maximise the marginal likelihood, kept off zero.

Fisher scoring with a weak inverse-gamma prior (Harville 1977): each step needs three statistics
of the marginal precision M of the working response, with Z the levels of a grouping and q = M
times the residuals: ‖Zᵀq‖² (found), tr(ZᵀMZ) (expected) and ‖ZᵢᵀMZⱼ‖² (information).
Shapes: K fits, F faces, T tones, S styles, C = F·T contexts, J groupings.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from task.models.grid import GROUPINGS, OF_CONTEXT, Bools, Floats, levels, patterns

PRIOR_LEVELS = 4.0
"""The prior of each variance weighs as much as so many levels that were seen exactly."""
PRIOR_VARIANCES = {
    "face": 0.05,
    "tone": 0.05,
    "face×tone": 0.03,
    "style": 0.3,
    "face×style": 0.15,
    "tone×style": 0.1,
    "face×tone×style": 0.05,
}
"""In logits²; a score's are `SCORE_SCALE` of these."""
SCORE_SCALE = 0.02
_FIRST_GAIN = 0.8


class Variances:
    """The variances of K fits, (K,) each: `used` in the last step, and `of` the next."""

    def __init__(self, fits: int, faces: int, tones: int, *, gaussian: bool) -> None:
        scale = SCORE_SCALE if gaussian else 1.0
        self.prior = {name: scale * value for name, value in PRIOR_VARIANCES.items()}
        self.of = {name: np.full(fits, self.prior[name]) for name in GROUPINGS}
        self.used = {name: values.copy() for name, values in self.of.items()}
        self.gain = {name: np.full(fits, _FIRST_GAIN) for name in GROUPINGS}
        self.last = {name: np.zeros(fits) for name in GROUPINGS}
        self.patterns = patterns(faces, tones)

    def covariance(self, names: tuple[str, ...], part: Bools) -> Floats:
        """The prior covariance between contexts that these groupings make: (K, C, C)."""
        found = np.zeros((int(part.sum()), *self.patterns["style"].shape))
        for name in names:
            found += self.of[name][part][:, None, None] * self.patterns[name]
        return found

    def score(
        self,
        names: tuple[str, ...],
        part: Bools,
        found: Floats,
        expected: Floats,
        information: Floats,
    ) -> Floats:
        """One damped scoring step: found and expected (K, J), information (K, J, J).

        A step that turns back is halved the next time: with few levels the expected information
        is too small, and whole steps would jump to and fro for ever. Returns the largest whole
        step of each fit, as a share of its variance: (K,).
        """
        now = np.stack([self.of[name][part] for name in names], axis=1)
        prior = np.array([self.prior[name] for name in names])
        slope = found - expected + PRIOR_LEVELS * (prior / now**2 - 1.0 / now)
        bend = information + (PRIOR_LEVELS / now**2)[:, :, None] * np.eye(len(names))
        move = np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
        for j, name in enumerate(names):
            turned = self.last[name][part] * move[:, j] < 0.0
            gain = np.where(turned, 0.5 * self.gain[name][part], 1.2 * self.gain[name][part])
            self.gain[name][part] = np.clip(gain, 0.05, 1.0)
            self.last[name][part] = move[:, j]
            self.used[name][part] = now[:, j]
            moved = now[:, j] + self.gain[name][part] * move[:, j]
            self.of[name][part] = np.clip(moved, now[:, j] / 5.0, now[:, j] * 5.0)
        return np.asarray(np.abs(move / now).max(axis=1))


def of_contexts(
    pull: Floats, precision: Floats, patterns: Mapping[str, Floats]
) -> tuple[Floats, Floats, Floats]:
    """The same three of the contexts' variances: pull (K, 1, C), precision (K, C, C)."""
    shapes = [patterns[name] for name in OF_CONTEXT]
    found = np.stack([np.einsum("kic,cd,kid->k", pull, shape, pull) for shape in shapes], axis=1)
    moved = [precision @ shape for shape in shapes]
    expected = np.stack([np.einsum("kcc->k", each) for each in moved], axis=1)
    information = np.array([[np.einsum("kcd,kdc->k", a, b) for b in moved] for a in moved])
    return found, expected, information.transpose(2, 0, 1)


def moments(precision: Floats, of_level: Floats, faces: int, tones: int) -> tuple[Floats, Floats]:
    """tr(ZᵀMZ) (K, J) and ‖ZᵢᵀMZⱼ‖² (K, J, J) of the groupings of styles, summed over styles.

    Z says which contexts share a level, M is `precision` (K, S, D, D), and `of_level` (D, L), or
    (S, D, L) for contexts of each style's own, has a column a level. Products, not sums over
    axes: those of length 3 to 5 were measured to take as long as the inverses.
    """
    by_level = precision @ of_level  # (K, S, D, L)
    coarse = np.swapaxes(of_level, -1, -2) @ by_level  # (K, S, L, L)
    parts = (slice(0, 1), slice(1, 1 + faces), slice(1 + faces, 1 + faces + tones))
    finest = len(parts)
    fits = len(precision)
    expected = np.empty((fits, finest + 1))
    information = np.empty((fits, finest + 1, finest + 1))
    for i, at in enumerate(parts):
        expected[:, i] = np.einsum("ksll->k", coarse[:, :, at, at])
        information[:, i, finest] = information[:, finest, i] = _norm(by_level[..., at])
        for j, other in enumerate(parts):
            information[:, i, j] = _norm(coarse[:, :, at, other])
    expected[:, finest] = np.einsum("kscc->k", precision)
    information[:, finest, finest] = _norm(precision)
    return expected, information


def squares(pull: Floats, faces: int, tones: int) -> Floats:
    """‖Zᵀq‖² for each grouping of styles, summed over styles: (K, J)."""
    by_level = pull @ levels(faces, tones)
    ends = (0, 1, 1 + faces, 1 + faces + tones)
    coarse = [_norm(by_level[..., a:b]) for a, b in pairwise(ends)]
    return np.stack([*coarse, _norm(pull)], axis=1)


def _norm(values: Floats) -> Floats:
    """The sum of squares of each fit: (K, …) → (K,)."""
    flat = values.reshape(len(values), -1)
    return np.asarray(np.einsum("ki,ki->k", flat, flat))
