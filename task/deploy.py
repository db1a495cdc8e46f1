"""Carry out the verdict: publish, promote by the protocol, tidy up; or say why not.

The order makes every crash harmless: report and evidence, then the version with its manifest
last, then the pointer and its history in one conditional transaction, then the service. A loser
changes neither; its version stays unpromoted and falls to retention.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from common.errors import ArtifactError, NotDoneError, RetrainError
from common.healing import heal, left_open
from common.registry.records import Hold, Run
from common.serving.watch import Expected
from task import publish, questions, stages
from task.artifact import REPRODUCED
from task.attempt import Attempt
from task.folder import RunFolder
from task.outcome import metric_values
from task.publish import Published
from task.rollout import Proof, roll_out, unproved
from task.stages import EVALUATION, VERDICT, Loop

log = logging.getLogger(__name__)

Plan = Literal["rejected", "inconclusive", "approved", "promoted", "served"]
PROMOTING: tuple[Plan, ...] = ("promoted", "served")
DATA_STOPPED_EXIT = 3


def plan(
    verdict: Mapping[str, Any],
    *,
    auto_deploy: bool,
    hold: Hold | None,
    missing: str | None,
) -> tuple[Plan, str]:
    """The state that a verdict leads to, and why. A person's decision outranks the schedule.

    missing: what will not be known of the version in service even if all goes well.
    """
    reason = str(verdict["reason"])
    if verdict["decision"] == "reject":
        return "rejected", reason
    if verdict["decision"] == "inconclusive":
        return "inconclusive", reason
    if hold is not None:
        return "approved", on_hold(hold, reason)
    if not auto_deploy:
        return "approved", f"auto_deploy is off, so it waits for `promote`; {reason}"
    return ("promoted" if missing else "served"), reason


def on_hold(hold: Hold, reason: str) -> str:
    """Why an approved version was not promoted."""
    since = hold.since.isoformat(timespec="seconds")
    return f"promotion is on hold since {since} ({hold.reason}) until `resume`; {reason}"


def stop(loop: Loop, folder: RunFolder, attempt: Attempt) -> None:
    """End a run whose data did not pass validation: nothing is trained, nothing changes."""
    stops = [f for f in folder.record()["findings"] if f["answer"] == "stop"]
    reason = "; ".join(f"{f['name']}: {f['says']}" for f in stops)
    folder.update(state="data_stopped", exit=DATA_STOPPED_EXIT, reason=reason)
    stages.render(folder)
    publish.save_run(loop.store, folder, with_votes=False)
    counts = folder.record()["counts"]
    attempt.end(attempt.record("data_stopped", reason, exit_code=DATA_STOPPED_EXIT, counts=counts))


def skip(loop: Loop, folder: RunFolder, attempt: Attempt, reason: str) -> None:
    """End a run whose votes were all rejected, with the evidence of why."""
    folder.update(state="skipped", exit=0, reason=reason)
    stages.render(folder)
    publish.save_run(loop.store, folder, with_votes=False)
    attempt.end(attempt.record("skipped", reason, counts=folder.record()["counts"]))


def conclude(loop: Loop, folder: RunFolder, attempt: Attempt) -> None:
    """End a run that reached a verdict."""
    folder.needs(VERDICT, EVALUATION, made_by="evaluate")
    publish.check_pair(loop.store, loop.registry)
    with stages.timed(loop, folder, "publish"):
        state, reason = plan(
            folder.read(VERDICT),
            auto_deploy=loop.settings.auto_deploy,
            hold=loop.registry.hold(),
            missing=unproved(loop.service, loop.settings.verify),
        )
        # A run that is killed before the pointer moves must not have said that it moved.
        _record(folder, "running" if state in PROMOTING else state, reason)
        attempt.check()
        publish.save_run(loop.store, folder, with_votes=True)
        published = None
        if state == "approved" or state in PROMOTING:
            _refuse_unless_evaluated(folder)
            published = publish.publish(loop.store, folder.run_id, folder.model)
    if loop.service and state in PROMOTING:
        loop.service.check()
    attempt.check()
    if published and state in PROMOTING:
        _after(loop, folder, _promote(loop, folder, attempt, published, reason))
    else:
        attempt.end(attempt.record(state, reason, **_facts(folder)))
    _tidy(loop, attempt, folder.run_id if published else None)


def heal_left_open(loop: Loop, attempt: Attempt) -> None:
    """End what a dead run began: its version, of which nobody knows whether it serves, goes back.

    Only the holder of the lease may do this. Raises RetrainError when it cannot be ended.
    """
    runs = loop.registry.runs()
    for run in left_open(runs, loop.registry.lease(), loop.now()):
        heal(loop.healer(attempt.check), run)


def _refuse_unless_evaluated(folder: RunFolder) -> None:
    """Raise ArtifactError unless the files to publish are, to the byte, those that were judged."""
    folder.needs(*(f"model/{name}" for name in REPRODUCED.values()), made_by="evaluate")
    if stages.reproduced(folder.model) != folder.record().get("sha256"):
        raise ArtifactError(
            f"a version must be the one that was evaluated, the files of {folder.run_id} differ: "
            "they were altered since; evaluate again"
        )


def _record(folder: RunFolder, state: str, reason: str, **more: Any) -> None:
    named = ("running", "approved", "promoted", "served")
    version = folder.run_id if state in named else None
    code = None if state == "running" else 0
    folder.update(state=state, reason=reason, **{"exit": code, "version": version, **more})
    stages.render(folder)


def _promote(
    loop: Loop, folder: RunFolder, attempt: Attempt, published: Published, reason: str
) -> Run:
    """Move the pointer, and roll out; in a race with a person's rollback, the person wins."""
    metrics = metric_values(folder.read(EVALUATION))["challenger"]
    proof = Proof(
        expected=Expected(version=published.version, sha=published.sha),
        questions=questions.of(folder.model),
        bake_seconds=loop.settings.bake_seconds,
    )
    with attempt.interrupt.shield():
        record = _begun(loop, attempt.record("promoted", reason, **_facts(folder)))
        try:
            entry = loop.registry.promote(
                version=published.version,
                sha=published.sha,
                expected_serial=int(folder.record()["champion_serial"]),
                action="promote",
                now=attempt.now(),
                metrics=metrics,
                lease=attempt.lease,
                run=record,
            )
        except NotDoneError as error:
            ended = replace(record, state="approved", exit=0, reason=str(error))
            attempt.end(ended)
            return ended
        attempt.end(replace(record, serial=entry.serial))
    # From here on a signal leaves the run open, and whoever comes next takes the version back.
    ended = roll_out(loop.healer(attempt.check), proof, entry, record)
    attempt.end(ended)
    return ended


