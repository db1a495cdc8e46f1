"""The training task: cluster, image, task definition, log group and the two roles."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import Stack
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.database import Votes
from infra.environment import loop_variables
from infra.log_group import log_group
from infra.rights import allow, arn, role, service
from infra.stage import Existing, Stage
from infra.storage import Storage
from retrain_trigger.settings import CONTAINER

ROOT = Path(__file__).parents[1]
USER = "10001:10001"
"""As in the Dockerfile."""
STOP_SECONDS = 120
"""From SIGTERM to SIGKILL; Fargate's longest."""
TASKS = "ecs-tasks.amazonaws.com"
FOLDERS = {"WORK_DIR": "/tmp/work", "LOG_DIR": "/tmp/logs"}
PROVIDERS = ["FARGATE", "FARGATE_SPOT"]


class Training(Construct):
    """What RunTask starts, and where."""

    def __init__(
        self, scope: Construct, stage: Stage, storage: Storage, votes: Votes, revision: str
    ) -> None:
        super().__init__(scope, "Training")
        self.stage = stage
        self.cluster_name, self.cluster_arn = self._cluster()
        self.log_group = log_group(self, stage, "task")
        self.image = self._image(revision)
        self.task_role = self._task_role(storage, votes)
        self.execution_role = self._execution_role()
        addresses = {
            **votes.variables,
            "STORE_URL": storage.store_url,
            "REGISTRY_URL": storage.registry_url,
            "SERVING_URL": stage.serving_url,
            **FOLDERS,
        }
        self.definition = self._definition(loop_variables(stage, addresses))

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

    def stopping(self) -> iam.PolicyStatement:
        """What it takes to stop a task that hangs."""
        return allow("StopHung", ["ecs:StopTask"], [self.tasks_arn], self.here)

    def _cluster(self) -> tuple[str, str]:
        """Name and ARN of the cluster."""
        place = self.stage.place
        if isinstance(place, Existing):
            return place.cluster_name, arn(self, "ecs", f"cluster/{place.cluster_name}")
        cluster = ecs.CfnCluster(
            self,
            "Cluster",
            cluster_name=self.stage.stack_name,
            cluster_settings=[
                ecs.CfnCluster.ClusterSettingsProperty(name="containerInsights", value="enabled")
            ],
            capacity_providers=PROVIDERS,
        )
        return cluster.ref, cluster.attr_arn

    def _image(self, revision: str) -> ecr_assets.DockerImageAsset:
        arm = self.stage.processor == "ARM64"
        return ecr_assets.DockerImageAsset(
            self,
            "Image",
            directory=str(ROOT),
            platform=ecr_assets.Platform.LINUX_ARM64 if arm else ecr_assets.Platform.LINUX_AMD64,
            build_args={"CODE_REVISION": revision},
            # A new revision of the same files is the same image.
            invalidation=ecr_assets.DockerImageAssetInvalidationOptions(build_args=False),
        )

    def _task_role(self, storage: Storage, votes: Votes) -> iam.Role:
        rights = [*storage.store_rights(), *storage.registry_rights(), *votes.rights]
        place = self.stage.place
        if isinstance(place, Existing) and place.service_name is not None:
            api = arn(self, "ecs", f"service/{place.cluster_name}/{place.service_name}")
            actions = ["ecs:DescribeServices", "ecs:UpdateService"]
            rights.append(allow("Serving", actions, [api], self.here))
        return role(self, "TaskRole", service(self, TASKS, source=arn(self, "ecs", "*")), rights)

    def _execution_role(self) -> iam.Role:
        pull = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
        write = ["logs:CreateLogStream", "logs:PutLogEvents"]
        rights = [
            allow(
                "Image",
                (f"ecr:{action}" for action in pull),
                [self.image.repository.repository_arn],
            ),
            # It has no resource: the token is for the account's registry as a whole.
            allow("ImageToken", ["ecr:GetAuthorizationToken"], ["*"]),
            allow("Logs", write, [self.log_group.log_group_arn]),
        ]
        return role(self, "ExecutionRole", service(self, TASKS), rights)

    def _definition(self, variables: Mapping[str, str]) -> ecs.CfnTaskDefinition:
        stage = self.stage
        return ecs.CfnTaskDefinition(
            self,
            "Definition",
            family=self.family,
            requires_compatibilities=["FARGATE"],
            network_mode="awsvpc",
            cpu=str(stage.task_cpu),
            memory=str(stage.task_memory),
            runtime_platform=ecs.CfnTaskDefinition.RuntimePlatformProperty(
                cpu_architecture=stage.processor, operating_system_family="LINUX"
            ),
            task_role_arn=self.task_role.role_arn,
            execution_role_arn=self.execution_role.role_arn,
            volumes=[ecs.CfnTaskDefinition.VolumeProperty(name="tmp")],
            container_definitions=[self._container(variables)],
        )

    def _container(
        self, variables: Mapping[str, str]
    ) -> ecs.CfnTaskDefinition.ContainerDefinitionProperty:
        part = ecs.CfnTaskDefinition
        return part.ContainerDefinitionProperty(
            name=CONTAINER,
            image=self.image.image_uri,
            essential=True,
            user=USER,
            privileged=False,
            readonly_root_filesystem=True,
            memory=self.stage.task_memory,
            stop_timeout=STOP_SECONDS,
            environment=[
                part.KeyValuePairProperty(name=name, value=variables[name])
                for name in sorted(variables)
            ],
            mount_points=[
                part.MountPointProperty(container_path="/tmp", source_volume="tmp", read_only=False)
            ],
            linux_parameters=part.LinuxParametersProperty(
                capabilities=part.KernelCapabilitiesProperty(drop=["ALL"])
            ),
            log_configuration=part.LogConfigurationProperty(
                log_driver="awslogs",
                options={
                    "awslogs-group": self.log_group.log_group_name,
                    "awslogs-region": Stack.of(self).region,
                    "awslogs-stream-prefix": "run",
                },
            ),
        )
