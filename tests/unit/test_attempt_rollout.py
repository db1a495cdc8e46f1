"""An attempt whose version is active and not proved yet: it is left open, and says so."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from common.errors import InterruptedRunError, LeaseLostError, RegistryError, RetrainError
from common.registry import Registry, open_registry
from common.registry.records import Run
from task.attempt import Attempt
from task.interrupt import Interrupt
from tests.unit.attempts import Clock, attempt, stored
from tests.unit.serving import promote


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(f"sqlite:///{tmp_path}/registry.sqlite")


def rolls_out(mine: Attempt) -> Run:
    """Its pointer moves."""
    begun = mine.record("rolling_out", "better", exit_code=None)  # type: ignore[arg-type]
    promote(mine.registry, "m-one", after=0, run=begun)
    mine.end(replace(begun, serial=1))
    return begun


def cut(
    registry: Registry, clock: Clock, happens: Callable[[], object], interrupt: Interrupt
) -> pytest.ExceptionInfo[Exception]:
    """What the attempt ends with when this happens in its roll-out; nobody is told of a failure."""
    told: list[object] = []

    def body() -> None:
        with attempt(registry, clock, interrupt, on_failure=told.append) as mine:
            rolls_out(mine)
            happens()
            mine.check()

    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        body()
    assert told == []
    run = stored(registry)
    assert (run.state, run.exit, run.ended_at, run.serial) == ("rolling_out", None, None, 1)
    return caught


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (signal.SIGTERM, InterruptedRunError, 143),
        (signal.SIGINT, InterruptedRunError, 143),
        (signal.SIGALRM, RetrainError, 1),
    ],
)
@pytest.mark.parametrize("shielded", [False, True])
def test_a_signal_leaves_it_open_with_the_status_of_the_stop_and_says_that_it_is_active(
    registry: Registry,
    clock: Clock,
    interrupt: Interrupt,
    number: int,
    kind: type[RetrainError],
    code: int,
    shielded: bool,
) -> None:
    def happens() -> None:
        if shielded:
            with interrupt.shield():
                signal.raise_signal(number)
        else:
            signal.raise_signal(number)

    caught = cut(registry, clock, happens, interrupt)

    assert type(caught.value) is kind
    assert caught.value.exit_code == code
    assert "m-one is active and not proved in service" in str(caught.value)
    assert "nothing was promoted" not in str(caught.value)
    assert registry.lease() is None


@pytest.mark.parametrize("error", [RegistryError("down"), KeyError("a bug"), LeaseLostError("no")])
def test_an_error_leaves_it_open_and_is_the_one_to_report(
    registry: Registry, clock: Clock, error: Exception
) -> None:
    def happens() -> None:
        raise error

    assert cut(registry, clock, happens, Interrupt()).value is error
    assert registry.lease() is None


def test_a_lease_that_was_taken_over_stays_the_takers(registry: Registry, clock: Clock) -> None:
    def happens() -> None:
        clock.time += timedelta(hours=1)
        other = Run(run_id="m-two", created_at=clock())
        registry.launch(other, owner="o", lease_seconds=60, now=clock())
        raise LeaseLostError("lost")

    caught = cut(registry, clock, happens, Interrupt())

    assert isinstance(caught.value, LeaseLostError)
    lease = registry.lease()
    assert lease is not None
    assert lease.run_id == "m-two"


def test_a_registry_that_is_gone_to_the_end_costs_the_lease_and_nothing_else(
    registry: Registry, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object, **__: object) -> None:
        raise RegistryError("down")

    monkeypatch.setattr(registry, "leave", down)
    bug = KeyError("a bug")

    def happens() -> None:
        raise bug

    assert cut(registry, clock, happens, Interrupt()).value is bug
    assert registry.lease() is not None, "it expires"


def test_an_end_that_was_reached_stands_whatever_comes_after_it(
    registry: Registry, clock: Clock, interrupt: Interrupt
) -> None:
    with attempt(registry, clock, interrupt) as mine:
        begun = rolls_out(mine)
        mine.end(replace(begun, serial=1, state="served", exit=0))
        signal.raise_signal(signal.SIGTERM)

    assert (stored(registry).state, stored(registry).exit) == ("served", 0)
    assert registry.lease() is None
