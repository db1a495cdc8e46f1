"""One step's linear algebra: the styles are eliminated, what is left are contexts and trust.

Given the effects of the contexts the styles do not depend on each other, so each is a small block
over its contexts: its marginal precision is M = (W⁻¹ + own)⁻¹, with W the curvatures and `own`
the covariance between contexts that its groupings make.
Shapes: K fits, S styles, C = F·T contexts.
"""

from __future__ import annotations

import numpy as np

from task.models.grid import OF_STYLE, Floats, Sizes
from task.models.variances import moments

TRUST_MEAN, TRUST_VARIANCE = 1.0, 0.5**2
_BLOCK = 400_000
"""Numbers in a batch of inverses, so that they stay in the processor's cache."""


class Styles:
    """A block of styles in one step: what is needed again once the contexts are known."""

    def __init__(self, weighed: Floats, by_context: Floats, by_trust: Floats | None) -> None:
        self.weighed, self.by_context, self.by_trust = weighed, by_context, by_trust

    def pull(self, context: Floats, trust: Floats | None) -> Floats:
        """M (z − context − trust·offset): (K, S, C)."""
        pull = self.weighed - np.einsum("kscd,kd->ksc", self.by_context, context)
        if trust is not None and self.by_trust is not None:
            pull -= trust[:, None, None] * self.by_trust
        return np.asarray(pull)


class Sums:
    """Sums over all styles of one step, with M = (W⁻¹ + own)⁻¹ the marginal precision of a style.

    z is the working response of a Newton step: logit + residual / curvature.
    """

    def __init__(self, fits: int, grid: Sizes) -> None:
        self.faces, self.tones = grid[:2]
        contexts = self.faces * self.tones
        self.matrix = np.zeros((fits, contexts + 1, contexts + 1))
        self.right = np.zeros((fits, contexts + 1))
        self.expected = np.zeros((fits, len(OF_STYLE)))
        self.information = np.zeros((fits, len(OF_STYLE), len(OF_STYLE)))

    def add(self, root: Floats, target: Floats, own: Floats, offset: Floats | None) -> Styles:
        """Add a block of styles: root = √W and target = √W z, (K, S, C); own (K, C, C)."""
        inner = root[..., :, None] * own[:, None] * root[..., None, :]
        contexts = np.arange(inner.shape[-1])
        inner[..., contexts, contexts] += 1.0
        inverse = inverse_of(inner)
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
        expected, information = moments(precision, self.faces, self.tones)
        self.expected += expected
        self.information += information
        return Styles(weighed, precision, by_trust)

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
        covariance = inverse_of(matrix)
        return np.einsum("kcd,kd->kc", covariance, right), covariance


def blocks(shape: tuple[int, ...]) -> list[slice]:
    """Slices of styles for roots (K, S, C), each a batch that fits the cache."""
    fits, styles, contexts = shape
    width = max(1, _BLOCK // max(fits * contexts * contexts, 1))
    return [slice(start, start + width) for start in range(0, styles, width)]


def inverse_of(matrices: Floats) -> Floats:
    """The inverse of each matrix: (…, C, C)."""
    return np.asarray(np.linalg.inv(matrices), dtype=np.float64)
