"""Who serves the active version, and how it is told of a new one.

    SERVING_URL=ecs://hairme/api        a service on ECS: a forced deployment starts it anew
    SERVING_URL=http://127.0.0.1:8000   an API on this machine: it follows the pointer
    SERVING_URL=none                    nobody

Both kinds are looked at and asked alike, so the story of a roll-out and of its healing is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from common.aws_errors import as_error
from common.errors import UsageError
from common.serving.answers import Api
from common.serving.ecs import EcsService
from common.serving.http import HttpService
from common.serving.look import Stage

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

__all__ = ["EcsService", "HttpService", "Service", "service_at"]

_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}"
_ECS = re.compile(rf"ecs://({_NAME})/({_NAME})")
_HERE = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\]):\d{1,5}/?")
_BALANCER = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+/?")


class Service(Protocol):
    """Who serves the active version. Whatever goes wrong is a `ServingError`."""

    @property
    def follows(self) -> bool:
        """Whether its processes follow the pointer while they run."""

    @property
    def address(self) -> str | None:
        """Where people reach it, if that is another place than each of its tasks."""

    def check(self) -> None:
        """Raise unless it is there and can be told."""

    def force(self) -> Stage:
        """Have every process load the active version; the deployment that does it."""

    def stage(self, deployment: str | None) -> Stage:
        """How far a deployment is; None: the newest. NotServedError when it will never be done."""

    def tasks(self, deployment: str) -> list[Api]:
        """Every process that runs; raises while one belongs to another deployment."""


def service_at(
    address: str, ecs: Callable[[], ECSClient], *, balancer: str | None = None
) -> Service | None:
    """Who serves, by SERVING_URL and SERVICE_URL; None for `none`.

    Raises UsageError for any other address.
    """
    if balancer is not None and not _BALANCER.fullmatch(balancer):
        raise UsageError(
            "SERVICE_URL must be http://HOST or https://HOST, maybe with a port, got something "
            "else: name the load balancer of the service"
        )
    balancer = balancer and balancer.rstrip("/")
    if address == "none":
        return None
    if _HERE.fullmatch(address):
        return HttpService(url=address.rstrip("/"), address=balancer)
    found = _ECS.fullmatch(address)
    if found is None:
        # Only the scheme is repeated: an address of another kind may bear a password.
        raise UsageError(
            "SERVING_URL must be none, http://127.0.0.1:PORT or ecs://CLUSTER/SERVICE, got one of "
            f"the kind {address.partition('://')[0][:20]!r}: name who serves the model, or set "
            "SERVING_URL=none"
        )
    with as_error(UsageError, "ECS must be within reach", "SERVING_URL"):
        return EcsService(cluster=found[1], name=found[2], address=balancer, ecs=ecs())
