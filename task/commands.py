"""The commands of `python -m task`: each calls one function and shows what came of it.

With `--json` a command prints exactly one JSON object on standard output; without, tables for
people. Progress and logs go to standard error, so both can be piped.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from common.errors import AlreadyClaimedError, InterruptedRunError, NotDoneError, UsageError
from common.settings import Settings, public, require, restored
from task import artifact, deploy, folder, operate, pipeline, show, stages, versions
from task.files import write_whole
from task.folder import RunFolder
from task.interrupt import Interrupt, Stop
from task.outcome import outcome_of
from task.prepare import CELLS, PREPARED
from task.rollout import unproved
from task.stages import Loop

log = logging.getLogger(__name__)

PREPARED_WITH = ("base_csv", "base_rows", "half_life_days", "window_days", "personal", "seed")
TRAINED_WITH = (
    *PREPARED_WITH,
    "real_data_weight",
    "candidates",
    "batch_size",
    "max_epochs",
    "learning_rate",
    "early_stopping_patience",
)
JUDGED_WITH = (
    *TRAINED_WITH,
    "gate",
    "tolerated_loss",
    "yearly_risk",
    "max_negative_flips",
    "min_improvement",
    "confidence",
    "min_test_groups",
    "min_accuracy",
    "min_precision",
    "min_recall",
    "min_f1",
)
SETTLED: Mapping[str, Sequence[str]] = {
    "train": PREPARED_WITH,
    "evaluate": TRAINED_WITH,
    "deploy": JUDGED_WITH,
}
"""The settings that a command finds used already: the record would tell of others."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a command: its arguments, and what it works with."""

    arguments: argparse.Namespace
    flags: Mapping[str, object]
    loop: Loop
    interrupt: Interrupt

    @property
    def settings(self) -> Settings:
        return self.loop.settings

    @property
    def dry_run(self) -> bool:
        return bool(getattr(self.arguments, "dry_run", False))

    def say(self, value: Any, text: Callable[[Any], None]) -> None:
        """Print a result: as JSON, or by a function that prints for people."""
        if self.arguments.json:
            sys.stdout.write(stages.dump(value) + "\n")
        else:
            text(value)


def run(call: Call) -> int:
    """The whole run, or with --dry-run only whether there is enough for one."""
    require(call.settings, "database_url", "store_url", "registry_url", "serving_url")
    run_id = call.arguments.run_id
    loop = replace(call.loop, full=call.arguments.full, launched=call.arguments.launched)
    _ = loop.service  # a wrong address is found before the work, not after it
    if call.dry_run:
        too_few = pipeline.enough(pipeline.count(loop), loop.settings, counted=loop.launched)
        call.say({"run_id": run_id, "would_run": too_few is None, "reason": too_few}, show.facts)
        return 0
    outcome = pipeline.run(loop, run_id, call.interrupt)
    call.say(asdict(outcome), show.outcome)
    return outcome.exit


def export(call: Call) -> int:
    """Read, validate and split the votes into a new run's folder, with CSV files for people."""
    require(call.settings, "database_url", "store_url", "registry_url")
    run_id = call.arguments.run
    if call.dry_run:
        votes = pipeline.count(call.loop)
        call.say({"run_id": run_id, "votes": votes.total, "new_votes": votes.new}, show.facts)
        return 0
    here = folder.of(call.settings.work_dir, run_id)
    passed = stages.export(replace(call.loop, full=call.arguments.full), here)
    pipeline.warn(here)
    from task.people import LATEST, write_people_csv

    written = write_people_csv(here.votes, run_id, here.path)
    files = [str(written), str(here.path.parent / LATEST)]
    record = here.record()
    names = ("run_id", "mode", "cutoff", "data_fingerprint", "counts", "findings")
    call.say({name: record[name] for name in names} | {"files": files}, show.exported)
    return 0 if passed else deploy.DATA_STOPPED_EXIT


