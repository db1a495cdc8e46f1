"""The healer from its entry: an event in, a roll-out that was left open ended, a metric out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from common.errors import RegistryError, ServingError, UsageError
from common.registry import Registry, open_registry
from common.registry.records import Run
from retrain_trigger import healing
from tests.unit import services
from tests.unit.serving import (
    GOING_ON,
    LEASE,
    Clock,
    FakeApi,
    FakeService,
    active,
    fake_api,
    promote,
    sha_of,
)
from tests.unit.trigger_samples import CLUSTER, OTHER_TASK, RUN, TASK, ecs_event

DAILY = {"check": "daily"}
DEPLOYMENT = {
    "detail-type": "ECS Deployment State Change",
    "source": "aws.ecs",
    "resources": ["arn:aws:ecs:us-east-1:123456789012:service/hairme/api"],
    "detail": {"eventName": "SERVICE_DEPLOYMENT_FAILED", "deploymentId": "ecs-svc/1"},
}
STOPPED = ecs_event(exitCode=137)


@dataclass
class Healed:
    """The function, in a world of its own."""

    registry: Registry
    clock: Clock
    api: FakeApi
    clients: list[str] = field(default_factory=list)
    left: float = 900.0
    """Seconds until Lambda ends the function."""

    def handle(self, event: object = DAILY) -> dict[str, Any]:
        context = SimpleNamespace(
            aws_request_id="6f1c", get_remaining_time_in_millis=lambda: int(self.left * 1_000)
        )
        return healing.handle(event, context)

    def run(self) -> Run:
        found = self.registry.run(RUN)
        assert found is not None
        return found


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def healed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Healed]:
    """RUN made its version active after m-old, and has its lease; an API here follows."""
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    with fake_api() as api:
        made = Healed(registry=open_registry(url), clock=Clock(), api=api)

        def no_client(name: str) -> None:
            made.clients.append(name)

        monkeypatch.setattr(healing, "client", no_client)
        monkeypatch.setattr(healing, "_now", made.clock.now)
        waits = SimpleNamespace(monotonic=made.clock, sleep=made.clock.sleep)
        monkeypatch.setattr(healing, "time", waits)
        environment = {"REGISTRY_URL": url, "SERVING_URL": api.url}
        environment |= {"HEAL_CLUSTER": CLUSTER, "HEAL_STAGE": "prod"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        _begin(made)
        api.begin(RUN, sha_of(RUN))
        made.clock.at = [(2.0, lambda: api.begin("m-old", sha_of("m-old")))]
        yield made


def _begin(made: Healed) -> None:
    registry, now = made.registry, made.clock.now()
    promote(registry, "m-old", after=0)
    registry.launch(Run(run_id=RUN, created_at=now), owner="t", lease_seconds=LEASE, now=now)
    registry.note_task(RUN, TASK)
    task = TASK.rpartition("/")[2]
    lease = registry.claim(RUN, task=task, lease_seconds=LEASE, now=now)
    registry.promote(
        version=RUN,
        sha=sha_of(RUN),
        expected_serial=1,
        action="promote",
        now=now,
        lease=lease,
        run=replace(made.run(), state="rolling_out"),
    )


def give_back(healed: Healed) -> None:
    """The task ended by itself, with the roll-out left open."""
    lease = healed.registry.lease()
    assert lease is not None
    healed.registry.leave(lease, now=healed.clock.now())


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("event", [DAILY, DEPLOYMENT, STOPPED, ecs_event(task=OTHER_TASK)])
def test_every_event_heals_what_is_left_open(
    healed: Healed, event: object, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given
    give_back(healed)

    # When
    found = healed.handle(event)

    # Then
    run = healed.run()
    assert (run.state, run.exit, active(healed.registry)) == ("rolled_back", 4, ("m-old", 3))
    assert healed.clock.seconds >= 2, "it waits until the old version serves"
    assert found == {"healed": [{"run_id": RUN, "state": "rolled_back", "reason": run.reason}]}
    assert json.loads(json.dumps(found)) == found
    # And it is told as a metric; people are told by the watcher
    (metric,) = [line for line in lines(capsys) if "_aws" in line]
    assert (metric["rollbacks"], metric["Stage"]) == (1, "prod")
    assert healed.clients == []
    # And a second time there is nothing to do
    assert healed.handle(event) == {"healed": []}
    assert [line for line in lines(capsys) if "_aws" in line] == []


def test_the_end_of_its_task_takes_the_lease_of_a_roll_out_that_is_then_healed(
    healed: Healed,
) -> None:
    # Given a task that was killed, whose lease has some minutes to go
    assert healed.registry.lease() is not None

    found = healed.handle(STOPPED)

    assert [each["state"] for each in found["healed"]] == ["rolled_back"]
    assert healed.registry.lease() is None


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(DAILY, id="the daily look"),
        pytest.param(DEPLOYMENT, id="a deployment, perhaps its own"),
        pytest.param(ecs_event(task=OTHER_TASK, exitCode=137), id="a second task of the run"),
        pytest.param(ecs_event(started_by="s-20261115T020000Z"), id="another run's task"),
        pytest.param(ecs_event(started_by="ecs-svc/1"), id="a task of the service"),
        pytest.param(ecs_event(last_status="DEPROVISIONING"), id="not stopped yet"),
        pytest.param(ecs_event(cluster=f"{CLUSTER}-2", exitCode=137), id="another cluster"),
    ],
)
def test_a_roll_out_that_goes_on_is_left_alone(healed: Healed, event: object) -> None:
    lease = healed.registry.lease()

    assert healed.handle(event) == {"healed": []}

    assert (healed.run().state, active(healed.registry)) == ("rolling_out", (RUN, 2))
    assert healed.registry.lease() == lease


def test_once_its_lease_has_lapsed_the_daily_look_heals_it(healed: Healed) -> None:
    healed.clock.seconds = LEASE
    healed.api.begin("m-old", sha_of("m-old"))

    assert len(healed.handle()["healed"]) == 1


@pytest.mark.parametrize(
    "event",
    [
        None,
        "daily",
        [],
        {},
        {"check": "weekly"},
        {"check": "daily", "force": True},
        {"time": "2026-11-22T02:00:00Z"},
        {"detail-type": "Scheduled Event"},
        {"detail-type": "ECS Task State Change"},
        {"detail-type": "ECS Task State Change", "detail": {"lastStatus": "STOPPED"}},
    ],
)
def test_an_event_that_is_none_of_ours_is_wrong_usage_and_changes_nothing(
    healed: Healed, event: object
) -> None:
    give_back(healed)

    with pytest.raises(UsageError):
        healed.handle(event)

    assert healed.run().state == "rolling_out"


def test_all_waiting_together_ends_before_the_function_does(
    healed: Healed, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a service that can hardly be told, and then never comes up
    give_back(healed)
    service = FakeService(healed.registry, [healed.api], looks=[GOING_ON] * 1_000)
    service.refusals = [ServingError("ThrottlingException")] * 10
    monkeypatch.setattr(healing, "service_at", lambda *_, **__: service)
    healed.left = 100.0

    # When
    (found,) = healed.handle()["healed"]

    # Then it says how far it came, in time
    assert (found["state"], healed.run().exit) == ("failed", 1)
    assert "that it serves is not proved" in found["reason"]
    assert service.forced == ["m-old"]
    assert healed.clock.seconds < 100


def test_in_the_cloud_the_tasks_are_asked_through_ecs(
    healed: Healed, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a circuit breaker that has brought the old task back already
    give_back(healed)
    healed.api.begin("m-old", sha_of("m-old"))
    ours, port = ("ecs-svc/1", "PRIMARY"), int(healed.api.url.rpartition(":")[2])
    ecs = services.Ecs().has(ours).runs([{"address": "127.0.0.1", "port": port}]).defines(8080)
    monkeypatch.setattr(healing, "client", {"ecs": ecs.client}.__getitem__)
    monkeypatch.setenv("SERVING_URL", services.ADDRESS)

    # Then nothing is deployed
    assert [each["state"] for each in healed.handle()["healed"]] == ["rolled_back"]
    assert "UpdateService" not in ecs.asked
    ecs.done()


def test_an_outage_leaves_for_lambda_to_try_again(
    healed: Healed, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_back(healed)

    def down(*_: object, **__: object) -> None:
        raise RegistryError("down")

    with monkeypatch.context() as outage:
        outage.setattr(Registry, "note_rollout", down)
        with pytest.raises(RegistryError):
            healed.handle()

    assert len(healed.handle()["healed"]) == 1


@pytest.mark.parametrize("name", ["HEAL_CLUSTER", "HEAL_STAGE", "REGISTRY_URL", "SERVING_URL"])
def test_what_is_not_set_is_wrong_usage(
    healed: Healed, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)

    with pytest.raises(UsageError, match=f"{name} must be set"):
        healed.handle()
