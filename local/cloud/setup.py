"""Makes the stack's resources in the emulator, as far as something of ours reads or writes them.

Names come from the template. Deploying the template itself would be shorter, but the emulator
drops half of its properties without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session as BotocoreSession

from local.cloud.calls import SETTING_UP
from local.cloud.stack import Stack

READER = "alert-reader"
"""The queue by which a rehearsal reads what the alert topic tells people."""
_DEFINED_BY = (
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "containerDefinitions",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "runtimePlatform",
    "volumes",
)


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The resources of a stack in the emulator at `url`."""

    stack: Stack
    url: str
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, principal: str = SETTING_UP) -> Any:
        """The client of the emulator that acts for a principal."""
        if (service, principal) not in self._clients:
            self._clients[service, principal] = self._client(service, principal)
        return self._clients[service, principal]

    def close(self) -> None:
        """Close the clients' connections."""
        for made in self._clients.values():
            made.close()

    def _client(self, service: str, principal: str) -> Any:
        return self._session.client(  # type: ignore[call-overload]  # any service, by its name
            service,
            endpoint_url=self.url,
            region_name=self.stack.template.region,
            aws_access_key_id=principal,
            aws_secret_access_key="local",
            config=Config(retries={"mode": "standard", "total_max_attempts": 2}, proxies={}),
        )

    @cached_property
    def _session(self) -> boto3.Session:
        """A session without the caller's profile, which is about a real account."""
        no_profile = {"profile": (None, None, None, None)}
        return boto3.Session(botocore_session=BotocoreSession(session_vars=no_profile))

    def create(self) -> None:
        """Make all of them, once."""
        self._buckets()
        self._tables()
        self._cluster()
        self._topics()

    def keep_secret(self, name: str, text: str) -> str:
        """Make or replace a secret; its ARN. `name` may be an ARN of the template."""
        secrets = self.client("secretsmanager")
        # The emulator finds a secret by a whole ARN only if the ARN ends in the secret's name.
        name = name.rpartition(":")[2]
        try:
            return str(secrets.create_secret(Name=name, SecretString=text)["ARN"])
        except secrets.exceptions.ResourceExistsException:
            return str(secrets.put_secret_value(SecretId=name, SecretString=text)["ARN"])

    def task_definition(self, which: str) -> Mapping[str, Any] | None:
        """A task definition by ARN, `family:revision` or family; None if there is none."""
        try:
            found = self.client("ecs").describe_task_definition(taskDefinition=which)
        except ClientError:
            return None
        return dict(found["taskDefinition"])

    def send(self, principal: str, arn: str, text: str) -> None:
        """Deliver to a queue or a topic, as a principal that must be allowed to."""
        if ":sns:" in arn:
            self.client("sns", principal).publish(TopicArn=arn, Message=text)
        elif ":sqs:" in arn:
            queue = f"{self.url}/{self.stack.template.account}/{arn.rpartition(':')[2]}"
            self.client("sqs", principal).send_message(QueueUrl=queue, MessageBody=text)

    def wipe(self) -> None:
        """Remove every object, item and message; the resources stay."""
        from moto.dynamodb.models import dynamodb_backends
        from moto.s3.models import s3_backends
        from moto.sqs.models import sqs_backends

        account, region = self.stack.template.account, self.stack.template.region
        for bucket in s3_backends[account]["aws"].buckets.values():
            bucket.keys.clear()
        for table in dynamodb_backends[account][region].tables.values():
            table.items.clear()
        queues = sqs_backends[account][region]
        for name, queue in queues.queues.items():
            queue.last_purged_at = None  # once a minute is a rule for others
            queues.purge_queue(name)

    def _buckets(self) -> None:
        s3, template = self.client("s3"), self.stack.template
        store = urlsplit(self.stack.task_environment.get("STORE_URL", ""))
        names = {template.physical(name) for name in template.of_type("AWS::S3::Bucket")}
        for name in sorted(names | ({store.netloc} if store.scheme == "s3" else set())):
            s3.create_bucket(Bucket=name)
        for logical, given in template.of_type("AWS::S3::Bucket").items():
            if "VersioningConfiguration" in given:
                status = given["VersioningConfiguration"]["Status"]
                s3.put_bucket_versioning(
                    Bucket=template.physical(logical), VersioningConfiguration={"Status": status}
                )

    def _tables(self) -> None:
        dynamodb, template = self.client("dynamodb"), self.stack.template
        for kind in ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable"):
            for logical, given in template.of_type(kind).items():
                dynamodb.create_table(
                    TableName=template.physical(logical),
                    KeySchema=given["KeySchema"],
                    AttributeDefinitions=given["AttributeDefinitions"],
                    BillingMode="PAY_PER_REQUEST",
                )

    def _cluster(self) -> None:
        ecs = self.client("ecs")
        for name in self.stack.clusters:
            ecs.create_cluster(clusterName=name)
        for definition in self.stack.task_definitions:
            given = {name: definition[name] for name in _DEFINED_BY if name in definition}
            ecs.register_task_definition(**given)

    def _topics(self) -> None:
        sns, sqs, template = self.client("sns"), self.client("sqs"), self.stack.template
        for logical in template.of_type("AWS::SQS::Queue"):
            name = template.attribute(logical, "QueueName")
            fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
            sqs.create_queue(QueueName=name, Attributes=fifo)
        sqs.create_queue(QueueName=READER)
        reader = f"arn:aws:sqs:{template.region}:{template.account}:{READER}"
        for logical in template.of_type("AWS::SNS::Topic"):
            arn = sns.create_topic(Name=template.attribute(logical, "TopicName"))["TopicArn"]
            sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=reader)
