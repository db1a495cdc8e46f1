"""Retrain from a run's snapshot, and say whether the same bytes come out.

On the same image, processor capability and thread count they must; elsewhere the largest
difference between the two tables is reported.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import NotDoneError
from common.feedback import SPLIT_VERSION
from common.settings import restored
from task import artifact, chosen, prepare, publish, stages, train, versions
from task.evaluate import self_test_cells
from task.folder import RunFolder, of
from task.stages import Loop


@dataclass(frozen=True, kw_only=True)
class Replay:
    """`same`: each reproduced file and whether its sha256 agrees. `largest_difference`: of any
    like probability or score, None when the run published no table to compare with."""

    run_id: str
    same: dict[str, bool]
    largest_difference: float | None

    @property
    def agrees(self) -> bool:
        return all(self.same.values())


def replay(loop: Loop, run_id: str) -> Replay:
    """Retrain a run. Raises NotDoneError when its evidence is not there any more."""
    record = publish.run_record(loop.store, run_id)
    recorded = record.get("sha256")
    if not recorded:
        raise NotDoneError(
            f"a replay needs a run that trained a model, {run_id} ended as "
            f"{record.get('state')} before; choose another run"
        )
    if record["split_version"] != SPLIT_VERSION:
        raise NotDoneError(
            f"a replay needs split_version {SPLIT_VERSION!r}, {run_id} has "
            f"{record['split_version']!r}; use the release that made it"
        )
    if "folds" not in recorded:
        raise NotDoneError(
            f"a replay needs a version of format {artifact.FORMAT_VERSION}, {run_id} made one of "
            "format 1, which was fitted on another part of the votes; use the release that made it"
        )
    with tempfile.TemporaryDirectory(prefix="replay-") as work:
        folder = _again(loop, of(work, run_id).make(), record)
        found = stages.reproduced(folder.model)
        same = {part: found[part] == sha for part, sha in recorded.items()}
        return Replay(
            run_id=run_id, same=same, largest_difference=_difference(loop, run_id, folder.model)
        )


def _again(loop: Loop, folder: RunFolder, record: dict[str, Any]) -> RunFolder:
    """Train as the run did: its votes, its base data, its settings, its seeds."""
    settings = restored(loop.settings, record["settings"])
    publish.fetch_run(loop.store, record, folder.path)
    folder.update(**record)
    base = stages.base_rows(folder, settings)
    recency = chosen.recency_of(settings, record)
    prepared = prepare.prepare(folder.votes, base, recency)
    trained = train.train(prepared, chosen.train_options(settings), clock=loop.clock)
    stages.write_model(folder, trained)
    artifact.write_self_test(folder.model, self_test_cells(prepared))
    return folder


def _difference(loop: Loop, run_id: str, model: Path) -> float | None:
    if run_id not in versions.published(loop.store):
        return None
    with versions.opened(loop.store, run_id) as folder:
        ours, theirs = artifact.load(model), artifact.load(folder)
    if ours.like.shape != theirs.like.shape:
        return 1.0
    pairs = ((ours.like, theirs.like), (ours.score, theirs.score))
    return max(float(np.abs(a.astype(np.float64) - b).max()) for a, b in pairs)
