"""Starts the task of a run: the request is a plain value, and sending it is another matter.

RunTask answers 200 also when it starts nothing, with the reason in `failures`: capacity runs out
in one zone at a time, so the next attempt, after a pause, begins with another subnet. Each attempt
of each run has a token of its own, made from the run's id: whoever asks again, after a crash or a
lost answer, is given the task that is there already. Throttling and server errors are tried again
by the client itself; what is left of them may pass, or may have started the task (`is_open`). So
may refusals that only ECS's words tell from lasting ones: EC2's throttling inside an
InvalidParameterException, a role that was made seconds ago.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from common.aws_errors import as_error, code, sentence, status
from common.errors import LaunchError
from retrain_trigger.settings import TriggerSettings, listed

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

log = logging.getLogger(__name__)

NO_TASK = ""
"""In place of a task's ARN: closes a run only while no task has claimed it."""
PAUSE_SECONDS = (3, 9)
"""Before the second and the third attempt: capacity comes back in seconds, or in hours."""
ATTEMPTS = 1 + len(PAUSE_SECONDS)
_BUSY = frozenset({"ServerException", "ThrottlingException", "Throttling", "RequestLimitExceeded"})
_FAILED_STATUS = 500
_PASSING = re.compile(
    r"request ?limit ?exceeded|rate exceeded|throttl|service[- ]linked role|unable to assume"
    r"|reached the limit on the number|capacity is unavailable|try again|temporar",
    re.IGNORECASE,
)
"""In ECS's words for refusals that pass within seconds or minutes, whatever their code."""


def token(run_id: str, attempt: int) -> str:
    """What makes a repeated request of the same attempt harmless: 64 characters, ECS's limit."""
    return hashlib.sha256(f"{run_id}|{attempt}".encode()).hexdigest()


def task_request(
    settings: TriggerSettings, run_id: str, environment: Mapping[str, str], attempt: int
) -> dict[str, Any]:
    """The parameters of RunTask for one attempt, counted from 1.

    environment: the settings that this run overrides, as variables of the task.
    """
    subnets = listed(settings.subnets)
    first = (attempt - 1) % len(subnets)
    capacity: dict[str, Any] = {"launchType": "FARGATE"}
    if settings.capacity != "FARGATE":
        provider = {"capacityProvider": settings.capacity, "weight": 1}
        capacity = {"capacityProviderStrategy": [provider]}
    container = {
        "name": settings.container,
        "command": ["run", "--run-id", run_id, "--launched"],
        "environment": [{"name": name, "value": environment[name]} for name in sorted(environment)],
    }
    return capacity | {
        "cluster": settings.cluster,
        "taskDefinition": settings.task_definition,
        "count": 1,
        "clientToken": token(run_id, attempt),
        "startedBy": run_id,
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": subnets[first:] + subnets[:first],
                "securityGroups": listed(settings.security_groups),
                "assignPublicIp": "DISABLED",
            }
        },
        "overrides": {"containerOverrides": [container]},
        "propagateTags": "TASK_DEFINITION",
        "enableExecuteCommand": False,
    }


def start(
    ecs: ECSClient,
    settings: TriggerSettings,
    run_id: str,
    environment: Mapping[str, str],
    sleep: Callable[[float], None],
) -> str:
    """The ARN of the run's task, which was started or runs already.

    Raises LaunchError when ECS refuses, or finds no place for it in any attempt. `sleep` waits
    so many seconds.
    """
    refusals = []
    passing: LaunchError | None = None
    for attempt, pause in enumerate((0, *PAUSE_SECONDS), start=1):
        if pause:
            sleep(pause)
        try:
            answer = _run_task(ecs, run_id, task_request(settings, run_id, environment, attempt))
        except LaunchError as error:
            if not _passes(error):
                raise
            passing = error
            refusals.append(str(error))
        else:
            passing = None
            if answer["tasks"]:
                return str(answer["tasks"][0]["taskArn"])
            refusals.append(_refusal(answer.get("failures", [])))
        log.warning("no task was started", extra={"attempt": attempt, "refusal": refusals[-1]})
    raise LaunchError(
        f"ECS must start the task of {run_id}, but refused {ATTEMPTS} times: "
        f"{'; '.join(dict.fromkeys(refusals))}: wait for capacity, or name subnets of more zones"
    ) from (passing and passing.__cause__)


def _passes(error: LaunchError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and bool(_PASSING.search(sentence(cause)))


def is_open(error: LaunchError) -> bool:
    """Whether ECS may have done what it was asked, or may do it when it is asked again soon."""
    cause = error.__cause__
    if isinstance(cause, ClientError):
        busy = code(cause) in _BUSY or (status(cause) or 0) >= _FAILED_STATUS
        return busy or _passes(error)
    return isinstance(cause, BotoCoreError)


def _run_task(ecs: ECSClient, run_id: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
    rule = f"ECS must start the task of {run_id}"
    with as_error(LaunchError, rule, "TRIGGER_TASK_DEFINITION", words=True):
        try:
            return ecs.run_task(**request)
        except ClientError as exc:
            # The same token with other parameters: the stack was deployed since the first call.
            running: Any = exc.response.get("resourceIds")
            if not running:
                raise
            return {"tasks": [{"taskArn": running[0]}]}


def _refusal(failures: list[Mapping[str, str]]) -> str:
    """Why nothing was started, in ECS's own words."""
    words = (failure.get("reason", "no reason given") for failure in failures)
    return ", ".join(words) or "no task and no reason"
