"""A tuned LightGBM: what a careful person would reach for instead of the hierarchical fit.

Face, tone and style are categorical features and the votes come as weighted cells: one row
for a cell's likes and one for its dislikes, weighted by their number, which has the same
likelihood as a row per vote and is much faster to tune at a million votes. (Leaves are held
to a least sum of curvatures instead of rows, so the weights count there too.) Every point of
the grid stops early on the validation votes, and the one with the best validation log-loss
is taken. One thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from task.prepare import Cells

Floats = NDArray[np.float64]

LEAVES = (7, 15, 31)
LEAST_CURVATURE = (1.0, 4.0)
"""About 5 and 20 votes in a leaf."""
CATEGORY_SHRINKAGE = (1.0, 10.0)
"""`cat_l2`: how cautious a split over many styles is; 10 is LightGBM's default."""
GRID = tuple(product(LEAVES, LEAST_CURVATURE, CATEGORY_SHRINKAGE))
RATE, TREES, PATIENCE = 0.05, 3_000, 30


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The chosen point of the grid: like probabilities (F, T, S) and its settings."""

    p: Floats
    settings: tuple[float, float, float]
    trees: int


def tuned(train: Cells, validation: Cells, sizes: tuple[int, ...]) -> Tuned:
    """The best of the grid by validation log-loss."""
    import lightgbm

    data = lightgbm.Dataset(**_rows(train), **_DATA)
    held = lightgbm.Dataset(**_rows(validation), **_DATA, reference=data)
    everything = np.indices(sizes).reshape(3, -1).T.astype(np.float64)
    best: Tuned | None = None
    lowest = np.inf
    for settings in GRID:
        model = lightgbm.train(
            _options(*settings),
            data,
            TREES,
            valid_sets=[held],
            callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        )
        loss = model.best_score["valid_0"]["binary_logloss"]
        if loss < lowest:
            p = np.asarray(model.predict(everything)).reshape(sizes)
            best, lowest = Tuned(p=p, settings=settings, trees=model.best_iteration), loss
    assert best is not None
    return best


_DATA: dict[str, Any] = {
    "categorical_feature": [0, 1, 2],
    "params": {"verbose": -1, "min_data_in_bin": 1, "max_bin": 65_535, "feature_pre_filter": False},
    "free_raw_data": False,
}


def _options(leaves: float, curvature: float, shrinkage: float) -> dict[str, Any]:
    return {
        "objective": "binary",
        "learning_rate": RATE,
        "num_leaves": int(leaves),
        "min_data_in_leaf": 1,
        "min_data_per_group": 1,
        "min_sum_hessian_in_leaf": curvature,
        "cat_l2": shrinkage,
        "num_threads": 1,
        "seed": 0,
        "verbose": -1,
    }


def _rows(cells: Cells) -> dict[str, Any]:
    """Features (2C, 3), labels (2C,) and weights (2C,); rows without votes are left out."""
    codes = np.stack([cells.face, cells.tone, cells.style], axis=1).astype(np.float64)
    weights = np.concatenate([cells.n_like, cells.n_dislike]).astype(np.float64)
    labels = np.repeat([1.0, 0.0], len(codes))
    kept = weights > 0
    return {"data": np.tile(codes, (2, 1))[kept], "label": labels[kept], "weight": weights[kept]}
