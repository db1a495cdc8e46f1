"""An attempt takes the lease, keeps it, and closes its record however it ends."""

from __future__ import annotations

import shutil
import signal
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from common.errors import (
    AlreadyClaimedError,
    ChampionChangedError,
    InterruptedRunError,
    LeaseHeldError,
    LeaseLostError,
    RegistryError,
    RetrainError,
    UsageError,
)
from common.registry import Registry, open_registry
from common.registry.records import Run
from task.attempt import Attempt
from task.interrupt import Interrupt, Stop
from tests.unit.attempts import BRIEF, LEASE, START, Clock, attempt, fails, stored, wait_for


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(f"sqlite:///{tmp_path}/loop/registry.sqlite")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    """The registry's folder."""
    (tmp_path / "loop").mkdir()
    return tmp_path / "loop"


def test_inside_it_holds_the_lease_and_runs(registry: Registry, clock: Clock) -> None:
    with attempt(registry, clock) as mine:
        lease, run = registry.lease(), stored(registry)
        mine.end(mine.record("skipped", "for the test"))

    assert lease is not None
    assert lease.owner == "m-one/0a1b2c"
    assert lease.expires_at == START + timedelta(seconds=LEASE)
    assert (run.state, run.started_at, run.owner) == ("running", START, lease.owner)


