"""What every registry promises to several processes at once."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from common.registry import Registry
from tests.contract.steps import START, after, launch

Race = Callable[[str, list[dict[str, Any]]], list[str]]


def test_of_eight_that_promote_at_once_one_wins_and_the_losers_change_nothing(
    registry: Registry, registry_url: str, race: Race
) -> None:
    registry.promote(version="m-0", sha="0", expected_serial=0, action="promote", now=START)
    versions = [f"m-{number}" for number in range(1, 9)]

    outcomes = race(
        "promote", [{"url": registry_url, "version": each, "serial": 1} for each in versions]
    )

    assert Counter(outcomes) == {"done": 1, "ChampionChangedError": 7}
    winner = versions[outcomes.index("done")]
    active = registry.active()
    assert active is not None
    assert (active.version, active.serial) == (winner, 2)
    assert [entry.version for entry in registry.history()] == ["m-0", winner]


def test_of_eight_first_promotions_into_a_registry_that_is_not_there_yet_one_wins(
    registry: Registry, registry_url: str, race: Race
) -> None:
    versions = [f"m-{number}" for number in range(1, 9)]

    outcomes = race(
        "promote", [{"url": registry_url, "version": each, "serial": 0} for each in versions]
    )

    assert Counter(outcomes) == {"done": 1, "ChampionChangedError": 7}
    assert [entry.version for entry in registry.history()] == [versions[outcomes.index("done")]]


def test_of_eight_runs_launched_at_once_one_takes_the_lease_and_only_it_is_on_record(
    registry: Registry, registry_url: str, race: Race
) -> None:
    run_ids = [f"a-{number}" for number in range(8)]

    outcomes = race("launch", [{"url": registry_url, "run_id": each} for each in run_ids])

    assert Counter(outcomes) == {"done": 1, "LeaseHeldError": 7}
    winner = run_ids[outcomes.index("done")]
    lease = registry.lease()
    assert lease is not None
    assert (lease.run_id, lease.fencing) == (winner, 1)
    assert [run.run_id for run in registry.runs()] == [winner]


def test_of_eight_tasks_that_claim_a_run_at_once_one_carries_it_out(
    registry: Registry, registry_url: str, race: Race
) -> None:
    launch(registry, "a-1")
    tasks = [f"t{number}" for number in range(8)]

    outcomes = race(
        "claim", [{"url": registry_url, "run_id": "a-1", "task": each} for each in tasks]
    )

    assert Counter(outcomes) == {"done": 1, "AlreadyClaimedError": 7}
    lease = registry.lease()
    assert lease is not None
    assert (lease.owner, lease.fencing) == (f"a-1/{tasks[outcomes.index('done')]}", 2)


def test_an_owner_that_slept_through_a_takeover_can_neither_promote_nor_renew_nor_finish(
    registry: Registry, registry_url: str, racer: Callable[..., Any]
) -> None:
    # Given a process that claimed its run and then stood still
    launch(registry, "a-1")
    sleeper = racer("own_and_pause", url=registry_url, run_id="a-1")
    sleeper.ready()
    # When its lease expires, another run takes it over, and the process wakes
    launch(registry, "a-2", after(11))
    closed, lease = registry.run("a-1"), registry.lease()
    sleeper.go()
    # Then it can do nothing more, though by its own clock the lease has not expired
    assert sleeper.outcomes() == ["LeaseLostError"] * 3
    assert (registry.active(), registry.history()) == (None, [])
    assert (registry.run("a-1"), registry.lease()) == (closed, lease)
    assert closed is not None
    assert closed.state == "failed"
