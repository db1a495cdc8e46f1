"""What no role may ever do, whatever else changes: evaluated as denied on every template."""

from __future__ import annotations

from collections.abc import Iterator

from tests.permissions.iam import Request
from tests.permissions.stack import Stack

OURS = ("trigger", "watcher", "healer", "task", "execution", "api", "api execution")
OTHER_REGION = "arn:aws:dynamodb:eu-west-1:123456789012:table/other"


def forbidden(stack: Stack) -> Iterator[tuple[str, Request, str]]:
    """(our name of the role, request, why not)."""
    found = [*_by_everyone(stack), *_by_one(stack), *_by_api(stack)]
    yield from (each for each in found if each[0] in stack.roles)


def _by_everyone(stack: Stack) -> Iterator[tuple[str, Request, str]]:
    bucket, table = _bucket(stack), _table(stack)
    file = f"{bucket}/store/models/s-1/manifest.json"
    never = {
        ("s3:DeleteBucket", bucket): "the store outlives the stack",
        ("s3:DeleteObjectVersion", file): "what was overwritten stays until its time is over",
        ("s3:PutBucketPolicy", bucket): "the store guards itself",
        ("s3:PutLifecycleConfiguration", bucket): "the live model has no age",
        ("s3:PutBucketVersioning", bucket): "versions are the way back",
        ("s3:GetObject", "arn:aws:s3:::another-bucket/key"): "another bucket is nobody's business",
        ("s3:PutObject", f"{bucket}/elsewhere/key"): "only the store's own prefix is written",
        ("dynamodb:DeleteTable", table): "the registry outlives the stack",
        ("dynamodb:UpdateTable", table): "protection is the stack's",
        ("dynamodb:GetItem", OTHER_REGION): "another table is nobody's business",
        ("iam:CreateRole", "arn:aws:iam::123456789012:role/new"): "roles are the stack's",
        ("iam:PutRolePolicy", stack.roles["task"]): "no role widens a role",
        ("iam:AttachRolePolicy", stack.roles["task"]): "no role widens a role",
        ("sts:AssumeRole", stack.roles["execution"]): "no role takes another",
        ("ecs:DeleteService", _service(stack, "api")): "the API is not ours to end",
        ("ecs:RegisterTaskDefinition", "*"): "what runs is the stack's",
        ("ecs:ExecuteCommand", _task(stack)): "nobody enters a task",
        ("lambda:UpdateFunctionCode", stack.names.arn("lambda", "function:x")): "code is deployed",
    }
    for role in OURS:
        for (action, resource), why in never.items():
            yield role, Request(action=action, resource=resource), why


def _by_one(stack: Stack) -> Iterator[tuple[str, Request, str]]:
    bucket, table = _bucket(stack), _table(stack)
    file = f"{bucket}/store/models/s-1/manifest.json"
    run = Request(
        action="ecs:RunTask",
        resource=stack.environment("trigger")["TRIGGER_TASK_DEFINITION"],
        context={"ecs:cluster": (stack.environment("trigger")["TRIGGER_CLUSTER"],)},
    )
    elsewhere = {"ecs:cluster": (stack.names.arn("ecs", "cluster/elsewhere"),)}
    for role in [name for name in OURS if name != "trigger"]:
        yield role, run, "one launches: the trigger"
        yield role, _passing(stack, "ecs-tasks.amazonaws.com"), "who launches not passes no role"
    yield "trigger", _passing(stack, "ec2.amazonaws.com"), "the roles are for tasks alone"
    yield "trigger", _with(run, run.resource, elsewhere), "it launches in one cluster alone"
    newer = run.resource.rpartition(":")[0] + ":99"
    yield "trigger", _with(run, newer, run.context), "it launches the deployed revision alone"
    for role in ("trigger", "watcher", "healer", "execution", "api execution"):
        for action in ("s3:PutObject", "s3:GetObject", "s3:DeleteObject"):
            yield role, Request(action=action, resource=file), "the store is the task's"
    for role in ("task", "execution", "healer", "api", "api execution"):
        stop = Request(action="ecs:StopTask", resource=_task(stack), context=run.context)
        yield role, stop, "no task stops another"
    yield "execution", Request(action="dynamodb:PutItem", resource=table), "it only starts tasks"
    topic = stack.environment("watcher")["WATCH_ALERT_TOPIC"]
    for role in [name for name in OURS if name != "watcher"]:
        yield role, Request(action="sns:Publish", resource=topic), "one tells people: the watcher"
    for role in ("watcher", "healer", "execution", "api", "api execution"):
        connect = stack.names.arn("rds-db", "dbuser:*/retraining")
        yield role, Request(action="rds-db:connect", resource=connect), "it reads no votes"
    for role in ("trigger", "healer"):
        if role in stack.functions:
            by_code = {"lambda:SourceFunctionArn": (_function(stack, role),)}
            making = Request(action="ec2:CreateNetworkInterface", resource="*", context=by_code)
            yield role, making, "Lambda places the function, which itself places nothing"
    for role in ("trigger", "watcher", "execution", "api", "api execution"):
        told = stack.names.arn("ecs", f"service/{_cluster_name(stack)}/api")
        update = Request(action="ecs:UpdateService", resource=told, context=run.context)
        yield role, update, "two bring a version into service: task and healer"


def _by_api(stack: Stack) -> Iterator[tuple[str, Request, str]]:
    """The API meets people: it reads models and the registry, and writes nothing but votes."""
    bucket, table = _bucket(stack), _table(stack)
    for action in ("s3:PutObject", "s3:DeleteObject"):
        file = f"{bucket}/store/models/s-1/manifest.json"
        yield "api", Request(action=action, resource=file), "it reads models"
    votes = f"{bucket}/store/runs/s-1/votes.parquet"
    yield "api", Request(action="s3:GetObject", resource=votes), "it reads no snapshot of votes"
    for action in ("dynamodb:PutItem", "dynamodb:ConditionCheckItem"):
        yield "api", Request(action=action, resource=table), "it moves no pointer"


def _passing(stack: Stack, service: str) -> Request:
    context = {"iam:PassedToService": (service,)}
    return Request(action="iam:PassRole", resource=stack.roles["task"], context=context)


def _with(request: Request, resource: str, context: object) -> Request:
    assert isinstance(context, dict)
    return Request(action=request.action, resource=resource, context=context)


def _bucket(stack: Stack) -> str:
    (bucket,) = stack.template.of_type("AWS::S3::Bucket")
    return stack.template.attribute(bucket, "Arn")


def _table(stack: Stack) -> str:
    (table,) = stack.template.of_type("AWS::DynamoDB::Table")
    return stack.template.attribute(table, "Arn")


def _cluster_name(stack: Stack) -> str:
    return stack.environment("trigger")["TRIGGER_CLUSTER"].rpartition("/")[2]


def _task(stack: Stack) -> str:
    return stack.names.arn("ecs", f"task/{_cluster_name(stack)}/0a1b")


def _service(stack: Stack, name: str) -> str:
    return stack.names.arn("ecs", f"service/{_cluster_name(stack)}/{name}")


def _function(stack: Stack, role: str) -> str:
    return stack.names.arn("lambda", f"function:{stack.functions[role]['FunctionName']}")
