"""Which rights a call needs: a total map from AWS's operations to IAM's actions.

    asked = requests(Call(service="s3", operation="PutObject", parameters={…}), names)

Action names are not operation names (HeadObject asks for s3:GetObject, one RunTask for three
actions), so each row is written by hand from the Service Authorization Reference. An operation
without a row is an error: a new call in the code must come here, and into the template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.permissions.iam import Request

Parameters = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call as it was recorded."""

    service: str
    operation: str
    parameters: Parameters
    missing: bool = False
    """Whether the answer was "no such object" (404)."""

    def __str__(self) -> str:
        return f"{self.service}.{self.operation}"


@dataclass(frozen=True, kw_only=True)
class Names:
    """What turns parameters into ARNs: where we are, and which roles a task is given."""

    region: str
    account: str
    passed: tuple[str, ...]
    """The ARNs of the task definition's two roles."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """ARN of a topic → ARN of the key that it is encrypted with, where that is our own."""

    def arn(self, service: str, name: str, path: str | None = None) -> str:
        """The ARN of what is named by its path (else its name), or the name if it is one."""
        here = f"arn:aws:{service}:{self.region}:{self.account}"
        return name if name.startswith("arn:") else f"{here}:{path or name}"

    def cluster(self, parameters: Parameters) -> str:
        """The ARN of the cluster that an ECS call names."""
        name = parameters.get("cluster", "default")
        return self.arn("ecs", name, f"cluster/{name}")


Rights = Callable[[Parameters, Names], list[Request]]


def requests(call: Call, names: Names) -> list[Request]:
    """What IAM is asked for one call. Raises LookupError for an operation without a row."""
    row = NEEDS.get((call.service, call.operation))
    if row is None:
        raise LookupError(
            f"every call must be in tests/permissions/calls.py, got {call}: add its actions there, "
            "and its rights to the role in infra/"
        )
    asked = row(call.parameters, names)
    if call.service == "s3" and call.missing:
        # Without this right S3 answers 403 for a key that is not there, which reads as an outage.
        asked = asked + _on_bucket("s3:ListBucket")(call.parameters, names)
    return [
        Request(action=one.action, resource=one.resource, context=_with(one, names))
        for one in asked
    ]


def _with(request: Request, names: Names) -> dict[str, tuple[str, ...]]:
    return {
        "aws:SecureTransport": ("true",),
        "s3:TlsVersion": ("1.3",),
        "aws:RequestedRegion": (names.region,),
        "aws:PrincipalAccount": (names.account,),
        "aws:ResourceAccount": (names.account,),
        **request.context,
    }


def _on_object(action: str, versioned: str | None = None) -> Rights:
    def rights(parameters: Parameters, _: Names) -> list[Request]:
        arn = f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}"
        named = versioned if versioned and "VersionId" in parameters else action
        return [Request(action=named, resource=arn)]

    return rights


def _on_bucket(action: str) -> Rights:
    def rights(parameters: Parameters, _: Names) -> list[Request]:
        given = {"s3:prefix": "Prefix", "s3:delimiter": "Delimiter"}
        context = {key: (parameters[name],) for key, name in given.items() if name in parameters}
        arn = f"arn:aws:s3:::{parameters['Bucket']}"
        return [Request(action=action, resource=arn, context=context)]

    return rights


def _put_object(parameters: Parameters, names: Names) -> list[Request]:
    asked = _on_object("s3:PutObject")(parameters, names)
    # If-Match compares with what is there; If-None-Match does not need to read it.
    return asked + (
        _on_object("s3:GetObject")(parameters, names) if "IfMatch" in parameters else []
    )


def _on_table(action: str) -> Rights:
    def rights(parameters: Parameters, names: Names) -> list[Request]:
        table = parameters["TableName"]
        return [Request(action=action, resource=names.arn("dynamodb", table, f"table/{table}"))]

    return rights


_IN_TRANSACTION = {
    "Put": "dynamodb:PutItem",
    "Delete": "dynamodb:DeleteItem",
    "Update": "dynamodb:UpdateItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Get": "dynamodb:GetItem",
}


def _transaction(parameters: Parameters, names: Names) -> list[Request]:
    return [
        one
        for item in parameters["TransactItems"]
        for kind, inner in item.items()
        for one in _on_table(_IN_TRANSACTION[kind])(inner, names)
    ]


def _run_task(parameters: Parameters, names: Names) -> list[Request]:
    task = parameters["taskDefinition"]
    if not task.startswith("arn:"):
        # Asked on the newest revision alone, so the answer would depend on who deployed last.
        raise LookupError(f"RunTask must name its task definition by ARN, got {task!r}")
    context = {"ecs:cluster": (names.cluster(parameters),)}
    asked = [Request(action="ecs:RunTask", resource=task, context=context)]
    asked += [
        Request(
            action="iam:PassRole",
            resource=role,
            context={"iam:PassedToService": ("ecs-tasks.amazonaws.com",)},
        )
        for role in names.passed
    ]
    if parameters.get("tags") or parameters.get("propagateTags"):
        cluster = names.cluster(parameters).rpartition("/")[2]
        created = {"ecs:CreateAction": ("RunTask",)}
        tasks = names.arn("ecs", f"task/{cluster}/*")
        asked.append(Request(action="ecs:TagResource", resource=tasks, context=created))
    return asked


def _in_cluster(action: str, kind: str) -> Rights:
    """On what a call names in its `kind` (task, service), or on each in the plural of it."""

    def rights(parameters: Parameters, names: Names) -> list[Request]:
        cluster = names.cluster(parameters)
        listed = parameters.get(f"{kind}s") or [parameters[kind]]
        here = f"{kind}/{cluster.rpartition('/')[2]}"
        context = {"ecs:cluster": (cluster,)}
        return [
            Request(action=action, resource=names.arn("ecs", one, f"{here}/{one}"), context=context)
            for one in listed
        ]

    return rights


def _list_tasks(parameters: Parameters, names: Names) -> list[Request]:
    # Its resource is a machine. Without one, as on Fargate, IAM is asked about all.
    if "containerInstance" in parameters:
        raise LookupError("ListTasks of a machine is another right; on Fargate there is none")
    context = {"ecs:cluster": (names.cluster(parameters),)}
    return [Request(action="ecs:ListTasks", resource="*", context=context)]


def _on_all(action: str) -> Rights:
    """An action that knows no resource."""
    return lambda _parameters, _names: [Request(action=action, resource="*")]


def _on(action: str, parameter: str) -> Rights:
    def rights(parameters: Parameters, _: Names) -> list[Request]:
        return [Request(action=action, resource=parameters[parameter])]

    return rights


def _publish(parameters: Parameters, names: Names) -> list[Request]:
    topic = parameters["TopicArn"]
    asked = [Request(action="sns:Publish", resource=topic)]
    if key := names.keys.get(topic):
        through = {"kms:ViaService": (f"sns.{names.region}.amazonaws.com",)}
        asked += [
            Request(action=action, resource=key, context=through)
            for action in ("kms:Decrypt", "kms:GenerateDataKey")
        ]
    return asked


NEEDS: Mapping[tuple[str, str], Rights] = {
    ("dynamodb", "GetItem"): _on_table("dynamodb:GetItem"),
    ("dynamodb", "Query"): _on_table("dynamodb:Query"),
    ("dynamodb", "TransactWriteItems"): _transaction,
    ("ecs", "DescribeServices"): _in_cluster("ecs:DescribeServices", "service"),
    ("ecs", "DescribeTaskDefinition"): _on_all("ecs:DescribeTaskDefinition"),
    ("ecs", "DescribeTasks"): _in_cluster("ecs:DescribeTasks", "task"),
    ("ecs", "ListTasks"): _list_tasks,
    ("ecs", "RunTask"): _run_task,
    ("ecs", "StopTask"): _in_cluster("ecs:StopTask", "task"),
    ("ecs", "UpdateService"): _in_cluster("ecs:UpdateService", "service"),
    ("s3", "AbortMultipartUpload"): _on_object("s3:AbortMultipartUpload"),
    ("s3", "CompleteMultipartUpload"): _on_object("s3:PutObject"),
    ("s3", "CreateMultipartUpload"): _on_object("s3:PutObject"),
    ("s3", "DeleteObject"): _on_object("s3:DeleteObject", "s3:DeleteObjectVersion"),
    ("s3", "GetBucketVersioning"): _on_bucket("s3:GetBucketVersioning"),
    ("s3", "GetObject"): _on_object("s3:GetObject", "s3:GetObjectVersion"),
    ("s3", "ListObjectsV2"): _on_bucket("s3:ListBucket"),
    ("s3", "PutObject"): _put_object,
    ("s3", "UploadPart"): _on_object("s3:PutObject"),
    ("secretsmanager", "GetSecretValue"): _on("secretsmanager:GetSecretValue", "SecretId"),
    ("sns", "Publish"): _publish,
}
