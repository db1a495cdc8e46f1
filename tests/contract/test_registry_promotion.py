"""What every registry promises about the active version, its history, the hold, and reading."""

from dataclasses import replace

import pytest

from common.errors import ChampionChangedError, LeaseLostError, NotDoneError
from common.registry import Registry, open_registry
from common.registry.records import Active, HistoryEntry, Hold
from tests.contract.steps import LEASE_SECONDS, START, after, everything, promote, running

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


def test_a_run_that_crosses_a_rollback_hears_of_the_hold_not_of_a_changed_champion(
    registry: Registry,
) -> None:
    # A rollback changes the active version and sets the hold at once.
    promote(registry, "m-1", 0)
    promote(registry, "m-2", 1)
    promote(registry, "m-1", 2, action="rollback", hold=HOLD)

    with pytest.raises(NotDoneError, match="resume"):
        promote(registry, "m-3", 2)

    assert registry.active() is not None


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
