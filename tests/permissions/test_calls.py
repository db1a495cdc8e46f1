"""Each call asks for exactly the rights that AWS asks for, and none goes unmapped."""

from typing import Any

import pytest

from tests.permissions.calls import Call, Names, requests

HERE = "us-east-1:123456789012"
CLUSTER = f"arn:aws:ecs:{HERE}:cluster/own"
ROLES = ("arn:aws:iam::123456789012:role/task", "arn:aws:iam::123456789012:role/execution")
NAMES = Names(region="us-east-1", account="123456789012", passed=ROLES)
OBJECT: dict[str, Any] = {"Bucket": "models", "Key": "v/a"}


def asked(
    service: str, operation: str, /, *, missing: bool = False, **parameters: Any
) -> list[str]:
    call = Call(service=service, operation=operation, parameters=parameters, missing=missing)
    return [str(request) for request in requests(call, NAMES)]


def context(service: str, operation: str, /, **parameters: Any) -> list[dict[str, tuple[str, ...]]]:
    call = Call(service=service, operation=operation, parameters=parameters)
    return [dict(request.context) for request in requests(call, NAMES)]


@pytest.mark.parametrize(
    ("operation", "parameters", "rights"),
    [
        ("GetObject", OBJECT, ["s3:GetObject on arn:aws:s3:::models/v/a"]),
        (
            "GetObject",
            OBJECT | {"VersionId": "1"},
            ["s3:GetObjectVersion on arn:aws:s3:::models/v/a"],
        ),
        ("PutObject", OBJECT | {"IfNoneMatch": "*"}, ["s3:PutObject on arn:aws:s3:::models/v/a"]),
        (
            "PutObject",
            OBJECT | {"IfMatch": "e"},
            ["s3:PutObject on arn:aws:s3:::models/v/a", "s3:GetObject on arn:aws:s3:::models/v/a"],
        ),
        ("UploadPart", OBJECT, ["s3:PutObject on arn:aws:s3:::models/v/a"]),
        ("ListObjectsV2", {"Bucket": "models"}, ["s3:ListBucket on arn:aws:s3:::models"]),
        (
            "DeleteObject",
            OBJECT | {"VersionId": "1"},
            ["s3:DeleteObjectVersion on arn:aws:s3:::models/v/a"],
        ),
    ],
)
def test_what_a_call_of_s3_needs(
    operation: str, parameters: dict[str, Any], rights: list[str]
) -> None:
    assert asked("s3", operation, **parameters) == rights


def test_a_key_that_is_not_there_also_needs_the_right_to_list() -> None:
    """S3 says 404 only to those who may list, and 403 to the others; with no prefix to check."""
    rights = asked("s3", "GetObject", missing=True, **OBJECT)
    assert rights[1:] == ["s3:ListBucket on arn:aws:s3:::models"]


def test_a_transaction_needs_what_each_of_its_items_does() -> None:
    table = {"TableName": "runs"}
    items = [{"Put": table}, {"ConditionCheck": table}, {"Delete": table}, {"Update": table}]
    actions = ("PutItem", "ConditionCheckItem", "DeleteItem", "UpdateItem")
    assert asked("dynamodb", "TransactWriteItems", TransactItems=items) == [
        f"dynamodb:{action} on arn:aws:dynamodb:{HERE}:table/runs" for action in actions
    ]


def test_starting_a_task_passes_both_roles_and_tags() -> None:
    task = f"arn:aws:ecs:{HERE}:task-definition/retrain:3"
    parameters: dict[str, Any] = {
        "cluster": CLUSTER,
        "taskDefinition": task,
        "propagateTags": "TASK_DEFINITION",
    }
    assert asked("ecs", "RunTask", **parameters) == [
        f"ecs:RunTask on {task}",
        *(f"iam:PassRole on {role}" for role in ROLES),
        f"ecs:TagResource on arn:aws:ecs:{HERE}:task/own/*",
    ]
    run, passed, _, tagged = context("ecs", "RunTask", **parameters)
    assert run["ecs:cluster"] == (CLUSTER,)
    assert passed["iam:PassedToService"] == ("ecs-tasks.amazonaws.com",)
    assert tagged["ecs:CreateAction"] == ("RunTask",)


def test_starting_a_task_by_family_is_refused() -> None:
    with pytest.raises(LookupError, match="by ARN"):
        asked("ecs", "RunTask", cluster=CLUSTER, taskDefinition="retrain")


@pytest.mark.parametrize(
    ("operation", "parameters", "right"),
    [
        ("StopTask", {"task": "1"}, f"ecs:StopTask on arn:aws:ecs:{HERE}:task/own/1"),
        (
            "StopTask",
            {"task": f"arn:aws:ecs:{HERE}:task/own/1"},
            f"ecs:StopTask on arn:aws:ecs:{HERE}:task/own/1",
        ),
        (
            "DescribeServices",
            {"services": ["api"]},
            f"ecs:DescribeServices on arn:aws:ecs:{HERE}:service/own/api",
        ),
        (
            "DescribeTasks",
            {"tasks": [f"arn:aws:ecs:{HERE}:task/own/1"]},
            f"ecs:DescribeTasks on arn:aws:ecs:{HERE}:task/own/1",
        ),
        ("ListTasks", {"serviceName": "api"}, "ecs:ListTasks on *"),
        (
            "UpdateService",
            {"service": "api"},
            f"ecs:UpdateService on arn:aws:ecs:{HERE}:service/own/api",
        ),
    ],
)
@pytest.mark.parametrize("cluster", ["own", CLUSTER])
def test_a_call_of_ecs_names_its_cluster(
    operation: str, parameters: dict[str, Any], right: str, cluster: str
) -> None:
    given = {"cluster": cluster, **parameters}
    assert asked("ecs", operation, **given) == [right]
    assert context("ecs", operation, **given)[0]["ecs:cluster"] == (CLUSTER,)


def test_a_task_definition_is_described_without_a_resource() -> None:
    """It has none, not even a condition: IAM is asked about all."""
    given: dict[str, Any] = {"taskDefinition": f"arn:aws:ecs:{HERE}:task-definition/api:3"}
    assert asked("ecs", "DescribeTaskDefinition", **given) == ["ecs:DescribeTaskDefinition on *"]


def test_listing_the_tasks_of_a_machine_is_refused() -> None:
    with pytest.raises(LookupError, match="of a machine"):
        asked("ecs", "ListTasks", cluster=CLUSTER, containerInstance="i")


def test_a_call_that_nobody_mapped_is_an_error() -> None:
    with pytest.raises(LookupError, match=r"s3\.PutBucketPolicy"):
        asked("s3", "PutBucketPolicy", Bucket="models")


@pytest.mark.parametrize("keys", [{}, {"topic": "arn:aws:kms:r:1:key/k"}])
def test_telling_people_takes_the_topics_own_key_too(keys: dict[str, str]) -> None:
    names = Names(region="us-east-1", account="123456789012", passed=ROLES, keys=keys)
    call = Call(service="sns", operation="Publish", parameters={"TopicArn": "topic"})
    under_key = [
        f"kms:{action} on {keys['topic']}" for action in ("Decrypt", "GenerateDataKey") if keys
    ]
    assert [str(one) for one in requests(call, names)] == ["sns:Publish on topic", *under_key]
