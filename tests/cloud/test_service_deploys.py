"""A rolling deployment with real processes: new ones serve before old ones go."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from local.cloud.client import Cloud
from local.load import load
from tests.cloud.served import API, CLUSTER, Served


@pytest.fixture
def served(small_cloud: Cloud, tmp_path: Path) -> Served:
    """The service without tasks."""
    made = Served(cloud=small_cloud, file=tmp_path / "version")
    made.says("one")
    made.program()
    return made


def test_a_forced_deployment_changes_what_is_served_and_loses_no_request(served: Served) -> None:
    served.cloud.serve(2)
    before = {task["taskArn"] for task in served.tasks()}
    served.says("two")

    with served.under_load() as seen:
        served.cloud.serve(2)

    assert seen.failed == []
    assert set(seen.answers) == {b"one", b"two"}
    assert served.answer() == "two"
    after = served.tasks()
    assert len(after) == 2
    assert not before & {task["taskArn"] for task in after}
    passed = served.cloud.service()
    assert (passed["failed"], passed["statuses"]) == (0, {"200": passed["requests"]})
    assert passed["requests"] > seen.requests


@pytest.mark.parametrize("desired", [0, 1, 2])
def test_a_deployment_is_complete_with_as_many_tasks_as_are_desired(
    served: Served, desired: int
) -> None:
    done = served.cloud.serve(desired)

    (deployment,) = done["deployments"]
    counts = (done["runningCount"], done["pendingCount"], deployment["runningCount"])
    assert counts == (desired, 0, desired)
    assert deployment["status"] == "PRIMARY"
    assert [task["startedBy"] for task in served.tasks()] == [deployment["id"]] * desired


def test_from_one_task_to_one_task_no_request_is_lost(served: Served) -> None:
    served.cloud.serve(1)

    with served.under_load() as seen:
        served.cloud.serve(1)

    assert seen.failed == []


def test_without_tasks_the_answer_is_503(served: Served) -> None:
    served.cloud.serve(1)
    served.ecs.update_service(cluster=CLUSTER, service=API, desiredCount=0)
    served.cloud.until(lambda _: served.cloud.service()["runningCount"] == 0)

    with load(served.cloud.service_url, "/") as seen:
        served.cloud.until(lambda _: seen.requests > 0)

    assert set(seen.failed) == {"503"}


def test_a_request_under_way_is_answered_before_its_task_is_stopped(served: Served) -> None:
    served.cloud.serve(1)
    (old,) = served.tasks()
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(served.answer("/slow")))
    asking.start()
    served.cloud.until(lambda _: (served.tmp(old) / "asked").exists())
    served.says("two")

    served.cloud.serve(1)

    asking.join()
    assert answers == ["one"]
    assert served.answer() == "two"


def test_a_foreign_deployment_takes_the_place_of_one_under_way(served: Served) -> None:
    served.cloud.serve(2)
    served.program("unready")
    ours = served.force()
    served.cloud.until(lambda _: served.cloud.service()["pendingCount"] == 2)
    served.program()

    with served.under_load() as seen:
        theirs = served.force()
        statuses = {d["id"]: d["status"] for d in served.cloud.service()["deployments"]}
        done = served.cloud.deployed()

    assert (statuses[theirs], statuses[ours]) == ("PRIMARY", "ACTIVE")
    assert [d["id"] for d in done["deployments"]] == [theirs]
    assert served.names(ours) == ["SERVICE_DEPLOYMENT_IN_PROGRESS"]
    assert seen.failed == []


def test_another_count_alone_is_no_new_deployment(served: Served) -> None:
    before = served.cloud.serve(2)["deployments"][0]["id"]

    with served.under_load() as seen:
        served.force(forceNewDeployment=False, desiredCount=1)
        served.cloud.until(lambda _: len(served.tasks()) == 1)
        served.force(forceNewDeployment=False, desiredCount=2)
        served.cloud.until(lambda _: served.cloud.service()["runningCount"] == 2)

    (deployment,) = served.cloud.service()["deployments"]
    assert deployment["id"] == before
    assert seen.failed == []


def test_another_task_definition_is_a_new_deployment(served: Served) -> None:
    served.cloud.serve(1)
    known = served.ecs.describe_task_definition(taskDefinition="small-api")["taskDefinition"]
    names = ["family", "networkMode", "containerDefinitions", "taskRoleArn"]
    names += ["memory", "cpu", "requiresCompatibilities"]
    newer = served.ecs.register_task_definition(**{name: known[name] for name in names})
    arn = newer["taskDefinition"]["taskDefinitionArn"]

    served.force(forceNewDeployment=False, taskDefinition=arn)

    assert served.cloud.deployed()["taskDefinition"] == arn
    assert [task["taskDefinitionArn"] for task in served.tasks()] == [arn]
    served.ecs.deregister_task_definition(taskDefinition=arn)


def test_a_services_task_has_the_definitions_words_its_own_port_and_role(served: Served) -> None:
    served.cloud.serve(2)

    first, second = served.tasks()

    ports = [task["containers"][0]["networkBindings"][0]["hostPort"] for task in (first, second)]
    assert len(set(ports)) == 2
    words, environment = served.own_answer(first, "/environment")
    assert words[1:] == ["--host", "127.0.0.1", "--port", str(ports[0])]
    assert environment["AWS_ACCESS_KEY_ID"] == "ApiRole"
    assert environment["SERVICE_URL"] == served.cloud.service_url
    assert first["containers"][0]["networkBindings"][0]["containerPort"] == 8080
    assert (first["group"], first["healthStatus"]) == (f"service:{API}", "HEALTHY")


def test_the_bus_is_told_of_a_deployment_and_of_each_task_that_stops(served: Served) -> None:
    served.cloud.serve(1)
    (old,) = served.tasks()

    served.cloud.serve(1)
    state = served.cloud.until(lambda state: all(event["done"] for event in state["events"]))

    told = [event["payload"] for event in state["events"]]
    (deployment,) = served.cloud.service()["deployments"]
    ours = [event for event in told if event["detail"].get("deploymentId") == deployment["id"]]
    names = ["SERVICE_DEPLOYMENT_IN_PROGRESS", "SERVICE_DEPLOYMENT_COMPLETED"]
    assert [event["detail"]["eventName"] for event in ours] == names
    assert ours[0]["resources"] == [served.cloud.service()["serviceArn"]]
    assert {event["detail-type"] for event in ours} == {"ECS Deployment State Change"}
    (stopped,) = [e["detail"] for e in told if e["detail"].get("lastStatus") == "STOPPED"]
    assert (stopped["taskArn"], stopped["group"]) == (old["taskArn"], f"service:{API}")
    assert stopped["stopCode"] == "ServiceSchedulerInitiated"


def test_a_reset_leaves_a_service_without_tasks_at_the_same_address(served: Served) -> None:
    served.cloud.serve(2)
    address = served.cloud.service_url

    served.cloud.order("reset")

    service = served.cloud.service()
    assert (service["desiredCount"], service["requests"], service["tasks"]) == (0, 0, [])
    assert [d["rolloutState"] for d in service["deployments"]] == ["COMPLETED"]
    assert served.cloud.service_url == address
    assert served.cloud.state()["events"] == []
