"""The task definition: what a container may do, what it is told, and what it leaves behind."""

import json
import re
from pathlib import Path
from typing import Any

from common.settings import RULES, load
from tests.architecture.code import ROOT
from tests.infra.controls import control
from tests.infra.stacks import Synthesised

AREA = "Task"


@control(AREA, "The root file system is read-only, with room in /tmp alone", "ECS.5")
def test_only_a_volume_at_tmp_can_be_written(every: Synthesised) -> None:
    assert every.container["ReadonlyRootFilesystem"] is True
    assert every.container["MountPoints"] == [
        {"ContainerPath": "/tmp", "ReadOnly": False, "SourceVolume": "tmp"}
    ]
    # Nothing but a name: an empty volume that is gone with the task.
    assert every.task["Volumes"] == [{"Name": "tmp"}]
    assert every.environment("task")["WORK_DIR"].startswith("/tmp/")
    assert every.environment("task")["LOG_DIR"].startswith("/tmp/")


@control(AREA, "It runs as a user without rights, the one of the image", "ECS.20")
def test_the_task_is_not_root_but_the_images_own_user(every: Synthesised) -> None:
    (user,) = re.findall(r"^USER (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert every.container["User"] == user == "10001:10001"


@control(AREA, "It is not privileged, and has none of Linux's capabilities", "ECS.4")
def test_the_task_has_no_privileges(every: Synthesised) -> None:
    assert every.container["Privileged"] is False
    assert every.container["LinuxParameters"] == {"Capabilities": {"Drop": ["ALL"]}}


@control(AREA, "It has a network interface of its own", "ECS.17")
def test_the_task_is_placed_by_awsvpc_on_fargate(every: Synthesised) -> None:
    assert every.task["NetworkMode"] == "awsvpc"
    assert every.task["RequiresCompatibilities"] == ["FARGATE"]


@control(AREA, "It logs into a group that forgets after a while", "ECS.9")
def test_the_task_logs_into_a_group_with_an_end(every: Synthesised) -> None:
    log = every.container["LogConfiguration"]

    group = every.one("Logs::LogGroup", LogGroupName=log["Options"]["awslogs-group"])

    assert log["LogDriver"] == "awslogs"
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
    stage = every.stage

    assert every.task["RuntimePlatform"] == {
        "CpuArchitecture": stage.processor,
        "OperatingSystemFamily": "LINUX",
    }
    assert (every.task["Cpu"], every.task["Memory"]) == (
        str(stage.task_cpu),
        str(stage.task_memory),
    )
    assert every.container["Memory"] == stage.task_memory


@control(AREA, "ARM64 unless x86 is asked for, and the image is built for it")
def test_the_image_is_built_for_the_processor_it_runs_on(
    dev: Synthesised, staging: Synthesised
) -> None:
    assert (dev.stage.processor, staging.stage.processor) == ("ARM64", "X86_64")
    assert [platform(stack) for stack in (dev, staging)] == ["linux/arm64", "linux/amd64"]


def images(stack: Synthesised) -> dict[str, dict[str, Any]]:
    """Hash → source of the stage's images, as the CDK's command line will build them."""
    path = stack.folder / f"{stack.stage.stack_name}.assets.json"
    found: dict[str, Any] = json.loads(path.read_text())["dockerImages"]
    return {name: one["source"] for name, one in found.items()}


def platform(stack: Synthesised) -> str:
    (source,) = images(stack).values()
    return str(source["platform"])


@control(AREA, "The image comes from the repository of the CDK, by the hash of what it is made of")
def test_the_image_is_named_by_the_hash_of_its_content(every: Synthesised) -> None:
    (digest,) = images(every)
    account, region = every.template.account, every.template.region

    assert every.container["Image"] == (
        f"{account}.dkr.ecr.{region}.amazonaws.com/"
        f"cdk-hnb659fds-container-assets-{account}-{region}:{digest}"
    )


@control(AREA, "The image changes with what it is made of, and with nothing else")
def test_the_images_hash_is_taken_over_its_own_files_alone(dev: Synthesised) -> None:
    (source,) = images(dev).values()
    folder = dev.folder / source["directory"]

    inside = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}

    assert {path.parts[0] for path in inside} == {
        ".dockerignore",
        "Dockerfile",
        "common",
        "requirements.txt",
        "task",
    }
    assert Path("task/pipeline.py") in inside
    assert not [path for path in inside if path.suffix == ".pyc" or "__pycache__" in path.parts]
    # The revision is passed to the build and is no part of the hash: prod and dev share it.
    assert source["dockerBuildArgs"] == {"CODE_REVISION": "0123456789ab"}


@control(AREA, "No secret in its environment: an ARN or IAM, and the value is read at run time")
def test_no_variable_holds_a_secret(every: Synthesised, staging: Synthesised) -> None:
    secret = {name.upper() for name, rule in RULES.items() if rule.secret}

    for of in ("task", "trigger", "watcher"):
        names = every.environment(of).keys()
        assert not names & secret
        assert not [name for name in names if re.search("PASSWORD|TOKEN|SECRET$|KEY", name)]
    assert "Secrets" not in every.container
    assert staging.environment("task")["DB_SECRET_ARN"].startswith("arn:aws:secretsmanager:")


@control(AREA, "It verifies the database's certificate, and logs in by IAM or a secret")
def test_the_database_is_reached_over_verified_tls(every: Synthesised) -> None:
    for of in ("task", "trigger"):
        variables = every.environment(of)
        assert variables["DB_CA"] == "rds"
        assert ("DB_IAM_AUTH" in variables) != ("DB_SECRET_ARN" in variables)
        assert re.fullmatch(
            r"mysql://retraining@[a-z0-9.-]+\.rds\.amazonaws\.com:330[67]/hairme",
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
    assert settings.serving_url == ("ecs://hairme/api" if every.stage.name == "prod" else "none")


def bucket(stack: Synthesised) -> str:
    (logical_id,) = stack.all("S3::Bucket")
    return stack.template.physical(logical_id)


def test_the_command_is_the_images_own_and_the_container_is_the_one_that_is_overridden(
    every: Synthesised,
) -> None:
    assert "Command" not in every.container
    assert "EntryPoint" not in every.container
    assert every.container["Name"] == every.environment("trigger")["TRIGGER_CONTAINER"]
    assert every.container["Essential"] is True
