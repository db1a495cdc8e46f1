"""What AWS itself does with our roles, and no client of ours can record.

    for row in rows(stack): ...

Each row says which right it needs and where AWS's documentation says so. Together with the
recorded calls the rows are every reason for a right to be there. They follow from the template:
a function without a network interface needs no right to make one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.permissions import services
from tests.permissions.iam import Request
from tests.permissions.services import Row
from tests.permissions.stack import Stack, execution_of

ECR = 'Amazon ECR user guide, "Private repository policies": rights to pull an image'
ECS_EXECUTION = 'Amazon ECS developer guide, "Amazon ECS task execution IAM role"'
FLOW_LOGS = 'Amazon VPC user guide, "IAM role for publishing flow logs to CloudWatch Logs"'
LAMBDA_DESTINATION = 'AWS Lambda developer guide, "Capturing records of Lambda invocations"'
LAMBDA_LOGS = 'AWS Lambda developer guide, "Sending Lambda function logs to CloudWatch Logs"'
LAMBDA_VPC = 'AWS Lambda developer guide, "Giving Lambda functions access to a VPC": permissions'
RDS_LOGIN = 'Amazon RDS user guide, "Creating and using an IAM policy for IAM database access"'
SCHEDULER = 'EventBridge Scheduler user guide, "Setting up the execution role"'
SCHEDULER_QUEUE = 'EventBridge Scheduler user guide, "Configuring a dead-letter queue"'

PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
WRITE_LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")


def rows(stack: Stack) -> list[Row]:
    """Every platform call that this template's resources lead to."""
    return [
        *_functions(stack),
        *_destinations(stack),
        *_image(stack),
        *_task_logs(stack),
        *_database(stack),
        *_schedules(stack),
        *services.rows(stack),
    ]


def _row(stack: Stack, role: str, action: str, resource: str, why: str, source: str) -> Row:
    secure = {"aws:SecureTransport": ("true",)}
    bearer = stack.roles[role]
    request = Request(action=action, resource=resource, context=secure, principal=bearer)
    return Row(role=role, request=request, why=why, source=source)


def _logs(stack: Stack, role: str, group: str, why: str, source: str) -> Iterator[Row]:
    here = f"{stack.template.region}:{stack.template.account}"
    # IAM is asked about a stream in the group, for both actions.
    stream = f"arn:aws:logs:{here}:log-group:{group}:log-stream:2026/11/22/[1]0a1b"
    for action in WRITE_LOGS:
        yield _row(stack, role, action, stream, why, source)


def _functions(stack: Stack) -> Iterator[Row]:
    for logical_id, function in stack.template.of_type("AWS::Lambda::Function").items():
        role = stack.role_of(function["Role"])
        name = stack.template.physical(logical_id)
        group = function.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
        yield from _logs(stack, role, group, "Lambda writes the function's output", LAMBDA_LOGS)
        if "VpcConfig" in function:
            why = "Lambda connects the function to the network"
            yield from (_row(stack, role, action, "*", why, LAMBDA_VPC) for action in INTERFACES)


def _destinations(stack: Stack) -> Iterator[Row]:
    functions = {
        stack.template.ref(logical_id): function["Role"]
        for logical_id, function in stack.template.of_type("AWS::Lambda::Function").items()
    }
    for config in stack.template.of_type("AWS::Lambda::EventInvokeConfig").values():
        role = stack.role_of(functions[config["FunctionName"]])
        target = config["DestinationConfig"]["OnFailure"]["Destination"]
        action = {"sqs": "sqs:SendMessage", "sns": "sns:Publish"}[target.split(":")[2]]
        why = "Lambda keeps an event that the function failed on"
        yield _row(stack, role, action, target, why, LAMBDA_DESTINATION)


def _image(stack: Stack) -> Iterator[Row]:
    why = "ECS pulls the image before the task starts"
    for role, container in _containers(stack):
        yield _row(stack, role, "ecr:GetAuthorizationToken", "*", why, ECS_EXECUTION)
        registry, _, rest = container["Image"].partition("/")
        account, _, _, region, *_ = registry.split(".")
        repository = rest.partition("@")[0].partition(":")[0]
        arn = f"arn:aws:ecr:{region}:{account}:repository/{repository}"
        yield from (_row(stack, role, action, arn, why, ECR) for action in PULL)


def _task_logs(stack: Stack) -> Iterator[Row]:
    for role, container in _containers(stack):
        group = container["LogConfiguration"]["Options"]["awslogs-group"]
        why = "ECS writes the task's output"
        yield from _logs(stack, role, group, why, ECS_EXECUTION)


def _containers(stack: Stack) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each container, with our name of the role that starts it."""
    for name, definition in stack.definitions.items():
        for container in definition["ContainerDefinitions"]:
            yield execution_of(name), container


def _database(stack: Stack) -> Iterator[Row]:
    for role in (*stack.functions, *stack.definitions):
        environment = stack.environment(role)
        if environment.get("DB_IAM_AUTH") != "true":
            continue
        user = environment["DATABASE_URL"].partition("://")[2].partition("@")[0]
        here = f"{stack.template.region}:{stack.template.account}"
        arn = f"arn:aws:rds-db:{here}:dbuser:{stack.database_id}/{user}"
        yield _row(
            stack, role, "rds-db:connect", arn, "RDS lets the token's bearer log in", RDS_LOGIN
        )


def _schedules(stack: Stack) -> Iterator[Row]:
    for schedule in stack.template.of_type("AWS::Scheduler::Schedule").values():
        target = schedule["Target"]
        role = stack.role_of(target["RoleArn"])
        why = "the schedule invokes the function"
        yield _row(stack, role, "lambda:InvokeFunction", target["Arn"], why, SCHEDULER)
        if queue := target.get("DeadLetterConfig", {}).get("Arn"):
            why = "the schedule keeps an event that it could not deliver"
            yield _row(stack, role, "sqs:SendMessage", queue, why, SCHEDULER_QUEUE)
