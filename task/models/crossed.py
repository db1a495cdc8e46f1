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
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Sizes = tuple[int, int, int]

GROUPINGS: dict[str, tuple[int, ...]] = {
    "face": (0,),
    "tone": (1,),
    "style": (2,),
    "face×tone": (0, 1),
    "face×style": (0, 2),
    "tone×style": (1, 2),
    "face×tone×style": (0, 1, 2),
}
"""Which of (face, tone, style) each grouping crosses."""

ROUNDS = 100
"""Newton steps at most; 6 to 20 are usual."""
TOLERANCE = 1e-4
"""Largest change of a cell's logit (or score) in a round, below which a fit has settled."""
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
INTERCEPT_VARIANCE = 100.0
"""The intercept is free: the real votes' own mean, whatever the base data say."""
TRUST_MEAN, TRUST_VARIANCE = 1.0, 0.5**2
_OF_CONTEXT = ("face", "tone", "face×tone")
_OF_STYLE = ("style", "face×style", "tone×style", "face×tone×style")
_BLOCK = 400_000
"""Numbers in a batch of inverses, so that they stay in the processor's cache."""
_NOISE = 1e-6


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


def sigmoid(logit: Floats) -> Floats:
    """The logistic function, safe for any finite logit."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -35.0, 35.0))))


def table(effects: Effects, sizes: Sizes, offset: Floats | None = None) -> Floats:
    """Predictions (logits or scores) of every face × tone × style: (K, F, T, S).

    `offset` is (K, F, T, S) or (1, F, T, S).
    """
    fits = len(effects.intercept)
    out = np.empty((fits, *sizes))
    out[:] = effects.intercept[:, None, None, None]
    if offset is not None:
        out += effects.trust[:, None, None, None] * offset
    for name, axes in GROUPINGS.items():
        shape = [sizes[axis] if axis in axes else 1 for axis in range(3)]
        out += effects.effects[name].reshape(fits, *shape)
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
        self.n, self.total = self._inner(counts.n), self._inner(counts.total)
        self.at = None if offset is None else self._inner(offset.values)
        self.squares = counts.squares
        fits, contexts = len(self.n), faces * tones
        scale = 1.0 if counts.squares is None else SCORE_SCALE
        self.prior = {name: scale * value for name, value in PRIOR_VARIANCES.items()}
        self.variance = {name: np.full(fits, self.prior[name]) for name in GROUPINGS}
        self.gain = {name: np.full(fits, 0.8) for name in GROUPINGS}
        self.last = {name: np.zeros(fits) for name in GROUPINGS}
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
        self.patterns = _patterns(faces, tones)

    def _inner(self, grid: Floats) -> Floats:
        """(K, F, T, S) → (K, S, C), the seen levels alone."""
        part = grid[np.ix_(np.arange(len(grid)), *self.seen)]
        return np.ascontiguousarray(part.transpose(0, 3, 1, 2).reshape(len(part), self.grid[2], -1))

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
        own = self._covariance(_OF_STYLE, part)
        sums = _Sums(len(root), self.grid)
        offset = None if self.at is None else self.at[part]
        blocks = _blocks(root.shape)
        parts = [
            sums.add(root[:, b], target[:, b], own, None if offset is None else offset[:, b])
            for b in blocks
        ]
        del target
        shared = self._covariance(_OF_CONTEXT, part) + INTERCEPT_VARIANCE
        contexts = shared.shape[1]
        shared[:, range(contexts), range(contexts)] += 1e-9
        precision = _inverse(shared)
        mean, covariance = sums.solve(precision, offset is not None)
        context, trust = mean[:, :contexts], mean[:, contexts] if offset is not None else None
        pull = np.concatenate([p.pull(context, trust) for p in parts], axis=1)
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
        found = _squares(pull, *self.grid[:2])
        self._score_variances(_OF_STYLE, part, found, sums.expected, sums.information)
        left = precision - precision @ covariance[:, :contexts, :contexts] @ precision
        self._score_variances(_OF_CONTEXT, part, *_statistics(above[:, None], left, self.patterns))
        still = np.abs(move).max(axis=(1, 2), initial=0.0) >= TOLERANCE
        self.moving[np.flatnonzero(part)] = still

    def _covariance(self, names: tuple[str, ...], part: Bools) -> Floats:
        """The prior covariance between contexts that these groupings make: (K, C, C)."""
        found = np.zeros((int(part.sum()), *self.patterns["style"].shape))
        for name in names:
            found += self.variance[name][part][:, None, None] * self.patterns[name]
        return found

    def _score_variances(
        self,
        names: tuple[str, ...],
        part: Bools,
        found: Floats,
        expected: Floats,
        information: Floats,
    ) -> None:
        """One damped scoring step: found and expected (K, J), information (K, J, J).

        A step that turns back is halved the next time: with few levels the expected information
        is too small, and whole steps would jump to and fro for ever.
        """
        now = np.stack([self.variance[name][part] for name in names], axis=1)
        prior = np.array([self.prior[name] for name in names])
        slope = found - expected + PRIOR_LEVELS * (prior / now**2 - 1.0 / now)
        bend = information + (PRIOR_LEVELS / now**2)[:, :, None] * np.eye(len(names))
        move = np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
        for j, name in enumerate(names):
            turned = self.last[name][part] * move[:, j] < 0.0
            gain = np.where(turned, 0.5 * self.gain[name][part], 1.2 * self.gain[name][part])
            self.gain[name][part] = np.clip(gain, 0.05, 1.0)
            self.last[name][part] = move[:, j]
            moved = now[:, j] + self.gain[name][part] * move[:, j]
            self.variance[name][part] = np.clip(moved, now[:, j] / 5.0, now[:, j] * 5.0)

    def effects(self, rounds: int) -> Effects:
        """The posterior means of all effects, on the whole grid."""
        fits, (faces, tones, _) = len(self.n), self.grid
        of_style = self.pull.transpose(0, 2, 1).reshape(fits, faces, tones, -1)
        of_context = self.context_pull.reshape(fits, faces, tones, 1)
        found = {}
        for name, axes in GROUPINGS.items():
            pull = of_style if 2 in axes else of_context
            summed = pull.sum(axis=tuple(1 + a for a in (0, 1) if a not in axes), keepdims=True)
            values = self.variance[name][:, None, None, None] * summed
            found[name] = self._outer(values, axes)
        intercept = INTERCEPT_VARIANCE * self.context_pull.sum(axis=1)
        word = intercept[:, None, None, None] + np.zeros_like(self.counts.n)
        spoken: tuple[Bools, Bools] | None = None
        if self.offset is not None:
            word += self.trust[:, None, None, None] * self.offset.values
            spoken = self.offset.faces, self.offset.tones
        _fill_unseen(found, self.counts.n, word, spoken, logits=self.squares is None)
        return Effects(
            intercept=intercept,
            trust=self.trust,
            trust_deviation=np.sqrt(self.trust_variance),
            effects=found,
            variances=self.variance,
            rounds=rounds,
            settled=not self.moving.any(),
        )

    def _outer(self, values: Floats, axes: tuple[int, ...]) -> Floats:
        """Inner levels back on the whole grid, in the shape of the crossing; 0 where unseen."""
        out = np.zeros((len(values), *(self.sizes[axis] for axis in axes)))
        at = np.ix_(np.arange(len(values)), *(self.seen[axis] for axis in axes))
        out[at] = values.reshape(len(values), *(self.grid[axis] for axis in axes))
        return out


class _Styles:
    """A block of styles in one step: what is needed again once the contexts are known."""

    def __init__(self, weighed: Floats, by_context: Floats, by_trust: Floats | None) -> None:
        self.weighed, self.by_context, self.by_trust = weighed, by_context, by_trust

    def pull(self, context: Floats, trust: Floats | None) -> Floats:
        """M (z − context − trust·offset): (K, S, C)."""
        pull = self.weighed - np.einsum("kscd,kd->ksc", self.by_context, context)
        if trust is not None and self.by_trust is not None:
            pull -= trust[:, None, None] * self.by_trust
        return np.asarray(pull)


class _Sums:
    """Sums over all styles of one step, with M = (W⁻¹ + own)⁻¹ the marginal precision of a style.

    z is the working response of a Newton step: logit + residual / curvature.
    """

    def __init__(self, fits: int, grid: Sizes) -> None:
        self.faces, self.tones = grid[:2]
        contexts = self.faces * self.tones
        self.matrix = np.zeros((fits, contexts + 1, contexts + 1))
        self.right = np.zeros((fits, contexts + 1))
        self.expected = np.zeros((fits, len(_OF_STYLE)))
        self.information = np.zeros((fits, len(_OF_STYLE), len(_OF_STYLE)))

    def add(self, root: Floats, target: Floats, own: Floats, offset: Floats | None) -> _Styles:
        """Add a block of styles: root = √W and target = √W z, (K, S, C); own (K, C, C)."""
        inner = root[..., :, None] * own[:, None] * root[..., None, :]
        contexts = np.arange(inner.shape[-1])
        inner[..., contexts, contexts] += 1.0
        inverse = _inverse(inner)
        weighed = root * np.einsum("kscd,ksd->ksc", inverse, target)
        precision = inverse
        precision *= root[..., :, None]
        precision *= root[..., None, :]
        self.matrix[:, :-1, :-1] += precision.sum(axis=1)
        self.right[:, :-1] += weighed.sum(axis=1)
        by_trust = None
        if offset is not None:
            by_trust = np.einsum("kscd,ksd->ksc", precision, offset)
            self.matrix[:, :-1, -1] += by_trust.sum(axis=1)
            self.matrix[:, -1, -1] += (by_trust * offset).sum(axis=(1, 2))
            self.right[:, -1] += (weighed * offset).sum(axis=(1, 2))
        expected, information = _moments(precision, self.faces, self.tones)
        self.expected += expected
        self.information += information
        return _Styles(weighed, precision, by_trust)

    def solve(self, precision: Floats, trusted: bool) -> tuple[Floats, Floats]:
        """Posterior mean and covariance of the contexts and, last, the trust."""
        matrix, right = self.matrix, self.right
        matrix[:, :-1, :-1] += precision
        if not trusted:
            matrix, right = matrix[:, :-1, :-1], right[:, :-1]
        else:
            matrix[:, :-1, :-1], matrix[:, -1, :-1] = matrix[:, :-1, :-1], matrix[:, :-1, -1]
            matrix[:, -1, -1] += 1.0 / TRUST_VARIANCE
            right[:, -1] += TRUST_MEAN / TRUST_VARIANCE
        covariance = _inverse(matrix)
        return np.einsum("kcd,kd->kc", covariance, right), covariance


def _statistics(
    pull: Floats, precision: Floats, patterns: Mapping[str, Floats]
) -> tuple[Floats, Floats, Floats]:
    """The same three of the contexts' variances: pull (K, 1, C), precision (K, C, C)."""
    shapes = [patterns[name] for name in _OF_CONTEXT]
    found = np.stack([np.einsum("kic,cd,kid->k", pull, shape, pull) for shape in shapes], axis=1)
    moved = [precision @ shape for shape in shapes]
    expected = np.stack([np.einsum("kcc->k", each) for each in moved], axis=1)
    information = np.array([[np.einsum("kcd,kdc->k", a, b) for b in moved] for a in moved])
    return found, expected, information.transpose(2, 0, 1)


