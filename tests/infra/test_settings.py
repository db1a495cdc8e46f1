"""Wrong settings of a stage are refused before anything is synthesised: rule, value, remedy."""

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from common.errors import UsageError
from common.settings import Settings
from infra import settings
from infra.app import silence
from infra.setting_forms import FILL_IN
from infra.settings import DEFAULT, STAGES, dev, stage
from infra.stage import Api, Existing, ExistingDatabase, Stage, Standalone, Subnet
from tests.architecture.code import ROOT
from tests.infra.examples import (
    CERTIFICATE,
    DATABASE,
    EXISTING,
    PUBLIC_SUBNETS,
    SECRET,
    SUBNETS,
    api,
    prod,
)

Texts = tuple[str, ...]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "production"}, ("name must be one of dev, staging, prod", "'production'")),
        ({"scheduler": "cron"}, ("scheduler must be one of rule, scheduler", "'cron'")),
        ({"processor": "arm"}, ("processor must be one of ARM64, X86_64", "'arm'")),
        ({"capacity": "SPOT"}, ("capacity must be one of FARGATE, FARGATE_SPOT", "'SPOT'")),
        ({"task_cpu": 1_000}, ("task_cpu must be one of 256, 512, 1,024", "1000")),
        # more than beside one processor
        ({"task_memory": 16_384}, ("from 2,048 to 8,192 MiB", "16384", "no other sizes")),
        ({"task_memory": 2_500}, ("in steps of 1,024", "2500")),
        ({"cooldown_minutes": -1}, ("cooldown_minutes must be from 0", "-1", "0 is off")),
        ({"max_age_days": 4_000}, ("max_age_days must be from 0 to 3,650", "4000")),
        ({"refusals_alarm": 0}, ("refusals_alarm must be from 1", "0", "a normal answer")),
        ({"old_version_days": 0}, ("old_version_days must be from 1", "0")),
        ({"log_days": 45}, ("log_days must be one of 1, 7, 14, 30", "45", "CloudWatch")),
        ({"reserved_concurrency": 2}, ("reserved_concurrency must be 1 or None", "2")),
        ({"alert_emails": ("team",)}, ("alert_emails must look like team@example.com", "'team'")),
        # a rule cannot do what only the Scheduler can
        ({"time_zone": "Asia/Seoul"}, ("a rule knows UTC", "Asia/Seoul", "'scheduler'")),
        ({"flexible_minutes": 5}, ("no flexible window", "5 minutes")),
        ({"time_zone": "Seoul", "scheduler": "scheduler"}, ("look like Asia/Seoul", "'Seoul'")),
        ({"flexible_minutes": 1_441, "scheduler": "scheduler"}, ("to 1,440", "1441")),
        # five fields, as in a crontab
        ({"loop": Settings(schedule="cron(0 2 ? * SUN)")}, ("with a `?`", "cron(0 2 ? * SUN)")),
        ({"loop": Settings(schedule="cron(0 2 * * SUN *)")}, ("with a `?`", "cron(0 2 * * SUN *)")),
        ({"loop": Settings(schedule="Sundays")}, ("schedule must be cron(", "'Sundays'")),
        ({"loop": Settings(schedule="rate(0 days)")}, ("or rate(7 days)", "rate(0 days)")),
        (
            {"loop": Settings(store_url="s3://mine/models", db_password="x")},
            ("none may be given", "db_password, store_url", "remove them"),
        ),
    ],
)
def test_a_wrong_value_of_a_stage_is_refused(change: dict[str, Any], says: Texts) -> None:
    with pytest.raises(UsageError) as caught:
        replace(dev(), **change)

    for words in says:
        assert words in str(caught.value)