def prepare(call: Call) -> int:
    """Votes and base data to cells, and what is learned from as a CSV file for people."""
    here, loop = _resumed(call)
    if call.dry_run:
        return _would(call, here, "prepare", ["votes.parquet"], "export", [CELLS, PREPARED])
    stages.prepare_cells(loop, here)
    _done(here, loop)
    from task.people import write_training_csv
    from task.prepare import load

    prepared = load(here.path)
    written = write_training_csv(here.path, here.votes, stages.base_rows(here, loop.settings))
    cells = {"run_id": here.run_id, "cells": len(prepared.cells.face)}
    cells |= {"styles": len(prepared.levels.styles) - 1, "base_rejected": prepared.base_rejected}
    call.say(cells | {"files": [str(written)]}, show.facts)
    return 0


def train(call: Call) -> int:
    """Train the candidates on a prepared run."""
    here, loop = _resumed(call)
    if call.dry_run:
        return _would(
            call, here, "train", [CELLS, PREPARED], "prepare", ["model/", stages.TRAINING]
        )
    stages.train_model(loop, here)
    _done(here, loop)
    call.say(here.read(stages.TRAINING), show.trained)
    return 0


def evaluate(call: Call) -> int:
    """Compare with the champion and decide; nothing is changed."""
    here, loop = _resumed(call)
    if call.dry_run:
        needs = [CELLS, f"model/{artifact.TABLE}"]
        return _would(call, here, "evaluate", needs, "train", [stages.VERDICT])
    stages.evaluate_model(loop, here)
    _done(here, loop)
    stages.render(here)
    call.say(asdict(outcome_of(here)), show.outcome)
    return 0


def deploy_run(call: Call) -> int:
    """Publish and promote what `evaluate` decided, as a run of its own."""
    require(call.settings, "store_url", "registry_url", "serving_url")
    here, loop = _resumed(call)
    missing = unproved(loop.service, loop.settings.verify)
    here.needs(stages.VERDICT, made_by="evaluate")
    # A damaged file is found before the run is claimed: its stage can then be redone.
    verdict = here.read(stages.VERDICT)
    for name in (stages.EVALUATION, stages.TRAINING):
        here.read_if_there(name)
    if call.dry_run:
        state, reason = deploy.plan(
            verdict,
            auto_deploy=loop.settings.auto_deploy,
            hold=loop.registry.hold(),
            missing=missing,
        )
        call.say({"run_id": here.run_id, "would_end": state, "reason": reason}, show.facts)
        return 0
    _done(here, loop)
    attempt = pipeline.attempt_at(loop, here, call.interrupt)
    try:
        with attempt:
            deploy.heal_left_open(loop, attempt)
            deploy.conclude(loop, here, attempt)
    except AlreadyClaimedError as error:
        ended = loop.registry.run(here.run_id)
        if ended and ended.state != "failed":
            raise
        # Asked again after a failure, "nothing to do" would look like success.
        raise NotDoneError(f"{error}; `python -m task run` starts another run") from error
    outcome = outcome_of(here, attempt.ended)
    call.say(asdict(outcome), show.outcome)
    return outcome.exit


def backtest(call: Call) -> int:
    """Try policies on the past votes; neither store nor registry is touched."""
    from task.backtest.command import backtest as played

    given = call.arguments
    with call.loop.bar("looking back", None) as progress:
        found = played(
            call.settings,
            start=given.start,
            end=given.end,
            policies=given.policy,
            every=given.every,
            snapshot=given.snapshot,
            truth_file=given.truth,
            output=given.output,
            warn=log.warning,
            progress=progress,
        )
    call.say(found, show.backtest)
    return 0


def predict(call: Call) -> int:
    """Score a CSV file with the active or a named version."""
    from task.predict import predict as scored

    loop, given = call.loop, call.arguments
    source, target = Path(given.input), None if call.dry_run else Path(given.output)
    version = given.version or operate.current(loop.registry)[0]
    table, _ = versions.checked(loop.store, version)
    size = source.stat().st_size if source.is_file() else 0
    with show.bar("predicting", size) as progress:
        found = scored(table, source, target, progress)
    call.say(asdict(found) | {"output": str(target) if target else None}, show.facts)
    return 0


def doctor(call: Call) -> int:
    """Check the four addresses; exit 1 when there is a fault."""
    from task.doctor import examine

    findings = [asdict(finding) for finding in examine(call.loop)]
    faults = sum(finding["answer"] == "fault" for finding in findings)
    warnings = sum(finding["answer"] == "warn" for finding in findings)
    call.say({"checks": findings, "faults": faults, "warnings": warnings}, show.doctor)
    return 1 if faults else 0