def _moments(precision: Floats, faces: int, tones: int) -> tuple[Floats, Floats]:
    """tr(ZᵀMZ) (K, J) and ‖ZᵢᵀMZⱼ‖² (K, J, J) of the groupings of styles, summed over styles.

    Z says which contexts share a level, M is `precision` (K, S, C, C). Products, not sums over
    axes: those of length 3 to 5 were measured to take as long as the inverses.
    """
    levels = _levels(faces, tones)
    by_level = precision @ levels  # (K, S, C, L)
    coarse = levels.T @ by_level  # (K, S, L, L)
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


def _inverse(matrices: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrices), dtype=np.float64)


def _norm(values: Floats) -> Floats:
    """The sum of squares of each fit: (K, …) → (K,)."""
    flat = values.reshape(len(values), -1)
    return np.asarray(np.einsum("ki,ki->k", flat, flat))


def _levels(faces: int, tones: int) -> Floats:
    """Which context (C,) has which level: one column for all, one a face, one a tone."""
    face, tone = np.repeat(np.arange(faces), tones), np.tile(np.arange(tones), faces)
    columns = (
        np.ones((faces * tones, 1)),
        face[:, None] == range(faces),
        tone[:, None] == range(tones),
    )
    return np.hstack([np.asarray(column, dtype=np.float64) for column in columns])


