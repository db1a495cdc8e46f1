"""What every registry promises to one caller; the races stand in a module of their own."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.errors import (
    AlreadyClaimedError,
    ChampionChangedError,
    LeaseHeldError,
    LeaseLostError,
    NotDoneError,
    RegistryError,
    UsageError,
)
from common.registry import Registry, open_registry
from common.registry.records import Active, HistoryEntry, Hold, Lease, Run

START = datetime(2026, 11, 22, 2, tzinfo=UTC)
LEASE_SECONDS = 600.0


def after(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def launch(registry: Registry, run_id: str, now: datetime = START) -> Run:
    run = Run(run_id=run_id, created_at=now)
    return registry.launch(run, owner=f"{run_id}/cli", lease_seconds=LEASE_SECONDS, now=now)


def claim(registry: Registry, run_id: str, task: str = "t1", now: datetime = START) -> Lease:
    return registry.claim(run_id, task=task, lease_seconds=LEASE_SECONDS, now=now)


def running(registry: Registry, run_id: str, now: datetime = START) -> tuple[Run, Lease]:
    """A run that was launched and claimed."""
    launch(registry, run_id, now)
    lease = claim(registry, run_id, now=now)
    run = registry.run(run_id)
    assert run is not None
    return run, lease


def promote(registry: Registry, version: str, serial: int, **more: Any) -> HistoryEntry:
    arguments: dict[str, Any] = {"action": "promote", "now": START} | more
    return registry.promote(
        version=version, sha=f"sha-{version}", expected_serial=serial, **arguments
    )


def everything(registry: Registry) -> tuple[object, ...]:
    """All that a refused operation must leave as it was."""
    return (
        registry.active(),
        registry.history(),
        registry.hold(),
        registry.lease(),
        registry.runs(),
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


# --- promote


def test_the_first_promotion_writes_active_history_and_the_run_together(
    registry: Registry,
) -> None:
    run, lease = running(registry, "m-1")
    promoted = replace(run, state="promoted", exit=0, metrics={"f1": 0.8})

    entry = promote(
        registry, "m-1", 0, lease=lease, run=promoted, metrics={"f1": 0.8}, now=after(2)
    )

    assert entry == HistoryEntry(
        serial=1,
        version="m-1",
        previous=None,
        run_id="m-1",
        action="promote",
        at=after(2),
        sha="sha-m-1",
        metrics={"f1": 0.8},
    )
    assert registry.active() == Active(version="m-1", serial=1, run_id="m-1", since=after(2))
    assert registry.history() == [entry]
    assert registry.run("m-1") == replace(promoted, version="m-1", previous=None, serial=1)
    assert registry.lease() == lease, "the lease is kept until the run is finished"


def test_a_promotion_names_the_version_before_and_counts_on(registry: Registry) -> None:
    promote(registry, "m-1", 0)

    entry = promote(registry, "m-2", 1)

    assert (entry.serial, entry.previous, entry.run_id) == (2, "m-1", None)
    assert [each.version for each in registry.history()] == ["m-1", "m-2"]
    assert registry.active() == Active(version="m-2", serial=2, run_id=None, since=START)


def test_history_stays_in_order_beyond_nine_changes(registry: Registry) -> None:
    for serial in range(12):
        promote(registry, f"m-{serial}", serial)

    assert [entry.serial for entry in registry.history()] == list(range(1, 13))


@pytest.mark.parametrize("action", ["promote", "rollback", "restore"])
@pytest.mark.parametrize("serial", [0, 1, 2, 4], ids=lambda serial: f"against {serial}")
def test_a_change_against_another_serial_than_the_present_changes_nothing(
    registry: Registry, serial: int, action: str
) -> None:
    run, lease = running(registry, "m-9")
    # Back at the first version, so that only the serial tells that there was a change.
    for number, version in enumerate(("m-1", "m-2", "m-1")):
        promote(registry, version, number)
    before = everything(registry)

    with pytest.raises(ChampionChangedError, match=f"number {serial}.* got number 3"):
        promote(registry, "m-9", serial, action=action, lease=lease, run=run)

    assert everything(registry) == before


def test_a_promotion_against_a_champion_where_there_is_none_changes_nothing(
    registry: Registry,
) -> None:
    with pytest.raises(ChampionChangedError):
        promote(registry, "m-1", 1)

    assert everything(registry) == (None, [], None, None, [])


def test_an_expired_lease_promotes_nothing_even_if_nobody_took_it(registry: Registry) -> None:
    run, lease = running(registry, "m-1")
    before = everything(registry)

    with pytest.raises(LeaseLostError, match="2026-11-22T02:10:00Z"):
        promote(registry, "m-1", 0, lease=lease, run=run, now=after(10))

    assert everything(registry) == before


def test_a_lease_that_was_renewed_elsewhere_promotes_for_who_holds_the_older_copy(
    registry: Registry,
) -> None:
    run, lease = running(registry, "m-1")
    registry.renew(lease, lease_seconds=LEASE_SECONDS, now=after(9))

    assert promote(registry, "m-1", 0, lease=lease, run=run, now=after(15)).serial == 1


# --- hold


HOLD = Hold(since=START, reason="wrong on fringes", version="m-1")


def test_nothing_is_promoted_on_hold_and_the_refusal_names_the_way_out(registry: Registry) -> None:
    run, lease = running(registry, "m-2")
    promote(registry, "m-1", 0)
    registry.set_hold(HOLD)
    before = everything(registry)

    with pytest.raises(NotDoneError, match="resume"):
        promote(registry, "m-2", 1, lease=lease, run=replace(run, state="promoted"))
    with pytest.raises(NotDoneError, match="wrong on fringes"):
        promote(registry, "m-2", 1)

    assert everything(registry) == before
    assert registry.hold() == HOLD


def test_promotion_goes_on_after_the_hold_was_cleared(registry: Registry) -> None:
    registry.set_hold(HOLD)

    assert registry.clear_hold() is True
    assert registry.hold() is None
    assert registry.clear_hold() is False, "there was none any more"
    assert promote(registry, "m-2", 0).serial == 1


@pytest.mark.parametrize("action", ["rollback", "restore"])
def test_a_hold_does_not_stop_the_way_back(registry: Registry, action: str) -> None:
    promote(registry, "m-1", 0)
    promote(registry, "m-2", 1)
    registry.set_hold(HOLD)

    assert promote(registry, "m-1", 2, action=action).action == action


def test_a_rollback_sets_the_hold_in_the_same_step(registry: Registry) -> None:
    promote(registry, "m-1", 0)
    promote(registry, "m-2", 1)

    entry = promote(registry, "m-1", 2, action="rollback", hold=HOLD)

    assert (entry.action, entry.version, entry.previous) == ("rollback", "m-1", "m-2")
    assert registry.hold() == HOLD


def test_a_rollback_that_came_too_late_sets_no_hold(registry: Registry) -> None:
    promote(registry, "m-1", 0)

    with pytest.raises(ChampionChangedError):
        promote(registry, "m-0", 0, action="rollback", hold=HOLD)

    assert registry.hold() is None


# --- reading


def test_runs_come_newest_first_and_as_many_as_asked_for(registry: Registry) -> None:
    for number in (2, 1, 3):
        run, lease = running(registry, f"m-{number}", after(number))
        registry.finish(replace(run, state="skipped"), lease, now=after(number))

    assert [run.run_id for run in registry.runs()] == ["m-3", "m-2", "m-1"]
    assert [run.run_id for run in registry.runs(limit=2)] == ["m-3", "m-2"]
    assert registry.runs(limit=0) == []


def test_what_was_written_is_read_by_who_opens_the_registry_later(
    registry: Registry, registry_url: str
) -> None:
    run, lease = running(registry, "m-1")
    promote(registry, "m-1", 0, lease=lease, run=run)
    registry.set_hold(HOLD)

    assert everything(open_registry(registry_url)) == everything(registry)


def test_texts_are_kept_as_they_are_whatever_they_hold(registry: Registry) -> None:
    run, lease = running(registry, "m-1")
    nasty = "가일 컷 💇 '; DROP TABLE items; -- \\ \" \udcff \x00"

    registry.finish(replace(run, state="failed", reason=nasty), lease, now=after(1))

    kept = registry.run("m-1")
    assert kept is not None
    assert kept.reason == nasty
