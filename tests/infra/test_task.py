"""The task definitions: what a container may do, what it is told, and what it leaves behind.

Whatever is said of a container holds for the training task's and for our own API's.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from common.settings import RULES, load
from tests.architecture.code import ROOT
from tests.infra.controls import control
from tests.infra.stacks import Synthesised

AREA = "Task and API"
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def containers(stack: Synthesised) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each task definition with its one container."""
    for name, definition in stack.definitions.items():
        yield definition, stack.container_of(name)


@control(AREA, "The root file system is read-only, with room in /tmp alone", "ECS.5")
def test_only_a_volume_at_tmp_can_be_written(every: Synthesised) -> None:
    for definition, container in containers(every):
        assert container["ReadonlyRootFilesystem"] is True
        assert container["MountPoints"] == [
            {"ContainerPath": "/tmp", "ReadOnly": False, "SourceVolume": "tmp"}
        ]
        # Nothing but a name: an empty volume that is gone with the task.
        assert definition["Volumes"] == [{"Name": "tmp"}]
        variables = every.environment(container["Name"])
        assert variables["WORK_DIR"].startswith("/tmp/")
        assert variables["LOG_DIR"].startswith("/tmp/")


@control(AREA, "It runs as a user without rights, the one of the image", "ECS.20")
def test_the_task_is_not_root_but_the_images_own_user(every: Synthesised) -> None:
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)

    assert users == ["10001:10001"] * 2
    for _, container in containers(every):
        assert container["User"] == users[0]


@control(AREA, "It is not privileged, and has none of Linux's capabilities", "ECS.4")
def test_the_task_has_no_privileges(every: Synthesised) -> None:
    for _, container in containers(every):
        assert container["Privileged"] is False
        assert container["LinuxParameters"] == {"Capabilities": {"Drop": ["ALL"]}}


@control(AREA, "It has a network interface of its own", "ECS.17")
def test_the_task_is_placed_by_awsvpc_on_fargate(every: Synthesised) -> None:
    for definition, _ in containers(every):
        assert definition["NetworkMode"] == "awsvpc"
        assert definition["RequiresCompatibilities"] == ["FARGATE"]


@control(AREA, "It logs into a group that forgets after a while", "ECS.9")
def test_the_task_logs_into_a_group_with_an_end(every: Synthesised) -> None:
    for _, container in containers(every):
        log = container["LogConfiguration"]
        group = every.one("Logs::LogGroup", LogGroupName=log["Options"]["awslogs-group"])
        assert log["LogDriver"] == "awslogs"
        assert log["Options"]["awslogs-group"].endswith(f"/{container['Name']}")
        assert group["RetentionInDays"] == every.stage.log_days


@control(AREA, "An own cluster has Container Insights", "ECS.12")
def test_an_own_cluster_is_observed(dev: Synthesised, prod: Synthesised) -> None:
    assert dev.one("ECS::Cluster")["ClusterSettings"] == [
        {"Name": "containerInsights", "Value": "enabled"}
    ]
    assert prod.all("ECS::Cluster") == {}


@control(AREA, "It has two minutes to stop, as long as Fargate allows")
def test_the_task_has_all_the_time_to_stop_that_there_is(every: Synthesised) -> None:
    assert every.container["StopTimeout"] == 120


@control(AREA, "Processor, size and memory are the stage's, the container's memory among them")
def test_the_task_has_the_processor_and_the_size_of_the_stage(every: Synthesised) -> None:
    stage, api = every.stage, every.stage.api
    sizes = {"task": (stage.task_cpu, stage.task_memory)}
    sizes |= {"api": (api.cpu, api.memory)} if api else {}

    for definition, container in containers(every):
        cpu, memory = sizes[container["Name"]]
        assert definition["RuntimePlatform"] == {
            "CpuArchitecture": stage.processor,
            "OperatingSystemFamily": "LINUX",
        }
        assert (definition["Cpu"], definition["Memory"]) == (str(cpu), str(memory))
        assert container["Memory"] == memory


@control(AREA, "ARM64 unless x86 is asked for, and the images are built for it")
def test_the_images_are_built_for_the_processor_they_run_on(
    dev: Synthesised, staging: Synthesised
) -> None:
    for stack, processor, platform in (
        (dev, "ARM64", "linux/arm64"),
        (staging, "X86_64", "linux/amd64"),
    ):
        assert stack.stage.processor == processor
        sources = images(stack).values()
        assert {source["dockerBuildTarget"] for source in sources} == {"task", "api"}
        assert {source["platform"] for source in sources} == {platform}


def images(stack: Synthesised) -> dict[str, dict[str, Any]]:
    """Hash → source of the stage's images, as the CDK's command line will build them."""
    path = stack.folder / f"{stack.stage.stack_name}.assets.json"
    found: dict[str, Any] = json.loads(path.read_text())["dockerImages"]
    return {name: one["source"] for name, one in found.items()}


