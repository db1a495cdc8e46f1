"""Which services of AWS are called from inside the network, and by which endpoint each is reached.

`called_from_network` gives the names that botocore has for them, those that the platform calls
from the task's own network interface included.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.permissions.played import Proven

INSIDE = ("trigger", "task", "healer", "api")
"""What runs in the network; Lambda and the watcher are outside of it."""
BY_PLATFORM = frozenset({"ecr", "logs"})
"""Fargate pulls the image and writes the logs through the task's own network interface."""
ENDPOINTS: Mapping[str, tuple[str, ...]] = {
    "dynamodb": ("dynamodb",),
    # The image's layers themselves come from S3.
    "ecr": ("ecr.api", "ecr.dkr", "s3"),
    "ecs": ("ecs",),
    "logs": ("logs",),
    "s3": ("s3",),
    "secretsmanager": ("secretsmanager",),
}
"""A service → the names of its endpoints, as `com.amazonaws.REGION.NAME`."""


def called_from_network(proven: Proven) -> set[str]:
    """The services that must be reachable from the private subnets."""
    return {call.service for role in INSIDE for call in proven.calls.get(role, [])} | BY_PLATFORM
