"""Makes models from a snapshot and prints the digests of all that was learned: `maker.py VOTES`.

A process of its own, so that a test can give it another hash seed and another number of threads.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from task import prepare
from task.metrics import log_loss
from task.models.crossed import Offset, fit, sigmoid, table
from task.train import Options, Trained, train
from tests.learning import one_fit, small_base

OPTIONS = Options(max_epochs=2)


def main(votes: Path) -> None:
    """Print {candidate: {part: digest}} and the digest of a fit of many cells."""
    got = prepare.prepare(votes, small_base())
    digests: dict[str, object] = {"wide": wide()}
    for kind in ("hierarchical", "embedding"):
        found = train(got, replace(OPTIONS, candidates=kind), clock=lambda: 0.0)
        digests[kind] = parts(found)
    print(json.dumps(digests))


def parts(found: Trained) -> dict[str, str]:
    """The digest of each part of what training gives."""
    weights = found.chosen.weights
    text = json.dumps([found.vocabulary.as_dict(), found.account, found.threshold])
    return {
        "weights": digest(weights[name] for name in sorted(weights)),
        "tables": digest([found.like, found.chosen.score]),
        "folds": digest([found.folds.like, found.folds.score, found.folds.threshold]),
        "account": hashlib.sha256(text.encode()).hexdigest(),
    }


def digest(arrays: Iterable[NDArray[Any]]) -> str:
    content = hashlib.sha256()
    for values in arrays:
        content.update(np.ascontiguousarray(values).tobytes())
    return content.hexdigest()


def wide() -> list[str]:
    """A fit and a log-loss of 72,000 cells: long enough for a library to share out the work."""
    sizes = (6, 3, 4_000)
    rng = np.random.default_rng(1)
    n = rng.integers(1, 9, sizes)
    like = rng.binomial(n, 0.7)
    known = np.ones(6, dtype=bool), np.ones(3, dtype=bool)
    offset = Offset(values=rng.normal(size=(1, *sizes)), faces=known[0], tones=known[1])
    found = table(fit(one_fit(n, like), offset), sizes, offset.values)
    p = sigmoid(found).ravel()
    return [digest([found]), log_loss(p, like.ravel(), (n - like).ravel()).hex()]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
