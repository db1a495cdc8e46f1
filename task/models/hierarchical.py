"""The hierarchical candidate: crossed effects of the real votes on top of the base data's word.

The base data are a prior that must earn its trust: they are fitted alone, and what they say about
how styles differ within a context enters the fit of the real votes as an offset with a
coefficient trust ~ N(1, 0.5²). The mean and the effects of face and tone are the real votes' own.

Pooling both sources in one fit was measured to be worse at every size of data as soon as the base
does not resemble the truth closely. The fit itself is `crossed.py`.
Shapes: K fits, F faces, T tones, S styles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from task.models.crossed import GROUPINGS, Counts, Effects, Offset, Sizes, fit, table

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Head:
    """K fitted heads: the base data's word on styles (shared by all), the real votes' effects."""

    base: Effects | None
    real: Effects | None

    def table(self, sizes: Sizes) -> Floats:
        """Predictions of every face × tone × style: (K, F, T, S)."""
        below = table(self.base, sizes) if self.base else None
        if self.real is None:
            return np.zeros((1, *sizes)) if below is None else below
        return table(self.real, sizes, below)

    def of(self, fit: int) -> Head:
        """One of the K fits."""
        base = self.base and (self.base.of(fit) if len(self.base.intercept) > 1 else self.base)
        return Head(base=base, real=self.real and self.real.of(fit))

    @property
    def settled(self) -> bool:
        """Whether every fit has reached the tolerance."""
        return all(part.settled for part in (self.base, self.real) if part)


@dataclass(frozen=True, kw_only=True)
class Base:
    """The fitted base data, and which faces (F,), tones (T,) and styles (S,) they have rows of."""

    effects: Effects
    known: tuple[Bools, Bools, Bools]


def fit_base(base: Counts | None) -> Base | None:
    """Fit the base rows alone; None without any."""
    if base is None or not base.n.any():
        return None
    rows = base.n.sum(axis=0)
    known = (rows.any(axis=(1, 2)), rows.any(axis=(0, 2)), rows.any(axis=(0, 1)))
    return Base(effects=fit(base), known=known)


def fit_head(base: Base | None, real: Counts | None) -> Head:
    """Fit the real votes on top of the base data's word on styles.

    The base data are silent on styles they do not know, and altogether where no such style has a
    real vote. Without real votes they speak for themselves.
    """
    if real is None or not real.n.any():
        return Head(base=base.effects if base else None, real=None)
    below = None if base is None else on_styles(base, real)
    if base is None or below is None:
        return Head(base=None, real=fit(real))
    faces, tones, _ = base.known
    offset = Offset(values=table(below, real.sizes), faces=faces, tones=tones)
    return Head(base=below, real=fit(real, offset))


def on_styles(base: Base, real: Counts) -> Effects | None:
    """What the base data say of how styles differ within each context, per fit: (K, …).

    Centred in each context over the styles that both know, so it moves neither the mean nor a
    face's or tone's. None where no style is known to both.
    """
    known = base.known[2]
    both = known & (real.n.sum(axis=(1, 2)) > 0)  # (K, S)
    if not both.any():
        return None
    fits = len(both)
    share = both / np.maximum(both.sum(axis=1, keepdims=True), 1)
    speaks = known & both.any(axis=1, keepdims=True)
    effects = {}
    for name, axes in GROUPINGS.items():
        values = base.effects.effects[name]
        if 2 not in axes:
            effects[name] = np.zeros((fits, *values.shape[1:]))
            continue
        inner = (1,) * (values.ndim - 2)
        mean = (values * share.reshape(fits, *inner, -1)).sum(axis=-1, keepdims=True)
        effects[name] = (values - mean) * speaks.reshape(fits, *inner, -1)
    ones, none = np.ones(fits), np.zeros(fits)
    return replace(base.effects, intercept=none, trust=ones, trust_deviation=none, effects=effects)


def to_weights(head: Head, prefix: str) -> dict[str, Floats]:
    """One fit's head as named arrays: `<prefix>.<base|real>.<part>`."""
    weights: dict[str, Floats] = {}
    for stage, effects in (("base", head.base), ("real", head.real)):
        if effects is None:
            continue
        scalars = [effects.intercept[0], effects.trust[0]]
        weights[f"{prefix}.{stage}.scalars"] = np.array(scalars)
        for name, values in effects.effects.items():
            weights[f"{prefix}.{stage}.{name}"] = values[0]
    return weights


def table_from_weights(weights: Mapping[str, Floats], prefix: str, sizes: Sizes) -> Floats:
    """The table (F, T, S) of a head that `to_weights` wrote."""
    parts = {}
    for stage in ("base", "real"):
        scalars = weights.get(f"{prefix}.{stage}.scalars")
        parts[stage] = scalars if scalars is None else _effects(weights, f"{prefix}.{stage}")
    return np.asarray(Head(base=parts["base"], real=parts["real"]).table(sizes)[0])


def _effects(weights: Mapping[str, Floats], prefix: str) -> Effects:
    intercept, trust = weights[f"{prefix}.scalars"].tolist()
    return Effects(
        intercept=np.array([intercept]),
        trust=np.array([trust]),
        trust_deviation=np.zeros(1),
        effects={name: weights[f"{prefix}.{name}"][None] for name in GROUPINGS},
        variances={},
        rounds=0,
        settled=True,
    )
