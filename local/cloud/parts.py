"""The parts of the emulated cloud, put together: who calls whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.cloud import functions, task_process
from local.cloud.answers import AwsError
from local.cloud.events import Bus
from local.cloud.faults import Faults
from local.cloud.functions import Functions
from local.cloud.health import Pace
from local.cloud.services import Services
from local.cloud.setup import Resources
from local.cloud.stack import FunctionSpec, Rehearsal, Stack
from local.cloud.tasks import Tasks


@dataclass(frozen=True, kw_only=True)
class Options:
    """How this rehearsal differs from a day in the cloud, beside the database."""

    stop_seconds: float = 2.0
    """At most so long between SIGTERM and SIGKILL."""
    retry_seconds: float = 0.2
    """Pause before an asynchronous event is tried again."""
    pace: Pace = field(default_factory=Pace)
    """How fast the life of a service goes."""
    desired: int | None = None
    """So many tasks of each service at the start, in place of the template's count."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything that a request may be about."""

    stack: Stack
    rehearsal: Rehearsal
    resources: Resources
    faults: Faults
    tasks: Tasks
    services: Services
    functions: Functions
    bus: Bus


def assemble(
    stack: Stack,
    rehearsal: Rehearsal,
    resources: Resources,
    *,
    folder: Path,
    bundle: Path,
    url: str,
    options: Options,
) -> Parts:
    """The parts of a stack whose resources are there; everything they write is in `folder`."""
    template = stack.template
    for name in ("tasks", "functions"):
        (folder / name).mkdir()

    def not_handled(spec: FunctionSpec, record: dict[str, Any]) -> None:
        resources.send(spec.principal, str(spec.on_failure), json.dumps(record))

    made = Functions(
        stack.functions,
        rehearsal,
        functions.Place(
            bundle=bundle,
            folder=folder / "functions",
            url=url,
            region=template.region,
            retry_seconds=options.retry_seconds,
        ),
        not_handled,
    )
    bus = Bus(
        rules=stack.rules,
        account=template.account,
        region=template.region,
        deliver=lambda arn, payload: _delivered(made, arn, payload),
    )
    place = task_process.Place(
        folder=folder / "tasks",
        url=url,
        region=template.region,
        principal=stack.principal,
        stop_seconds=options.stop_seconds,
    )
    own = Tasks(resources.task_definition, stack.clusters, rehearsal, place, bus.task_changed)
    return Parts(
        stack=stack,
        rehearsal=rehearsal,
        resources=resources,
        faults=Faults(),
        tasks=own,
        services=Services(
            resources, own, bus, rehearsal, pace=options.pace, desired=options.desired
        ),
        functions=made,
        bus=bus,
    )


def _delivered(made: Functions, arn: str, payload: Mapping[str, Any]) -> str:
    """EventBridge hands an event to a function, and does not wait for it."""
    if ":function:" not in arn:
        raise AwsError("InvalidParameterException", f"no rule here leads to {arn}: only functions")
    event, _ = made.invoke(arn, json.dumps(payload).encode(), asynchronous=True)
    return event.request_id
