"""The doctor where the loop lives on AWS: bucket, table, secret or token, and what each lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from common import logs
from local.mariadb import READER, READER_PASSWORD
from tests.history import MysqlHistory, analysis
from tests.unit.place import Place

REGION = "us-east-1"
KEYS = {
    "AWS_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
}


class Cloud:
    """The loop's place on AWS, in this process: a bucket, a table, a service, a secret."""

    def __init__(self) -> None:
        session = boto3.session.Session(region_name=REGION)  # not the doctor's own
        self.s3 = session.client("s3")
        self.secrets = session.client("secretsmanager")
        self.s3.create_bucket(Bucket="models")
        self.keep_versions()
        session.client("dynamodb").create_table(
            TableName="registry",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            KeySchema=[
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
        )
        self.ecs = session.client("ecs")
        self.ecs.create_cluster(clusterName="hairme")
        self.ecs.register_task_definition(
            family="api", containerDefinitions=[{"name": "api", "image": "api", "memory": 512}]
        )
        self.ecs.create_service(
            cluster="hairme", serviceName="api", taskDefinition="api", desiredCount=1
        )
        login = json.dumps({"username": READER, "password": READER_PASSWORD})
        self.secret: str = self.secrets.create_secret(Name="votes", SecretString=login)["ARN"]

    def keep_versions(self, status: Any = "Enabled") -> None:
        self.s3.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": status})


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(logs, "_learned", set())
    with mock_aws():
        yield Cloud()


@pytest.fixture
def addresses(cloud: Cloud, mysql_history: MysqlHistory) -> dict[str, str]:
    """All that a loop on AWS is told, with a server that has one vote."""
    mysql_history.store(analysis(1, "like"))
    server = mysql_history.server
    return KEYS | {
        "DATABASE_URL": server.url(mysql_history.database, user="the_secret_knows"),
        "DB_SECRET_ARN": cloud.secret,
        "DB_CA": str(server.ca),
        "STORE_URL": "s3://models/loop",
        "REGISTRY_URL": "dynamodb://registry",
        "SERVING_URL": "ecs://hairme/api",
    }


def examined(folder: Path, environ: dict[str, str]) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit status, and each finding by its name; never a password."""
    answer = Place(folder).task("doctor", "--json", **environ)
    assert READER_PASSWORD not in answer.out + answer.err
    assert "Traceback" not in answer.err
    found: Any = json.loads(answer.out)
    return answer.exit, {check["name"]: check for check in found["checks"]}


def test_a_whole_loop_on_aws_has_no_fault(
    tmp_path: Path, cloud: Cloud, addresses: dict[str, str]
) -> None:
    code, checks = examined(tmp_path, addresses)

    assert (code, {check["answer"] for check in checks.values()}) == (0, {"ok"}), checks
    assert checks["password"]["says"] == "the secret in DB_SECRET_ARN can be read"
    assert checks["encryption"]["says"] == "TLS, verified by DB_CA"
    assert checks["store"]["says"] == "writes, reads and deletes; 0 versions"
    assert checks["older versions"]["says"] == "the bucket keeps older versions of an object"
    assert checks["registry"]["says"] == "0 runs, 0 changes of the active version"
    assert checks["serving"]["says"].startswith("ecs://hairme/api is there")
    # And nothing is left behind
    assert "Contents" not in cloud.s3.list_objects_v2(Bucket="models")


def test_a_bucket_without_older_versions_is_warned_of(
    tmp_path: Path, cloud: Cloud, addresses: dict[str, str]
) -> None:
    cloud.keep_versions("Suspended")

    code, checks = examined(tmp_path, addresses)

    assert (code, checks["older versions"]["answer"]) == (0, "warn")
    assert "turn versioning on" in checks["older versions"]["says"]


@pytest.mark.parametrize(
    ("name", "value", "check", "says"),
    [
        ("STORE_URL", "s3://no-such-bucket/loop", "store", "NoSuchBucket"),
        ("REGISTRY_URL", "dynamodb://no-such-table", "registry", "ResourceNotFoundException"),
        ("SERVING_URL", "ecs://hairme/other", "serving", "ecs://hairme/other is MISSING"),
        ("SERVING_URL", "ecs://other/api", "serving", "ClusterNotFoundException"),
        (
            "DB_SECRET_ARN",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:other",
            "password",
            "correct DB_SECRET_ARN",
        ),
        ("AWS_ACCESS_KEY_ID", "", "password", "give this process a role"),
        ("AWS_ACCESS_KEY_ID", "", "store", "give this process a role"),
        ("AWS_ACCESS_KEY_ID", "", "registry", "give this process a role"),
        ("AWS_ACCESS_KEY_ID", "", "serving", "give this process a role"),
    ],
)
def test_what_is_not_there_or_not_allowed_is_a_fault_with_its_remedy(
    tmp_path: Path, addresses: dict[str, str], name: str, value: str, check: str, says: str
) -> None:
    code, checks = examined(tmp_path, addresses | {name: value})

    assert (code, checks[check]["answer"]) == (1, "fault")
    assert says in checks[check]["says"]
    assert checks["work folder"]["answer"] == "ok"


def test_a_service_that_was_deleted_is_a_fault(
    tmp_path: Path, cloud: Cloud, addresses: dict[str, str]
) -> None:
    cloud.ecs.delete_service(cluster="hairme", service="api", force=True)

    code, checks = examined(tmp_path, addresses)

    assert (code, checks["serving"]["answer"]) == (1, "fault")
    assert "must be ACTIVE" in checks["serving"]["says"]


def test_a_secret_that_the_server_refuses_is_told_apart_from_one_that_cannot_be_read(
    tmp_path: Path, cloud: Cloud, addresses: dict[str, str]
) -> None:
    login = json.dumps({"username": READER, "password": "stale"})
    cloud.secrets.put_secret_value(SecretId=cloud.secret, SecretString=login)

    _, checks = examined(tmp_path, addresses)

    assert (checks["password"]["answer"], checks["database"]["answer"]) == ("ok", "fault")
    assert "its last rotation" in checks["database"]["says"]


def test_a_token_that_can_be_signed_is_told_apart_from_one_that_is_refused(
    tmp_path: Path, addresses: dict[str, str]
) -> None:
    # Given a server that knows nothing of IAM
    _, checks = examined(tmp_path, addresses | {"DB_SECRET_ARN": "", "DB_IAM_AUTH": "true"})

    assert checks["password"] == {
        "name": "password",
        "answer": "ok",
        "says": "an IAM token can be signed",
    }
    assert checks["database"]["answer"] == "fault"
    assert "AWSAuthenticationPlugin" in checks["database"]["says"]


def test_the_authorities_of_rds_vouch_for_no_other_server(
    tmp_path: Path, addresses: dict[str, str]
) -> None:
    _, checks = examined(tmp_path, addresses | {"DB_CA": "rds"})

    assert checks["database"]["answer"] == "fault"
    assert "not what DB_CA vouches for" in checks["database"]["says"]
