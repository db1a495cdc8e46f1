"""The stages of a run as one process, without lease, report and publication.

    python -m bench.stages_run FOLDER hierarchical|auto

`python -m task run` also renders a report, publishes the model and moves the active version,
which the naive program does not; so its stages are called here from the same code, in the
same order: export, prepare, train, evaluate (the gate included). The folder holds
`votes.sqlite` and `base.csv`.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from common.settings import Settings
from task import folder, stages
from task.stages import Loop


def main(place: str, candidates: str) -> None:
    """One run into a new folder under `place`."""
    here = Path(place)
    settings = Settings(
        database_url=f"sqlite:///{here / 'votes.sqlite'}",
        store_url=(here / "store").as_uri(),
        registry_url=f"sqlite:///{here / 'registry.sqlite'}",
        serving_url="none",
        work_dir=str(here / "runs"),
        base_csv=str(here / "base.csv"),
        candidates=candidates,
    )
    loop = Loop(settings=settings, now=lambda: datetime.now(UTC), clock=time.perf_counter)
    run = folder.of(settings.work_dir, f"m-{time.time_ns()}").make()
    stages.export(loop, run)
    for stage in (stages.prepare_cells, stages.train_model, stages.evaluate_model):
        stage(loop, run)


if __name__ == "__main__":
    main(*sys.argv[1:])
