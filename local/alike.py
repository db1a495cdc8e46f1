"""The folds of a version that was made by hand: each answers as the version itself does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from common.feedback import FOLDS
from task.artifact import FoldTables


def folds_alike(like: NDArray[np.floating], score: NDArray[np.floating]) -> FoldTables:
    """Folds (FOLDS, F, T, S) from a version's own tables (F, T, S)."""
    return FoldTables(
        like=np.repeat(like[None].astype(np.float32), FOLDS, axis=0),
        score=np.repeat(score[None].astype(np.float32), FOLDS, axis=0),
        threshold=np.full(FOLDS, 0.5),
        constant=np.full(FOLDS, 0.5),
        base=None,
    )
