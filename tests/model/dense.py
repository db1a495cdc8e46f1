"""The oracle of the fit: the same model as one dense logistic regression, solved by Newton.

Every effect is a column, every cell a row; a prior N(mean, variance) stands on each column. Far
too slow for use, and with no structure in it that could be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from task.models.crossed import GROUPINGS, INTERCEPT_VARIANCE, Counts, Effects, sigmoid

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Dense:
    """A design (cells, columns) with the prior mean and variance of each column."""

    design: Floats
    mean: Floats
    variance: Floats
    n: Floats
    total: Floats

    def height(self, at: Floats) -> float:
        """The log posterior density at these effects (columns,), but for a constant."""
        logit = self.design @ at
        votes = self.total * logit - self.n * np.logaddexp(0.0, logit)
        return float(votes.sum() - ((at - self.mean) ** 2 / self.variance).sum() / 2)

    def slope(self, at: Floats) -> Floats:
        """The gradient of the log posterior density at these effects (columns,)."""
        residual = self.total - self.n * sigmoid(self.design @ at)
        return np.asarray(self.design.T @ residual - (at - self.mean) / self.variance)

    def bend(self, at: Floats) -> Floats:
        """Its negative Hessian: (columns, columns)."""
        p = sigmoid(self.design @ at)
        weight = self.n * p * (1 - p)
        return np.asarray((self.design.T * weight) @ self.design + np.diag(1 / self.variance))

    def newton(self, at: Floats) -> Floats:
        """The Newton step from here: 0 at the mode."""
        return np.asarray(np.linalg.solve(self.bend(at), self.slope(at)))

    def mode(self) -> Floats:
        """The effects of the highest posterior density."""
        at = self.mean.copy()
        for _ in range(60):
            step, here = self.newton(at), self.height(at)
            while self.height(at + step) < here - 1e-9:
                step /= 2
            at += step
        assert np.abs(self.newton(at)).max() < 1e-10
        return at


def dense(
    counts: Counts, variances: Mapping[str, float], offset: Floats | None = None, fit: int = 0
) -> Dense:
    """One of the K fits on all cells, also those without votes; `offset` is (F, T, S)."""
    sizes = counts.sizes
    cells = np.indices(sizes).reshape(3, -1)
    columns, variance, mean = [np.ones((cells.shape[1], 1))], [INTERCEPT_VARIANCE], [0.0]
    if offset is not None:
        columns.append(offset.reshape(-1, 1))
        variance.append(0.25)
        mean.append(1.0)
    for name, axes in GROUPINGS.items():
        level = np.ravel_multi_index([cells[a] for a in axes], [sizes[a] for a in axes])
        levels = int(np.prod([sizes[a] for a in axes]))
        columns.append((level[:, None] == np.arange(levels)).astype(np.float64))
        variance += [variances[name]] * levels
        mean += [0.0] * levels
    return Dense(
        design=np.hstack(columns),
        mean=np.array(mean),
        variance=np.array(variance),
        n=counts.n[fit].ravel(),
        total=counts.total[fit].ravel(),
    )


def as_columns(effects: Effects, *, trusted: bool = False) -> Floats:
    """A batch of one as the dense columns."""
    scalars = [effects.intercept, effects.trust] if trusted else [effects.intercept]
    return np.concatenate([*scalars, *(effects.effects[name][0].ravel() for name in GROUPINGS)])