@pytest.mark.parametrize("schedule", ["cron(30 4 1 * ? *)", "rate(7 days)", "rate(1 day)"])
def test_any_schedule_of_eventbridge_is_taken(schedule: str) -> None:
    assert replace(dev(), loop=Settings(schedule=schedule)).loop.schedule == schedule


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"account": "1234"}, ("account must look like 123456789012", "'1234'")),
        ({"region": "us-east"}, ("region must look like us-east-1", "'us-east'")),
        ({"vpc_id": "vpc-FILL"}, ("vpc_id must look like vpc-", "'vpc-FILL'", "infra/settings.py")),
        ({"cluster_name": "a b"}, ("cluster_name must look like", "'a b'")),
        ({"service_name": "a/b"}, ("service_name must look like", "'a/b'")),
        ({"subnets": SUBNETS[:1]}, ("two or more, each in another zone", "'us-east-1a'")),
        ({"subnets": ()}, ("two or more", "'none'")),
        (
            {"subnets": (SUBNETS[0], replace(SUBNETS[1], zone="us-east-1a"))},
            ("each in another zone", "us-east-1a, us-east-1a"),
        ),
        # the zone of another region
        ({"region": "eu-west-1"}, ("every subnet must be in eu-west-1", "'us-east-1a'")),
        ({"adds_endpoints": True}, ("the network's address range", "got nothing")),
        (
            {"adds_endpoints": True, "vpc_cidr": "10.0.0.0/16"},
            ("the route table of every subnet", "'subnet-0a1b2c3d4e5"),
        ),
        ({"vpc_cidr": "10.0.0.0"}, ("must look like 10.0.0.0/16", "'10.0.0.0'")),
        ({"service_security_group_id": "sg"}, ("service_security_group_id must look like", "'sg'")),
        ({"service_port": 0}, ("service_port must be from 1 to 65,535", "0")),
        # only port 443 is open to the load balancer of others
        ({"service_url": "http://api.example.com"}, ("service_url must look like https://",)),
        ({"service_name": None}, ("of the service that service_name names", "sg-1a1b")),
    ],
)
def test_a_wrong_id_of_what_exists_is_refused(change: dict[str, Any], says: Texts) -> None:
    with pytest.raises(UsageError) as caught:
        replace(EXISTING, **change)

    for words in says:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"host": "db.example.com"}, ("host must look like hairme.", "'db.example.com'")),
        ({"port": 0}, ("port must be from 1 to 65,535", "0")),
        ({"security_group_id": "sg"}, ("security_group_id must look like sg-", "'sg'")),
        ({"schema": "a-b"}, ("schema must look like hairme", "'a-b'")),
        ({"user": "a'b"}, ("user must look like", "got")),
        ({"resource_id": "db-1"}, ("resource_id must look like db-", "'db-1'")),
        ({"resource_id": None}, ("either resource_id", "'neither'", "None")),
        ({"secret_arn": SECRET}, ("either resource_id", "'both'")),
        ({"resource_id": None, "secret_arn": "hairme"}, ("secret_arn must look like", "'hairme'")),
    ],
)
def test_a_wrong_address_of_the_database_is_refused(change: dict[str, Any], says: Texts) -> None:
    with pytest.raises(UsageError) as caught:
        replace(DATABASE, **change)

    for words in says:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"subnet_id": "subnet"}, ("subnet_id must look like", "'subnet'")),
        ({"zone": "us-east-1"}, ("zone must look like us-east-1a", "'us-east-1'")),
        ({"route_table_id": "rtb"}, ("route_table_id must look like", "'rtb'")),
    ],
)
def test_a_wrong_subnet_is_refused(change: dict[str, Any], says: Texts) -> None:
    with pytest.raises(UsageError) as caught:
        replace(SUBNETS[0], **change)

    for words in says:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"outbound": "internet"}, ("outbound must be endpoints or nat", "'internet'")),
        ({"endpoint_zones": 3}, ("endpoint_zones must be 1 or 2", "3")),
        ({"database_class": "t4g.micro"}, ("database_class must look like db.", "'t4g.micro'")),
        ({"database_gb": 5}, ("database_gb must be from 20", "5", "begin at 20 GB")),
    ],
)
def test_a_wrong_place_of_its_own_is_refused(change: dict[str, Any], says: Texts) -> None:
    with pytest.raises(UsageError) as caught:
        replace(dev().place, **change)

    for words in says:
        assert words in str(caught.value)


ADDRESS: dict[str, Any] = {"certificate_arn": CERTIFICATE, "host": "api.example.com"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"public": True}, ("a public API needs a certificate", "got nothing")),
        ({"host": "api.example.com"}, ("given together", "'api.example.com'", "for one address")),
        ({"certificate_arn": "arn", "host": "a.b"}, ("certificate_arn must look like", "'arn'")),
        ({**ADDRESS, "host": "localhost"}, ("host must look like api.example.com", "'localhost'")),
        ({"public_subnet_ids": PUBLIC_SUBNETS}, ("for a public API alone", "subnet-2a1b")),
        ({"public_subnet_ids": ("subnet",)}, ("public_subnet_ids must look like subnet-",)),
        ({"key_secret_arn": "key"}, ("key_secret_arn must look like", "'key'")),
        ({"database_secret_arn": "key"}, ("database_secret_arn must look like", "'key'")),
        ({"min_tasks": 0}, ("min_tasks must be from 1", "0", "the loss of one")),
        ({"max_tasks": 1}, ("max_tasks must be from 2 to 100", "1", "min_tasks or more")),
        ({"requests_per_task": 0}, ("requests_per_task must be from 1", "0")),
        ({"errors_alarm": 0}, ("errors_alarm must be from 1", "0")),
        ({"p95_alarm_ms": 0}, ("p95_alarm_ms must be from 1 to 60,000", "0", "milliseconds")),
        ({"click_share_from": 0}, ("click_share_from must be from 1", "0")),
        ({"click_share_alarm": 1.0}, ("a share from 0 to below 1", "1.0", "0 is off")),
    ],
)
def test_a_wrong_setting_of_an_api_is_refused(change: dict[str, Any], says: Texts) -> None:
    with pytest.raises(UsageError) as caught:
        replace(api(), **change)

    for words in says:
        assert words in str(caught.value)


