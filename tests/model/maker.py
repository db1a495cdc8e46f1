"""Makes models from a snapshot and prints the digests of their files: `maker.py VOTES FOLDER`.

A process of its own, so that a test can give it another hash seed and another number of threads.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from task import artifact, prepare
from task.evaluate import self_test_cells
from task.metrics import log_loss
from task.models import hierarchical
from task.models.hierarchical import Counts
from task.train import Options, train
from tests.learning import small_base

OPTIONS = Options(max_epochs=2)


def main(votes: Path, folder: Path) -> None:
    """Print {candidate: {file: digest}} and the digest of a fit of many cells."""
    got = prepare.prepare(votes, small_base())
    digests: dict[str, object] = {"wide": wide()}
    for kind in ("hierarchical", "embedding"):
        found = train(got, replace(OPTIONS, candidates=kind), clock=lambda: 0.0)
        target = folder / kind
        artifact.write(
            target,
            weights=found.chosen.weights,
            metadata={
                "version": "m-a",
                "kind": kind,
                "vocabulary": found.vocabulary.as_dict(),
                "threshold": found.threshold,
                "calibration": dict(found.calibration),
                "class_weights": list(found.chosen.class_weights),
            },
            score=found.chosen.score,
            like=found.like,
        )
        artifact.write_self_test(target, self_test_cells(got))
        digests[kind] = artifact.digests(target)
    print(json.dumps(digests))


def wide() -> list[str]:
    """A fit and a log-loss of 72,000 cells: long enough for a library to share out the work."""
    sizes = (6, 3, 4_000)
    rng = np.random.default_rng(1)
    codes = np.indices(sizes).reshape(3, -1).astype(np.int32)
    n = rng.integers(1, 9, codes.shape[1])
    like = rng.binomial(n, 0.7)
    counts = Counts(
        codes=(codes[0], codes[1], codes[2]), n=n.astype(float), total=like.astype(float)
    )
    offset = rng.normal(size=sizes)
    found = hierarchical.table(hierarchical.fit(counts, sizes, offset=offset, sweeps=3), sizes)
    p = hierarchical.sigmoid(found).ravel()
    digest = hashlib.sha256(found.tobytes()).hexdigest()
    return [digest, log_loss(p, like, n - like).hex()]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