def content(stack: Synthesised, target: str) -> set[str]:
    """The files that the builder of a target is sent."""
    (source,) = (one for one in images(stack).values() if one["dockerBuildTarget"] == target)
    folder = stack.folder / source["directory"]
    # The revision is passed to the build and is no part of the hash: prod and dev share it.
    assert source["dockerBuildArgs"] == {"CODE_REVISION": "0123456789ab"}
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@control(AREA, "The image comes from the repository of the CDK, by the hash of what it is made of")
def test_the_image_is_named_by_the_hash_of_its_content(every: Synthesised) -> None:
    account, region = every.template.account, every.template.region
    targets = {source["dockerBuildTarget"]: digest for digest, source in images(every).items()}

    assert targets.keys() == every.definitions.keys()
    for _, container in containers(every):
        assert container["Image"] == (
            f"{account}.dkr.ecr.{region}.amazonaws.com/"
            f"cdk-hnb659fds-container-assets-{account}-{region}:{targets[container['Name']]}"
        )


@control(AREA, "An image changes with what it is made of, and with nothing else")
def test_an_images_hash_is_taken_over_its_own_files_alone(dev: Synthesised) -> None:
    always = {".dockerignore", "Dockerfile", "common"}
    task, api = content(dev, "task"), content(dev, "api")

    assert {path.partition("/")[0] for path in task} == always | {"requirements.txt", "task"}
    assert "task/pipeline.py" in task
    assert {path.partition("/")[0] for path in api} == always | {
        *("api", "requirements-api.txt", "task"),
    }
    # Of the task, what a version is read with.
    copied = re.search(r"^COPY (task/.*) /app/task/$", DOCKERFILE, re.MULTILINE)
    assert copied
    assert {path for path in api if path.startswith("task/")} == set(copied[1].split())
    for path in task | api:
        assert not path.endswith(".pyc")
        assert "__pycache__" not in path


@control(AREA, "No secret in its environment: an ARN or IAM, and the value is read at run time")
def test_no_variable_holds_a_secret(every: Synthesised, staging: Synthesised) -> None:
    secret = {name.upper() for name, rule in RULES.items() if rule.secret}

    for of in every.programs:
        names = every.environment(of).keys()
        assert not names & secret
        assert not [name for name in names if re.search("PASSWORD|TOKEN|SECRET$|KEY$", name)]
    for _, container in containers(every):
        assert "Secrets" not in container
    assert staging.environment("api")["API_KEY_SECRET_ARN"].startswith("arn:aws:secretsmanager:")
    assert staging.environment("task")["DB_SECRET_ARN"].startswith("arn:aws:secretsmanager:")


@control(AREA, "It verifies the database's certificate, and logs in by IAM or a secret")
def test_the_database_is_reached_over_verified_tls(every: Synthesised) -> None:
    users = {"task": "retraining", "trigger": "retraining", "api": "hairme_api"}
    for of in ("trigger", *every.definitions):
        variables = every.environment(of)
        assert variables["DB_CA"] == "rds"
        assert ("DB_IAM_AUTH" in variables) != ("DB_SECRET_ARN" in variables)
        assert re.fullmatch(
            rf"mysql://{users[of]}@[a-z0-9.-]+\.rds\.amazonaws\.com:330[67]/hairme",
            variables["DATABASE_URL"],
        )


def test_the_task_reads_its_settings_from_its_environment(every: Synthesised) -> None:
    variables = every.environment("task")

    settings = load(yaml_path=None, env_file=None, environ=variables, flags={})

    loop = every.stage.loop
    for name, rule in RULES.items():
        if rule.section != "addresses":
            assert getattr(settings, name) == getattr(loop, name)
    assert settings.store_url == f"s3://{bucket(every)}/store"
    cluster = "HairmeRetraining-dev" if every.stage.standalone else "hairme"
    own = f"{every.stage.stack_name}-api"
    assert settings.serving_url == f"ecs://{cluster}/{own if every.stage.api else 'api'}"


def bucket(stack: Synthesised) -> str:
    (logical_id,) = stack.all("S3::Bucket")
    return stack.template.physical(logical_id)


def test_the_command_is_the_images_own_and_the_container_is_the_one_that_is_overridden(
    every: Synthesised,
) -> None:
    for _, container in containers(every):
        # (The API's words are its address: what it runs is the image's entry point all the same.)
        words = {"api": ["--host", "0.0.0.0", "--port", "8080"]}.get(container["Name"])
        assert container.get("Command") == words
        assert "EntryPoint" not in container
        assert container["Essential"] is True
    assert every.container["Name"] == every.environment("trigger")["TRIGGER_CONTAINER"]
