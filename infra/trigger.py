"""The trigger: counts votes in the database, and launches the task."""

from dataclasses import replace

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.alerts import Alerts
from infra.containers import TASKS
from infra.database import Votes
from infra.environment import loop_variables, own_variables
from infra.functions import Plan, function, placing
from infra.network import Network
from infra.rights import allow
from infra.stage import Stage
from infra.storage import Storage
from infra.training import Training
from retrain_trigger.settings import CONTAINER, TriggerSettings

SECONDS = 900
"""Lambda's longest."""
LONGEST_STATEMENT_SECONDS = 270
"""A count is up to three statements, and each may take this long; the trigger must live to say
that the database is slow. The task may take `statement_timeout_seconds` for each."""


class Trigger(Construct):
    """The function that the schedule and people invoke."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        network: Network,
        storage: Storage,
        votes: Votes,
        training: Training,
        alerts: Alerts,
    ) -> None:
        super().__init__(scope, "Trigger")
        addresses = {**votes.reader.variables, "REGISTRY_URL": storage.registry_url}
        plan = Plan(
            name="trigger",
            handler="retrain_trigger.handler.handle",
            says="Counts new votes, and launches the training task if there are enough",
            seconds=SECONDS,
            variables={
                **loop_variables(_patient(stage), addresses),
                **_own(stage, network, training),
            },
            rights=[
                *storage.registry_rights(),
                *votes.reader.rights,
                *_launching(training),
                *placing(self, stage, "trigger"),
            ],
        )
        self.function = function(
            self,
            stage,
            plan,
            alerts,
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=list(network.subnets)),
            security_groups=[network.trigger_group],
        )


def _patient(stage: Stage) -> Stage:
    """The stage with statements that end within the trigger's own time."""
    seconds = min(stage.loop.statement_timeout_seconds, LONGEST_STATEMENT_SECONDS)
    return replace(stage, loop=replace(stage.loop, statement_timeout_seconds=seconds))


def _own(stage: Stage, network: Network, training: Training) -> dict[str, str]:
    values = {
        "cluster": training.cluster_arn,
        "task_definition": training.definition_arn,
        "subnets": ",".join(subnet.subnet_id for subnet in network.subnets),
        "security_groups": network.task_group.security_group_id,
        "stage": stage.name,
        "container": CONTAINER,
        "capacity": stage.capacity,
        "cooldown_minutes": str(stage.cooldown_minutes),
        "max_age_days": str(stage.max_age_days),
    }
    return own_variables(TriggerSettings, values)


def _launching(training: Training) -> list[iam.PolicyStatement]:
    roles = [training.task_role.role_arn, training.execution_role.role_arn]
    to_tasks = {"StringEquals": {"iam:PassedToService": TASKS}}
    at_launch = {"StringEquals": {"ecs:CreateAction": "RunTask"}}
    return [
        allow("Launch", ["ecs:RunTask"], [training.definition_arn], training.here),
        allow("Tag", ["ecs:TagResource"], [training.tasks_arn], at_launch),
        allow("PassRoles", ["iam:PassRole"], roles, to_tasks),
        training.stopping(),
    ]
