"""Hierarchical shrinkage on cells: crossed random effects with empirical Bayes, fitted exactly.

For a cell with n votes and k likes, logit p = intercept + trust·offset + Σ_j β_j[level of the cell
in j] over seven groupings j (face, tone, style and their crossings), β_j ~ N(0, s²_j). Given the
effects of face and tone the styles do not depend on each other, so the posterior falls apart into
one small block a style, over its contexts (face × tone): a fit is a few Newton steps, each a batch
of small inverses, and several fits on parts of the same votes are one batch. The variances
maximise the marginal likelihood (Fisher scoring), with a weak prior that keeps them off zero.

Not sweeps of diagonal steps, one grouping after the other: those needed 390 to 2,600 sweeps to
settle, and where they were stopped the crossings' variances were 3 to 10 times too large.
Sources: Breslow and Clayton 1993 (penalised quasi-likelihood), Harville 1977 (restricted
likelihood and scoring), Efron and Morris 1975 (empirical Bayes). The score head is the same model
under squared loss.

Shapes: K fits, F faces, T tones, S styles, C = F·T contexts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from task.models.elimination import TRUST_MEAN, TRUST_VARIANCE, Sums, blocks, inverse_of, widths
from task.models.grid import GROUPINGS, OF_CONTEXT, OF_STYLE, Bools, Floats, Sizes, shaped
from task.models.logistic import sigmoid
from task.models.unseen import fill_unseen
from task.models.variances import Variances, of_contexts, squares

__all__ = ["GROUPINGS", "Counts", "Effects", "Offset", "Sizes", "fit", "sigmoid", "table"]

ROUNDS = 100
"""Newton steps at most; 6 to 20 are usual."""
TOLERANCE = 1e-4
"""Largest change of a cell's logit (or score) in a round, below which a fit has settled."""
VARIANCE_TOLERANCE = 1e-2
"""The same for the variances, as a share of each: predictions can stand still before them."""
INTERCEPT_VARIANCE = 4.0
"""The real votes' own mean from some ten votes on, whatever the base data say. Not a flat prior:
after one dislike it answered .03 everywhere (excess .30, now .20, at three votes; .18, .14 at ten).
"""
STILL = 10
"""So many rounds in which no prediction moved settle a fit whatever its variances do: where every
score is the same, they go to and fro and nothing depends on them."""
_NOISE = 1e-6
"""Least residual variance of a score, so that scores without any spread can be fitted."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Sufficient statistics of K fits on one grid: `n` and `total` are (K, F, T, S).

    For likes: `n` votes, `total` likes. For scores: `n` scored votes, `total` the sum of their
    scores, and `squares` (K,) the sum of their squares. Weights are already applied.
    """

    n: Floats
    total: Floats
    squares: Floats | None = None

    @property
    def sizes(self) -> Sizes:
        return self.n.shape[1], self.n.shape[2], self.n.shape[3]


@dataclass(frozen=True, kw_only=True)
class Effects:
    """K fitted heads. `effects[j]` is (K, …) in the shape of its crossing, e.g. (K, F, S).

    `trust_deviation` is marginal: it counts what is not known about the other effects.
    """

    intercept: Floats
    trust: Floats
    trust_deviation: Floats
    effects: Mapping[str, Floats]
    variances: Mapping[str, Floats]
    rounds: int
    settled: bool

    def of(self, fit: int) -> Effects:
        """One of the K fits, as a batch of one."""
        part = slice(fit, fit + 1)
        return replace(
            self,
            intercept=self.intercept[part],
            trust=self.trust[part],
            trust_deviation=self.trust_deviation[part],
            effects={name: values[part] for name, values in self.effects.items()},
            variances={name: values[part] for name, values in self.variances.items()},
        )


@dataclass(frozen=True, kw_only=True)
class Offset:
    """What the base data say of each cell: `values` (K, F, T, S).

    `faces` (F,) and `tones` (T,) are those that the base data have rows of.
    """

    values: Floats
    faces: Bools
    tones: Bools