def test_the_end_that_was_set_is_written_and_the_lease_given_back(
    registry: Registry, clock: Clock
) -> None:
    with attempt(registry, clock) as mine:
        clock.time += timedelta(minutes=3)
        mine.end(mine.record("rejected", "not better", counts={"votes": 7}))

    run = stored(registry)
    assert (run.state, run.reason, run.exit) == ("rejected", "not better", 0)
    assert (run.counts, run.ended_at) == ({"votes": 7}, START + timedelta(minutes=3))
    assert registry.lease() is None


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (RetrainError("the disk is full"), 1, "the disk is full"),
        (UsageError("seed must be"), 2, "seed must be"),
        (ChampionChangedError("another serial"), 5, "another serial"),
        (InterruptedRunError("told to stop"), 143, "told to stop"),
        (ValueError("raw data"), 1, "unexpected ValueError"),
        (KeyboardInterrupt(), 1, "unexpected KeyboardInterrupt"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_a_failure_closes_the_record_with_its_exit_status(
    registry: Registry, clock: Clock, error: BaseException, code: int, reason: str
) -> None:
    with pytest.raises(type(error)) as caught, attempt(registry, clock):
        raise error

    assert caught.value is error
    run = stored(registry)
    assert (run.state, run.exit, run.reason) == ("failed", code, reason)
    assert registry.lease() is None


def test_a_failure_is_told_to_whoever_keeps_the_evidence_once_the_record_is_closed(
    registry: Registry, clock: Clock
) -> None:
    told: list[tuple[RetrainError | None, str]] = []

    def tell(error: RetrainError | None) -> None:
        told.append((error, stored(registry).state))

    error = RetrainError("no")
    with pytest.raises(RetrainError), attempt(registry, clock, on_failure=tell):
        raise error
    second = attempt(registry, clock, run_id="m-two", on_failure=tell)
    with pytest.raises(ValueError, match="raw"), second:
        raise ValueError("raw data")

    assert told == [(error, "failed"), (None, "failed")]


def test_an_end_that_was_reached_is_no_failure_to_anyone(registry: Registry, clock: Clock) -> None:
    told: list[object] = []
    with attempt(registry, clock, on_failure=told.append) as mine:
        mine.end(mine.record("skipped", "nothing new"))

    assert told == []


def test_a_signal_stops_the_run_with_143(
    registry: Registry, clock: Clock, interrupt: Interrupt
) -> None:
    with pytest.raises(InterruptedRunError), attempt(registry, clock, interrupt):
        signal.raise_signal(signal.SIGTERM)

    assert (stored(registry).state, stored(registry).exit) == ("failed", 143)
    assert registry.lease() is None


def test_a_signal_while_shielded_stops_the_run_at_its_next_check(
    registry: Registry, clock: Clock, interrupt: Interrupt
) -> None:
    steps = []

    def body(mine: Attempt) -> None:
        with interrupt.shield():
            signal.raise_signal(signal.SIGTERM)
            steps.append("whole")
        steps.append("up to the check")
        mine.check()
        steps.append("never")

    fails(InterruptedRunError, attempt(registry, clock, interrupt), body)

    assert steps == ["whole", "up to the check"]
    assert stored(registry).exit == 143


def test_a_signal_after_the_end_was_reached_changes_nothing(
    registry: Registry, clock: Clock, interrupt: Interrupt
) -> None:
    with attempt(registry, clock, interrupt) as mine:
        mine.end(mine.record("promoted", "better"))
        signal.raise_signal(signal.SIGTERM)

    assert (stored(registry).state, stored(registry).exit) == ("promoted", 0)


def test_a_signal_that_a_library_turned_into_its_own_error_is_still_the_reason(
    registry: Registry, clock: Clock, interrupt: Interrupt
) -> None:
    def body(_: Attempt) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except Stop:
            raise ValueError("the callback failed") from None

    fails(InterruptedRunError, attempt(registry, clock, interrupt), body)

    assert (stored(registry).exit, stored(registry).state) == (143, "failed")


def test_the_heart_renews_the_lease(registry: Registry, clock: Clock) -> None:
    def expiry() -> datetime | None:
        lease = registry.lease()
        return lease.expires_at if lease else None

    with attempt(registry, clock, lease=BRIEF) as mine:
        clock.time += timedelta(hours=1)
        wait_for(lambda: expiry() == clock.time + timedelta(seconds=BRIEF))
        mine.check()
        mine.end(mine.record("skipped", "for the test"))

    assert registry.lease() is None


def take_over(registry: Registry, now: datetime) -> None:
    other = Run(run_id="m-other", created_at=now)
    registry.launch(other, owner="other", lease_seconds=LEASE, now=now)


def test_a_lost_lease_stops_the_run_and_its_record_stays_as_the_taker_closed_it(
    registry: Registry, clock: Clock
) -> None:
    # Given an owner who fell silent, and another run that took its lease over
    told: list[object] = []

    def body(mine: Attempt) -> None:
        take_over(registry, START + timedelta(hours=1))
        # When the old owner wakes up
        while True:
            mine.check()
            time.sleep(0.002)

    fails(LeaseLostError, attempt(registry, clock, lease=BRIEF, on_failure=told.append), body)

    # Then it finishes nothing and leaves no evidence over the other's
    run, lease = stored(registry), registry.lease()
    assert (run.state, run.exit) == ("failed", 1)
    assert "m-other took it over" in run.reason
    assert lease is not None
    assert (lease.owner, told) == ("other", [])


def test_an_end_that_is_reached_without_the_lease_is_not_written(
    registry: Registry, clock: Clock
) -> None:
    def body(mine: Attempt) -> None:
        take_over(registry, START + timedelta(hours=1))
        mine.end(mine.record("rejected", "not better"))

    fails(LeaseLostError, attempt(registry, clock), body)

    assert stored(registry).state == "failed"
    assert "m-other took it over" in stored(registry).reason


def test_a_held_lease_keeps_the_second_run_out_and_changes_nothing(
    registry: Registry, clock: Clock
) -> None:
    take_over(registry, START)
    before = (registry.runs(), registry.lease())

    with pytest.raises(LeaseHeldError), attempt(registry, clock):
        pytest.fail("must not run")

    assert (registry.runs(), registry.lease()) == before


def test_a_second_claimant_is_kept_out_and_changes_nothing(
    registry: Registry, clock: Clock
) -> None:
    with attempt(registry, clock) as mine:
        before = (registry.runs(), registry.lease())

        with pytest.raises(AlreadyClaimedError), attempt(registry, clock):
            pytest.fail("must not run")

        assert (registry.runs(), registry.lease()) == before
        mine.end(mine.record("skipped", "for the test"))


def test_a_registry_that_is_gone_at_the_end_is_a_failure(
    registry: Registry, clock: Clock, folder: Path
) -> None:
    def body(mine: Attempt) -> None:
        shutil.rmtree(folder)
        mine.end(mine.record("rejected", "not better"))

    fails(RegistryError, attempt(registry, clock), body)


def test_a_registry_that_is_gone_after_the_promotion_undoes_nothing(
    registry: Registry, clock: Clock, folder: Path
) -> None:
    # Given a promotion, whose own transaction has closed the record
    with attempt(registry, clock) as mine:
        mine.end(replace(mine.record("promoted", "better"), serial=1))
        shutil.rmtree(folder)

    # Then the run ends as promoted, whatever becomes of its lease
    assert mine.ended is not None
    assert mine.ended.state == "promoted"


def test_a_registry_that_is_gone_does_not_hide_why_the_run_failed(
    registry: Registry, clock: Clock, folder: Path
) -> None:
    def body(_: Attempt) -> None:
        shutil.rmtree(folder)
        raise UsageError("seed must be a number")

    fails(UsageError, attempt(registry, clock), body)
