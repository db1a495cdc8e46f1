"""What AWS's rules (cdk-nag) find and we keep, each with its reason.

A finding is acknowledged where it stands, by its own full id: the same finding elsewhere still
stops synthesis.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from aws_cdk import Acknowledgment, Stack, Validations
from constructs import IConstruct

from infra.api import Api
from infra.stage import Existing, Stage, Standalone

NAG = "AwsSolutions::AwsSolutions-"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One finding at one construct, and why it stays."""

    at: str
    """The construct's path below the stack."""
    finding: str
    """Its full id."""
    why: str


def acknowledge(stack: Stack, stage: Stage) -> None:
    """Give each finding that is meant its reason; any other stops synthesis."""
    for kept in findings(stage):
        construct: IConstruct = stack
        for name in kept.at.split("/"):
            construct = construct.node.find_child(name)
        rule = Acknowledgment(id=kept.finding, reason=kept.why)
        Validations.of(construct).acknowledge(rule)


def findings(stage: Stage) -> Iterator[Kept]:
    """Every finding that this stage keeps."""
    yield Kept(
        at="Alerts/Undelivered",
        finding=NAG + "SQS3",
        why="It is the dead-letter queue, of rules and of functions; AWS's rule knows it only as "
        "the queue of another queue. An alarm says when it is not empty.",
    )
    yield Kept(
        at="Storage/Models",
        finding=NAG + "S1",
        why="Two roles use the bucket, versions keep what they replace, and CloudTrail records "
        "who did what; access logs would want a second bucket with rules of its own.",
    )
    yield Kept(
        at="Training/Definition",
        finding=NAG + "ECS2",
        why="The variables hold addresses and settings. The password is an IAM token, or a "
        "secret that is read at run time; a test says that no secret is among them.",
    )
    yield from _wildcards(stage)
    if stage.service_name is not None:
        yield from _proof(stage)
    if stage.api is not None:
        yield from _api(stage.api)
    if isinstance(stage.place, Standalone):
        yield from _own(stage)
    elif not stage.place.adds_endpoints:
        for number, _ in enumerate(stage.place.subnets, 1):
            yield Kept(
                at=f"Network/Subnet{number}",
                finding="Annotation::@aws-cdk/aws-ec2:noSubnetRouteTableId",
                why="Nothing is routed: the network brings its own way to AWS.",
            )


def _wildcards(stage: Stage) -> Iterator[Kept]:
    yield Kept(
        at="Training/TaskRole",
        finding=NAG + "IAM5[Resource::<StorageModels44005BB0.Arn>/store/*]",
        why="The files of all versions and runs under the store's prefix, whose names are made "
        "at run time.",
    )
    yield Kept(
        at="Training/ExecutionRole",
        finding=NAG + "IAM5[Resource::*]",
        why="ecr:GetAuthorizationToken alone; it has no resource.",
    )
    yield Kept(
        at="Trigger/Role",
        finding=NAG + "IAM5[Resource::*]",
        why="Network interfaces alone, which Lambda makes to place the function; it asks for all "
        "of them, and the same statement denies them to the function's own code.",
    )
    for at in ("Trigger/Role", "Watcher/Role"):
        yield Kept(
            at=at,
            finding=NAG + f"IAM5[Resource::{_tasks(stage)}]",
            why="The tasks of this one cluster: ECS makes their ids when it starts them.",
        )


def _proof(stage: Stage) -> Iterator[Kept]:
    """What the task and the healer need to prove a roll-out."""
    yield Kept(
        at="Training/TaskRole",
        finding=NAG + "IAM5[Resource::*]",
        why="ecs:ListTasks, which has a condition for the cluster instead, and "
        "ecs:DescribeTaskDefinition, which has neither.",
    )
    yield Kept(
        at="Healer/Role",
        finding=NAG + "IAM5[Resource::*]",
        why="As the trigger's and the task's: network interfaces, which are denied to its code, "
        "ecs:ListTasks and ecs:DescribeTaskDefinition.",
    )
    for at in ("Training/TaskRole", "Healer/Role"):
        yield Kept(
            at=at,
            finding=NAG + f"IAM5[Resource::{_tasks(stage)}]",
            why="The tasks of this one cluster, to see where those of the service are: ECS makes "
            "their ids when it starts them.",
        )


def _api(api: Api) -> Iterator[Kept]:
    yield Kept(
        at="Serving/Definition",
        finding=NAG + "ECS2",
        why="As the training task's: addresses, settings, and the ARNs of secrets that are read "
        "at run time.",
    )
    yield Kept(
        at="Serving/TaskRole",
        finding=NAG + "IAM5[Resource::<StorageModels44005BB0.Arn>/store/models/*]",
        why="The files of every version, whose names are made at run time; read alone.",
    )
    yield Kept(
        at="Serving/ExecutionRole",
        finding=NAG + "IAM5[Resource::*]",
        why="ecr:GetAuthorizationToken alone; it has no resource.",
    )
    yield Kept(
        at="Balancer/Balancer",
        finding=NAG + "ELB2",
        why="Access logs hold people's addresses and what they asked for. The API logs each "
        "request without either, and the alarms watch the load balancer's own figures.",
    )
    if api.public:
        yield Kept(
            at="Network/BalancerGroup",
            finding=NAG + "EC23",
            why="It is asked to be public: the load balancer takes HTTPS from everybody, and is "
            "all that does.",
        )


def _tasks(stage: Stage) -> str:
    """The resource of all tasks on the cluster, as the rule writes it."""
    place = stage.place
    if isinstance(place, Existing):
        here = f"{place.region}:{place.account}"
        return f"arn:aws:ecs:{here}:task/{place.cluster_name}/*"
    here = "<AWS::Region>:<AWS::AccountId>"
    return f"arn:<AWS::Partition>:ecs:{here}:task/<TrainingClusterF3EF29AD>/*"


def _own(stage: Stage) -> Iterator[Kept]:
    """The network and the database of an empty account."""
    yield Kept(
        at="Network/Vpc",
        finding=NAG + "VPC7",
        why="Nothing in it can be reached from outside but a load balancer that was asked to be "
        "public; flow logs would cost more than they could show.",
    )
    yield Kept(
        at="Database/Instance",
        finding=NAG + "RDS3",
        why="A second server would double the price of a database that is read once a week; "
        "backups of seven days bring it back.",
    )
    yield Kept(
        at="Database/Instance",
        finding=NAG + "RDS11",
        why="The port hides nothing: two security groups may connect, and nothing is public.",
    )
    if not stage.protected:
        yield Kept(
            at="Database/Instance",
            finding=NAG + "RDS10",
            why="This stage is meant to be removed again; removing it takes a snapshot.",
        )
