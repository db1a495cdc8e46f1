"""What the task and the API have in common: one container of ours on Fargate, which may do little.

It writes to /tmp alone, is nobody, has none of Linux's capabilities and logs into a group of its
own. Written out, and not by the CDK's own classes, whose roles and defaults allow more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import Stack
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.rights import allow, arn, role, service
from infra.stage import Stage

ROOT = Path(__file__).parents[1]
USER = "10001:10001"
"""As in the Dockerfile."""
PYTHON = "/opt/venv/bin/python"
TASKS = "ecs-tasks.amazonaws.com"
FOLDERS = {"WORK_DIR": "/tmp/work", "LOG_DIR": "/tmp/logs"}
part = ecs.CfnTaskDefinition


@dataclass(frozen=True, kw_only=True)
class Program:
    """One container: what it runs, with what, and how long it may take to stop."""

    name: str
    family: str
    cpu: int
    memory: int
    """MiB."""
    stop_seconds: int
    """From SIGTERM to SIGKILL."""
    log_prefix: str
    variables: Mapping[str, str]
    words: tuple[str, ...] | None = None
    """Of its command line, where the image's own are not enough."""
    port: int | None = None
    alive: str | None = None
    """A program in Python that fails where the container is not well."""


def image(
    scope: Construct, stage: Stage, revision: str, target: str, left_out: Iterable[str]
) -> ecr_assets.DockerImageAsset:
    """The image of one target of the Dockerfile, by the hash of what it is made of.

    left_out: what the builder is sent for other targets, as patterns of .dockerignore.
    """
    arm = stage.processor == "ARM64"
    return ecr_assets.DockerImageAsset(
        scope,
        "Image",
        directory=str(ROOT),
        target=target,
        exclude=list(left_out),
        platform=ecr_assets.Platform.LINUX_ARM64 if arm else ecr_assets.Platform.LINUX_AMD64,
        build_args={"CODE_REVISION": revision},
        # A new revision of the same files is the same image.
        invalidation=ecr_assets.DockerImageAssetInvalidationOptions(build_args=False),
    )


def task_role(scope: Construct, rights: Iterable[iam.PolicyStatement]) -> iam.Role:
    """What the program itself may do."""
    return role(scope, "TaskRole", service(scope, TASKS, source=arn(scope, "ecs", "*")), rights)


def execution_role(
    scope: Construct, made: ecr_assets.DockerImageAsset, group: logs.LogGroup
) -> iam.Role:
    """What ECS needs to start the program: its image and its log."""
    pull = ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
    write = ["logs:CreateLogStream", "logs:PutLogEvents"]
    repository = made.repository.repository_arn
    rights = [
        allow("Image", (f"ecr:{action}" for action in pull), [repository]),
        # It has no resource: the token is for the account's registry as a whole.
        allow("ImageToken", ["ecr:GetAuthorizationToken"], ["*"]),
        allow("Logs", write, [group.log_group_arn]),
    ]
    return role(scope, "ExecutionRole", service(scope, TASKS), rights)


def definition(
    scope: Construct,
    stage: Stage,
    program: Program,
    made: ecr_assets.DockerImageAsset,
    group: logs.LogGroup,
    roles: tuple[iam.Role, iam.Role],
) -> ecs.CfnTaskDefinition:
    """The task definition with this one container; roles: the program's own and ECS's."""
    own, execution = roles
    return part(
        scope,
        "Definition",
        family=program.family,
        requires_compatibilities=["FARGATE"],
        network_mode="awsvpc",
        cpu=str(program.cpu),
        memory=str(program.memory),
        runtime_platform=part.RuntimePlatformProperty(
            cpu_architecture=stage.processor, operating_system_family="LINUX"
        ),
        task_role_arn=own.role_arn,
        execution_role_arn=execution.role_arn,
        volumes=[part.VolumeProperty(name="tmp")],
        container_definitions=[_container(scope, program, made, group)],
    )


def _container(
    scope: Construct,
    program: Program,
    made: ecr_assets.DockerImageAsset,
    group: logs.LogGroup,
) -> ecs.CfnTaskDefinition.ContainerDefinitionProperty:
    return part.ContainerDefinitionProperty(
        name=program.name,
        image=made.image_uri,
        essential=True,
        user=USER,
        privileged=False,
        readonly_root_filesystem=True,
        memory=program.memory,
        stop_timeout=program.stop_seconds,
        command=None if program.words is None else list(program.words),
        environment=[
            part.KeyValuePairProperty(name=name, value=program.variables[name])
            for name in sorted(program.variables)
        ],
        port_mappings=None if program.port is None else [_open(program.port)],
        health_check=None if program.alive is None else _asked(program.alive),
        mount_points=[
            part.MountPointProperty(container_path="/tmp", source_volume="tmp", read_only=False)
        ],
        linux_parameters=part.LinuxParametersProperty(
            capabilities=part.KernelCapabilitiesProperty(drop=["ALL"])
        ),
        log_configuration=part.LogConfigurationProperty(
            log_driver="awslogs",
            options={
                "awslogs-group": group.log_group_name,
                "awslogs-region": Stack.of(scope).region,
                "awslogs-stream-prefix": program.log_prefix,
            },
        ),
    )


def _open(port: int) -> ecs.CfnTaskDefinition.PortMappingProperty:
    return part.PortMappingProperty(container_port=port, protocol="tcp")


def _asked(program: str) -> ecs.CfnTaskDefinition.HealthCheckProperty:
    # ECS does not read the image's own HEALTHCHECK.
    return part.HealthCheckProperty(
        command=["CMD", PYTHON, "-c", program], interval=15, timeout=5, retries=3, start_period=60
    )
