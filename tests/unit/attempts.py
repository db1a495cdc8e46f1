"""Attempts at a run named m-one, with a clock that the test sets."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import RetrainError
from common.registry import Registry
from common.registry.records import Run
from task.attempt import Attempt
from task.host import Host
from task.interrupt import Interrupt

START = datetime(2026, 11, 22, 2, tzinfo=UTC)
LEASE = 600.0
DEADLINE = timedelta(hours=2)
ARN = "arn:aws:ecs:us-east-1:123456789012:task/hairme/0a1b2c"
BRIEF = 0.1
"""A lease whose heart beats every 10 ms."""


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


def attempt(
    registry: Registry,
    clock: Clock,
    interrupt: Interrupt | None = None,
    *,
    run_id: str = "m-one",
    lease: float = LEASE,
    deadline: timedelta = DEADLINE,
    task_arn: str | None = None,
    launched: bool = False,
    on_failure: Callable[[RetrainError | None], None] | None = None,
) -> Attempt:
    return Attempt(
        registry,
        run_id,
        lease_seconds=lease,
        deadline=deadline,
        now=clock,
        interrupt=interrupt or Interrupt(),
        host=Host(task="0a1b2c", task_arn=task_arn),
        launched=launched,
        on_failure=on_failure,
    )


def fails(kind: type[BaseException], made: Attempt, body: Callable[[Attempt], None]) -> None:
    """What happens inside the attempt ends it with this error."""
    with pytest.raises(kind), made as mine:
        body(mine)


def stored(registry: Registry, run_id: str = "m-one") -> Run:
    run = registry.run(run_id)
    assert run is not None
    return run


def wait_for(true: Callable[[], bool]) -> None:
    """Wait for the heart to beat."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
