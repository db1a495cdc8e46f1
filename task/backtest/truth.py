"""The truth of a simulated world, where there is one: the chance of a like in each week.

An `.npz` file of arrays, never a pickle: `like` (W, F, T, S), `start` (W,) when each of the W
weeks begins (microseconds since 1970 UTC), and the names `faces`, `tones` and `styles` in order.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.errors import UsageError
from common.feedback import style_key
from task.backtest.history import History

Floats = NDArray[np.float64]

NAMES = ("like", "start", "faces", "tones", "styles")


def read(path: Path, history: History) -> Floats:
    """The true chance of a like of each vote (N,). UsageError when the file does not fit."""
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in NAMES}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"--truth must be an .npz file with {', '.join(NAMES)}, got {path}: {error}; "
            "make it together with the snapshot, or leave it out"
        ) from error
    votes, levels = history.votes, history.levels
    week = np.searchsorted(arrays["start"], votes.feedback_at, side="right") - 1
    places = (
        week,
        _order(levels.faces, arrays["faces"].tolist())[votes.face],
        _order(levels.tones, arrays["tones"].tolist())[votes.tone],
        _order(levels.styles, [style_key(name) for name in arrays["styles"].tolist()])[votes.style],
    )
    unknown = int(np.any([place < 0 for place in places], axis=0).sum())
    if unknown:
        raise UsageError(
            f"--truth must know the week, face, tone and style of every vote, got {unknown:,} "
            f"votes that it does not know in {path}: give the one made with this snapshot"
        )
    return np.asarray(arrays["like"][places], dtype=np.float64)


def _order(names: tuple[str, ...], known: list[str]) -> NDArray[np.int64]:
    """Where each name stands among those known, -1 where it does not."""
    at = {name: place for place, name in enumerate(known)}
    return np.array([at.get(name, -1) for name in names], dtype=np.int64)
