"""The stack's resources in an emulator, and its functions, task and API run in this process.

The code is the deployed one, from the handler or the command line on; the environment is the
template's own. Replaced are what the emulator does not have: the database server, and the network
that a task is placed in. Processes are spared because only the calls matter here.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from moto.server import ThreadedMotoServer

from common.registry import Registry, open_registry
from local.cloud.setup import Resources
from local.cloud.stack import DATABASE
from local.cloud.stack import Stack as CloudStack
from local.mariadb import READER, READER_PASSWORD, Server
from local.table import create_mysql
from local.votes import write_votes
from local.world import World
from tests.permissions.recorder import Recorder, recording
from tests.permissions.served import Service, serving
from tests.permissions.stack import HANDLERS, Stack
from tests.unit.place import Answer, Place

_numbers = count(1)


@dataclass(frozen=True)
class Emulated:
    """One stack's resources, and a database with votes."""

    stack: Stack
    resources: Resources
    recorder: Recorder
    mariadb: Server
    database: str
    place: Place
    placement: dict[str, str]
    """TRIGGER_SUBNETS and TRIGGER_SECURITY_GROUPS as the emulator knows them."""
    service: Service
    """Who serves; its own calls are not heard, see `stories.api_stories`."""

    def environment(self, role: str) -> dict[str, str]:
        """The template's environment of a role, led to what there is here."""
        own = self.stack.environment(role)
        environment = {name: value for name, value in own.items() if name not in DATABASE}
        if "DATABASE_URL" in own:
            environment |= {
                "DATABASE_URL": self.mariadb.url(self.database),
                "DB_CA": str(self.mariadb.ca),
            }
            # A token of RDS asks no service anything; the right it needs is a platform row.
            secret = own.get("DB_SECRET_ARN")
            environment |= {"DB_SECRET_ARN": secret} if secret else {"DB_PASSWORD": READER_PASSWORD}
        if role == "trigger":
            environment |= self.placement
        if "SERVICE_URL" in own:
            environment["SERVICE_URL"] = self.service.url
        return environment | self.aws

    @property
    def aws(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": self.stack.template.region,
            "AWS_DEFAULT_REGION": self.stack.template.region,
            "AWS_ENDPOINT_URL": self.resources.url,
        }

    @cached_property
    def registry(self) -> Registry:
        """The registry as the test itself reads it."""
        with mock.patch.dict(os.environ, self.aws):
            return open_registry(self.stack.environment("task")["REGISTRY_URL"])

    def invoke(self, role: str, event: object, **changes: str) -> Any:
        """Call a function with an event; what it raises is raised."""
        name = next(handler for handler, known in HANDLERS.items() if known == role)
        module, _, function = name.rpartition(".")
        handle = getattr(importlib.import_module(module), function)
        environment = self.environment(role) | changes
        context = SimpleNamespace(
            aws_request_id=f"request-{next(_numbers)}",
            get_remaining_time_in_millis=lambda: 900_000,
        )
        with (
            mock.patch.dict(os.environ, environment, clear=True),
            _own_logging(),
            redirect_stdout(io.StringIO()),
            self.recorder.acting(role),
        ):
            return handle(event, context)

    def task(self, *words: str, **changes: str) -> Answer:
        """`python -m task WORDS` with the rights of the task."""
        own = {"WORK_DIR": str(self.place.work), "LOG_DIR": str(self.place.folder / "logs")}
        quick = {
            "RETRAIN_BASE_ROWS": "500",
            "RETRAIN_CANDIDATES": "hierarchical",
            "RETRAIN_BAKE_SECONDS": "0",
            "RETRAIN_ROLLOUT_SECONDS": "30",
        }
        environment = self.environment("task") | own | quick | changes
        with _own_logging(), self.recorder.acting("task"):
            return self.place.task(*words, "--json", **environment)

    def vote(self, world: World, votes: int, *, seed: int = 1) -> None:
        """People vote, all within the last minutes: a later read takes what is new."""
        now = datetime.now(UTC).replace(microsecond=0)
        with self.mariadb.admin(self.database) as table:
            start = now - timedelta(minutes=5)
            write_votes(table, world, votes, seed=seed, ugly=False, start=start, end=now)

    def start_task(self) -> str:
        """The ARN of a task that the cluster runs, for nobody's run."""
        environment = self.environment("trigger")
        network = {
            "subnets": environment["TRIGGER_SUBNETS"].split(","),
            "securityGroups": environment["TRIGGER_SECURITY_GROUPS"].split(","),
        }
        answer = self.resources.client("ecs").run_task(
            cluster=environment["TRIGGER_CLUSTER"],
            taskDefinition=environment["TRIGGER_TASK_DEFINITION"],
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network},
        )
        return str(answer["tasks"][0]["taskArn"])


@contextmanager
def emulated(stack: Stack, mariadb: Server, folder: Path) -> Iterator[Emulated]:
    """The stack's resources in an emulator of their own, and an empty table of votes."""
    database = f"permissions_{next(_numbers)}"
    mariadb.create(database)
    with mariadb.admin(database) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE analysis_history")
        create_mysql(connection)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
    host, port = server.get_host_and_port()
    resources = Resources(stack=CloudStack(template=stack.template), url=f"http://{host}:{port}")
    try:
        resources.create()
        for arn, text in _secrets(stack).items():
            resources.keep_secret(arn, text)
        with recording() as recorder, serving() as service:
            placement = _placement(resources)
            cloud = Emulated(
                stack, resources, recorder, mariadb, database, Place(folder), placement, service
            )
            service.cluster = stack.environment("trigger")["TRIGGER_CLUSTER"]
            service.environment = cloud.environment("api")
            yield cloud
    finally:
        server.stop()


def _secrets(stack: Stack) -> dict[str, str]:
    """ARN → text of each secret that the template names."""
    found = {}
    for role in ("trigger", "task", "api"):
        variables = stack.environment(role)
        if arn := variables.get("DB_SECRET_ARN"):
            found[arn] = f'{{"username": "{READER}", "password": "{READER_PASSWORD}"}}'
        if arn := variables.get("API_KEY_SECRET_ARN"):
            found[arn] = "shown-by-whoever-writes"
    return found


def _placement(resources: Resources) -> dict[str, str]:
    ec2 = resources.client("ec2")
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"][:2]]
    groups = [group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"][:1]]
    return {
        "TRIGGER_SUBNETS": ",".join(subnets),
        "TRIGGER_SECURITY_GROUPS": ",".join(groups),
    }


@contextmanager
def _own_logging() -> Iterator[None]:
    """The functions take over all logging; the tests take it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
