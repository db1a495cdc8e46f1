"""The whole run: votes in, a proven model in service.

    python -m task run

Each stage is one call and one file; `stages.py` connects them to the run's folder, and
`deploy.py` carries out the verdict. Everything that can go wrong raises, and `Attempt` closes
the run's record with the reason: no state is "partly successful".
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from common.database import Database, VoteCounts, open_votes
from common.errors import LeaseHeldError, RetrainError
from common.registry.records import judged_total
from common.settings import Settings
from common.store import Store
from task import deploy, folder, publish, stages
from task.attempt import Attempt
from task.folder import RunFolder
from task.interrupt import Interrupt
from task.outcome import Outcome, outcome_of, skipped, warnings
from task.stages import Loop

log = logging.getLogger(__name__)


def run(loop: Loop, run_id: str, interrupt: Interrupt) -> Outcome:
    """One run from the count of votes to the promotion. Raises RetrainError when it fails."""
    settings, here = loop.settings, folder.of(loop.settings.work_dir, run_id)
    attempt = attempt_at(loop, here, interrupt)
    try:
        with attempt:
            attempt.check()
            deploy.heal_left_open(loop, attempt)
            publish.check_pair(loop.store, loop.registry)
            if (too_few := enough(count(loop), settings, counted=loop.launched)) is not None:
                attempt.end(attempt.record("skipped", too_few))
                return skipped(run_id, too_few)
            usable = stages.export(loop, here)
            warn(here)
            if not usable:
                deploy.stop(loop, here, attempt)
                return outcome_of(here, attempt.ended)
            if (unusable := none_usable(here.record()["counts"])) is not None:
                deploy.skip(loop, here, attempt, unusable)
                return outcome_of(here, attempt.ended)
            for stage in (stages.prepare_cells, stages.train_model, stages.evaluate_model):
                attempt.check()
                stage(loop, here)
            deploy.conclude(loop, here, attempt)
    except LeaseHeldError as error:
        return skipped(run_id, str(error))
    return outcome_of(here, attempt.ended)


def warn(here: RunFolder) -> None:
    """Log what validation found without stopping for it: a report is opened too late."""
    for warning in warnings(here.record()):
        log.warning("validation: %s", warning)


def attempt_at(loop: Loop, here: RunFolder, interrupt: Interrupt) -> Attempt:
    """The attempt at a run as the settings want it; should it fail, it leaves its evidence."""
    return Attempt(
        loop.registry,
        here.run_id,
        lease_seconds=loop.settings.lease_seconds,
        deadline=timedelta(minutes=loop.settings.deadline_minutes),
        now=loop.now,
        interrupt=interrupt,
        host=loop.host,
        launched=loop.launched,
        on_failure=lambda error: failed(loop.store, here, error),
    )


def count(loop: Loop) -> VoteCounts:
    """Votes in all and new ones, by the database's own count."""
    with open_votes(loop.settings) as db:
        return counted(loop, db)


def counted(loop: Loop, db: Database) -> VoteCounts:
    """The same of an open database, beside what it held at the last verdict."""
    before = judged_total(loop.registry.runs())
    return replace(db.count_votes(stages.known_until(loop, db)), before=before)


def enough(votes: VoteCounts, settings: Settings, *, counted: bool = False) -> str | None:
    """None when there are enough votes for a run, else why not.

    `counted`: whoever launched the run has applied the minimums, or a person who waived them.
    """
    if votes.total == 0:
        return "no votes yet"
    if settings.skip_data_check or counted:
        return None
    shortage = votes.shortage(
        min_total=settings.min_feedback_count, min_new=settings.min_new_feedback
    )
    return shortage and shortage + votes.unread()


def none_usable(counts: Mapping[str, Any]) -> str | None:
    """Why nothing can be learned although votes were counted: each of them was rejected."""
    if counts["votes"]:
        return None
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in counts["rejected_by_reason"].items())
    return f"no usable votes among {counts['read']:,} read ({reasons or 'none'})"


def failed(store: Store, here: RunFolder, error: RetrainError | None) -> None:
    """Leave the evidence of a failed run beside those of the others."""
    record = here.record()
    if "counts" not in record:
        return
    reason: dict[str, Any] = {"state": "failed", "exit": error.exit_code if error else 1}
    try:
        here.update(**reason, reason=str(error) if error else "unexpected error")
        stages.render(here)
        valid = all(finding["answer"] != "stop" for finding in record["findings"])
        publish.save_run(store, here, with_votes=valid and here.votes.exists())
    except RetrainError as late:
        log.error("the failed run's record could not be saved: %s", late)