def table(effects: Effects, sizes: Sizes, offset: Floats | None = None) -> Floats:
    """Predictions (logits or scores) of every face × tone × style: (K, F, T, S).

    `offset` is (K, F, T, S) or (1, F, T, S).
    """
    fits = len(effects.intercept)
    out = np.empty((fits, *sizes))
    out[:] = effects.intercept[:, None, None, None]
    if offset is not None:
        out += effects.trust[:, None, None, None] * offset
    for name in GROUPINGS:
        out += effects.effects[name].reshape(fits, *shaped(name, sizes))
    return out


def fit(counts: Counts, offset: Offset | None = None) -> Effects:
    """Fit K heads on one grid. `offset` is the base data's word on each cell.

    With `counts.squares` the likelihood is Gaussian, otherwise binomial with a logit link.
    """
    state = _Fit(counts, offset)
    rounds = 0
    while rounds < ROUNDS and state.moving.any():
        state.step()
        rounds += 1
    return state.effects(rounds)


class _Fit:
    """The moving parts of K fits: logits per cell, effects of contexts, variances.

    Inside, a grid is (K, S, C) over the styles, faces and tones that any of the fits has seen.
    """

    def __init__(self, counts: Counts, offset: Offset | None) -> None:
        self.counts, self.sizes, self.offset = counts, counts.sizes, offset
        votes = counts.n.sum(axis=0)
        self.seen = tuple(np.flatnonzero(votes.sum(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
        faces, tones, styles = (len(seen) for seen in self.seen)
        self.grid = faces, tones, styles
        self.seen = (*self.seen[:2], self._sorted(votes))
        self.n, self.total = self._inner(counts.n), self._inner(counts.total)
        self.votes = self.n.max(axis=0, initial=0.0)
        self.at = None if offset is None else self._inner(offset.values)
        self.squares = counts.squares
        fits, contexts = len(self.n), faces * tones
        self.variances = Variances(fits, faces, tones, gaussian=self.squares is not None)
        self.context = np.zeros((fits, contexts))
        self.context += _start(self.n, self.total, counts.squares is not None)[:, None]
        self.trust = np.full(fits, TRUST_MEAN if offset is not None else 0.0)
        self.trust_variance = np.full(fits, TRUST_VARIANCE)
        self.pull = np.zeros_like(self.n)
        self.context_pull = np.zeros((fits, contexts))
        self.eta = self.context[:, None, :] + np.zeros_like(self.n)
        if self.at is not None:
            self.eta += self.trust[:, None, None] * self.at
        self.moving = np.full(fits, bool(contexts * styles))
        self.still = np.zeros(fits, dtype=np.int64)

    def _sorted(self, votes: Floats) -> NDArray[np.intp]:
        """The seen styles, those with votes in few contexts first, as blocks want them."""
        inner = self._inner(votes[None])[0]
        return np.asarray(self.seen[2][np.argsort(widths(inner), kind="stable")])

    def _inner(self, grid: Floats) -> Floats:
        """(K, F, T, S) → (K, S, C), the seen levels alone."""
        part = grid[np.ix_(np.arange(len(grid)), *self.seen)]
        faces, tones, styles = self.grid
        by_style = part.transpose(0, 3, 1, 2).reshape(len(part), styles, faces * tones)
        return np.ascontiguousarray(by_style)

    def _response(self, part: Bools) -> tuple[Floats, Floats]:
        """Residual and curvature of each cell's log-likelihood in its logit (or score)."""
        n, total, eta = self.n[part], self.total[part], self.eta[part]
        if self.squares is None:
            p = sigmoid(eta)
            expected = n * p
            return total - expected, expected * (1.0 - p)
        error = self.squares[part] + (n * eta**2 - 2.0 * eta * total).sum(axis=(1, 2))
        noise = np.maximum(error / np.maximum(n.sum(axis=(1, 2)), 1.0), _NOISE)[:, None, None]
        return (total - n * eta) / noise, n / noise

    def step(self) -> None:
        """One Newton step of all effects and one scoring step of all variances."""
        part = self.moving
        residual, curvature = self._response(part)
        root = np.sqrt(curvature)
        target = root * self.eta[part] + np.divide(
            residual, root, out=np.zeros_like(root), where=root > 0.0
        )
        own = self.variances.covariance(OF_STYLE, part)
        sums = Sums(len(root), self.grid)
        offset = None if self.at is None else self.at[part]
        parts = [
            sums.add(b, b.of(root), b.of(target), own, None if offset is None else b.of(offset))
            for b in blocks(self.votes, len(root))
        ]
        del target
        shared = self.variances.covariance(OF_CONTEXT, part) + INTERCEPT_VARIANCE
        contexts = shared.shape[1]
        shared[:, range(contexts), range(contexts)] += 1e-9
        precision = inverse_of(shared)
        mean, covariance = sums.solve(precision, offset is not None)
        context, trust = mean[:, :contexts], mean[:, contexts] if offset is not None else None
        pull = np.zeros_like(root)
        for each in parts:
            each.pull(pull, context, trust)
        new = context[:, None, :] + pull @ own
        if offset is not None and trust is not None:
            new += trust[:, None, None] * offset
            self.trust[part], self.trust_variance[part] = trust, covariance[:, -1, -1]
        # Far steps are cut: the first ones start from the mean, and a logit of 10 is a long way.
        move = np.clip(new - self.eta[part], -4.0, 4.0)
        self.eta[part] += move
        self.context[part], self.pull[part] = context, pull
        above = np.einsum("kcd,kd->kc", precision, context)
        self.context_pull[part] = above
        found = squares(pull, *self.grid[:2])
        restless = self.variances.score(OF_STYLE, part, found, sums.expected, sums.information)
        left = precision - precision @ covariance[:, :contexts, :contexts] @ precision
        statistics = of_contexts(above[:, None], left, self.variances.patterns)
        restless = np.maximum(restless, self.variances.score(OF_CONTEXT, part, *statistics))
        far = np.abs(move).max(axis=(1, 2), initial=0.0)
        self.still[part] = np.where(far < TOLERANCE, self.still[part] + 1, 0)
        restless = (restless >= VARIANCE_TOLERANCE) & (self.still[part] < STILL)
        self.moving[part] = (far >= TOLERANCE) | restless

    def effects(self, rounds: int) -> Effects:
        """The posterior means of all effects, on the whole grid."""
        fits, (faces, tones, styles) = len(self.n), self.grid
        of_style = self.pull.transpose(0, 2, 1).reshape(fits, faces, tones, styles)
        of_context = self.context_pull.reshape(fits, faces, tones, 1)
        found = {}
        for name, axes in GROUPINGS.items():
            pull = of_style if 2 in axes else of_context
            summed = pull.sum(axis=tuple(1 + a for a in (0, 1) if a not in axes), keepdims=True)
            values = self.variances.used[name][:, None, None, None] * summed
            found[name] = self._outer(values, axes)
        intercept = INTERCEPT_VARIANCE * self.context_pull.sum(axis=1)
        word = intercept[:, None, None, None] + np.zeros_like(self.counts.n)
        spoken: tuple[Bools, Bools] | None = None
        if self.offset is not None:
            word += self.trust[:, None, None, None] * self.offset.values
            spoken = self.offset.faces, self.offset.tones
        fill_unseen(found, self.counts.n, word, spoken, logits=self.squares is None)
        return Effects(
            intercept=intercept,
            trust=self.trust,
            trust_deviation=np.sqrt(self.trust_variance),
            effects=found,
            variances=self.variances.used,
            rounds=rounds,
            settled=not self.moving.any(),
        )

    def _outer(self, values: Floats, axes: tuple[int, ...]) -> Floats:
        """Inner levels back on the whole grid, in the shape of the crossing; 0 where unseen."""
        out = np.zeros((len(values), *(self.sizes[axis] for axis in axes)))
        at = np.ix_(np.arange(len(values)), *(self.seen[axis] for axis in axes))
        out[at] = values.reshape(len(values), *(self.grid[axis] for axis in axes))
        return out


def _start(n: Floats, total: Floats, gaussian: bool) -> Floats:
    """The pooled mean of each fit, as a logit or a score: (K,)."""
    mean = total.sum(axis=(1, 2)) / np.maximum(n.sum(axis=(1, 2)), 1e-12)
    if gaussian:
        return np.asarray(mean)
    mean = np.clip(mean, 1e-3, 1.0 - 1e-3)
    return np.asarray(np.log(mean / (1.0 - mean)))
