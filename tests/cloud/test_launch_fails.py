"""ECS cannot or will not start the task: the next attempt, or a closed record and a loud error."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud.loop import Loop

NO_ROOM = ["RESOURCE:ENI"]


def asked(loop: Loop, before: int) -> list[dict[str, Any]]:
    """The parameters of each RunTask since then."""
    calls = loop.cloud.calls()[before:]
    return [call["parameters"] for call in calls if call["operation"] == "RunTask"]


def test_without_capacity_another_token_and_another_subnet_are_tried(ready: Loop) -> None:
    before = len(ready.cloud.calls())
    ready.cloud.fault("ecs", "RunTask", "failures", reasons=NO_ROOM, times=2)

    assert ready.run().state == "promoted"

    requests = asked(ready, before)
    assert len({request["clientToken"] for request in requests}) == 3
    networks = [request["networkConfiguration"]["awsvpcConfiguration"] for request in requests]
    first = [network["subnets"][0] for network in networks]
    zones = len(networks[0]["subnets"])
    assert len(set(first)) == min(zones, 3)
    assert ready.exit_codes() == [0]
    ready.sound()


def test_without_capacity_anywhere_the_run_is_closed_and_the_error_is_loud(ready: Loop) -> None:
    ready.cloud.fault("ecs", "RunTask", "failures", reasons=NO_ROOM, times=0)

    run = ready.run()

    assert (run.state, run.exit) == ("failed", 1)
    assert "RESOURCE:ENI" in run.reason
    assert ready.tasks() == []
    # Lambda has repeated the event; each attempt fails, and none launches over the closed record
    (event,) = ready.cloud.state()["events"]
    assert [attempt["error"] for attempt in event["attempts"]] == ["Unhandled"] * 3
    assert [a["answer"]["errorType"] for a in event["attempts"]] == ["LaunchError"] * 3
    metrics = [line for line in ready.cloud.function_log("trigger").splitlines() if "_aws" in line]
    assert '"launch_failed": 1' in metrics[-1]
    ready.unchanged()


@pytest.mark.parametrize(
    "service, operation, kind",
    [
        ("ecs", "RunTask", "throttle"),
        ("ecs", "RunTask", "server_error"),
        ("dynamodb", "GetItem", "throttle"),
        ("dynamodb", "TransactWriteItems", "cut_after"),
    ],
)
def test_what_passes_is_waited_for(ready: Loop, service: str, operation: str, kind: str) -> None:
    fault = ready.cloud.fault(service, operation, kind)

    assert ready.run().state == "promoted"

    assert fault.met == 1
    assert {len(e["attempts"]) for e in ready.cloud.state()["events"]} == {1}
    assert ready.exit_codes() == [0]
    ready.sound()


def test_a_registry_that_is_out_of_reach_is_an_error_and_not_a_skip(ready: Loop) -> None:
    gone = {"code": "ResourceNotFoundException", "message": "no such table", "times": 0}
    for operation in ("GetItem", "Query", "TransactWriteItems"):
        ready.cloud.fault("dynamodb", operation, "error", **gone)

    answer = ready.cloud.invoke("trigger", {})

    assert answer["errorType"] == "RegistryError"
    assert "ResourceNotFoundException" in answer["errorMessage"]
    assert "REGISTRY_URL" in answer["errorMessage"]
    ready.cloud.order("clear")
    assert ready.tasks() == []
    ready.unchanged()


def test_a_refusal_by_ecs_closes_the_run_and_names_the_remedy(ready: Loop) -> None:
    ready.cloud.fault(
        "ecs", "RunTask", "error", code="AccessDeniedException", message="no", times=0
    )

    run = ready.run()

    assert (run.state, run.exit) == ("failed", 1)
    assert "AccessDeniedException" in run.reason
    assert "role" in run.reason
    ready.unchanged()


def test_a_task_that_never_starts_is_told_and_locks_nothing(ready: Loop) -> None:
    why = "CannotPullContainerError: pull image manifest has been retried 5 time(s)"
    ready.cloud.fault("ecs", "RunTask", "no_start", message=why)

    run = ready.run()

    assert run.state == "failed"
    assert why in run.reason
    (alert,) = ready.cloud.alerts()
    assert run.run_id in alert["Subject"]
    assert why in alert["Message"]
    ready.unchanged()
    ready.next_one_promotes()