def _begun(loop: Loop, record: Run) -> Run:
    """The run's record while its version comes into service, if anybody serves."""
    if loop.service is None:
        missing = unproved(None, loop.settings.verify)
        return replace(record, reason=f"{record.reason}; {missing}")
    return replace(record, state="rolling_out", exit=None)


def _after(loop: Loop, folder: RunFolder, ended: Run) -> None:
    """Say in the run's evidence how it ended; the registry knows it already."""
    try:
        _record(
            folder,
            ended.state,
            ended.reason,
            exit=ended.exit,
            version=ended.version,
            deployment=ended.deployment,
        )
        publish.save_run(loop.store, folder, with_votes=False)
    except RetrainError as error:
        log.warning("the run's evidence could not be completed: %s", error)


def _facts(folder: RunFolder) -> dict[str, Any]:
    """What the registry keeps of a run that reached a verdict."""
    record, metrics = folder.record(), metric_values(folder.read(EVALUATION))
    return {
        "cutoff": datetime.fromisoformat(record["cutoff"]),
        "counts": record["counts"],
        "version": record["version"],
        "previous": record["previous_version"],
        "metrics": metrics["challenger"],
        "champion_metrics": metrics["champion"],
        "evidence": record["evidence"],
    }


def _tidy(loop: Loop, attempt: Attempt, version: str | None) -> None:
    """Retention. What it could not remove stays for the next run, and is said."""
    settings = loop.settings
    try:
        attempt.check()  # whoever has lost the lease meanwhile leaves the store alone
        removed = publish.retain(
            loop.store,
            loop.registry,
            max_backups=settings.max_backups,
            keep_snapshots=settings.keep_snapshots,
            keep=version,
        )
    except RetrainError as error:
        log.warning("retention: %s", error)
        return
    if removed:
        log.info("retention removed %s", ", ".join(removed))
