"""A task on ECS: it claims what was launched, says which task it is, and has a deadline."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from common.errors import AlreadyClaimedError, RegistryError, RetrainError
from common.registry import Registry, open_registry
from common.registry.records import Run
from task.attempt import GRACE, Attempt
from task.interrupt import Interrupt
from tests.unit.attempts import (
    ARN,
    BRIEF,
    DEADLINE,
    LEASE,
    START,
    Clock,
    attempt,
    stored,
    wait_for,
)

LAUNCHED = Run(run_id="m-one", created_at=START - timedelta(minutes=3))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry in which a trigger has launched m-one."""
    made = open_registry(f"sqlite:///{tmp_path}/registry.sqlite")
    made.launch(LAUNCHED, owner="trigger/request", lease_seconds=LEASE, now=START)
    return made


def test_what_a_trigger_launched_is_claimed_and_not_launched_again(
    registry: Registry, clock: Clock
) -> None:
    # When
    with attempt(registry, clock, launched=True, task_arn=ARN) as mine:
        lease, run = registry.lease(), stored(registry)
        mine.end(mine.record("rejected", "not better"))

    # Then one launch and one claim are all there was
    assert lease is not None
    assert (lease.owner, lease.fencing) == ("m-one/0a1b2c", 2)
    assert (run.state, run.created_at, run.started_at) == ("running", LAUNCHED.created_at, START)
    ended = stored(registry)
    assert (ended.state, ended.created_at, ended.fencing) == ("rejected", LAUNCHED.created_at, 2)
    assert registry.lease() is None


def test_a_run_that_nobody_launched_is_an_error_and_not_begun(
    registry: Registry, clock: Clock
) -> None:
    made = attempt(registry, clock, launched=True, run_id="m-unknown")

    with pytest.raises(RegistryError, match="must be launched before it is claimed"), made:
        pytest.fail("must not run")

    assert [run.run_id for run in registry.runs()] == ["m-one"]


@pytest.mark.parametrize("ended", [False, True], ids=["it runs", "it has ended"])
def test_a_second_task_for_a_run_changes_nothing(
    registry: Registry, clock: Clock, ended: bool
) -> None:
    # Given a task that has claimed the run
    with ExitStack() as first:
        mine = first.enter_context(attempt(registry, clock, launched=True, task_arn=ARN))
        mine.end(mine.record("skipped", "no votes yet"))
        if ended:
            first.close()
        before = (registry.runs(), registry.lease())

        # When another one comes
        second = attempt(registry, clock, launched=True, task_arn=f"{ARN}-two")
        with pytest.raises(AlreadyClaimedError), second:
            pytest.fail("must not run")

        # Then
        assert (registry.runs(), registry.lease()) == before


def test_the_record_names_the_task_while_it_runs_and_ever_after(
    registry: Registry, clock: Clock
) -> None:
    with attempt(registry, clock, launched=True, task_arn=ARN) as mine:
        running = stored(registry)
        mine.end(mine.record("rejected", "not better"))

    assert (running.task_arn, stored(registry).task_arn) == (ARN, ARN)


def test_a_run_that_cannot_be_read_after_its_claim_is_closed(
    registry: Registry, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Run:
        raise RegistryError("throttled")

    monkeypatch.setattr(registry, "note_task", refuse)

    with pytest.raises(RegistryError), attempt(registry, clock, launched=True, task_arn=ARN):
        pytest.fail("must not run")

    assert (stored(registry).state, stored(registry).reason) == ("failed", "throttled")
    assert registry.lease() is None


def test_past_its_deadline_a_run_stops_by_itself_and_frees_the_lease(
    registry: Registry, clock: Clock, interrupt: Interrupt
) -> None:
    # Given a run that hangs
    brief = timedelta(milliseconds=20)
    hung = attempt(registry, clock, interrupt, launched=True, deadline=brief)

    def body(mine: Attempt) -> None:
        mine.check()
        time.sleep(10)

    # When its time is up
    with pytest.raises(RetrainError, match="deadline_minutes") as caught, hung as mine:
        body(mine)

    # Then it is a failure, and says which setting it is about
    assert caught.value.exit_code == 1
    run = stored(registry)
    assert (run.state, run.exit, run.reason) == ("failed", 1, str(caught.value))
    assert registry.lease() is None


def test_a_deadline_after_the_end_was_reached_changes_nothing(
    registry: Registry, clock: Clock, interrupt: Interrupt
) -> None:
    with attempt(registry, clock, interrupt, launched=True) as mine:
        mine.check()
        mine.end(mine.record("promoted", "better"))
        signal.raise_signal(signal.SIGALRM)

    assert (stored(registry).state, stored(registry).exit) == ("promoted", 0)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_run_that_hangs_past_its_deadline_loses_its_lease(
    registry: Registry, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a main thread that no signal reaches
    def body(mine: Attempt) -> None:
        clock.time = START + DEADLINE + GRACE + timedelta(seconds=1)
        wait_for(lambda: "past its deadline" in caplog.text)
        mine.check()
        mine.end(mine.record("rejected", "not better"))

    # When
    with attempt(registry, clock, lease=BRIEF, launched=True) as mine:
        claimed = registry.lease()
        body(mine)
        left = registry.lease()

    # Then the heart has stopped, and whoever comes next may take the lease over
    assert claimed is not None
    assert left is not None
    assert not left.held(clock.time)


def test_up_to_its_deadline_and_grace_a_run_keeps_its_lease(
    registry: Registry, clock: Clock
) -> None:
    def held() -> bool:
        lease = registry.lease()
        return lease is not None and lease.held(clock.time)

    with attempt(registry, clock, lease=BRIEF, launched=True) as mine:
        clock.time = START + DEADLINE + GRACE
        wait_for(held)
        mine.end(mine.record("rejected", "not better"))

    assert stored(registry).state == "rejected"
