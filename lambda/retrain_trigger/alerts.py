"""The messages that tell people about a failed run: pure texts, one readable message each.

A message answers four questions: which run, how it ended, why, and what to do first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.aws_errors import as_error
from common.errors import AlertError, ChampionChangedError
from common.registry.records import Run
from retrain_trigger.stopped import Cause, TaskEnd

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient

SUBJECT_CHARACTERS = 100  # SNS refuses more, and all but ASCII
REASON_CHARACTERS = 2_000

FIRST_BY_CAUSE: dict[Cause, str] = {
    "never_started": (
        "Read the reason: a pull error means that the image or the route to its registry is "
        "missing, ResourceInitializationError that a secret, the log group or the network is."
    ),
    "out_of_memory": "Give the task more memory in infra/settings.py and deploy.",
    "spot": "Send {} to the trigger for another run; if it happens often, set capacity FARGATE.",
    "stopped": "Find out who stopped it (the reason says), then send {} for another run.",
}
FIRST_BY_EXIT = {
    1: "Read the last lines of the task's log; the reason usually names the remedy.",
    2: "Correct the setting that the reason, or the last lines of the task's log, name. Deploy.",
    3: "Open report.html of the run in the store: it shows the votes that validation refused.",
    4: "The champion of before serves again. Open report.html of the run before the next one.",
    5: "Nothing was changed. Send {} for another run, unless one is at work.",
    137: "Read the last lines of the task's log; it was killed before it could say why.",
    143: "Nothing was promoted. Send {} to the trigger for another run.",
}
FIRST = "Read the last lines of the task's log."
FIRST_OF_NO_TASK = "Read the trigger's log: no task began. Then send {} to it for another run."
FIRST_AFTER_ITS_END = "Nothing: the run was on record already. Read the task's log if it recurs."
FIRST_OF_OVERTAKEN = (
    "Somebody made another version active while this one came into service, and theirs stays: "
    "python -m task history shows it. Send {} for another run, unless they put promotion on hold."
)
FIRST_OF_ROLLOUT = (
    "Nothing yet: {version} is active and not proved in service. The healer (or the next run) "
    "brings {previous} back, and you are told how that ended: python -m task status."
)


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A message for SNS."""

    subject: str
    """At most 100 characters of ASCII."""
    body: str


def of_run(stage: str, run: Run, end: TaskEnd | None) -> Alert:
    """About a run that ended with an exit status other than 0, or whose task did.

    end: how its task ended, if ECS has said so.
    """
    code = run.exit or (end.exit_code if end else None) or "unknown"
    shown = f"exit {code}" + (f", {_words(end.cause)}" if end and _tells(end.cause) else "")
    lines = [
        f"The retraining run {run.run_id} on {stage} ended {run.state}"
        + ("." if run.exit else ", and its task failed."),
        "",
        f"state:   {run.state}",
        f"exit:    {code}",
        f"reason:  {_cut(run.reason)}",
        f"task:    {run.task_arn or (end.task_arn if end else 'none was started')}",
        *([f"ECS:     {_cut(end.words)}"] if end and end.words not in run.reason else []),
        "",
        f"What to do first: {_first(run, end)}",
        f"Then: python -m task history, and runs/{run.run_id}/ in the store.",
    ]
    subject = f"HairMe retraining {stage}: {run.run_id} {run.state} ({shown})"
    return Alert(subject=_ascii(subject), body="\n".join(lines))


def of_unknown_task(stage: str, end: TaskEnd) -> Alert:
    """About a failed task that belongs to no run on record."""
    lines = [
        f"A retraining task on {stage} failed, and the registry knows no run of it.",
        "",
        f"exit:       {'none' if end.exit_code is None else end.exit_code}",
        f"reason:     {_cut(end.sentence())}",
        f"task:       {end.task_arn}",
        f"startedBy:  {end.started_by or 'nobody'}",
        "",
        "What to do first: find out who started it; the trigger starts none without a record.",
    ]
    return Alert(
        subject=_ascii(f"HairMe retraining {stage}: a task without a run failed"),
        body="\n".join(lines),
    )


def publish(sns: SNSClient, topic: str, alert: Alert) -> None:
    """Send the message; raises AlertError."""
    with as_error(AlertError, f"people must be told ({alert.subject})", "WATCH_ALERT_TOPIC"):
        sns.publish(TopicArn=topic, Subject=alert.subject, Message=alert.body)


def _first(run: Run, end: TaskEnd | None) -> str:
    """What to do first: by the cause if ECS gives one that tells, else by the exit status."""
    if run.state == "rolling_out":
        before = run.previous or "the time before the first version"
        return FIRST_OF_ROLLOUT.format(version=run.version, previous=before)
    if not run.exit:
        return FIRST_AFTER_ITS_END
    if run.exit == ChampionChangedError.exit_code and run.serial is not None:
        return FIRST_OF_OVERTAKEN
    if end is not None and end.cause in FIRST_BY_CAUSE:
        return FIRST_BY_CAUSE[end.cause]
    if not run.task_arn and run.started_at is None:
        return FIRST_OF_NO_TASK
    return FIRST_BY_EXIT.get(run.exit, FIRST)


def _tells(cause: Cause) -> bool:
    return cause != "ended"


def _words(cause: Cause) -> str:
    return cause.replace("_", " ")


def _cut(text: str) -> str:
    return text if len(text) <= REASON_CHARACTERS else f"{text[: REASON_CHARACTERS - 1]}…"


def _ascii(subject: str) -> str:
    """A subject as SNS takes it: one line of printable ASCII that is not too long."""
    plain = "".join(character if " " <= character <= "~" else "?" for character in subject)
    return plain[:SUBJECT_CHARACTERS]
