"""Folds: the parts of the votes that are held out in turn, so that each can judge a model.

A group's fold is a constant function of its hash, so a group never stands on both sides, and two
models of different weeks hold out the same groups. Its bytes 8 to 15 are used: the first 8 decide
the fixed split of versions of format 1.

Folds come in pairs. The model that was fitted without both folds of a pair is what decides, on one
of them, whatever must be decided for the other: candidate, calibration and threshold. So nothing
that is judged on a fold has been decided on it, for five fits more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from common.feedback import FOLDS
from task.tally import group_numbers

__all__ = ["FOLDS", "PAIRS", "fold_numbers", "learned_from", "pair", "partner"]

PAIRS = FOLDS // 2


def fold_numbers(groups: pa.ChunkedArray) -> NDArray[np.int8]:
    """The fold of each group's hash, (N,): bytes 8 to 15, big-endian, modulo FOLDS."""
    return np.asarray((group_numbers(groups, first_byte=8) % np.uint64(FOLDS)).astype(np.int8))


def pair(fold: NDArray[Any] | int) -> Any:
    """The pair that a fold belongs to."""
    return fold // 2


def partner(fold: int) -> int:
    """The other fold of its pair."""
    return fold ^ 1


def learned_from() -> NDArray[np.bool_]:
    """Which folds each fit learns from, (1 + FOLDS + PAIRS, FOLDS).

    First the one that ships, from all; then those without one fold; then those without a pair.
    """
    folds = np.arange(FOLDS)
    every = np.ones((1, FOLDS), dtype=bool)
    without_one = folds[:, None] != folds
    without_pair = np.arange(PAIRS)[:, None] != pair(folds)
    return np.concatenate([every, without_one, without_pair])