PUBLIC = replace(api(), public=True, **ADDRESS)
BESIDE = replace(EXISTING, service_name=None, service_security_group_id=None, service_url=None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        # sizes of Fargate
        ({"api": replace(api(), cpu=300)}, ("cpu of the API must be one of 256", "300")),
        ({"api": replace(api(), memory=4_096)}, ("from 512 to 1,024 MiB", "4096")),
        # one that exists, and one of its own
        ({"api": api(), "place": EXISTING}, ("names no service that exists", "'api'")),
        # ids that a network of its own has by itself
        (
            {"api": replace(PUBLIC, public_subnet_ids=PUBLIC_SUBNETS)},
            ("public_subnet_ids of the API is for a network", "makes its own"),
        ),
        (
            {"api": replace(api(), database_secret_arn=SECRET)},
            ("database_secret_arn of the API is for a network", "makes its own"),
        ),
        # and those that only you know
        ({"api": PUBLIC, "place": BESIDE}, ("two public subnets or more", "'none'")),
        ({"api": api(), "place": BESIDE}, ("whose address range it must know", "vpc_cidr")),
        (
            {
                "api": replace(api(), database_secret_arn=SECRET),
                "place": replace(BESIDE, vpc_cidr="10.0.0.0/16"),
            },
            ("log in to the database alike", "database_secret_arn"),
        ),
    ],
)
def test_an_api_that_does_not_fit_its_stage_is_refused(change: dict[str, Any], says: Texts) -> None:
    with pytest.raises(UsageError) as caught:
        replace(dev(), **change)

    for words in says:
        assert words in str(caught.value)


@pytest.mark.parametrize("verify", ["model", "health"])
def test_a_service_whose_tasks_cannot_be_reached_is_not_to_prove_anything(verify: str) -> None:
    # Given an address that leads to a load balancer, and no way to each task behind it
    place = replace(EXISTING, service_security_group_id=None, service_url="https://api.example.com")

    asked = "write service_security_group_id .*, or set verify to 'deployment'"
    with pytest.raises(UsageError, match=asked):
        replace(prod(), loop=Settings(verify=verify), place=place)
    assert replace(prod(), loop=Settings(verify="deployment"), place=place)


def test_where_nobody_serves_any_proof_may_be_asked_for() -> None:
    nobody = replace(prod(), place=BESIDE)

    assert (nobody.loop.verify, nobody.serving_url) == ("model", "none")


def test_a_service_that_exists_is_taken_for_one_that_cannot_say_its_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then no promotion is taken back just because nobody could ask, and nothing is opened."""
    asked = replace(EXISTING, service_security_group_id=None, service_url=None)
    monkeypatch.setattr(settings, "_fill_in", lambda: asked)

    filled = stage("prod")

    assert filled.loop.verify == "deployment"
    assert filled.serving_url == "ecs://hairme/api"


@pytest.mark.parametrize("kind", [Api, Stage, Existing, ExistingDatabase, Standalone, Subnet])
def test_a_stage_is_frozen_and_has_no_hidden_default(kind: type) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    for field in fields(kind):
        assert field.kw_only
        assert "MISSING" in repr(field.default)
    with pytest.raises(FrozenInstanceError):
        dev().name = "prod"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["staging", "prod"])
def test_a_stage_that_nobody_filled_in_stops_and_names_file_and_every_id(name: str) -> None:
    with pytest.raises(UsageError, match=f"^stage {name}: .*{FILL_IN}.*infra/settings.py") as all_:
        stage(name)

    names = ("account", "region", "vpc_id", "subnet_id", "zone", "host", "security_group_id")
    for missing in (*names, "resource_id", "cluster_name"):
        assert f"{missing} (like " in str(all_.value)


def test_an_id_that_is_not_filled_in_is_no_id_elsewhere() -> None:
    with pytest.raises(UsageError, match="vpc_id must look like"):
        replace(EXISTING, vpc_id=FILL_IN)


def test_an_unknown_stage_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"one of dev, staging, prod, got 'test'.*-c stage=prod"):
        stage("test")


def test_the_default_stage_needs_nothing_but_an_account() -> None:
    assert stage(DEFAULT).standalone
    assert set(STAGES) == {"dev", "staging", "prod"}
    assert not prod().standalone


def test_the_app_ends_with_2_and_one_line_for_wrong_settings() -> None:
    environment = {
        **os.environ,
        "CDK_CONTEXT_JSON": '{"stage": "prod"}',
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'lambda'}",
    }
    done = subprocess.run(
        [sys.executable, "-m", "infra.app"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("stage prod: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("emails", "warned"), [((), True), (("team@example.com",), False)])
def test_a_stage_that_alerts_nobody_says_so(emails: Texts, warned: bool) -> None:
    assert bool(silence(replace(dev(), alert_emails=emails))) is warned
