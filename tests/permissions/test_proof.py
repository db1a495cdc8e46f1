"""The proof finds what is missing and what is idle; a proof that cannot fail is none."""

import json
from typing import Any

import pytest

from local.cloud.template import Template
from tests.permissions.calls import Call
from tests.permissions.iam import PolicyError
from tests.permissions.platform_calls import rows
from tests.permissions.proof import idle, needed, refused
from tests.permissions.record import recorded
from tests.permissions.stack import Stack

HERE = "us-east-1:123456789012"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/assets:abc"


def of(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def role(service: str, *statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    policy = {"PolicyDocument": {"Statement": list(statements)}}
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": f"{service}.amazonaws.com"},
    }
    return of(
        "AWS::IAM::Role", Policies=[policy], AssumeRolePolicyDocument={"Statement": trust}, **more
    )


def may(
    action: object, resource: object, effect: str = "Allow", **condition: Any
) -> dict[str, Any]:
    found = {"Effect": effect, "Action": action, "Resource": resource}
    return found | ({"Condition": condition} if condition else {})


def logs(group: str) -> dict[str, Any]:
    return may(
        ["logs:CreateLogStream", "logs:PutLogEvents"], f"arn:aws:logs:{HERE}:log-group:{group}:*"
    )


def arn(logical_id: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


WATCHING = [logs("/watcher"), may("sns:Publish", {"Ref": "Topic"})]
EXECUTING = [
    logs("/task"),
    may("ecr:GetAuthorizationToken", "*"),
    may(
        ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        f"arn:aws:ecr:{HERE}:repository/assets",
    ),
]


def stack(
    watching: list[dict[str, Any]] = WATCHING,
    more: dict[str, Any] | None = None,
    **watcher_role: Any,
) -> Stack:
    """Two functions, a task and a topic: as small as a stack of ours can be."""

    def function(handler: str, role_id: str, group: str) -> dict[str, Any]:
        return of(
            "AWS::Lambda::Function",
            FunctionName=role_id,
            Handler=handler,
            Role=arn(role_id),
            LoggingConfig={"LogGroup": group},
            Environment={"Variables": {}},
        )

    container = {
        "Name": "task",
        "Image": IMAGE,
        "LogConfiguration": {"Options": {"awslogs-group": "/task"}},
        "Environment": [
            {"Name": "DB_IAM_AUTH", "Value": "true"},
            {"Name": "DATABASE_URL", "Value": "mysql://reader@host/db"},
        ],
    }
    resources = {
        "Topic": of("AWS::SNS::Topic"),
        "TriggerRole": role("lambda", logs("/trigger")),
        "WatcherRole": role("lambda", *watching, **watcher_role),
        "TaskRole": role(
            "ecs-tasks", may("rds-db:connect", f"arn:aws:rds-db:{HERE}:dbuser:db-X/reader")
        ),
        "ExecutionRole": role("ecs-tasks", *EXECUTING),
        "Trigger": function("retrain_trigger.handler.handle", "TriggerRole", "/trigger"),
        "Watcher": function("retrain_trigger.events.handle", "WatcherRole", "/watcher"),
        "Task": of(
            "AWS::ECS::TaskDefinition",
            TaskRoleArn=arn("TaskRole"),
            ExecutionRoleArn=arn("ExecutionRole"),
            ContainerDefinitions=[container],
        ),
    }
    return Stack(Template(document={"Resources": resources | (more or {})}), database_id="db-X")


TOPIC = f"arn:aws:sns:{HERE}:HairmeRetraining-Topic"
ALERT = Call(service="sns", operation="Publish", parameters={"TopicArn": TOPIC, "Message": "m"})


def findings(found: Stack, *calls: Call) -> tuple[list[str], list[str]]:
    """What is refused, and what is idle."""
    needs = needed(found, {"watcher": calls})
    return [str(need) for need in refused(found, needs)], [str(one) for one in idle(found, needs)]


def test_a_stack_that_gives_what_is_needed_has_no_findings() -> None:
    assert findings(stack(), ALERT) == ([], [])


def test_a_right_that_is_missing_is_found_with_the_call_that_needs_it() -> None:
    found, _ = findings(stack([logs("/watcher")]), ALERT)
    assert found == [f"watcher: sns:Publish on {TOPIC} (sns.Publish)"]


def test_a_platform_call_that_is_refused_is_found() -> None:
    found, _ = findings(stack([may("sns:Publish", {"Ref": "Topic"})]), ALERT)
    assert len(found) == 2
    assert "logs:CreateLogStream" in found[0]


def test_a_right_that_no_call_needs_is_found() -> None:
    """Given the same policy and no recorded alert, Then the right to alert is idle."""
    _, found = findings(stack())
    assert found == [f"watcher: sns:Publish on {TOPIC}"]


@pytest.mark.parametrize(
    ("more", "idle_now"),
    [
        (may("s3:GetObject", "arn:aws:s3:::models/*"), 1),  # nobody asks for it
        (may(["sns:Publish", "sns:Subscribe"], "arn:aws:sns:*:*:*"), 3),  # and it doubles one
        (may("sns:Publish", [f"{TOPIC}s", TOPIC], StringEquals={"aws:a": "b"}), 2),  # never holds
    ],
)
def test_each_action_resource_pair_must_earn_its_place(more: dict[str, Any], idle_now: int) -> None:
    refused_now, found = findings(stack([*WATCHING, more]), ALERT)
    assert refused_now == []
    assert len(found) == idle_now


def test_a_denial_is_seen() -> None:
    found, _ = findings(stack([*WATCHING, may("sns:*", "*", "Deny")]), ALERT)
    assert found == [f"watcher: sns:Publish on {TOPIC} (sns.Publish)"]


def test_a_managed_policy_is_refused_since_nobody_here_reads_it() -> None:
    arns = ["arn:aws:iam::aws:policy/AdministratorAccess"]
    with pytest.raises(PolicyError, match="AdministratorAccess"):
        findings(stack(ManagedPolicyArns=arns), ALERT)


def test_the_platform_table_follows_from_the_template() -> None:
    found = {(row.role, str(row.request)) for row in rows(stack())}
    assert ("task", f"rds-db:connect on arn:aws:rds-db:{HERE}:dbuser:db-X/reader") in found
    assert ("execution", f"ecr:BatchGetImage on arn:aws:ecr:{HERE}:repository/assets") in found
    assert not any("ec2:" in request for _, request in found)


def topic_policy(effect: str, principal: object, action: str) -> dict[str, Any]:
    statement = {"Effect": effect, "Principal": principal, "Action": action, "Resource": TOPIC}
    policy = {"Statement": [statement]}
    return of("AWS::SNS::TopicPolicy", Topics=[{"Ref": "Topic"}], PolicyDocument=policy)


def test_what_a_resource_itself_denies_is_found() -> None:
    closed = {"Closed": topic_policy("Deny", "*", "sns:Publish")}
    found, _ = findings(stack(more=closed), ALERT)
    assert found == [f"watcher: sns:Publish on {TOPIC} (sns.Publish)"]


def test_whom_a_resource_lets_in_for_nothing_is_found() -> None:
    opened = {"Open": topic_policy("Allow", {"Service": "s3.amazonaws.com"}, "sns:Publish")}
    _, found = findings(stack(more=opened), ALERT)
    assert found == [f"{TOPIC}: sns:Publish on {TOPIC}"]


def test_two_policies_of_one_resource_are_an_error() -> None:
    policy = topic_policy("Deny", "*", "sns:Publish")
    with pytest.raises(PolicyError, match="two policies"):
        findings(stack(more={"One": policy, "Other": policy}), ALERT)


def delivery(**permission: Any) -> dict[str, Any]:
    """A rule that invokes the watcher, and who may."""
    target = {"Id": "0", "Arn": arn("Watcher")}
    given = {"Action": "lambda:InvokeFunction", "FunctionName": arn("Watcher")} | permission
    return {
        "Rule": of("AWS::Events::Rule", Targets=[target]),
        "May": of("AWS::Lambda::Permission", **given),
    }


@pytest.mark.parametrize(
    ("permission", "let_in"),
    [
        ({"Principal": "events.amazonaws.com", "SourceArn": arn("Rule")}, True),
        ({"Principal": "events.amazonaws.com", "SourceArn": arn("Topic")}, False),
        ({"Principal": "s3.amazonaws.com"}, False),
    ],
)
def test_a_rule_must_be_let_in_by_its_target(permission: dict[str, Any], let_in: bool) -> None:
    more = {**delivery(**permission), "Topic": of("AWS::Events::Rule", Targets=[])}
    found, unneeded = findings(stack([logs("/watcher")], more=more))
    assert (found == [], unneeded == []) == (let_in, let_in)


@pytest.mark.parametrize("principal", ["arn:aws:iam::123456789012:root", "arn:aws:iam::1:root"])
def test_a_right_to_a_key_counts_only_if_the_key_says_so(principal: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": "kms:*",
        "Resource": "*",
    }
    more = {
        "Key": of("AWS::KMS::Key", KeyPolicy={"Statement": [statement]}),
        "Topic": of("AWS::SNS::Topic", KmsMasterKeyId=arn("Key")),
    }
    under_key = may(["kms:Decrypt", "kms:GenerateDataKey"], arn("Key"))
    found, _ = findings(stack([*WATCHING, under_key], more=more), ALERT)
    assert len(found) == (0 if "123456789012" in principal else 2)


def test_the_record_of_the_emulated_cloud_can_be_held_against_the_roles() -> None:
    """Given calls of two roles and of a person, Then each role answers for its own alone."""
    alert = {"service": "sns", "operation": "Publish", "parameters": {"TopicArn": TOPIC}}
    signed = ("WatcherRole", "TaskRole", "operator")
    lines = [json.dumps({"principal": one, "status": 200, **alert}) for one in signed]
    whole = stack()

    calls = recorded(whole, lines)

    assert set(calls) == {"watcher", "task"}
    found = [str(need) for need in refused(whole, needed(whole, calls))]
    assert found == [f"task: sns:Publish on {TOPIC} (sns.Publish)"]
