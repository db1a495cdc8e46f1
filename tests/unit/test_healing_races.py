"""Healers die at every step and race with each other: the end is the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from common.healing import heal, left_open
from common.registry import open_registry
from common.registry.records import Run
from tests.unit.serving import Clock, FakeApi, FakeService, active, fake_api, healer, rolling_out


@pytest.fixture
def apis() -> Iterator[list[FakeApi]]:
    with ExitStack() as stack:
        yield [stack.enter_context(fake_api()) for _ in range(2)]


class Died(BaseException):
    """The process was killed."""


class Dying:
    """Something whose process is killed right after so many calls of it and its like."""

    def __init__(self, real: Any, left: list[int]) -> None:
        self._real, self._left = real, left

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        if not callable(value):
            return value

        def call(*given: Any, **named: Any) -> Any:
            found = value(*given, **named)
            self._left[0] -= 1
            if self._left[0] == 0:
                raise Died
            return found

        return call


@dataclass(frozen=True, kw_only=True)
class End:
    """All that must be the same however often a healer died."""

    state: str
    exit: int | None
    active: tuple[str | None, int]
    restorations: int
    served: set[str | None]


def healed_after(deaths: list[int], before: list[str], apis: list[FakeApi], where: Path) -> End:
    """What is left once healers have died after so many calls, and one did not."""
    registry = open_registry(f"sqlite:///{where}/registry.sqlite")
    rolling_out(registry, *before)
    service, clock = FakeService(registry, apis), Clock()
    service.force()
    mine = healer(registry, service, clock)
    for death in deaths:
        left = [death]
        records: Any = Dying(registry, left)
        dying = replace(mine, registry=records, service=Dying(service, left))
        with suppress(Died):
            for each in left_open(registry.runs(), registry.lease(), clock.now()):
                heal(dying, each)
    for each in left_open(registry.runs(), registry.lease(), clock.now()):
        heal(mine, each)
    ended = registry.run("m-new")
    assert ended is not None
    return End(
        state=ended.state,
        exit=ended.exit,
        active=active(registry),
        restorations=sum(entry.action == "restore" for entry in registry.history()),
        served={each.version for each in apis},
    )


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    deaths=st.lists(st.integers(min_value=1, max_value=14), max_size=3),
    before=st.sampled_from([["m-old"], ["m-older", "m-old"], []]),
)
@example(deaths=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], before=["m-old"])
def test_a_healer_may_die_at_every_step_and_the_end_is_the_same(
    apis: list[FakeApi], deaths: list[int], before: list[str]
) -> None:
    with TemporaryDirectory() as where:
        end = healed_after(deaths, before, apis, Path(where))

    previous = before[-1] if before else None
    assert end == End(
        state="rolled_back" if previous else "failed",
        exit=4 if previous else 1,
        active=(previous, len(before) + 2),
        restorations=1,
        served={previous},
    )


def test_of_two_healers_that_race_one_ends_the_run_and_both_say_so(
    tmp_path: Path, apis: list[FakeApi]
) -> None:
    for attempt in range(5):
        # Given
        url = f"sqlite:///{tmp_path}/{attempt}.sqlite"
        registry = open_registry(url)
        run, _ = rolling_out(registry, "m-old")
        service, both = FakeService(registry, apis), threading.Barrier(2)
        service.force()
        ended: list[Run] = []

        def race(url: str = url, run: Run = run, service: FakeService = service) -> None:
            mine = healer(open_registry(url), service, Clock())
            both.wait()  # noqa: B023 - joined within the loop
            ended.append(heal(mine, run))  # noqa: B023

        # When
        racers = [threading.Thread(target=race) for _ in range(2)]
        for each in racers:
            each.start()
        for each in racers:
            each.join()

        # Then
        assert ended == [registry.run("m-new")] * 2
        assert (ended[0].state, ended[0].exit) == ("rolled_back", 4)
        assert [each.action for each in registry.history()] == ["promote", "promote", "restore"]
        assert {each.version for each in apis} == {"m-old"}
