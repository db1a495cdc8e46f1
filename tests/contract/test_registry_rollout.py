"""What every registry promises about a roll-out: it ends once, and only who knows may end it."""

from dataclasses import replace

import pytest

from common.errors import ChampionChangedError, LeaseLostError, RegistryError
from common.registry import Registry
from common.registry.records import Lease, Run
from tests.contract.steps import after, everything, launch, promote, running

ARN = "arn:aws:ecs:us-east-1:123456789012:task/hairme/t1"


@pytest.fixture
def lease(registry: Registry) -> Lease:
    """The lease of m-1, whose version is active since a moment."""
    run, lease = running(registry, "m-1")
    promote(registry, "m-1", 0, lease=lease, run=replace(run, state="rolling_out", reason="better"))
    return lease


def stored(registry: Registry, run_id: str = "m-1") -> Run:
    run = registry.run(run_id)
    assert run is not None
    return run


# --- rolling_out is no end, and not running either


def test_a_promotion_that_is_rolled_out_has_not_ended(registry: Registry, lease: Lease) -> None:
    run = stored(registry)

    assert (run.state, run.exit, run.ended_at) == ("rolling_out", None, None)
    assert (run.version, run.serial, run.previous) == ("m-1", 1, None)
    assert registry.lease() == lease


def test_whoever_takes_an_expired_lease_over_leaves_the_roll_out_open(
    registry: Registry, lease: Lease
) -> None:
    launch(registry, "m-2", after(30))

    assert stored(registry).state == "rolling_out"


@pytest.mark.parametrize("task_arn", [ARN, None])
def test_the_end_of_its_task_frees_the_lease_and_leaves_the_roll_out_open(
    registry: Registry, lease: Lease, task_arn: str | None
) -> None:
    closed = registry.close("m-1", task_arn=task_arn, exit_code=137, reason="killed", now=after(1))

    assert closed is None
    assert (stored(registry).state, stored(registry).ended_at) == ("rolling_out", None)
    assert registry.lease() is None


def test_the_end_of_another_task_leaves_its_lease_alone(registry: Registry, lease: Lease) -> None:
    other = ARN.replace("/t1", "/t2")

    assert registry.close("m-1", task_arn=other, exit_code=1, reason="x", now=after(1)) is None

    assert registry.lease() == lease


def test_a_promotion_whose_answer_was_lost_stays_open(registry: Registry, lease: Lease) -> None:
    # Given a run that believes that it has failed
    before = stored(registry)
    failed = replace(before, state="failed", exit=1, serial=None, version=None)

    registry.finish(failed, lease, now=after(1))

    assert stored(registry) == before
    assert registry.lease() is None


# --- leave


def test_the_lease_of_a_roll_out_can_be_given_back_while_it_stays_open(
    registry: Registry, lease: Lease
) -> None:
    before = stored(registry)

    registry.leave(lease, now=after(1))

    assert registry.lease() is None
    assert stored(registry) == before
    assert launch(registry, "m-2", after(1)).fencing == lease.fencing + 1


def test_a_lease_that_was_taken_over_is_not_given_back(registry: Registry, lease: Lease) -> None:
    launch(registry, "m-2", after(30))
    before = everything(registry)

    with pytest.raises(LeaseLostError):
        registry.leave(lease, now=after(31))

    assert everything(registry) == before


# --- heal


def test_a_healer_ends_a_roll_out_whoever_has_the_lease(registry: Registry, lease: Lease) -> None:
    registry.mark_alerted(stored(registry), after(1))
    ended = replace(stored(registry), state="rolled_back", exit=4, reason="back")

    healed = registry.heal(ended, now=after(2))

    # Then people are told how it ended, also those who were told that it failed
    assert healed == replace(ended, ended_at=after(2), alerted_at=None)
    assert stored(registry) == healed
    assert registry.lease() == lease


def test_a_roll_out_is_ended_once(registry: Registry, lease: Lease) -> None:
    first = replace(stored(registry), state="rolled_back", exit=4, reason="back")
    registry.heal(first, now=after(2))
    before = everything(registry)

    assert registry.heal(replace(first, state="failed", exit=1), now=after(3)) is None
    assert everything(registry) == before


def test_the_run_itself_does_not_end_what_a_healer_has_ended(
    registry: Registry, lease: Lease
) -> None:
    ended = replace(stored(registry), state="rolled_back", exit=4, reason="back")
    healed = registry.heal(ended, now=after(2))

    found = registry.finish(replace(ended, state="served", exit=0), lease, now=after(3))

    assert found == healed == stored(registry)
    assert registry.lease() is None


def test_only_a_roll_out_is_healed(registry: Registry) -> None:
    run, _ = running(registry, "m-2")
    before = everything(registry)

    assert registry.heal(replace(run, state="failed", exit=1), now=after(1)) is None
    unknown = replace(run, run_id="m-unknown", state="failed")
    assert registry.heal(unknown, now=after(1)) is None
    assert everything(registry) == before


def test_a_healer_cannot_leave_a_roll_out_open(registry: Registry, lease: Lease) -> None:
    with pytest.raises(AssertionError, match="is not an end"):
        registry.heal(stored(registry), now=after(1))


# --- note_rollout


def test_what_was_seen_of_a_roll_out_is_noted_in_order_and_outlives_its_end(
    registry: Registry, lease: Lease
) -> None:
    # Given a run with the record that it wrote at its promotion
    own = stored(registry)
    registry.note_rollout("m-1", "forced", deployment="d-1")
    noted = registry.note_rollout("m-1", "all run")
    assert (noted.rollout, noted.deployment) == (["forced", "all run"], "d-1")

    # When
    registry.finish(replace(own, state="served", exit=0, deployment="d-1"), lease, now=after(3))

    # Then
    ended = stored(registry)
    assert (ended.state, ended.rollout, ended.deployment) == ("served", noted.rollout, "d-1")


def test_nothing_is_noted_on_a_run_that_is_not_rolled_out(registry: Registry, lease: Lease) -> None:
    registry.finish(replace(stored(registry), state="served", exit=0), lease, now=after(1))
    before = everything(registry)

    assert registry.note_rollout("m-1", "late") == stored(registry)
    assert everything(registry) == before
    with pytest.raises(RegistryError, match="must be on record"):
        registry.note_rollout("m-unknown", "x")


def test_a_roll_out_that_has_ended_is_not_undone_any_more(registry: Registry, lease: Lease) -> None:
    # Given a healer that read the record while the roll-out was open, and a run that ended since
    open_still = stored(registry)
    registry.finish(replace(open_still, state="served", exit=0), lease, now=after(1))
    before = everything(registry)

    with pytest.raises(ChampionChangedError, match="m-1 has ended served"):
        promote(registry, "m-0", 1, action="restore", run=open_still)

    assert everything(registry) == before
