"""One step's linear algebra: the styles are eliminated, what is left are contexts and trust.

Given the effects of the contexts the styles do not depend on each other, so each is a small block
over its contexts: its marginal precision is M = (W⁻¹ + own)⁻¹, with W the curvatures and `own`
the covariance between contexts that its groupings make.
Shapes: K fits, S styles, C = F·T contexts, D of them with votes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from task.models.grid import OF_STYLE, Floats, Sizes, levels
from task.models.variances import moments

TRUST_MEAN, TRUST_VARIANCE = 1.0, 0.5**2
_BLOCK = 400_000
"""Numbers in a batch of inverses, so that they stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some styles in a row that have votes in at most D contexts each: `cells` (S, D) says which.

    `cells` is None where that would save nothing: all C contexts then. Contexts without votes
    only fill a row up; they weigh nothing. A catalogue of thousands of styles has few votes on
    most of them, and inverses of 2 × 2 where 18 × 18 would do the same.
    """

    styles: slice
    cells: NDArray[np.intp] | None

    def of(self, values: Floats) -> Floats:
        """The block's part of (K, S, C): (K, S, D)."""
        part = values[:, self.styles]
        if self.cells is None:
            return part
        return np.take_along_axis(part, self.cells[None], axis=2)

    def over_contexts(self, values: Floats) -> Floats:
        """Values of contexts (K, C) for each style: (K, S, D)."""
        return values[:, None, :] if self.cells is None else values[:, self.cells]

    def covariance(self, own: Floats) -> Floats:
        """The styles' covariance (K, C, C) between the block's cells: (K, S, D, D)."""
        if self.cells is None:
            return own[:, None]
        return own[:, self.cells[:, :, None], self.cells[:, None, :]]

    def put(self, into: Floats, values: Floats) -> None:
        """Write the block's values (K, S, D) to their places in (K, S, C)."""
        if self.cells is None:
            into[:, self.styles] = values
        else:
            np.put_along_axis(into[:, self.styles], self.cells[None], values, axis=2)


class Styles:
    """A block of styles in one step: what is needed again once the contexts are known."""

    def __init__(
        self, block: Block, weighed: Floats, precision: Floats, by_trust: Floats | None
    ) -> None:
        self.block, self.weighed, self.precision = block, weighed, precision
        self.by_trust = by_trust

    def pull(self, into: Floats, context: Floats, trust: Floats | None) -> None:
        """Write M (z − context − trust·offset) of the block to its places in (K, S, C)."""
        known = np.broadcast_to(self.block.over_contexts(context), self.weighed.shape)
        pull = self.weighed - np.einsum("kscd,ksd->ksc", self.precision, known)
        if trust is not None and self.by_trust is not None:
            pull -= trust[:, None, None] * self.by_trust
        self.block.put(into, pull)


class Sums:
    """Sums over all styles of one step, with M = (W⁻¹ + own)⁻¹ the marginal precision of a style.

    z is the working response of a Newton step: logit + residual / curvature.
    """

    def __init__(self, fits: int, grid: Sizes) -> None:
        self.fits, (self.faces, self.tones) = fits, grid[:2]
        self.contexts = self.faces * self.tones
        self.matrix = np.zeros((fits, self.contexts + 1, self.contexts + 1))
        self.right = np.zeros((fits, self.contexts + 1))
        self.expected = np.zeros((fits, len(OF_STYLE)))
        self.information = np.zeros((fits, len(OF_STYLE), len(OF_STYLE)))
        self.levels = levels(self.faces, self.tones)

    def add(
        self, block: Block, root: Floats, target: Floats, own: Floats, offset: Floats | None
    ) -> Styles:
        """Add a block of styles: root = √W, target = √W z and offset (K, S, D); own (K, C, C)."""
        inner = root[..., :, None] * block.covariance(own) * root[..., None, :]
        cells = np.arange(inner.shape[-1])
        inner[..., cells, cells] += 1.0
        inverse = inverse_of(inner)
        weighed = root * np.einsum("kscd,ksd->ksc", inverse, target)
        precision = inverse
        precision *= root[..., :, None]
        precision *= root[..., None, :]
        self.matrix[:, :-1, :-1] += self._by_pair(block, precision)
        self.right[:, :-1] += self._by_context(block, weighed)
        by_trust = None
        if offset is not None:
            by_trust = np.einsum("kscd,ksd->ksc", precision, offset)
            self.matrix[:, :-1, -1] += self._by_context(block, by_trust)
            self.matrix[:, -1, -1] += (by_trust * offset).sum(axis=(1, 2))
            self.right[:, -1] += (weighed * offset).sum(axis=(1, 2))
        of_level = self.levels if block.cells is None else self.levels[block.cells]
        expected, information = moments(precision, of_level, self.faces, self.tones)
        self.expected += expected
        self.information += information
        return Styles(block, weighed, precision, by_trust)

    def _by_context(self, block: Block, values: Floats) -> Floats:
        """Sums over the styles by context: (K, S, D) → (K, C)."""
        if block.cells is None:
            return np.asarray(values.sum(axis=1))
        at = np.arange(self.fits)[:, None, None] * self.contexts + block.cells
        return self._summed(at, values).reshape(self.fits, self.contexts)

    def _by_pair(self, block: Block, values: Floats) -> Floats:
        """Sums over the styles by pair of contexts: (K, S, D, D) → (K, C, C)."""
        if block.cells is None:
            return np.asarray(values.sum(axis=1))
        pair = block.cells[:, :, None] * self.contexts + block.cells[:, None, :]
        at = np.arange(self.fits)[:, None, None, None] * self.contexts**2 + pair
        return self._summed(at, values).reshape(self.fits, self.contexts, self.contexts)

    def _summed(self, at: NDArray[np.intp], values: Floats) -> Floats:
        length = self.fits * self.contexts ** (at.ndim - 2)
        found = np.bincount(at.ravel(), values.ravel(), length)
        return np.asarray(found, dtype=np.float64)

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


def widths(votes: Floats) -> NDArray[np.intp]:
    """In how many contexts each style has votes, rounded up to a width of a block: (S,).

    votes: (S, C), of any of the fits.
    """
    contexts = votes.shape[1]
    seen = (votes > 0).sum(axis=1)
    width = 2 ** np.ceil(np.log2(np.maximum(seen, 1))).astype(np.intp)
    return np.asarray(np.where(2 * width > contexts, contexts, width))


def blocks(votes: Floats, fits: int) -> list[Block]:
    """The styles in blocks that fit the cache; `votes` (S, C) stand in the order of `widths`."""
    contexts, found = votes.shape[1], []
    of = widths(votes)
    for width in np.unique(of).tolist():
        first, last = np.searchsorted(of, [width, width + 1]).tolist()
        size = max(1, _BLOCK // max(fits * width * width, 1))
        for start in range(first, last, size):
            styles = slice(start, min(start + size, last))
            cells = None
            if width < contexts:  # those with votes first
                cells = np.argsort(votes[styles] <= 0, axis=1, kind="stable")[:, :width]
            found.append(Block(styles=styles, cells=cells))
    return found


def inverse_of(matrices: Floats) -> Floats:
    """The inverse of each matrix: (…, C, C)."""
    return np.asarray(np.linalg.inv(matrices), dtype=np.float64)
