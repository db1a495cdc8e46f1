"""What the fit answers for faces and tones that no vote has been cast by.

Shapes: K fits, F faces, T tones, S styles.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from task.models.grid import GROUPINGS, Bools, Floats, Sizes, shaped
from task.models.logistic import log_odds, sigmoid


def fill_unseen(
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
    sizes = n.shape[1], n.shape[2], n.shape[3]
    for axis in (0, 1):
        votes = n.sum(axis=tuple(a for a in (1, 2, 3) if a != axis + 1))
        for k, level in np.argwhere((votes == 0) & votes.any(axis=1, keepdims=True)):
            added = _added({name: effects[name][k] for name in GROUPINGS}, sizes)
            each, all_words = np.moveaxis(added, axis, 0), np.moveaxis(word[k], axis, 0)
            own = all_words[level]
            words = own if spoken is not None and spoken[axis][level] else all_words
            share = votes[k] / votes[k].sum()
            answers = sigmoid(each + words) if logits else each + words
            mixed = np.einsum("f,f...->...", share, answers)
            if logits:
                mixed = log_odds(mixed)
            np.moveaxis(finest[k], axis, 0)[level] += mixed - own - each[level]


def _added(effects: Mapping[str, Floats], sizes: Sizes) -> Floats:
    out = np.zeros(sizes)
    for name in GROUPINGS:
        out += effects[name].reshape(shaped(name, sizes))
    return out