def status(call: Call) -> int:
    """What is active, on hold, running; or with --at, what was active then."""
    loop = call.loop
    if call.arguments.at is not None:
        at = operate.moment(call.arguments.at, loop.now())
        call.say(operate.status_at(loop.registry, at), show.status_at)
        return 0
    call.say(operate.status(loop.registry, loop.store, loop.now()), show.status)
    return 0


def history(call: Call) -> int:
    """Runs and promotions, with F1 over time."""
    found = operate.history(call.loop.registry)
    if call.arguments.export:
        lines = operate.deployment_history(call.loop.registry)
        write_whole(Path(call.arguments.export), stages.dump(lines) + "\n")
    call.say(found, show.history)
    return 0


def rollback(call: Call) -> int:
    """Go back to a version; promotion is then on hold until `resume`."""
    loop, version = call.loop, call.arguments.version
    # Short, so a signal waits and is then without effect: cut, it could not say what it changed.
    with call.interrupt.shield():
        change = operate.rollback(loop.healer(), loop.store, version, dry_run=call.dry_run)
    call.say(_in_service(call, change), show.facts)
    return 0


def _in_service(call: Call, change: operate.Change) -> Mapping[str, Any]:
    """What changed, once it is in service; that takes minutes, so a person may stop waiting."""
    try:
        return operate.in_service(call.loop.healer(), change, shield=call.interrupt.shield)
    except Stop as stop:
        raise Stop(
            InterruptedRunError(
                f"{change.version} was made active and must come into service, got told to stop "
                "waiting: nobody has asked who serves it; `python -m task doctor` does"
            )
        ) from stop


def resume(call: Call) -> int:
    """Let runs promote again."""
    with call.interrupt.shield():
        call.say(operate.resume(call.loop.registry, dry_run=call.dry_run), show.facts)
    return 0


def promote(call: Call) -> int:
    """Put a published version into service by hand."""
    loop, version = call.loop, call.arguments.version
    with call.interrupt.shield():
        change = operate.promote(loop.healer(), loop.store, version, dry_run=call.dry_run)
    call.say(_in_service(call, change), show.facts)
    return 0


def replay(call: Call) -> int:
    """Retrain a run from its snapshot; exit 1 when the bytes differ."""
    from task.replay import replay as again

    found = again(call.loop, call.arguments.run_id)
    call.say({**asdict(found), "agrees": found.agrees}, show.facts)
    return 0 if found.agrees else 1


def _resumed(call: Call) -> tuple[RunFolder, Loop]:
    """An earlier stage's folder, and its settings with the options of this call on top."""
    here = folder.find(call.settings.work_dir, call.arguments.run)
    written = here.record().get("settings")
    if written is None:
        raise NotDoneError(
            f"{here.run_id} must hold an exported run, its record has no settings; "
            "run `python -m task export` first"
        )
    recorded = public(restored(call.settings, written))
    typed = {name: getattr(call.settings, name) for name in call.flags}
    settled = SETTLED.get(call.arguments.command, ())
    late = [name for name in settled if typed.get(name, recorded[name]) != recorded[name]]
    if late:
        raise UsageError(
            f"{', '.join(late)} must be as {here.run_id} was made with, got another value: an "
            "earlier stage has used it; redo that stage with the option"
        )
    settings = replace(call.settings, **{**recorded, **typed})
    return here, replace(call.loop, settings=settings)


def _done(here: RunFolder, loop: Loop) -> None:
    """Record the settings that a stage was done with; a replay needs them."""
    here.update(settings=public(loop.settings))


def _would(
    call: Call, here: RunFolder, stage: str, needs: list[str], made_by: str, writes: list[str]
) -> int:
    here.needs(*needs, made_by=made_by)
    call.say({"run_id": here.run_id, "stage": stage, "would_write": writes}, show.facts)
    return 0


COMMANDS: Mapping[str, Callable[[Call], int]] = {
    "run": run,
    "export": export,
    "prepare": prepare,
    "train": train,
    "evaluate": evaluate,
    "deploy": deploy_run,
    "backtest": backtest,
    "predict": predict,
    "doctor": doctor,
    "status": status,
    "history": history,
    "rollback": rollback,
    "resume": resume,
    "promote": promote,
    "replay": replay,
}
