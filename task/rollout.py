"""Brings a version that was made active into service: the ECS service deploys anew and loads it.

    SERVING_URL=ecs://hairme/api        or none: nobody is told

The service is looked at before the pointer moves. If it cannot be told afterwards, what was
active before is made active again, on condition that nobody has changed it meanwhile. What is
not done here: nobody asks the service which model it answers with, so a promotion is not proved
in service, and says so.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from common.aws_errors import as_error
from common.errors import RetrainError, ServingError, UsageError
from common.registry import Registry
from common.registry.records import HistoryEntry, Run

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient

log = logging.getLogger(__name__)

ROLLED_BACK_EXIT = 4
_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}"
_ADDRESS = re.compile(rf"ecs://({_NAME})/({_NAME})")


@dataclass(frozen=True, kw_only=True)
class Forced:
    """A deployment that was forced, and how many tasks the service wants to run."""

    deployment: str
    desired: int


@dataclass(frozen=True, kw_only=True)
class Service:
    """The ECS service that serves the active version."""

    cluster: str
    name: str
    ecs: ECSClient = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"ecs://{self.cluster}/{self.name}"

    def check(self) -> None:
        """Raise ServingError unless the service is there and can deploy."""
        with as_error(ServingError, "the service must tell how it is", "SERVING_URL"):
            answer = self.ecs.describe_services(cluster=self.cluster, services=[self.name])
        found = answer["services"][0].get("status") if answer.get("services") else "MISSING"
        if found != "ACTIVE":
            raise ServingError(
                f"the service must be ACTIVE to be told of a new model, {self} is {found}: make "
                "it, or correct SERVING_URL or AWS_REGION"
            )

    def deploy(self) -> Forced:
        """Force a new deployment, so that every task starts anew and loads the active version."""
        with as_error(ServingError, "the service must deploy anew", "SERVING_URL"):
            answer = self.ecs.update_service(
                cluster=self.cluster, service=self.name, forceNewDeployment=True
            )
        service = answer.get("service", {})
        primary = [d for d in service.get("deployments", []) if d.get("status") == "PRIMARY"]
        if not primary or not primary[0].get("id"):
            raise ServingError(
                f"the service must deploy anew, got no PRIMARY deployment of {self}: look at its "
                "events, then run again"
            )
        return Forced(deployment=primary[0]["id"], desired=service.get("desiredCount", 0))


def service_at(address: str, ecs: Callable[[], ECSClient]) -> Service | None:
    """Who serves, by SERVING_URL; None for `none`. Raises UsageError for any other address."""
    if address == "none":
        return None
    found = _ADDRESS.fullmatch(address)
    if found is None:
        # Only the scheme is repeated: an address of another kind may bear a password.
        raise UsageError(
            "SERVING_URL must be none or ecs://CLUSTER/SERVICE, got one of the kind "
            f"{address.partition('://')[0][:20]!r}: name the cluster and the service that serve "
            "the model, or set SERVING_URL=none"
        )
    with as_error(UsageError, "ECS must be within reach", "SERVING_URL"):
        return Service(cluster=found[1], name=found[2], ecs=ecs())


def unproved(service: Service | None) -> str:
    """What nobody knows of a promotion, as part of its reason."""
    if service is None:
        return "not proved in service: SERVING_URL is none"
    return f"not proved in service: nobody has asked {service} which model it answers with"


def roll_out(
    service: Service | None, registry: Registry, entry: HistoryEntry, run: Run, *, now: datetime
) -> Run:
    """Bring the version that `entry` made active into service; the run's record after it.

    `run` is its record as promoted. If the service cannot be told, what was active before is
    active again: `rolled_back`, or `failed` where there was nothing before.
    """
    promoted = replace(run, serial=entry.serial)
    if service is None:
        return promoted
    try:
        forced = service.deploy()
    except ServingError as error:
        log.error("%s", error)
        return _taken_back(service, registry, entry, promoted, error, now)
    reason = f"{run.reason}; {_told(forced)}"
    return replace(promoted, deployment=forced.deployment, reason=reason)


def bring_by_hand(
    service: Service | None, registry: Registry, entry: HistoryEntry, *, now: datetime
) -> str | None:
    """Bring a version that a person promoted into service; the deployment's id.

    Raises ServingError if the service cannot be told; what was active before is active again.
    """
    if service is None:
        return None
    try:
        return service.deploy().deployment
    except ServingError as error:
        try:
            restore(registry, entry, now=now)
        except RetrainError as late:
            raise ServingError(_stuck(entry, error, late)) from late
        raise ServingError(_taken(entry, error, _again(service, entry.previous))) from error


def bring_back(service: Service | None, version: str) -> str | None:
    """Bring the version that a person went back to into service; the deployment's id.

    Raises ServingError if the service cannot be told. Unlike a promotion it is not undone: it
    is the version left that is not wanted, and whatever task starts from now on leaves it.
    """
    if service is None:
        return None
    try:
        return service.deploy().deployment
    except ServingError as error:
        raise ServingError(
            f"{error}; {version} is active and promotion on hold, but {service} answers with what "
            f"it has loaded: `aws ecs update-service --cluster {service.cluster} --service "
            f"{service.name} --force-new-deployment`"
        ) from error


def restore(
    registry: Registry, entry: HistoryEntry, *, now: datetime, run: Run | None = None
) -> None:
    """Make active again what was before `entry`, or nothing if that was nothing.

    Raises ChampionChangedError if somebody has changed it since, who then is right.
    """
    before = [each for each in registry.history() if each.version == entry.previous]
    registry.promote(
        version=entry.previous,
        sha=before[-1].sha if entry.previous else "",
        expected_serial=entry.serial,
        action="restore",
        now=now,
        run=run,
    )


def _taken_back(
    service: Service,
    registry: Registry,
    entry: HistoryEntry,
    run: Run,
    error: ServingError,
    now: datetime,
) -> Run:
    ended = replace(run, state="failed", exit=error.exit_code, reason=str(error))
    if entry.previous is not None:
        ended = replace(ended, state="rolled_back", exit=ROLLED_BACK_EXIT)
    try:
        restore(registry, entry, now=now, run=ended)
    except RetrainError as late:
        reason = _stuck(entry, error, late)
        return replace(run, state="failed", exit=late.exit_code, reason=reason)
    return replace(ended, reason=_taken(entry, error, _again(service, entry.previous)))


def _taken(entry: HistoryEntry, error: ServingError, again: str) -> str:
    return f"{error}; so {entry.version} was taken back: {again}"


def _stuck(entry: HistoryEntry, error: ServingError, late: RetrainError) -> str:
    return f"{error}; and {entry.version} could not be taken back: {late}"


def _again(service: Service, version: str | None) -> str:
    """What serves after a restoration; an answer that got lost may have begun a deployment."""
    if version is None:
        return "no version is active, as before"
    try:
        return f"{version} is active again, and {_told(service.deploy())} for it"
    except ServingError:
        return f"{version} is active again; see that every task of {service} serves it"


def _told(forced: Forced) -> str:
    nobody = "" if forced.desired else " of a service whose desired count is 0"
    return f"deployment {forced.deployment}{nobody} was forced"
