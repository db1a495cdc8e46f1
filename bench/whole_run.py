"""11: a whole run of 10,000 votes as a process, the interpreter's start included."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from bench.figure import (
    ROOT,
    Arm,
    Figure,
    Outcome,
    Round,
    Size,
    Target,
    alternated,
    middle,
    milliseconds,
    ratio,
)
from bench.server import END, START
from local.table import create_sqlite
from local.votes import write_votes
from local.world import make_world
from task.base import generate, write_csv

VOTES, STYLES, BASE_ROWS = 10_000, 60, 10_000
ALONE_FASTER, BOTH_FASTER = 10.0, 2.0

ALONE, BOTH, NAIVE, SHIPPED = "hierarchical", "both candidates", "naive", "task run, whole"
ARMS = (
    Arm(
        name=ALONE,
        says="`bench.stages_run hierarchical`: from SQLite and the base CSV to a model on disk and "
        "all metrics with intervals and the gate's verdict; no report, no publication",
    ),
    Arm(name=BOTH, says="the same with `candidates: auto`, so that the network is trained too"),
    Arm(
        name=NAIVE,
        says="`bench.naive`: the same votes and base rows by dictionaries, data frame, encoders, "
        "DataLoader, early stopping and scikit-learn's metrics, to weights and metrics on disk",
    ),
    Arm(
        name=SHIPPED,
        says="for information, no target: `python -m task run`, report, model card, publication "
        "and promotion included, both candidates",
    ),
)


def run(size: Size) -> Outcome:
    """Every arm as a process of its own, in paired rounds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder)
        arms = {
            ALONE: partial(_process, ["bench.stages_run", name, "hierarchical"]),
            BOTH: partial(_process, ["bench.stages_run", name, "auto"]),
            NAIVE: partial(
                _process, ["bench.naive", f"{name}/votes.sqlite", f"{name}/base.csv", name]
            ),
            SHIPPED: partial(_task_run, folder),
        }
        rounds: list[Round] = [
            {f"{arm} {k}": v for arm, values in entry.items() for k, v in values.items()}
            for entry in alternated(arms, size.times(2, 5))
        ]
        quality = _quality(folder)
    names = [arm.name for arm in ARMS]
    return Outcome(
        arms=ARMS,
        columns=(f"{VOTES:,} votes, {BASE_ROWS:,} base rows", *names),
        lines=(
            ("seconds", *(milliseconds(middle(rounds, f"{arm} seconds")) for arm in names)),
            ("CPU seconds", *(milliseconds(middle(rounds, f"{arm} cpu")) for arm in names)),
            *(
                (f"{metric} on its own test votes", *(quality[arm][metric] for arm in names))
                for metric in ("f1", "auc", "log_loss")
            ),
        ),
        targets=(
            _faster(rounds, ALONE, ALONE_FASTER),
            _faster(rounds, BOTH, BOTH_FASTER),
        ),
        rounds=tuple(rounds),
        note="The naive program tests on base rows too, so its quality is another question's.",
    )


def write_inputs(folder: Path) -> None:
    """`votes.sqlite` with votes in every shape of production, and `base.csv`."""
    with closing(create_sqlite(folder / "votes.sqlite")) as connection:
        world = make_world("rules", styles=STYLES, seed=1)
        write_votes(connection, world, VOTES, seed=1, ugly=True, start=START, end=END)
    write_csv(folder / "base.csv", generate(BASE_ROWS, 0))


def _process(words: list[str], **settings: str) -> Round:
    """Wall and CPU seconds of a process; it must end well."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    seconds, after = perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu": cpu}


def _task_run(folder: Path) -> Round:
    return _process(
        ["task", "run", "--full", "--skip-data-check", "--json"],
        DATABASE_URL=f"sqlite:///{folder / 'votes.sqlite'}",
        STORE_URL=(folder / "store").as_uri(),
        REGISTRY_URL=f"sqlite:///{folder / 'registry.sqlite'}",
        SERVING_URL="none",
        WORK_DIR=str(folder / "task"),
        LOG_DIR=str(folder / "logs"),
        RETRAIN_BASE_CSV=str(folder / "base.csv"),
    )


def _quality(folder: Path) -> dict[str, dict[str, str]]:
    """Some metrics that each arm reported itself."""
    naive = json.loads((folder / "metrics.json").read_text("utf-8"))
    found: dict[str, dict[str, Any]] = {NAIVE: naive}
    for path in sorted(folder.glob("runs/*/evaluation.json")):
        settings = json.loads((path.parent / "run.json").read_text("utf-8"))["settings"]
        arm = ALONE if settings["candidates"] == "hierarchical" else BOTH
        found[arm] = _values(path)
    found[SHIPPED] = _values(next(folder.glob("task/*/evaluation.json")))
    return {
        arm: {name: f"{values[name]:.4f}" for name in ("f1", "auc", "log_loss")}
        for arm, values in found.items()
    }


def _values(path: Path) -> dict[str, float]:
    challenger = json.loads(path.read_text("utf-8"))["challenger"]
    return {name: challenger[name]["value"] for name in challenger}


def _faster(rounds: list[Round], arm: str, bound: float) -> Target:
    says = f"seconds, {NAIVE} ÷ {arm}"
    return Target(says=says, value=ratio(rounds, f"{NAIVE} seconds", f"{arm} seconds"), bound=bound)


FIGURE = Figure(name="11", title="a whole run as a process", run=run)
