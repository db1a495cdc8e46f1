"""What goes wrong with a service's processes: a good one serves on, and the bad are replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local.cloud.client import Cloud
from tests.cloud.served import CLUSTER, Served

BREAKER = "ECS deployment circuit breaker"


@pytest.fixture
def served(small_cloud: Cloud, tmp_path: Path) -> Served:
    """The service with two tasks that are well."""
    made = Served(cloud=small_cloud, file=tmp_path / "version")
    made.says("one")
    made.program()
    made.cloud.serve(2)
    return made


def test_a_deployment_whose_tasks_crash_fails_and_is_rolled_back_to_new_tasks(
    served: Served,
) -> None:
    before = {task["taskArn"] for task in served.tasks()}
    served.says("two")
    served.program("crash two")

    with served.under_load() as seen:
        ours = served.force()
        served.cloud.until(lambda _: "SERVICE_DEPLOYMENT_FAILED" in served.names(ours))
        # The pointer says otherwise by the time that new tasks of the old definition start
        served.says("three")
        done = served.cloud.deployed()

    (back,) = done["deployments"]
    assert back["id"] != ours
    assert back["rolloutState"] == "COMPLETED"
    after = {task["taskArn"] for task in served.tasks()}
    assert len(after) == 2
    assert not after & before
    assert served.answer() == "three"
    assert seen.failed == []
    failed = served.failure(ours)
    assert failed["eventType"] == "ERROR"
    assert failed["reason"] == f"{BREAKER}: tasks failed to start."


def test_while_the_rolled_back_deployment_fails_too_the_old_tasks_serve(served: Served) -> None:
    before = {task["taskArn"] for task in served.tasks()}
    served.program("crash")

    with served.under_load() as seen:
        ours = served.force()
        done = served.cloud.deployed()
        done = served.cloud.deployed()

    newest, *older = done["deployments"]
    assert newest["rolloutState"] == "FAILED"
    assert newest["id"] != ours
    assert [each["runningCount"] for each in older] == [2]
    assert {task["taskArn"] for task in served.tasks()} == before
    assert seen.failed == []


def test_a_breaker_that_does_not_roll_back_leaves_the_failed_deployment(served: Served) -> None:
    served.program("crash")

    ours = served.force(deploymentConfiguration=breaker(enable=True, rollback=False))
    done = served.cloud.deployed()

    newest = done["deployments"][0]
    assert (newest["id"], newest["rolloutState"], newest["failedTasks"]) == (ours, "FAILED", 3)
    assert newest["rolloutStateReason"] == f"{BREAKER}: tasks failed to start."


def test_without_a_breaker_a_deployment_goes_on_trying(served: Served) -> None:
    served.program("crash")

    ours = served.force(deploymentConfiguration=breaker(enable=False, rollback=False))
    served.cloud.until(lambda _: served.cloud.service()["deployments"][0]["failedTasks"] > 3)
    served.program()
    (done,) = served.cloud.deployed()["deployments"]

    assert (done["id"], done["rolloutState"], done["failedTasks"]) == (ours, "COMPLETED", 0)


def breaker(*, enable: bool, rollback: bool) -> dict[str, Any]:
    """A configuration with such a circuit breaker."""
    return {"deploymentCircuitBreaker": {"enable": enable, "rollback": rollback}}


def test_tasks_that_never_become_healthy_fail_a_deployment(served: Served) -> None:
    served.cloud.order("pace", start_seconds=0.2)
    served.program("unready")

    with served.under_load() as seen:
        ours = served.force()
        served.cloud.until(lambda _: "SERVICE_DEPLOYMENT_FAILED" in served.names(ours))

    assert seen.failed == []
    assert served.answer() == "one"


def test_a_program_that_cannot_be_started_fails_a_deployment(served: Served) -> None:
    served.cloud.program(["/no/such/program", "--port", "8080"])

    ours = served.force()
    served.cloud.until(lambda _: "SERVICE_DEPLOYMENT_FAILED" in served.names(ours))

    assert served.answer() == "one"


def test_words_that_do_not_name_the_port_start_no_task(served: Served) -> None:
    served.cloud.program(["/opt/venv/bin/python", "-c", "pass"])

    served.force()

    served.cloud.until(lambda _: served.cloud.service()["deployments"][0]["failedTasks"] > 0)
    answer = served.ecs.list_tasks(cluster=CLUSTER, serviceName="api", desiredStatus="STOPPED")
    stopped = served.ecs.describe_tasks(cluster=CLUSTER, tasks=answer["taskArns"])["tasks"]
    assert any("must name its container's port 8080" in t["stoppedReason"] for t in stopped)


def test_a_task_that_dies_is_replaced_and_the_deployment_stays_complete(served: Served) -> None:
    deployment = served.cloud.service()["deployments"][0]["id"]
    victim, survivor = served.tasks()

    served.cloud.order("kill", task=victim["taskArn"])
    served.cloud.until(lambda _: served.others(victim) and served.is_whole())

    names = {task["taskArn"] for task in served.tasks()}
    assert survivor["taskArn"] in names
    (after,) = served.cloud.service()["deployments"]
    assert (after["id"], after["rolloutState"]) == (deployment, "COMPLETED")


def test_a_task_that_becomes_unhealthy_is_drained_and_replaced(served: Served) -> None:
    victim, _ = served.tasks()

    with served.under_load() as seen:
        (served.tmp(victim) / "ill").touch()
        served.cloud.until(lambda _: served.others(victim) and served.is_whole())

    assert seen.failed == []
    assert served.cloud.service()["deployments"][0]["rolloutState"] == "COMPLETED"


def test_a_task_that_somebody_stops_is_drained_and_replaced(served: Served) -> None:
    victim, _ = served.tasks()

    with served.under_load() as seen:
        served.ecs.stop_task(cluster=CLUSTER, task=victim["taskArn"])
        served.cloud.until(lambda _: served.others(victim) and served.is_whole())

    assert seen.failed == []
