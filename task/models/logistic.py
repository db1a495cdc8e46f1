"""The logistic function and its inverse."""

from __future__ import annotations

import numpy as np

from task.models.grid import Floats


def sigmoid(logit: Floats) -> Floats:
    """The logistic function, safe for any finite logit."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logit, -35.0, 35.0))))


def log_odds(p: Floats) -> Floats:
    """The logit of probabilities strictly between 0 and 1."""
    return np.asarray(np.log(p) - np.log1p(-p))
