"""The emulated ECS refuses, starts, stops and tells as the real one does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud

SUBNET, GROUP = "subnet-0123456789abcdef0", "sg-0123456789abcdef0"
NETWORK = {"awsvpcConfiguration": {"subnets": [SUBNET], "securityGroups": [GROUP]}}


def request(cloud: Cloud, *command: str, **changes: Any) -> dict[str, Any]:
    """A good request to start the task with these words."""
    overrides = {"containerOverrides": [{"name": "task", "command": list(command)}]}
    good = {
        "cluster": "small",
        "taskDefinition": cloud.stack.template.ref("Definition"),
        "launchType": "FARGATE",
        "networkConfiguration": NETWORK,
        "overrides": overrides,
        "startedBy": "somebody",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def started(cloud: Cloud, *command: str, **changes: Any) -> Mapping[str, Any]:
    """The one task that such a request starts."""
    answer = cloud.client("ecs").run_task(**request(cloud, *command, **changes))
    (task,) = answer["tasks"]
    found: Mapping[str, Any] = task
    return found


def is_ready(cloud: Cloud, task: Mapping[str, Any]) -> None:
    """Wait until the task's process has set itself up."""
    identity = task["taskArn"].rpartition("/")[2]
    mark = cloud.folder / "tasks" / identity / "cwd" / "ready"
    cloud.until(lambda _: mark.exists())


def ended(cloud: Cloud, task: Mapping[str, Any]) -> dict[str, Any]:
    """The task once it has stopped, as DescribeTasks answers it."""
    cloud.wait()
    answer = cloud.client("ecs").describe_tasks(cluster="small", tasks=[task["taskArn"]])
    found: dict[str, Any] = answer["tasks"][0]
    return found


def exit_code(task: Mapping[str, Any]) -> int | None:
    code: int | None = task["containers"][0].get("exitCode")
    return code


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"cluster": "other"}, "ClusterNotFoundException"),
        ({"taskDefinition": "other:1"}, "TaskDefinition not found"),
        ({"taskDefinition": "small:999"}, "TaskDefinition not found"),
        ({"networkConfiguration": None}, "Network Configuration must be provided"),
        (
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}},
            "subnets can not be empty",
        ),
        (
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["my-subnet"]}}},
            "InvalidID",
        ),
        ({"clientToken": "x" * 65}, "clientToken can be up to 64"),
        ({"startedBy": "x" * 129}, "startedBy can be up to 128"),
        ({"count": 11}, "Count should be between"),
        (
            {"overrides": {"containerOverrides": [{"name": "other"}]}},
            "named other is not a container",
        ),
        (
            {
                "overrides": {
                    "containerOverrides": [
                        {"name": "task", "environment": [{"name": "A", "value": "x" * 8192}]}
                    ]
                }
            },
            "length must be at most 8192",
        ),
        ({"launchType": None}, "No Container Instances"),
        (
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]},
            "both a launch type and capacity provider",
        ),
        (
            {"launchType": None, "capacityProviderStrategy": [{"capacityProvider": "MINE"}]},
            "'MINE' was not found",
        ),
    ],
)
def test_a_request_that_ecs_would_refuse_is_refused(
    small_cloud: Cloud, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ClientError, match=says):
        started(small_cloud, **changes)

    assert small_cloud.state()["tasks"] == []


def test_an_inactive_revision_is_refused_while_its_successor_runs(small_cloud: Cloud) -> None:
    ecs = small_cloud.client("ecs")
    known = ecs.describe_task_definition(taskDefinition="small")["taskDefinition"]
    names = ("family", "networkMode", "containerDefinitions", "requiresCompatibilities")
    given = {name: known[name] for name in names} | {"cpu": "256", "memory": "512"}
    newer = ecs.register_task_definition(**given)["taskDefinition"]["taskDefinitionArn"]

    ecs.deregister_task_definition(taskDefinition=newer)

    with pytest.raises(ClientError, match="TaskDefinition is inactive"):
        started(small_cloud, taskDefinition=newer)
    assert exit_code(ended(small_cloud, started(small_cloud, "0"))) == 0


def test_a_task_is_a_process_with_the_definitions_words_and_the_requests_overrides(
    small_cloud: Cloud,
) -> None:
    variable = {"name": "RETRAIN_SEED", "value": "3"}
    override = {"name": "task", "command": ["now", "5"], "environment": [variable]}

    task = started(small_cloud, overrides={"containerOverrides": [override]})

    assert exit_code(ended(small_cloud, task)) == 5
    words, environment = printed(small_cloud, task)
    assert words == ["-c", "now", "5"]
    # Its variables, its role and what Fargate adds, and nothing of whoever started the emulation
    expected = {"DATABASE_URL": "mysql://u@rds/d", "RETRAIN_SEED": "3"}
    assert {name: environment.get(name) for name in expected} == expected
    assert environment["AWS_ACCESS_KEY_ID"] == "TaskRole"
    assert environment["WORK_DIR"] != "/tmp/work", "each container has a /tmp of its own"
    own = {name for name in environment if not name.startswith(("AWS_", "LC_"))}
    added = {"ECS_CONTAINER_METADATA_URI_V4", "HOME", "PATH", "PYTHONPATH", "TMPDIR"}
    assert own == {*expected, "WORK_DIR"} | added


