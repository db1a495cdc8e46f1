"""Tables and buckets of an emulated AWS, and the environment that leads a process to it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_s3 import S3Client

ROOT = Path(__file__).parents[2]
REGION = "us-east-1"
ACCESS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_numbers = count(1)


@cache
def _dynamodb(url: str) -> DynamoDBClient:
    return boto3.client("dynamodb", endpoint_url=url)


@cache
def _s3(url: str) -> S3Client:
    return boto3.client("s3", endpoint_url=url)


class Server:
    """The process of aws_server.py, for as long as the `with` lasts."""

    def __enter__(self) -> Server:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.contract.aws_server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._process.communicate()  # closes its input, which ends it


class Cloud:
    """Makes what a test needs, apart from every other test's."""

    def __init__(self, url: str) -> None:
        self.url = url

    def environment(self) -> dict[str, str]:
        """What leads a process here, with credentials that open nothing elsewhere."""
        return ACCESS | {"AWS_ENDPOINT_URL": self.url}

    def dynamodb(self) -> DynamoDBClient:
        return _dynamodb(self.url)

    def s3(self) -> S3Client:
        return _s3(self.url)

    def table(self) -> str:
        """The name of a new table with the keys of a registry."""
        name = f"registry-{next(_numbers)}"
        self.dynamodb().create_table(
            TableName=name,
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
        return name

    def bucket(self) -> str:
        """The name of a new bucket."""
        name = f"models-{next(_numbers)}"
        self.s3().create_bucket(Bucket=name)
        return name
