"""The fit before the present one, kept as an opponent: diagonal steps, at most 40 sweeps.

The same model. Each grouping in turn takes one damped diagonal Newton step and re-estimates its
own variance as mean(β² + 1/H); it needs 390 to 2,600 sweeps to settle and was stopped at 40.
Likes alone, without base data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from task.models.crossed import GROUPINGS, Sizes, sigmoid

Floats = NDArray[np.float64]

SWEEPS = 40
TOLERANCE = 1e-4
START_VARIANCE = 0.3
INTERCEPT_VARIANCE = 100.0


def swept(n: Floats, likes: Floats, *, sweeps: int = SWEEPS) -> tuple[Floats, int]:
    """Like logits (F, T, S) from votes and likes (F, T, S), and the sweeps that were made."""
    at = np.nonzero(n)
    state = _State(n.shape, at, n[at], likes[at])
    done = 0
    while done < sweeps:
        done += 1
        largest = max(state.step(name) for name in GROUPINGS)
        if max(largest, state.step_intercept()) < TOLERANCE:
            break
    return state.table(), done


class _State:
    """Logits of C cells, effects of each level, variances of the groupings."""

    def __init__(
        self, sizes: Sizes, codes: tuple[NDArray[np.intp], ...], n: Floats, likes: Floats
    ) -> None:
        self.sizes, self.n, self.likes = sizes, n, likes
        self.shape = {name: [sizes[a] for a in axes] for name, axes in GROUPINGS.items()}
        self.level = {
            name: np.ravel_multi_index([codes[a] for a in axes], self.shape[name])
            for name, axes in GROUPINGS.items()
        }
        self.length = {name: int(np.prod(shape)) for name, shape in self.shape.items()}
        self.beta = {name: np.zeros(length) for name, length in self.length.items()}
        self.variance = dict.fromkeys(GROUPINGS, START_VARIANCE)
        mean = min(max(float(likes.sum()) / max(float(n.sum()), 1e-12), 1e-3), 1 - 1e-3)
        self.intercept = float(np.log(mean / (1 - mean)))
        self.eta = np.full(n.shape, self.intercept)

    def response(self) -> tuple[Floats, Floats]:
        p = sigmoid(self.eta)
        return self.likes - self.n * p, self.n * p * (1.0 - p)

    def step(self, name: str) -> float:
        level, length, beta = self.level[name], self.length[name], self.beta[name]
        residual, curvature = self.response()
        slope = np.bincount(level, residual, length) - beta / self.variance[name]
        bend = np.bincount(level, curvature, length) + 1.0 / self.variance[name]
        seen = np.bincount(level, self.n, length) > 0
        move = np.where(seen, np.clip(slope / bend, -1.0, 1.0), 0.0)
        beta += move
        self.eta += move[level]
        if seen.any():
            self.variance[name] = max(float(np.mean((beta**2 + 1.0 / bend)[seen])), 1e-8)
        return float(np.abs(move).max(initial=0.0))

    def step_intercept(self) -> float:
        residual, curvature = self.response()
        bend = float(curvature.sum()) + 1.0 / INTERCEPT_VARIANCE
        move = float(np.clip(float(residual.sum()) / bend, -1.0, 1.0))
        self.intercept += move
        self.eta += move
        return abs(move)

    def table(self) -> Floats:
        out = np.full(self.sizes, self.intercept)
        for name, axes in GROUPINGS.items():
            shape = [self.sizes[axis] if axis in axes else 1 for axis in range(3)]
            out += self.beta[name].reshape(shape)
        return out
