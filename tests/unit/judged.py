"""A run that was judged to be better, m-b, and what deploying it leaves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from common.registry.records import Run
from common.settings import Settings
from task import deploy, pipeline
from task.folder import RunFolder
from task.interrupt import Interrupt
from task.stages import Loop
from tests.unit.place import Place
from tests.unit.services import ADDRESS, Ecs

if TYPE_CHECKING:
    from types_boto3_ecs import ECSClient


class Clock:
    """The time, until a test lets something happen at the next look at it."""

    def __init__(self) -> None:
        self.happen: Callable[[], None] = lambda: None
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        happen, self.happen = self.happen, lambda: None
        happen()
        return datetime.now(UTC) + self.ahead


def loop_of(place: Place, clock: Callable[[], datetime], ecs: Ecs | None = None) -> Loop:
    """The loop of a place, which a service serves if there is an ECS."""
    urls = place.addresses | ({"SERVING_URL": ADDRESS} if ecs else {})
    settings = Settings(**{name.lower(): url for name, url in urls.items()})  # type: ignore[arg-type]
    return Loop(settings=settings, now=clock, clock=time.perf_counter, ecs=ecs or _nobody)


def _nobody() -> ECSClient:
    raise AssertionError("no service is to be asked")


def concluded(
    place: Place,
    clock: Clock,
    before: Callable[[], None] = lambda: None,
    *,
    ecs: Ecs | None = None,
    interrupt: Interrupt | None = None,
) -> Run:
    """Deploy m-b; `before` happens once it has the lease. The run as the registry has it."""
    loop, folder = loop_of(place, clock, ecs), RunFolder(place.work / "m-b")
    attempt = pipeline.attempt_at(loop, folder, interrupt or Interrupt())
    with chdir(place.folder), attempt:
        before()
        deploy.conclude(loop, folder, attempt)
    return recorded(place)


def recorded(place: Place) -> Run:
    """m-b as the registry has it."""
    run = place.registry.run("m-b")
    assert run is not None
    return run


def evidence(place: Place) -> dict[str, Any]:
    """The record of m-b in the store."""
    found: dict[str, Any] = json.loads(place.store.read("runs/m-b/run.json"))
    return found
