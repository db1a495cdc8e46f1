"""The training task: cluster, image, task definition, log group and the two roles."""

from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.containers import FOLDERS, Program, definition, execution_role, image, task_role
from infra.database import Votes
from infra.environment import loop_variables
from infra.log_group import log_group
from infra.rights import allow, arn
from infra.stage import Existing, Stage
from infra.storage import Storage
from retrain_trigger.settings import CONTAINER

STOP_SECONDS = 120
"""Fargate's longest."""
OF_THE_API = ("api", "requirements-api.txt")
"""What the builder is sent for the other image alone."""
PROVIDERS = ["FARGATE", "FARGATE_SPOT"]


class Training(Construct):
    """What RunTask starts, and where."""

    def __init__(
        self,
        scope: Construct,
        stage: Stage,
        storage: Storage,
        votes: Votes,
        serving: dict[str, str],
        revision: str,
    ) -> None:
        """serving: the variables that say who serves."""
        super().__init__(scope, "Training")
        self.stage = stage
        self.cluster_name, self.cluster_arn = self._cluster()
        self.log_group = log_group(self, stage, "task")
        self.image = image(self, stage, revision, "task", OF_THE_API)
        may = [*storage.store_rights(), *storage.registry_rights(), *votes.reader.rights]
        self.task_role = task_role(self, [*may, *self.proving()])
        self.execution_role = execution_role(self, self.image, self.log_group)
        addresses = {
            **votes.reader.variables,
            "STORE_URL": storage.store_url,
            "REGISTRY_URL": storage.registry_url,
            **serving,
            **FOLDERS,
        }
        program = Program(
            name=CONTAINER,
            family=self.family,
            cpu=stage.task_cpu,
            memory=stage.task_memory,
            stop_seconds=STOP_SECONDS,
            log_prefix="run",
            variables=loop_variables(stage, addresses),
        )
        roles = (self.task_role, self.execution_role)
        self.definition = definition(self, stage, program, self.image, self.log_group, roles)

    @property
    def family(self) -> str:
        """The family of the task definitions; no other task bears it."""
        return self.stage.stack_name

    @property
    def definition_arn(self) -> str:
        """The ARN with the revision: rights to run are checked against a revision."""
        return self.definition.ref

    @property
    def tasks_arn(self) -> str:
        """Every task on the cluster: nobody knows their ids in advance."""
        return arn(self, "ecs", f"task/{self.cluster_name}/*")

    @property
    def here(self) -> dict[str, dict[str, str]]:
        """The condition that an action happens on this cluster."""
        return {"ArnEquals": {"ecs:cluster": self.cluster_arn}}

    @property
    def service_arn(self) -> str:
        """The service that serves the models."""
        assert self.stage.service_name, "only asked where something serves"
        return arn(self, "ecs", f"service/{self.cluster_name}/{self.stage.service_name}")

    def stopping(self) -> iam.PolicyStatement:
        """What it takes to stop a task that hangs."""
        return allow("StopHung", ["ecs:StopTask"], [self.tasks_arn], self.here)

    def proving(self) -> list[iam.PolicyStatement]:
        """What it takes to make the service load a model and to prove which one its tasks have;
        nothing where nothing serves."""
        if self.stage.service_name is None:
            return []
        deploy = ["ecs:DescribeServices", "ecs:UpdateService"]
        return [
            allow("Serving", deploy, [self.service_arn], self.here),
            # IAM knows a resource for it only where a machine is named, and Fargate has none.
            allow("ServingList", ["ecs:ListTasks"], ["*"], self.here),
            allow("ServingTasks", ["ecs:DescribeTasks"], [self.tasks_arn], self.here),
            # It knows neither resource nor condition. No definition holds a secret.
            allow("ServingPort", ["ecs:DescribeTaskDefinition"], ["*"]),
        ]

    def _cluster(self) -> tuple[str, str]:
        """Name and ARN of the cluster."""
        place = self.stage.place
        if isinstance(place, Existing):
            return place.cluster_name, arn(self, "ecs", f"cluster/{place.cluster_name}")
        cluster = ecs.CfnCluster(
            self,
            "Cluster",
            cluster_name=self.stage.cluster_name,
            cluster_settings=[
                ecs.CfnCluster.ClusterSettingsProperty(name="containerInsights", value="enabled")
            ],
            capacity_providers=PROVIDERS,
        )
        return cluster.ref, cluster.attr_arn