def printed(cloud: Cloud, task: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The words and the variables with which the task's process was started."""
    words, environment = json.loads(cloud.task_log(task["taskArn"]))
    return words, environment


def test_only_the_database_is_another_one(small_cloud: Cloud) -> None:
    small_cloud.order("variables", values={"DATABASE_URL": "sqlite:///v", "DB_SECRET_ARN": None})

    task = started(small_cloud)
    ended(small_cloud, task)
    answer = small_cloud.invoke("small", {})

    assert printed(small_cloud, task)[1]["DATABASE_URL"] == "sqlite:///v"
    environment = answer["environment"]
    assert environment["DATABASE_URL"] == "sqlite:///v"
    assert environment["GREETING"] == "hello"
    assert "DB_SECRET_ARN" not in environment


def test_the_same_token_is_the_same_task(small_cloud: Cloud) -> None:
    first = started(small_cloud, "wait", clientToken="t" * 64)

    again = started(small_cloud, "wait", clientToken="t" * 64)
    other = started(small_cloud, "wait", clientToken="other")

    assert again["taskArn"] == first["taskArn"] != other["taskArn"]
    with pytest.raises(ClientError, match="ConflictException") as refused:
        started(small_cloud, "something else", clientToken="t" * 64)
    answered: Mapping[str, Any] = refused.value.response
    assert answered["resourceIds"] == [first["taskArn"]]
    assert len(small_cloud.state()["tasks"]) == 2


def test_a_task_that_is_stopped_gets_sigterm(small_cloud: Cloud) -> None:
    task = started(small_cloud, "wait")
    is_ready(small_cloud, task)

    small_cloud.client("ecs").stop_task(cluster="small", task=task["taskArn"], reason="enough")

    stopped = ended(small_cloud, task)
    assert exit_code(stopped) == 143
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "enough")


def test_a_task_that_does_not_stop_is_killed_when_its_time_is_up(small_cloud: Cloud) -> None:
    task = started(small_cloud, "wait", "stubborn")
    is_ready(small_cloud, task)

    small_cloud.client("ecs").stop_task(cluster="small", task=task["taskArn"])

    assert exit_code(ended(small_cloud, task)) == 137


def test_a_task_that_needs_too_much_memory_ends_with_137_and_says_so(small_cloud: Cloud) -> None:
    task = started(small_cloud, "wait")

    small_cloud.order("kill", task=task["taskArn"], out_of_memory=True)

    stopped = ended(small_cloud, task)
    assert exit_code(stopped) == 137
    assert "OutOfMemory" in stopped["containers"][0]["reason"]
    assert stopped["stopCode"] == "EssentialContainerExited"


def test_a_task_whose_image_cannot_be_pulled_has_no_exit_code(small_cloud: Cloud) -> None:
    why = "CannotPullContainerError: not found"
    small_cloud.fault("ecs", "RunTask", "no_start", message=why)

    stopped = ended(small_cloud, started(small_cloud))

    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("TaskFailedToStart", why)
    assert exit_code(stopped) is None


def test_without_capacity_the_answer_is_200_and_names_failures(small_cloud: Cloud) -> None:
    small_cloud.fault("ecs", "RunTask", "failures", reasons=["RESOURCE:ENI"])
    ecs = small_cloud.client("ecs")

    answer = ecs.run_task(**request(small_cloud, clientToken="one"))

    assert answer["tasks"] == []
    assert [failure["reason"] for failure in answer["failures"]] == ["RESOURCE:ENI"]
    # The token is still free
    assert ecs.run_task(**request(small_cloud, clientToken="one"))["failures"] == []


def test_tasks_are_listed_by_who_started_them_and_what_becomes_of_them(small_cloud: Cloud) -> None:
    ecs = small_cloud.client("ecs")
    running = started(small_cloud, "wait", startedBy="run-1")["taskArn"]
    gone = started(small_cloud, "0", startedBy="run-1")
    small_cloud.until(lambda state: state["tasks"][1]["lastStatus"] == "STOPPED")

    assert ecs.list_tasks(cluster="small", startedBy="run-1")["taskArns"] == [running]
    assert ecs.list_tasks(cluster="small", startedBy="run-2")["taskArns"] == []
    stopped = ecs.list_tasks(cluster="small", desiredStatus="STOPPED")["taskArns"]
    assert stopped == [gone["taskArn"]]


def test_a_task_that_nobody_knows_is_an_error_to_stop_and_missing_to_describe(
    small_cloud: Cloud,
) -> None:
    ecs, unknown = small_cloud.client("ecs"), "arn:aws:ecs:us-east-1:123456789012:task/small/0"

    with pytest.raises(ClientError, match="The referenced task was not found"):
        ecs.stop_task(cluster="small", task=unknown)
    failures = ecs.describe_tasks(cluster="small", tasks=[unknown])["failures"]
    assert failures == [{"arn": unknown, "reason": "MISSING"}]


def test_a_task_learns_its_arn_from_the_metadata_endpoint(small_cloud: Cloud) -> None:
    task = started(small_cloud, "wait")
    identity = task["taskArn"].rpartition("/")[2]
    address = f"{small_cloud.url}/_local/metadata/{identity}"

    with urlopen(f"{address}/task") as whole, urlopen(address) as container:
        about_task, about_container = json.load(whole), json.load(container)

    assert about_task["TaskARN"] == task["taskArn"]
    assert about_task["Family"] == "small"
    assert about_container["ImageID"].startswith("sha256:")
    assert about_container["Name"] == "task"


def test_the_end_of_a_task_is_an_event_for_the_rule_that_waits_for_it(small_cloud: Cloud) -> None:
    task = started(small_cloud, "4")

    (event,) = small_cloud.wait()["events"]

    # Its other changes of state match no rule
    told = event["payload"]
    assert (told["detail-type"], told["source"]) == ("ECS Task State Change", "aws.ecs")
    assert told["resources"] == [task["taskArn"]]
    detail = told["detail"]
    assert (detail["startedBy"], detail["lastStatus"]) == ("somebody", "STOPPED")
    assert detail["containers"][0]["exitCode"] == 4
    assert detail["stoppedAt"].endswith("Z")
    assert detail["group"] == "family:small"