def _squares(pull: Floats, faces: int, tones: int) -> Floats:
    """‖Zᵀq‖² for each grouping of styles, summed over styles: (K, J)."""
    by_level = pull @ _levels(faces, tones)
    ends = (0, 1, 1 + faces, 1 + faces + tones)
    coarse = [_norm(by_level[..., a:b]) for a, b in pairwise(ends)]
    return np.stack([*coarse, _norm(pull)], axis=1)


def _patterns(faces: int, tones: int) -> dict[str, Floats]:
    """For each grouping, which two contexts share a level: (C, C) of 0 and 1."""
    face, tone = np.repeat(np.arange(faces), tones), np.tile(np.arange(tones), faces)
    same_face = (face[:, None] == face).astype(np.float64)
    same_tone = (tone[:, None] == tone).astype(np.float64)
    both, every = same_face * same_tone, np.ones_like(same_face)
    return {
        "face": same_face,
        "tone": same_tone,
        "face×tone": both,
        "style": every,
        "face×style": same_face,
        "tone×style": same_tone,
        "face×tone×style": both,
    }


def _blocks(shape: tuple[int, ...]) -> list[slice]:
    fits, styles, contexts = shape
    width = max(1, _BLOCK // max(fits * contexts * contexts, 1))
    return [slice(start, start + width) for start in range(0, styles, width)]


def _start(n: Floats, total: Floats, gaussian: bool) -> Floats:
    """The pooled mean of each fit, as a logit or a score: (K,)."""
    mean = total.sum(axis=(1, 2)) / np.maximum(n.sum(axis=(1, 2)), 1e-12)
    if gaussian:
        return np.asarray(mean)
    mean = np.clip(mean, 1e-3, 1.0 - 1e-3)
    return np.asarray(np.log(mean / (1.0 - mean)))


def _fill_unseen(
    effects: dict[str, Floats],
    n: Floats,
    word: Floats,
    spoken: tuple[Bools, Bools] | None,
    *,
    logits: bool,
) -> None:
    """Let a face or tone without votes answer as the votes' own mixture of those with some.

    Zero effects would be a mean in which each face counts alike; where one face has most of the
    votes, a face that nobody knows is most probably that one. What the mixture has beyond the sum
    of the coarser effects goes into the finest one. `word` (K, F, T, S) is all that is added to
    the effects, intercept and trust times offset; of a face that the base data have rows of
    (`spoken`) it stays, and only the votes' own effects are mixed.
    """
    finest = effects["face×tone×style"]
    for axis in (0, 1):
        votes = n.sum(axis=tuple(a for a in (1, 2, 3) if a != axis + 1))
        for k, level in np.argwhere((votes == 0) & votes.any(axis=1, keepdims=True)):
            added = _added({name: effects[name][k] for name in GROUPINGS}, n.shape[1:])
            each, all_words = np.moveaxis(added, axis, 0), np.moveaxis(word[k], axis, 0)
            own = all_words[level]
            words = own if spoken is not None and spoken[axis][level] else all_words
            share = votes[k] / votes[k].sum()
            answers = sigmoid(each + words) if logits else each + words
            mixed = np.einsum("f,f...->...", share, answers)
            if logits:
                mixed = np.log(mixed) - np.log1p(-mixed)
            np.moveaxis(finest[k], axis, 0)[level] += mixed - own - each[level]


def _added(effects: Mapping[str, Floats], sizes: tuple[int, ...]) -> Floats:
    out = np.zeros(sizes)
    for name, axes in GROUPINGS.items():
        out += effects[name].reshape([sizes[axis] if axis in axes else 1 for axis in range(3)])
    return out
