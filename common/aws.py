"""The one place where a client of AWS is made: time limits and retries are the same everywhere.

    client("secretsmanager").get_secret_value(SecretId=arn)

Region, credentials and `AWS_ENDPOINT_URL` come from AWS's usual environment, the region also from
AWS_REGION, which the other libraries of AWS read and botocore does not. Errors of botocore
become this system's own where a client is used, since only there the remedy is known.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_ecs import ECSClient
    from types_boto3_rds import RDSClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_sns import SNSClient

ATTEMPTS = 5  # in all, with AWS's own back-off
CONNECT_SECONDS = 5
READ_SECONDS = {"s3": 60}
SHORT_READ_SECONDS = 10  # for what answers at once: five attempts must fit into a function's time


@overload
def client(service: Literal["s3"], region: str | None = None) -> S3Client: ...
@overload
def client(service: Literal["dynamodb"], region: str | None = None) -> DynamoDBClient: ...
@overload
def client(service: Literal["ecs"], region: str | None = None) -> ECSClient: ...
@overload
def client(service: Literal["sns"], region: str | None = None) -> SNSClient: ...
@overload
def client(service: Literal["rds"], region: str | None = None) -> RDSClient: ...
@overload
def client(
    service: Literal["secretsmanager"], region: str | None = None
) -> SecretsManagerClient: ...
def client(service: str, region: str | None = None) -> Any:
    """A new client; `region` only where it is not the environment's own."""
    import boto3
    from botocore.config import Config

    # At DEBUG botocore logs requests and answers whole, a secret's value among them; at INFO it
    # announces on every start where its credentials come from.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    config = Config(
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS.get(service, SHORT_READ_SECONDS),
    )
    region = region or os.environ.get("AWS_REGION")
    return boto3.client(service, region_name=region, config=config)  # type: ignore[call-overload]
