"""What tests of the two functions stand on: settings, fake clients, events as ECS sends them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from common.database import VoteCounts
from common.errors import DatabaseError, LaunchError
from common.registry import Registry, open_registry
from common.registry.records import Run
from common.settings import Settings
from retrain_trigger.request import parse
from retrain_trigger.settings import TriggerSettings, WatcherSettings
from retrain_trigger.trigger import Answer, Trigger, answer
from retrain_trigger.watch import Watcher

NOW = datetime(2026, 11, 22, 2, 0, 5, tzinfo=UTC)
SLOT = {"time": "2026-11-22T02:00:00Z"}
RUN = "s-20261122T020000Z"
REQUEST_ID = "6f1c9a52-0d55-4f3e-9f43-5f0f3a6f5b11"
AD_HOC = f"a-{REQUEST_ID}"
LEASE = 600

ARN = "arn:aws:ecs:us-east-1:123456789012"
CLUSTER = f"{ARN}:cluster/hairme"
REVISION = f"{ARN}:task-definition/retraining:7"
TOPIC = "arn:aws:sns:us-east-1:123456789012:alerts"
TASK = f"{ARN}:task/hairme/{'a' * 32}"
OTHER_TASK = f"{ARN}:task/hairme/{'b' * 32}"

ENVIRON = {
    "TRIGGER_CLUSTER": CLUSTER,
    "TRIGGER_TASK_DEFINITION": REVISION,
    "TRIGGER_SUBNETS": "subnet-a,subnet-b",
    "TRIGGER_SECURITY_GROUPS": "sg-a",
    "TRIGGER_STAGE": "prod",
}
WATCH_ENVIRON = {
    "WATCH_CLUSTER": CLUSTER,
    "WATCH_ALERT_TOPIC": TOPIC,
    "WATCH_STAGE": "prod",
}
OWN = TriggerSettings(
    cluster=CLUSTER,
    task_definition=REVISION,
    subnets="subnet-a,subnet-b",
    security_groups="sg-a",
    stage="prod",
)


def aws_error(code: str, message: str = "no", **more: Any) -> ClientError:
    """An error as AWS answers it."""
    answer: Any = {"Error": {"Code": code, "Message": message}, **more}
    return ClientError(answer, "Operation")


UNANSWERED = ReadTimeoutError(endpoint_url="https://ecs")


def refusal(reason: str) -> dict[str, Any]:
    """RunTask's answer when it starts nothing."""
    return {"tasks": [], "failures": [{"reason": reason}]}


CAPACITY = refusal("Capacity is unavailable at this time. Please try again later")


