"""A cloud on this machine for the built image: emulated AWS, a real database server, and a loop.

All are reached over TCP on loopback, which the container shares.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from unittest import mock

import pytest
from moto.server import ThreadedMotoServer

from common import aws
from common.registry import Registry, open_registry
from common.registry.records import Run
from local.mariadb import READER, READER_PASSWORD, Server
from local.table import create_mysql
from local.votes import write_votes
from local.world import make_world
from tests.image.container import Ended, Image, Running, opened

VOTES = 1_200
WORLD = make_world("rules", styles=12, seed=1, spread=3.0)
AWS = {
    "AWS_ACCESS_KEY_ID": "emulated",
    "AWS_SECRET_ACCESS_KEY": "emulated",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}
TASK = "0f9de17a6465404e8b1b2356dc13c2f8"
TASK_ARN = f"arn:aws:ecs:us-east-1:123456789012:task/hairme/{TASK}"
FIRST = "s-20261122T020000Z"
DIGEST = f"sha256:{'1f' * 32}"


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A loop on emulated AWS, and the image that runs it."""

    image: Image
    folder: Path
    environment: dict[str, str]

    def start(self, *words: str, **changes: str) -> Running:
        """A container with these words; its /tmp is a new folder with the database's CA."""
        tmp = self.tmp(words[0])
        return self.image.start(words, tmp, self.environment | changes)

    def tmp(self, name: str) -> Path:
        made = self.folder / f"{name}-{len(list(self.folder.iterdir()))}"
        made.mkdir()
        (made / "ca.pem").write_bytes((self.folder / "ca.pem").read_bytes())
        return made

    def task(self, *words: str, **changes: str) -> Ended:
        """How `python -m task WORDS --json` ends in a container."""
        return self.start(*words, "--json", **changes).end()

    def registry(self) -> Registry:
        """As the container sees it."""
        with mock.patch.dict(os.environ, self.environment):
            return open_registry(self.environment["REGISTRY_URL"])

    def launch(self, run_id: str) -> None:
        """As the trigger does it before it asks for a task."""
        now = datetime.now(UTC)
        run = Run(run_id=run_id, created_at=now)
        self.registry().launch(run, owner="trigger/request", lease_seconds=600, now=now)

    def versions(self) -> set[str]:
        """The published versions: those with a manifest."""
        bucket, _, prefix = self.environment["STORE_URL"].removeprefix("s3://").partition("/")
        with mock.patch.dict(os.environ, self.environment):
            s3 = aws.client("s3")
        found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/models/").get("Contents", [])
        keys = [each["Key"].split("/") for each in found]
        return {key[-2] for key in keys if key[-1] == "manifest.json"}


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The training task's image."""
    with opened("task") as found:
        yield found


@pytest.fixture(scope="session")
def api_image() -> Iterator[Image]:
    """The API's image."""
    with opened("api") as found:
        yield found


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """Emulated AWS as a server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Metadata(BaseHTTPRequestHandler):
    """What ECS answers a container that asks who it is."""

    def do_GET(self) -> None:
        task = {"TaskARN": TASK_ARN, "Family": "retraining"}
        body = json.dumps(task if self.path.endswith("/task") else {"ImageID": DIGEST}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="session")
def metadata() -> Iterator[str]:
    """ECS's own address within a container."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v4/container"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def loop(
    image: Image,
    endpoint: str,
    metadata: str,
    mariadb: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Loop:
    """Votes in the database, its password in a secret, and nothing learned yet."""
    folder = tmp_path_factory.mktemp("loop")
    (folder / "ca.pem").write_bytes(mariadb.ca.read_bytes())
    people_vote(mariadb)
    emulated = {**AWS, "AWS_ENDPOINT_URL": endpoint}
    with mock.patch.dict(os.environ, emulated):
        secret = resources()
    return Loop(
        image=image,
        folder=folder,
        environment={
            **emulated,
            "ECS_CONTAINER_METADATA_URI_V4": metadata,
            "DATABASE_URL": mariadb.url("image"),
            "DB_SECRET_ARN": secret,
            "DB_CA": "/tmp/ca.pem",
            "STORE_URL": "s3://image-models/loop",
            "REGISTRY_URL": "dynamodb://image-registry",
            "SERVING_URL": "none",
        },
    )


@pytest.fixture(scope="session")
def first(loop: Loop) -> Ended:
    """The first run as the trigger launches it; the embedding proves that torch works."""
    loop.launch(FIRST)
    return loop.task("run", "--run-id", FIRST, "--launched", "--candidates", "embedding")


def people_vote(server: Server) -> None:
    """The application's table and a month of its votes."""
    server.create("image", index=False)
    now = datetime.now(UTC).replace(microsecond=0)
    with server.admin("image") as connection:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE analysis_history")
        create_mysql(connection, styles=3)
        start, end = now - timedelta(days=30), now - timedelta(minutes=1)
        write_votes(connection, WORLD, VOTES, seed=1, ugly=True, start=start, end=end)


def resources() -> str:
    """The bucket, the table and the secret; the secret's ARN."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="image-models")
    s3.put_bucket_versioning(Bucket="image-models", VersioningConfiguration={"Status": "Enabled"})
    aws.client("dynamodb").create_table(
        TableName="image-registry",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    )
    secret = aws.client("secretsmanager").create_secret(
        Name="image-database",
        SecretString=json.dumps({"username": READER, "password": READER_PASSWORD}),
    )
    return secret["ARN"]
