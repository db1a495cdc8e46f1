"""The trigger's whole story: count, decide, and launch or put the skip on record.

Clients are passed in, so the story is the same over AWS, over its emulation and in a test. What
is written stands in the registry before ECS is asked, so whoever repeats the event, after a crash
or a lost answer, finds out how far the first one came.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from common.database import VoteCounts
from common.errors import AlreadyClaimedError, LaunchError, LeaseHeldError, UsageError
from common.registry import Registry
from common.registry.records import OPEN_STATES, Run, judged_total, last_verdict, utc_text
from common.settings import Settings
from retrain_trigger import heal, metrics
from retrain_trigger.decide import Decision, Known, Policy, decide
from retrain_trigger.launch import NO_TASK, is_open, start
from retrain_trigger.request import Request
from retrain_trigger.settings import TriggerSettings

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

log = logging.getLogger(__name__)

Word = Literal["launched", "adopted", "skipped", "would_launch", "would_skip"]
LAUNCH_FAILED_EXIT = 1
EARLY_MINUTES = 15
"""So much earlier than its slot an event may come: clocks differ, and a slot is used up once."""
ANOTHER = "send {} for another run"


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """What the story needs; the composition root makes it."""

    settings: Settings
    own: TriggerSettings
    registry: Registry
    ecs: ECSClient
    count: Callable[[datetime | None], VoteCounts]
    """Votes in all and since a time; raises DatabaseError, never answers 0 for an outage."""
    now: Callable[[], datetime]
    emit: Callable[[Mapping[str, float]], None]
    sleep: Callable[[float], None]
    """Waits so many seconds."""
    owner: str
    """Who launches: `trigger/<request id>`."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the function answers, as JSON."""

    decision: Word
    reason: str
    run_id: str
    task_arn: str | None = None
    new_votes: int | None = None
    total_votes: int | None = None
    unknown_votes: int | None = None
    needed: int | None = None
    last_verdict: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The answer as plain values."""
        return asdict(self)


def answer(trigger: Trigger, request: Request) -> Answer:
    """Launch the run that is asked for, or say why not.

    Raises RetrainError for every outage and for a launch that failed: an answer that sounds
    like "nothing to do" is given only when there is nothing to do.
    """
    now = trigger.now()
    _refuse_if_early(request, now)
    runs = trigger.registry.runs()
    known = next((run for run in runs if run.run_id == request.run_id), None)
    if known is not None:
        return _again(trigger, request, known)
    lease = trigger.registry.lease()
    hung = heal.overdue(runs, lease, trigger.settings.deadline_minutes, now)
    if not request.dry_run:
        runs = heal.end_all(trigger.ecs, trigger.registry, runs, hung, now)
    known_now = _known(trigger, runs, hung)
    decision = decide(known_now, _policy(trigger, request), now)
    record = Run(run_id=request.run_id, created_at=now, counts=_counts(known_now, decision))
    if request.dry_run:
        word: Word = "would_launch" if decision.launch else "would_skip"
        return _answer(word, decision.reason + _would_stop(hung), request, record)
    try:
        return _carry_out(trigger, request, record, decision)
    except AlreadyClaimedError:
        # The same event came twice at once, and the other one was faster.
        return _again(trigger, request, trigger.registry.run(request.run_id) or record)


def _refuse_if_early(request: Request, now: datetime) -> None:
    """Raise UsageError for a slot that has not come: its own event would find it used up."""
    slot = request.slot
    if slot is not None and slot - now > timedelta(minutes=EARLY_MINUTES):
        raise UsageError(
            f"a slot's time must not lie over {EARLY_MINUTES} minutes ahead of {utc_text(now)}, "
            f"got {utc_text(slot)}: the schedule sends it in time; for a run now, send {{}}"
        )


def _known(trigger: Trigger, runs: list[Run], hung: list[Run]) -> Known:
    """What the decision rests on; a run that hangs holds nothing up, nor one that never began."""
    judged = last_verdict(runs)
    lease = trigger.registry.lease()
    if lease is not None and lease.run_id in {run.run_id for run in hung}:
        lease = None
    launched = (run.created_at for run in runs if run.state != "skipped" and not _unbegun(run))
    return Known(
        votes=replace(trigger.count(judged), before=judged_total(runs)),
        last_verdict=judged,
        last_launch=max(launched, default=None),
        lease=lease,
    )


def _unbegun(run: Run) -> bool:
    """Whether the run failed before any task carried it out."""
    return run.state == "failed" and run.started_at is None


def _policy(trigger: Trigger, request: Request) -> Policy:
    settings = trigger.settings
    return Policy(
        min_total=settings.min_feedback_count,
        min_new=settings.min_new_feedback,
        skip_minimums=settings.skip_data_check,
        cooldown_minutes=trigger.own.cooldown_minutes,
        max_age_days=trigger.own.max_age_days,
        force=request.force,
    )


def _carry_out(trigger: Trigger, request: Request, record: Run, decision: Decision) -> Answer:
    """Take the lease and start the task, or put the skip on record."""
    reason = decision.reason
    if decision.launch:
        try:
            launched = _take(trigger, record)
        except LeaseHeldError as held:
            reason = str(held)
        else:
            return _start(trigger, request, launched, "launched", reason)
    trigger.registry.record_skip(record, reason=reason, now=trigger.now())
    trigger.emit({metrics.RUNS_SKIPPED: 1, **_votes(record)})
    return _answer("skipped", reason, request, record)


def _take(trigger: Trigger, record: Run) -> Run:
    return trigger.registry.launch(
        record,
        owner=trigger.owner,
        lease_seconds=trigger.settings.lease_seconds,
        now=trigger.now(),
    )


def _start(trigger: Trigger, request: Request, run: Run, word: Word, reason: str) -> Answer:
    """Ask ECS for the task of a launched run, and note which one it is."""
    try:
        task_arn = start(trigger.ecs, trigger.own, run.run_id, request.environment(), trigger.sleep)
    except LaunchError as error:
        return _not_started(trigger, request, run, error)
    noted = trigger.registry.note_task(run.run_id, task_arn)
    trigger.emit({metrics.RUNS_LAUNCHED: 1, **_votes(run)})
    return _answer(word, reason, request, replace(run, task_arn=noted.task_arn or task_arn))


def _not_started(trigger: Trigger, request: Request, run: Run, error: LaunchError) -> Answer:
    """Raise, and leave a record that lets the same event go on or says that it is over.

    An answer of ECS can get lost. Then the task claims the run as usual, and this is no error;
    until it does, the run stays launched with its lease, so that a retry asks with the same
    token. After a refusal the run is closed, and its task could not claim it any more.
    """
    if is_open(error):
        then = f"a retry of this event asks for the same task; once its lease has ended, {ANOTHER}"
        found = trigger.registry.run(run.run_id) or run
        begun = found.state != "launched" or bool(found.task_arn)
    else:
        then = ANOTHER
        closed = trigger.registry.close(
            run.run_id,
            task_arn=NO_TASK,
            exit_code=LAUNCH_FAILED_EXIT,
            reason=str(error),
            now=trigger.now(),
        )
        begun = closed is None
    if begun:
        log.warning("the task runs in spite of an error: %s", error)
        found = trigger.registry.run(run.run_id) or run
        return _answer("adopted", "its task had begun already", request, found)
    trigger.emit({metrics.LAUNCH_FAILED: 1, **_votes(run)})
    raise LaunchError(f"{error}; {then}") from error


def _again(trigger: Trigger, request: Request, run: Run) -> Answer:
    """Answer an event whose run is on record: the event came before."""
    if run.state == "launched" and not run.task_arn:
        try:
            # Its task has its whole time from now on.
            run = _take(trigger, replace(run, created_at=trigger.now()))
        except AlreadyClaimedError:
            run = trigger.registry.run(run.run_id) or run
        else:
            reason = "the event came before and its task was not noted: asked for the same again"
            return _start(trigger, request, run, "adopted", reason)
    if run.state in OPEN_STATES:
        return _answer("adopted", f"the event came before: its run is {run.state}", request, run)
    if _unbegun(run) and not run.task_arn:
        raise LaunchError(
            f"an event is answered once, and this one's run {run.run_id} failed: {run.reason}; "
            f"{ANOTHER}"
        )
    reason = run.reason
    if run.state != "skipped":
        reason = f"the event came before: its run is {run.state} ({run.reason})"
    return _answer("skipped", reason, request, run)


def _counts(known: Known, decision: Decision) -> dict[str, Any]:
    """What the run's record says of the votes until the task has counted for itself."""
    return {
        "new_votes": known.votes.new,
        "total_votes": known.votes.total,
        "unknown_votes": known.votes.unknown,
        "needed": decision.needed,
        "last_verdict": utc_text(known.last_verdict) if known.last_verdict else None,
    }


def _votes(run: Run) -> dict[str, float]:
    names = {metrics.NEW_VOTES: "new_votes", metrics.TOTAL_VOTES: "total_votes"}
    return {metric: run.counts[name] for metric, name in names.items() if name in run.counts}


def _answer(word: Word, reason: str, request: Request, run: Run) -> Answer:
    counts = run.counts
    return Answer(
        decision=word,
        reason=reason,
        run_id=run.run_id,
        task_arn=run.task_arn or None,
        new_votes=counts.get("new_votes"),
        total_votes=counts.get("total_votes"),
        unknown_votes=counts.get("unknown_votes"),
        needed=counts.get("needed"),
        last_verdict=counts.get("last_verdict"),
        settings=request.settings,
    )


def _would_stop(hung: list[Run]) -> str:
    if not hung:
        return ""
    return f"; {', '.join(run.run_id for run in hung)} hangs and would be stopped first"
