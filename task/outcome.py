"""What a run says of itself: one value for the table on the terminal and for `run --json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from common.errors import RetrainError
from common.registry.records import Run
from task.folder import RECORD, RunFolder, of
from task.stages import EVALUATION, VERDICT


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The object that `run --json` ends with; what does not apply is None."""

    run_id: str | None
    state: str
    version: str | None = None
    previous_version: str | None = None
    reason: str
    verdict: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None
    counts: Mapping[str, Any] | None = None
    warnings: Sequence[str] = ()
    """What validation found worth knowing without stopping for it."""
    data_fingerprint: str | None = None
    seconds_by_stage: Mapping[str, float] | None = None
    report: str | None = None
    exit: int = 0


def skipped(run_id: str, reason: str) -> Outcome:
    """A run that did not read any votes."""
    return Outcome(run_id=run_id, state="skipped", reason=reason)


def failure(work_dir: str | None, run_id: str | None, reason: str, code: int) -> Outcome:
    """A run that ended with an error, and what it had found out by then."""
    state = "failed" if code else "skipped"
    bare = Outcome(run_id=run_id, state=state, reason=reason, exit=code)
    if not (work_dir and run_id and code):
        return bare
    try:
        here = of(work_dir, run_id)
        found = outcome_of(here) if here.file(RECORD).exists() else bare
    except RetrainError:
        return bare  # the error is about this very folder, or its name
    return replace(found, state=state, reason=reason, exit=code)


def outcome_of(folder: RunFolder, ended: Run | None = None) -> Outcome:
    """The outcome of a run that read votes, from its folder; `ended` knows best how it ended."""
    record, verdict = folder.record(), folder.read_if_there(VERDICT)
    if ended:
        record |= {"state": ended.state, "reason": ended.reason, "exit": ended.exit}
    report = folder.file("report.html")
    return Outcome(
        run_id=folder.run_id,
        state=record.get("state", "running"),
        version=record.get("version"),
        previous_version=record.get("previous_version"),
        reason=record.get("reason", ""),
        verdict=_shown(verdict) if verdict else None,
        metrics=metric_values(folder.read_if_there(EVALUATION)) or None,
        counts=_counts(record.get("counts")),
        warnings=warnings(record),
        data_fingerprint=record.get("data_fingerprint"),
        seconds_by_stage=record.get("seconds_by_stage"),
        report=str(report) if report.exists() else None,
        exit=record.get("exit", 0),
    )


def warnings(record: Mapping[str, Any]) -> list[str]:
    """The warnings among a record's findings, each with the name of what was looked at."""
    found = (f for f in record.get("findings") or () if f["answer"] == "warn")
    return [f"{finding['name']}: {finding['says']}" for finding in found]


def metric_values(evaluation: Mapping[str, Any] | None) -> dict[str, dict[str, float | None]]:
    """{challenger: {metric: value}, champion: {…}} of an evaluation."""
    if evaluation is None:
        return {}
    return {
        who: {name: interval["value"] for name, interval in (evaluation[who] or {}).items()}
        for who in ("challenger", "champion")
    }


def _shown(verdict: Mapping[str, Any]) -> dict[str, Any]:
    checks = [{k: v for k, v in check.items() if k != "says"} for check in verdict["checks"]]
    names = ("risk", "budget", "expected_gain", "anchor")
    told = {name: verdict.get(name) for name in names}
    return {"decision": verdict["decision"], "checks": checks} | told


def _counts(counts: Mapping[str, Any] | None) -> dict[str, Any] | None:
    names = ("read", "rejected_by_reason", "votes", "new_votes")
    return {name: counts[name] for name in names} if counts else None