@dataclass
class Ecs:
    """ECS: the same token gets the same task, unless an answer is scripted."""

    script: list[Any] = field(default_factory=list)
    """Answers, or errors to raise, of the next calls to RunTask."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    stopped: list[dict[str, Any]] = field(default_factory=list)
    tasks: dict[str, str] = field(default_factory=dict)
    """By token."""
    refuses_to_stop: Exception | None = None
    meanwhile: Callable[[], object] = lambda: None
    """What happens elsewhere while RunTask is on its way."""

    def run_task(self, **request: Any) -> Mapping[str, Any]:
        self.asked.append(request)
        self.meanwhile()
        if self.script:
            answer = self.script.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return dict(answer)
        number = f"{len(self.tasks):x}"
        arn = self.tasks.setdefault(
            request["clientToken"], TASK if number == "0" else f"{ARN}:task/hairme/{number * 32}"
        )
        return {"tasks": [{"taskArn": arn}], "failures": []}

    def stop_task(self, **request: Any) -> None:
        self.stopped.append(request)
        if self.refuses_to_stop:
            raise self.refuses_to_stop


@dataclass
class Sns:
    """SNS: what was published."""

    sent: list[dict[str, str]] = field(default_factory=list)
    refuses: Exception | None = None

    def publish(self, **message: str) -> None:
        if self.refuses:
            raise self.refuses
        self.sent.append(message)


@dataclass
class World:
    """Everything around the functions, on a clock that the test sets."""

    folder: Path
    votes: VoteCounts | DatabaseError = field(default_factory=lambda: VoteCounts(total=63, new=12))
    now: datetime = NOW
    ecs: Ecs = field(default_factory=Ecs)
    sns: Sns = field(default_factory=Sns)
    emitted: list[dict[str, float]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    counted_since: list[datetime | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.registry: Registry = open_registry(f"sqlite:///{self.folder}/registry.sqlite")

    def count(self, since: datetime | None) -> VoteCounts:
        self.counted_since.append(since)
        if isinstance(self.votes, DatabaseError):
            raise self.votes
        return self.votes

    def trigger(self, settings: Settings | None = None, own: TriggerSettings = OWN) -> Trigger:
        ecs: Any = self.ecs
        return Trigger(
            settings=settings or Settings(),
            own=own,
            registry=self.registry,
            ecs=ecs,
            count=self.count,
            now=lambda: self.now,
            emit=lambda values: self.emitted.append(dict(values)),
            sleep=self.slept.append,
            owner=f"trigger/{REQUEST_ID}",
        )

    def watcher(self) -> Watcher:
        ecs: Any = self.ecs
        sns: Any = self.sns
        return Watcher(
            own=WatcherSettings(cluster=CLUSTER, alert_topic=TOPIC, stage="prod"),
            registry=self.registry,
            ecs=ecs,
            sns=sns,
            deadline_minutes=120,
            now=lambda: self.now,
            emit=lambda values: self.emitted.append(dict(values)),
        )

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def claim(self, run_id: str = RUN, task: str = TASK) -> None:
        """The task begins, under the name that ECS gives it."""
        self.registry.claim(run_id, task=task.rpartition("/")[2], lease_seconds=LEASE, now=self.now)


def ask(world: World, event: object = SLOT, **settings: object) -> Answer:
    """What the trigger answers."""
    request = parse(event, REQUEST_ID)
    return answer(world.trigger(Settings(**{**settings, **request.settings})), request)  # type: ignore[arg-type]


def fail_to_launch(world: World, error: Exception) -> str:
    """The text of the error that the launch ends with."""
    world.ecs.script = [error]
    with pytest.raises(LaunchError) as failed:
        ask(world)
    return str(failed.value)


def on_record(world: World, run_id: str = RUN) -> Run:
    run = world.registry.run(run_id)
    assert run is not None
    return run


def verdict(world: World, run_id: str = "s-20261115T020000Z") -> None:
    """A run of last week that was rejected, with its cutoff."""
    begun = world.now - timedelta(days=7)
    world.registry.launch(
        Run(run_id=run_id, created_at=begun), owner="x", lease_seconds=LEASE, now=begun
    )
    lease = world.registry.claim(run_id, task="t", lease_seconds=LEASE, now=begun)
    run = world.registry.run(run_id)
    assert run is not None
    ended = replace(run, state="rejected", exit=0, cutoff=begun)
    world.registry.finish(ended, lease, now=begun + timedelta(minutes=5))


def ecs_event(
    *,
    started_by: str = RUN,
    task: str = TASK,
    cluster: str = CLUSTER,
    stop_code: str = "EssentialContainerExited",
    stopped_reason: str = "Essential container in task exited",
    last_status: str = "STOPPED",
    **container: object,
) -> dict[str, Any]:
    """ECS Task State Change as ECS documents it; `container` adds to the one container."""
    container_arn = f"{ARN}:container/hairme/{task.rpartition('/')[2]}/{'c' * 8}"
    return {
        "version": "0",
        "id": "3317b2af-7005-947d-b652-f55e762e571a",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": "123456789012",
        "time": "2026-11-22T02:09:58Z",
        "region": "us-east-1",
        "resources": [task],
        "detail": {
            "attachments": [{"id": "1789bcae", "type": "eni", "status": "DELETED", "details": []}],
            "availabilityZone": "us-east-1c",
            "clusterArn": cluster,
            "containers": [
                {
                    "containerArn": container_arn,
                    "lastStatus": "STOPPED",
                    "name": "task",
                    "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/assets:1f",
                    "taskArn": task,
                    "networkInterfaces": [],
                    "cpu": "0",
                    **container,
                }
            ],
            "cpu": "1024",
            "memory": "4096",
            "createdAt": "2026-11-22T02:00:06.321Z",
            "desiredStatus": "STOPPED",
            "group": "family:retraining",
            "lastStatus": last_status,
            "launchType": "FARGATE",
            "overrides": {"containerOverrides": [{"name": "task"}]},
            "platformVersion": "1.4.0",
            "startedBy": started_by,
            "stopCode": stop_code,
            "stoppedReason": stopped_reason,
            "taskArn": task,
            "taskDefinitionArn": REVISION,
            "version": 5,
        },
    }


PULL = (
    "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve "
    "ref 123456789012.dkr.ecr.us-east-1.amazonaws.com/assets:1f"
)
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"

NEVER_STARTED = {"stop_code": "TaskFailedToStart", "stopped_reason": PULL}
KILLED_FOR_MEMORY = {"exitCode": 137, "reason": OUT_OF_MEMORY}
SPOT = {
    "stop_code": "SpotInterruption",
    "stopped_reason": "Your Spot Task was interrupted.",
    "exitCode": 143,
}
STOPPED_BY_CALL = {
    "stop_code": "UserInitiated",
    "stopped_reason": "Task stopped by user",
    "exitCode": 143,
}


def numbers(values: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """All that was emitted, in one mapping."""
    return {name: value for each in values for name, value in each.items()}
