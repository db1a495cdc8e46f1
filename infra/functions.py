"""What the functions have in common: one bundle, and how a function of ours is set up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, Duration, ILocalBundling
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.alerts import Alerts
from infra.bundle import LocalBundling, source_hash
from infra.log_group import log_group
from infra.rights import allow, arn, role, service
from infra.stage import Stage

RUNTIME = lambda_.Runtime.PYTHON_3_14
"""The one place that names it; the code needs 3.11 or newer."""
MEGABYTES = 512
"""A function needs about 100; processor time comes with memory."""
OLDEST = Duration.hours(1)
"""An event that could not be delivered or handled for so long is put aside."""
FUNCTION_RETRIES = 2
DELIVERY_RETRIES = 10
INTERFACES = (
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
)
"""What Lambda itself does to place a function into a network."""
SOURCE = Path(__file__).parents[1] / "lambda"

Bundling = jsii.implements(ILocalBundling)(LocalBundling)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One function: what it is called, what it runs, with what, and for how long."""

    name: str
    handler: str
    says: str
    seconds: int
    variables: Mapping[str, str]
    rights: Iterable[iam.PolicyStatement]


def bundle() -> lambda_.Code:
    """The code of all functions; its hash changes with what it is made from, and only then."""
    return lambda_.Code.from_asset(
        str(SOURCE),
        asset_hash=source_hash(),
        asset_hash_type=AssetHashType.CUSTOM,
        bundling=BundlingOptions(
            # Never pulled: the bundle is made by Python alone.
            image=DockerImage.from_registry("scratch"),
            local=Bundling(),
        ),
    )


def function(
    scope: Construct, stage: Stage, plan: Plan, alerts: Alerts, **network: Any
) -> lambda_.Function:
    """A function with its role, its log group, and a place for what it could not handle."""
    group = log_group(scope, stage, plan.name)
    write = allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], [group.log_group_arn])
    # Lambda does not say for whom it takes a role, and takes none for another account.
    trusted = service(scope, "lambda.amazonaws.com", by_account=False)
    made = lambda_.Function(
        scope,
        plan.name.title(),
        function_name=f"{stage.stack_name}-{plan.name}",
        description=plan.says,
        code=bundle(),
        handler=plan.handler,
        runtime=RUNTIME,
        architecture=lambda_.Architecture.ARM_64
        if stage.processor == "ARM64"
        else lambda_.Architecture.X86_64,
        memory_size=MEGABYTES,
        timeout=Duration.seconds(plan.seconds),
        environment=dict(sorted(plan.variables.items())),
        role=role(scope, "Role", trusted, [write, alerts.failing(), *plan.rights]),
        reserved_concurrent_executions=stage.reserved_concurrency,
        log_group=group,
        **network,
    )
    # Not by the function's own `on_failure`, which grants itself more than to send.
    aside = lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=alerts.undelivered.queue_arn)
    lambda_.CfnEventInvokeConfig(
        scope,
        "Failures",
        function_name=made.function_name,
        qualifier="$LATEST",
        maximum_event_age_in_seconds=OLDEST.to_seconds(),
        maximum_retry_attempts=FUNCTION_RETRIES,
        destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(on_failure=aside),
    )
    return made


def target(
    to: lambda_.IFunction, alerts: Alerts, event: events.RuleTargetInput | None = None
) -> targets.LambdaFunction:
    """A rule's target: tried again for an hour, then put aside."""
    return targets.LambdaFunction(
        to,
        event=event,
        dead_letter_queue=alerts.undelivered,
        max_event_age=OLDEST,
        retry_attempts=DELIVERY_RETRIES,
    )


def placing(scope: Construct, stage: Stage, name: str) -> list[iam.PolicyStatement]:
    """What Lambda needs to place the function into the network, and the function may not use."""
    itself = arn(scope, "lambda", f"function:{stage.stack_name}-{name}")
    # Describing knows no resource, and Lambda refuses a role that names any for the others.
    return [
        allow("Place", INTERFACES, ["*"]),
        iam.PolicyStatement(
            sid="PlaceIsForLambdaAlone",
            effect=iam.Effect.DENY,
            actions=list(INTERFACES),
            resources=["*"],
            conditions={"ArnEquals": {"lambda:SourceFunctionArn": itself}},
        ),
    ]
