"""A service on ECS that answers at once: the real API in a process of its own, deployed anew.

The emulator's own never becomes stable. Only what a roll-out asks is answered, in place of the
emulator, while the recorder hears each call as any other.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import boto3

from tests.architecture.code import ROOT

CONTAINER, PORT = "api", 8080
PATIENCE = 60.0
"""Seconds after which a start is taken for failed."""


@dataclass
class Service:
    """One task of the service, and the deployment that it is of."""

    port: int
    cluster: str = ""
    """Its ARN."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Of the API's process."""
    deployments: int = 0
    process: subprocess.Popen[bytes] | None = None
    killed: bool = False
    """Whether whoever asks for the next deployment is told to stop once it is made."""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def deploy(self) -> None:
        """Replace the process by a new one, which loads the active version."""
        self.stop()
        self.deployments += 1
        command = [sys.executable, "-m", "api", "--port", str(self.port), "--log-level", "ERROR"]
        given = {**os.environ, **self.environment}
        self.process = subprocess.Popen(command, cwd=ROOT, env=given)
        until = time.monotonic() + PATIENCE
        while not self._ready():
            assert self.process.poll() is None, "the API must start"
            assert time.monotonic() < until, "the API must become ready"
            time.sleep(0.05)

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=PATIENCE)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=5):
                return True
        except OSError:
            return False

    def answer(self, operation: str) -> dict[str, Any]:
        """What ECS answers."""
        deployment = f"ecs-svc/{self.deployments}"
        one = {"desiredCount": 1, "runningCount": 1, "pendingCount": 0}
        primary = {"id": deployment, "status": "PRIMARY", "rolloutState": "COMPLETED", **one}
        service = {"status": "ACTIVE", **one, "deployments": [primary], "events": []}
        task = f"{self.cluster.replace(':cluster/', ':task/')}/{self.deployments:032x}"
        bound = {"containerPort": PORT, "hostPort": self.port}
        address = {"name": "privateIPv4Address", "value": "127.0.0.1"}
        described = {
            "taskArn": task,
            "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/api:1",
            "startedBy": deployment,
            "lastStatus": "RUNNING",
            "attachments": [{"details": [address]}],
            "containers": [{"name": CONTAINER, "networkBindings": [bound]}],
        }
        ports = {"name": CONTAINER, "portMappings": [{"containerPort": PORT}]}
        answers: dict[str, dict[str, Any]] = {
            "DescribeServices": {"services": [service]},
            "UpdateService": {"service": service},
            "ListTasks": {"taskArns": [task]},
            "DescribeTasks": {"tasks": [described]},
            "DescribeTaskDefinition": {"taskDefinition": {"containerDefinitions": [ports]}},
        }
        return answers[operation]


OPERATIONS = (
    *("DescribeServices", "UpdateService"),
    *("ListTasks", "DescribeTasks", "DescribeTaskDefinition"),
)


@contextmanager
def serving() -> Iterator[Service]:
    """The service, for every client that is made in here; nothing runs before it is deployed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        service = Service(free.getsockname()[1])

    def answered(model: Any, **_: Any) -> Any:
        if model.name == "UpdateService":
            service.deploy()
            if service.killed:
                service.killed = False
                signal.raise_signal(signal.SIGTERM)
        return SimpleNamespace(status_code=200, headers={}), service.answer(model.name)

    assert boto3.DEFAULT_SESSION is not None
    events = boto3.DEFAULT_SESSION.events
    for operation in OPERATIONS:
        events.register(f"before-call.ecs.{operation}", answered)
    try:
        yield service
    finally:
        for operation in OPERATIONS:
            events.unregister(f"before-call.ecs.{operation}", answered)
        service.stop()
