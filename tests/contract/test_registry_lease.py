"""What every registry promises about launching, claiming, renewing and finishing a run."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from common.errors import (
    AlreadyClaimedError,
    LeaseHeldError,
    LeaseLostError,
    RegistryError,
    UsageError,
)
from common.registry import Registry
from common.registry.records import Lease, Run
from tests.contract.steps import (
    LEASE_SECONDS,
    START,
    after,
    claim,
    everything,
    launch,
    promote,
    running,
)


def test_a_new_registry_holds_nothing(registry: Registry) -> None:
    assert everything(registry) == (None, [], None, None, [])
    assert registry.run("m-1") is None


# --- launch


def test_a_launched_run_is_recorded_and_holds_the_lease(registry: Registry) -> None:
    launched = launch(registry, "m-1")

    assert launched == Run(
        run_id="m-1", created_at=START, state="launched", owner="m-1/cli", fencing=1
    )
    assert registry.run("m-1") == launched
    assert registry.lease() == Lease(run_id="m-1", owner="m-1/cli", expires_at=after(10), fencing=1)


def test_a_launch_while_another_run_holds_the_lease_names_owner_and_expiry_and_writes_nothing(
    registry: Registry,
) -> None:
    running(registry, "m-1")
    before = everything(registry)

    with pytest.raises(LeaseHeldError) as refused:
        launch(registry, "m-2", after(9.99))

    assert (refused.value.owner, refused.value.expires_at) == ("m-1/t1", "2026-11-22T02:10:00Z")
    assert everything(registry) == before


@pytest.mark.parametrize("claimed", [False, True], ids=["launched only", "running"])
def test_who_takes_over_an_expired_lease_closes_the_dead_run_and_names_its_owner(
    registry: Registry, claimed: bool
) -> None:
    launch(registry, "m-1")
    if claimed:
        claim(registry, "m-1")

    # The moment of the expiry is the first that is not covered.
    launch(registry, "m-2", after(10))

    dead = registry.run("m-1")
    assert dead is not None
    assert (dead.state, dead.exit, dead.ended_at) == ("failed", 1, after(10))
    assert ("m-1/t1" if claimed else "m-1/cli") in dead.reason
    assert "m-2" in dead.reason
    lease = registry.lease()
    assert lease is not None
    assert (lease.run_id, lease.fencing) == ("m-2", 3 if claimed else 2)


def test_a_takeover_leaves_the_record_of_a_run_that_was_promoted_before_it_died(
    registry: Registry,
) -> None:
    run, lease = running(registry, "m-1")
    promote(registry, "m-1", 0, lease=lease, run=replace(run, state="promoted"))
    promoted = registry.run("m-1")

    launch(registry, "m-2", after(60))

    assert registry.run("m-1") == promoted


def test_a_run_that_nobody_claimed_may_be_launched_again(registry: Registry) -> None:
    launch(registry, "m-1")

    again = launch(registry, "m-1", after(1))

    assert (again.state, again.fencing) == ("launched", 2)
    assert claim(registry, "m-1", now=after(2)).fencing == 3


def test_a_run_that_was_claimed_is_not_launched_again(registry: Registry) -> None:
    running(registry, "m-1")
    before = everything(registry)

    with pytest.raises(AlreadyClaimedError, match="m-1 is running"):
        launch(registry, "m-1", after(60))

    assert everything(registry) == before


def test_a_run_that_ended_is_not_launched_again(registry: Registry) -> None:
    run, lease = running(registry, "m-1")
    registry.finish(replace(run, state="skipped", exit=0), lease, now=after(1))
    before = everything(registry)

    with pytest.raises(AlreadyClaimedError, match="m-1 is skipped"):
        launch(registry, "m-1", after(60))

    assert everything(registry) == before


def test_a_run_whose_id_could_be_misread_as_a_path_or_a_key_is_not_launched(
    registry: Registry,
) -> None:
    for run_id in ("m-../1", "RUN#1", "m-1'; DROP TABLE items; --", "m-가일", ""):
        with pytest.raises(UsageError, match="run id"):
            launch(registry, run_id)

    assert everything(registry) == (None, [], None, None, [])


# --- claim


def test_a_claim_makes_the_run_running_and_its_task_the_owner(registry: Registry) -> None:
    launch(registry, "m-1")

    lease = claim(registry, "m-1", now=after(3))

    assert lease == Lease(run_id="m-1", owner="m-1/t1", expires_at=after(13), fencing=2)
    assert registry.lease() == lease
    assert registry.run("m-1") == Run(
        run_id="m-1",
        created_at=START,
        state="running",
        owner="m-1/t1",
        fencing=2,
        started_at=after(3),
    )


def test_a_second_claimant_is_refused_and_writes_nothing(registry: Registry) -> None:
    running(registry, "m-1")
    before = everything(registry)

    with pytest.raises(AlreadyClaimedError):
        claim(registry, "m-1", task="t2", now=after(60))

    assert everything(registry) == before


def test_a_late_claim_is_good_as_long_as_nobody_took_the_lease(registry: Registry) -> None:
    launch(registry, "m-1")

    assert claim(registry, "m-1", now=after(60)).expires_at == after(70)


def test_a_claim_of_a_run_that_was_closed_as_dead_is_refused(registry: Registry) -> None:
    launch(registry, "m-1")
    launch(registry, "m-2", after(10))

    with pytest.raises(AlreadyClaimedError, match="failed"):
        claim(registry, "m-1", now=after(11))


def test_a_claim_of_a_run_that_was_never_launched_is_an_error(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="m-1"):
        claim(registry, "m-1")

    assert everything(registry) == (None, [], None, None, [])


# --- renew


def test_a_renewed_lease_counts_from_the_renewal_and_keeps_its_number(registry: Registry) -> None:
    _, lease = running(registry, "m-1")

    renewed = registry.renew(lease, lease_seconds=60, now=after(5))

    assert renewed == replace(lease, expires_at=after(6))
    assert registry.lease() == renewed


def test_a_lease_that_expired_and_was_not_taken_may_be_renewed(registry: Registry) -> None:
    _, lease = running(registry, "m-1")

    assert registry.renew(lease, lease_seconds=60, now=after(30)).expires_at == after(31)


def taken_over(registry: Registry, run: Run, lease: Lease) -> None:
    launch(registry, "m-2", after(20))


def given_back(registry: Registry, run: Run, lease: Lease) -> None:
    registry.finish(replace(run, state="skipped"), lease, now=after(1))


def taken_over_and_given_back(registry: Registry, run: Run, lease: Lease) -> None:
    run, lease = running(registry, "m-2", after(20))
    given_back(registry, run, lease)


LOSSES = [taken_over, given_back, taken_over_and_given_back]
Loss = Callable[[Registry, Run, Lease], None]


@pytest.mark.parametrize("lose", LOSSES)
def test_a_lost_lease_neither_renews_nor_finishes_nor_promotes(
    registry: Registry, lose: Loss
) -> None:
    run, lease = running(registry, "m-1")
    lose(registry, run, lease)
    before = everything(registry)
    promoted = replace(run, state="promoted")

    # At the time of the loss and, as by a clock that stood still, at a time before it.
    for now in (after(21), START):
        with pytest.raises(LeaseLostError, match="m-1/t1"):
            registry.renew(lease, lease_seconds=LEASE_SECONDS, now=now)
        with pytest.raises(LeaseLostError, match="m-1/t1"):
            registry.finish(promoted, lease, now=now)
        with pytest.raises(LeaseLostError, match="m-1/t1"):
            promote(registry, "m-1", 0, lease=lease, run=promoted, now=now)

    assert everything(registry) == before


def test_the_lease_of_the_launch_is_lost_to_the_claim(registry: Registry) -> None:
    launch(registry, "m-1")
    launcher = registry.lease()
    assert launcher is not None
    claim(registry, "m-1")

    with pytest.raises(LeaseLostError):
        registry.renew(launcher, lease_seconds=LEASE_SECONDS, now=START)


def test_the_number_tells_two_leases_of_one_owner_apart(registry: Registry) -> None:
    launch(registry, "m-1")
    first = registry.lease()
    assert first is not None
    launch(registry, "m-1")
    before = everything(registry)

    with pytest.raises(LeaseLostError, match=r"number 1\).*number 2\)"):
        registry.renew(first, lease_seconds=LEASE_SECONDS, now=START)
    with pytest.raises(LeaseLostError, match=r"number 1\).*number 2\)"):
        promote(registry, "m-1", 0, lease=first)

    assert everything(registry) == before


# --- finish


def test_a_finished_run_is_on_record_and_the_lease_is_free_at_once(registry: Registry) -> None:
    run, lease = running(registry, "m-1")
    rejected = replace(
        run,
        state="rejected",
        exit=0,
        reason="no better",
        cutoff=after(-1),
        counts={"votes": 60, "rejected_by_reason": {"unknown vote": 2}},
        metrics={"f1": {"value": 0.8, "low": 0.7, "high": 0.9, "n": 60}},
    )

    ended = registry.finish(rejected, lease, now=after(4))

    assert ended == replace(rejected, ended_at=after(4))
    assert registry.run("m-1") == ended
    assert registry.lease() is None
    assert launch(registry, "m-2", after(4)).state == "launched"


def test_the_fencing_number_never_decreases_also_after_the_lease_was_given_back(
    registry: Registry,
) -> None:
    numbers = []
    for run_id in ("m-1", "m-2", "m-3"):
        numbers.append(launch(registry, run_id).fencing)
        lease = claim(registry, run_id)
        run = registry.run(run_id)
        assert run is not None
        numbers.append(lease.fencing)
        registry.finish(replace(run, state="skipped"), lease, now=after(1))

    assert numbers == [1, 2, 3, 4, 5, 6]


def test_a_run_that_failed_to_start_is_finished_with_the_lease_of_its_launch(
    registry: Registry,
) -> None:
    run = launch(registry, "m-1")
    lease = registry.lease()
    assert lease is not None

    registry.finish(replace(run, state="failed", exit=1), lease, now=after(1))

    assert registry.lease() is None
