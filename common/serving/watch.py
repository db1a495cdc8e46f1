"""Waits until a service serves a version, as every task of it says; or says why it never will.

A look that fails is repeated until time is up: an outage of AWS's API is no fault of the version.
What waiting cannot mend (a deployment that failed, a task that refuses the version) ends it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar, cast

from common.errors import NotServedError, ServingError
from common.serving import Service
from common.serving.answers import Api, Model
from common.serving.look import Stage
from common.settings import Settings

T = TypeVar("T")
Verify: TypeAlias = Literal["model", "health", "deployment"]

FIRST_PAUSE, LONGEST_PAUSE, LONGER = 0.25, 10.0, 1.5
"""Seconds between two looks: few at first, since one machine deploys in seconds."""
STALE_LOOKS = 3
"""So often a finished deployment may answer with another version: it will not change any more."""


class _StaleError(ServingError):
    """A task serves another version than it shall."""


def verify_of(settings: Settings) -> Verify:
    """How much of a roll-out is to be proved."""
    return cast(Verify, settings.verify)  # its rule has no other choices


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What shall serve; None for both: nothing, as before the first version."""

    version: str | None
    sha: str | None


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How somebody waits. `sleep` may raise, which ends the waiting."""

    seconds: float
    clock: Callable[[], float]
    """Seconds from an arbitrary start."""
    sleep: Callable[[float], None]
    latest: float = math.inf
    """By the clock: no waiting goes on after it, however late it began."""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A service in which a version has arrived."""

    stage: Stage
    apis: Sequence[Api]
    """Its tasks; none where they were not to be asked."""


def force(service: Service, patience: Patience) -> Stage:
    """Force a deployment; ServingError when it cannot be until time is up."""
    return until(patience, service.force)


def until_served(
    service: Service,
    deployment: str | None,
    expected: Expected,
    verify: Verify,
    patience: Patience,
) -> Serving:
    """Wait until the deployment (None: the newest) is done and every task serves what it shall.

    Raises NotServedError when it never will, ServingError when it does not in time.
    """
    stale = 0

    def look() -> Serving:
        nonlocal stale
        stage = service.stage(deployment)
        if not stage.done:
            raise ServingError(f"{service}: {stage.says}")
        apis = [] if verify == "deployment" else tasks_of(service, stage)
        try:
            check(apis, expected, verify)
        except _StaleError as error:
            stale += not service.follows
            if stale > STALE_LOOKS:
                raise NotServedError(str(error)) from error
            raise
        return Serving(stage=stage, apis=apis)

    return until(patience, look)


def tasks_of(service: Service, stage: Stage) -> list[Api]:
    """Every task of a finished deployment. ServingError unless all are there to be asked."""
    apis = service.tasks(stage.deployment)
    if len(apis) < max(1, stage.desired):
        # A list that is not complete yet, or none at all, would prove whatever is asked of it.
        raise ServingError(
            f"every task of {service} must be asked, {len(apis)} of {stage.desired} are known"
        )
    return apis


def check(apis: Sequence[Api], expected: Expected, verify: Verify) -> None:
    """Raise unless every task serves what it shall; NotServedError if it refuses to."""
    for api in apis:
        if verify == "health":
            api.check_health()
        else:
            check_model(api, api.model(), expected)


def check_model(api: Api, found: Model, expected: Expected) -> None:
    """Raise unless this is what shall be served."""
    if (found.version, found.sha) == (expected.version, expected.sha):
        return
    wanted = f"{expected.version or 'no version'} ({(expected.sha or 'none')[:12]})"
    says = (
        f"every task must serve {wanted}, {api} serves {found.version or 'none'} "
        f"({(found.sha or 'none')[:12]})"
    )
    if found.refused and found.active == expected.version:
        raise NotServedError(f"{says} and refuses the other: {found.why}")
    raise (ServingError if found.version is None else _StaleError)(says)  # none: it still loads


def until(patience: Patience, attempt: Callable[[], T]) -> T:
    """What the attempt returns once it does not fail; pauses grow in between."""
    end, pause = min(patience.clock() + patience.seconds, patience.latest), FIRST_PAUSE
    while True:
        try:
            return attempt()
        except NotServedError:
            raise
        except ServingError as error:
            if patience.clock() >= end:
                raise ServingError(
                    f"it must serve within {patience.seconds:g} s, it does not: {error}"
                ) from error
        patience.sleep(pause)
        pause = min(pause * LONGER, LONGEST_PAUSE)
