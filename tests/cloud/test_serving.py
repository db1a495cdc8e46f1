"""The API's service on ECS is told of a new version; if it cannot be told, nothing has changed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from local.cloud.calls import SETTING_UP
from tests.cloud.loop import Loop

API = "api"


@pytest.fixture
def served(ready: Loop) -> Loop:
    """The loop beside a service that answers with its model."""
    ecs = ready.cloud.client("ecs", SETTING_UP)
    with suppress(ecs.exceptions.InvalidParameterException, ecs.exceptions.ClientException):
        ecs.create_service(
            cluster=cluster(ready),
            serviceName=API,
            taskDefinition=ready.cloud.stack.task_definition["family"],
            desiredCount=2,
        )
    soon = {"RETRAIN_BAKE_SECONDS": "0", "RETRAIN_ROLLOUT_SECONDS": "3"}
    address = f"ecs://{cluster(ready)}/{API}"
    ready.cloud.use(None, SERVING_URL=address, RETRAIN_VERIFY="deployment", **soon)
    return ready


def cluster(loop: Loop) -> str:
    """The name of the stack's cluster."""
    return next(iter(loop.cloud.stack.clusters))


def deployments(loop: Loop) -> list[dict[str, Any]]:
    """The service's deployments, the newest first."""
    ecs = loop.cloud.client("ecs", SETTING_UP)
    answer = ecs.describe_services(cluster=cluster(loop), services=[API])
    found: list[dict[str, Any]] = answer["services"][0]["deployments"]
    return found


def test_a_promotion_forces_a_deployment_after_the_pointer_has_moved(served: Loop) -> None:
    before = len(served.cloud.calls())

    run = served.run()

    assert run.state == "promoted"
    assert "not proved in service" in run.reason
    assert run.deployment == deployments(served)[0]["id"]
    calls = served.cloud.calls()[before:]
    forced = next(call for call in calls if call["operation"] == "UpdateService")
    moved = next(call for call in calls if "HISTORY#0000000002" in str(call["parameters"]))
    assert forced["parameters"]["forceNewDeployment"] is True
    assert forced["principal"] == served.task_role
    assert moved["number"] < forced["number"]
    served.sound()


def test_a_service_that_is_not_there_stops_the_run_before_the_pointer_moves(ready: Loop) -> None:
    ready.cloud.use(None, SERVING_URL=f"ecs://{cluster(ready)}/nobody")

    run = ready.run()

    assert (run.state, run.exit, ready.exit_codes()) == ("failed", 1, [1])
    assert "nobody is MISSING" in run.reason
    ready.unchanged()


def test_a_service_that_cannot_be_told_gets_the_old_version_back_once_it_can(
    served: Loop,
) -> None:
    no = {"code": "ServiceNotActiveException", "message": "no", "times": 0}
    served.cloud.fault("ecs", "UpdateService", "error", **no)
    champion = served.before[0]

    served.strike()
    served.cloud.until(_its_end_is_told)

    # The pointer is back, but nobody was told: the run stays open for whoever heals
    run = served.record()
    assert (run.state, served.exit_codes()) == ("rolling_out", [1])
    active, history, _ = served.champion()
    assert active is not None
    assert active.version == champion.version
    assert [entry.action for entry in history] == ["promote", "promote", "restore"]
    (alert,) = served.cloud.alerts()
    assert "rolling_out (exit 1)" in alert["Subject"]

    served.cloud.order("clear")
    served.cloud.wait()

    run = served.record()
    assert (run.state, run.exit) == ("rolled_back", 4)
    assert f"{champion.version} is active again" in run.reason
    assert "brings the version before back" in run.rollout[-1]
    assert served.champion()[0] == active
    served.sound()


def _its_end_is_told(state: dict[str, Any]) -> bool:
    told = [event["done"] for event in state["events"] if "watcher" in event["function"]]
    return bool(told) and all(told)
