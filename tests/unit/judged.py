"""A run that was judged to be better, m-b, and what deploying it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from common.registry.records import Run
from common.serving import Service
from common.settings import Settings
from task import deploy, pipeline, questions, versions
from task.folder import RunFolder
from task.interrupt import Interrupt
from task.questions import Question
from task.stages import Loop
from tests.unit import serving
from tests.unit.place import Place
from tests.unit.services import ADDRESS, Ecs


class Clock:
    """The time, until a test lets something happen at the next look at it."""

    def __init__(self) -> None:
        self.happen: Callable[[], None] = lambda: None
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        happen, self.happen = self.happen, lambda: None
        happen()
        return datetime.now(UTC) + self.ahead


def loop_of(
    place: Place,
    now: Callable[[], datetime],
    service: Service | Ecs | None = None,
    waits: serving.Clock | None = None,
) -> Loop:
    """The loop of a place, which this service serves, or nobody; who waits, waits by `waits`."""
    urls = place.addresses | ({} if service is None else {"SERVING_URL": ADDRESS})
    settings = Settings(**{name.lower(): url for name, url in urls.items()})  # type: ignore[arg-type]
    waits = waits or serving.Clock()
    ecs = service if isinstance(service, Ecs) else Ecs()
    loop = Loop(settings=settings, now=now, clock=waits, ecs=ecs, sleep=waits.sleep)
    if not isinstance(service, Ecs):
        vars(loop)["service"] = service
    return loop


@contextmanager
def served(place: Place, *, tasks: int = 2) -> Iterator[serving.FakeService]:
    """The service of a place: its tasks serve what is active, and answer as m-a or m-b would."""
    with ExitStack() as stack:
        apis = [stack.enter_context(serving.fake_api()) for _ in range(tasks)]
        service = serving.FakeService(place.registry, apis)
        asked = answers_of(place, "m-a")
        if (place.work / "m-b").exists():
            asked = questions.of(place.work / "m-b" / "model")
        for each in apis:
            each.knows(asked)
        service.force()
        service.forced.clear()
        yield service


def answers_of(place: Place, version: str) -> list[Question]:
    """What is asked of a published version, and what it answers."""
    with versions.opened(place.store, version) as folder:
        return questions.of(folder)


def concluded(
    place: Place,
    clock: Clock,
    before: Callable[[], None] = lambda: None,
    *,
    service: Service | Ecs | None = None,
    waits: serving.Clock | None = None,
    interrupt: Interrupt | None = None,
) -> Run:
    """Deploy m-b; `before` happens once it has the lease. The run as the registry has it."""
    loop, folder = loop_of(place, clock, service, waits), RunFolder(place.work / "m-b")
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
