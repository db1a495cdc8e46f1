"""How a task ended, read from ECS's event "ECS Task State Change".

ECS spreads the cause over four fields, none of which suffices: a container that was never made
has no exit code, one that was killed for memory has 137 like any other that was killed, and a
Spot interruption is known by its stop code or its text, whatever the exit code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from common.errors import UsageError

Cause = Literal["ended", "never_started", "out_of_memory", "spot", "stopped", "killed"]

KILLED_EXIT = 137  # 128 + SIGKILL
FAILED_EXIT = 1  # for a record, where ECS gives no exit code or the wrong one
_SPOT_CODES = ("SpotInterruption", "TerminationNotice")
_SPOT_TEXT = "Your Spot Task was interrupted"


@dataclass(frozen=True, kw_only=True)
class TaskEnd:
    """A task that is no more."""

    task_arn: str
    cluster: str
    started_by: str
    """The run's id, if the trigger started it."""
    exit_code: int | None
    """None if the container never ran, or ECS does not know."""
    cause: Cause
    words: str
    """ECS's own words."""

    @property
    def task_id(self) -> str:
        """The last part of its ARN, by which a claim names its owner."""
        return self.task_arn.rpartition("/")[2]

    @property
    def failed(self) -> bool:
        """Whether it ended with anything but exit code 0."""
        return self.exit_code != 0

    @property
    def record_exit(self) -> int:
        """The exit status for the record of a run that this end left open; never 0."""
        if self.exit_code:
            return self.exit_code
        return KILLED_EXIT if self.cause == "out_of_memory" else FAILED_EXIT

    def sentence(self) -> str:
        """What happened, for the run's record."""
        says = {
            "ended": "its task ended without closing the record",
            "never_started": "its task never started",
            "out_of_memory": "its task was killed for using more memory than it has",
            "spot": "its task was interrupted, since Spot took the capacity back",
            "stopped": "its task was stopped by a call to ECS",
            "killed": "its task was killed",
        }
        code = "no exit code" if self.exit_code is None else f"exit code {self.exit_code}"
        return f"{says[self.cause]} ({code}): {self.words}"


def task_end(event: Mapping[str, Any], container: str) -> TaskEnd | None:
    """How the task of an event ended, by the named container; None if it has not ended.

    Raises UsageError for an event that lacks what every such event has.
    """
    try:
        detail = event["detail"]
        if detail["lastStatus"] != "STOPPED":
            return None
        named = (each for each in detail.get("containers", []) if each["name"] == container)
        return _end(detail, next(named, {}))
    except (KeyError, TypeError, AttributeError) as exc:
        raise UsageError(
            "an event ECS Task State Change must have a detail with lastStatus, taskArn, "
            f"clusterArn and named containers, got one without {exc}: send what ECS sends"
        ) from exc


def _end(detail: Mapping[str, Any], container: Mapping[str, Any]) -> TaskEnd:
    reason = str(container.get("reason", ""))
    stopped = str(detail.get("stoppedReason", ""))
    exit_code = container.get("exitCode")
    return TaskEnd(
        task_arn=detail["taskArn"],
        cluster=detail["clusterArn"],
        started_by=detail.get("startedBy", ""),
        exit_code=exit_code,
        cause=_cause(str(detail.get("stopCode", "")), stopped, reason, exit_code),
        words="; ".join(dict.fromkeys(filter(None, (reason, stopped)))) or "ECS gives no reason",
    )


def _cause(stop_code: str, stopped: str, reason: str, exit_code: int | None) -> Cause:
    if reason.startswith("OutOfMemoryError"):
        return "out_of_memory"
    if stop_code in _SPOT_CODES or stopped.startswith(_SPOT_TEXT):
        return "spot"
    if stop_code == "TaskFailedToStart" or exit_code is None:
        return "never_started"
    if stop_code == "UserInitiated":
        return "stopped"
    return "killed" if exit_code == KILLED_EXIT else "ended"
