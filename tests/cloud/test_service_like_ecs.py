"""ECS's calls about services are answered, and refused, as the real one does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud.client import Cloud
from tests.cloud.served import API, CLUSTER, Served

OTHER = {"cluster": CLUSTER, "service": "nobody"}


@pytest.fixture
def served(small_cloud: Cloud, tmp_path: Path) -> Served:
    """The service without tasks."""
    made = Served(cloud=small_cloud, file=tmp_path / "version")
    made.says("one")
    made.program()
    return made


@pytest.mark.parametrize(
    "call, given, code",
    [
        ("update_service", OTHER, "ServiceNotFoundException"),
        ("delete_service", OTHER, "ServiceNotFoundException"),
        ("list_tasks", {"cluster": CLUSTER, "serviceName": "nobody"}, "ServiceNotFoundException"),
        ("update_service", {"cluster": "other", "service": API}, "ClusterNotFoundException"),
        ("describe_services", {"cluster": "other", "services": [API]}, "ClusterNotFoundException"),
        (
            "describe_services",
            {"cluster": CLUSTER, "services": [f"s{n}" for n in range(11)]},
            "InvalidParameterException",
        ),
        (
            "create_service",
            {"cluster": CLUSTER, "serviceName": API, "taskDefinition": "small-api"},
            "InvalidParameterException",
        ),
        (
            "create_service",
            {"cluster": CLUSTER, "serviceName": "new", "taskDefinition": "nothing"},
            "ClientException",
        ),
        (
            "update_service",
            {"cluster": CLUSTER, "service": API, "taskDefinition": "nothing"},
            "ClientException",
        ),
    ],
)
def test_a_call_that_ecs_would_refuse_is_refused(
    served: Served, call: str, given: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError, match=code):
        getattr(served.ecs, call)(**given)


def test_a_service_that_nobody_knows_is_missing(served: Served) -> None:
    answer = served.ecs.describe_services(cluster=CLUSTER, services=["nobody", API])

    assert [each["serviceName"] for each in answer["services"]] == [API]
    (failure,) = answer["failures"]
    assert failure["reason"] == "MISSING"
    assert failure["arn"].endswith(":service/small/nobody")


def test_a_deleted_service_is_inactive_and_updated_no_more(served: Served) -> None:
    served.cloud.serve(1)
    with pytest.raises(ClientError, match="scaled above 0"):
        served.ecs.delete_service(cluster=CLUSTER, service=API)

    served.ecs.delete_service(cluster=CLUSTER, service=API, force=True)
    served.cloud.until(lambda _: served.cloud.service()["status"] == "INACTIVE")

    assert served.tasks() == []
    (described,) = served.ecs.describe_services(cluster=CLUSTER, services=[API])["services"]
    assert described["status"] == "INACTIVE"
    with pytest.raises(ClientError, match="ServiceNotActiveException"):
        served.force()


def test_a_service_that_was_created_runs_its_own_processes_at_its_own_address(
    served: Served,
) -> None:
    made = served.ecs.create_service(
        cluster=CLUSTER, serviceName="second", taskDefinition="small-api", desiredCount=1
    )["service"]
    served.cloud.program(service="second", STUB_FILE=served.file.as_uri())

    done = served.cloud.serve(1, "second")

    assert done["serviceArn"] == made["serviceArn"]
    assert done["url"] != served.cloud.service(API)["url"]
    assert set(served.ecs.list_services(cluster=CLUSTER)["serviceArns"]) == {
        done["serviceArn"],
        served.cloud.service(API)["serviceArn"],
    }


def test_a_service_whose_container_has_no_port_runs_nothing_and_is_complete(served: Served) -> None:
    served.ecs.create_service(
        cluster=CLUSTER, serviceName="theirs", taskDefinition="small", desiredCount=2
    )

    done = served.cloud.serve(2, "theirs")

    assert (done["runningCount"], done["tasks"]) == (2, [])
    assert served.cloud.state()["tasks"] == []


def test_a_services_tasks_are_no_runs_of_the_task(served: Served) -> None:
    served.cloud.serve(1)

    assert served.cloud.state()["tasks"] == []
    served.cloud.wait()  # which would wait for them for ever
    arns = served.ecs.list_tasks(cluster=CLUSTER, serviceName=API)["taskArns"]
    assert arns == [task["taskArn"] for task in served.cloud.service()["tasks"]]
    assert served.ecs.list_tasks(cluster=CLUSTER, family="small")["taskArns"] == []


def test_an_unknown_pace_or_service_is_refused(served: Served) -> None:
    with pytest.raises(AssertionError, match="a pace must be one of"):
        served.cloud.order("pace", hurry=1)
    with pytest.raises(AssertionError, match="a service must be one of api, got 'nobody'"):
        served.cloud.program(service="nobody")
