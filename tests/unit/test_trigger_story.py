"""From an event to a task, or to a skip on record: with a real registry and a scripted ECS."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.database import VoteCounts
from common.errors import DatabaseError, LaunchError, RegistryError, UsageError
from common.registry.records import Run
from retrain_trigger.request import parse
from retrain_trigger.trigger import Answer, answer
from tests.unit.trigger_samples import (
    AD_HOC,
    CAPACITY,
    LEASE,
    NOW,
    OWN,
    REQUEST_ID,
    RUN,
    SLOT,
    TASK,
    World,
    ask,
    aws_error,
    numbers,
    on_record,
    verdict,
)

SLOT_TIME = datetime(2026, 11, 22, 2, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_enough_votes_start_one_task_and_the_record_names_it(world: World) -> None:
    found = ask(world)

    assert found == Answer(
        decision="launched",
        reason="63 votes, 12 of them new",
        run_id=RUN,
        task_arn=TASK,
        new_votes=12,
        total_votes=63,
        unknown_votes=0,
        needed=0,
    )
    run, lease = on_record(world), world.registry.lease()
    assert (run.state, run.task_arn, run.owner) == ("launched", TASK, f"trigger/{REQUEST_ID}")
    assert lease is not None
    assert lease.run_id == RUN
    assert numbers(world.emitted) == {"runs_launched": 1, "new_votes": 12, "total_votes": 63}


def test_the_lease_is_taken_before_ecs_is_asked(world: World) -> None:
    held: list[bool] = []
    world.ecs.meanwhile = lambda: held.append(world.registry.lease() is not None)

    ask(world)

    assert held == [True]


def test_the_task_gets_what_the_event_sets(world: World) -> None:
    found = ask(world, {"real_weight": 3.0, "auto_deploy": False})

    (container,) = world.ecs.asked[0]["overrides"]["containerOverrides"]
    assert container["command"] == ["run", "--run-id", AD_HOC, "--launched"]
    assert {each["name"]: each["value"] for each in container["environment"]} == {
        "RETRAIN_REAL_DATA_WEIGHT": "3.0",
        "RETRAIN_AUTO_DEPLOY": "false",
    }
    assert found.settings == {"real_data_weight": 3.0, "auto_deploy": False}


def test_too_few_votes_are_a_skip_on_record_and_nothing_starts(world: World) -> None:
    world.votes = VoteCounts(total=34, new=34, unknown=2)

    found = ask(world)

    assert (found.decision, found.needed, found.unknown_votes) == ("skipped", 16, 2)
    assert found.reason.startswith("too few votes: 34 of 50; 2 cells are in unknown spellings")
    assert world.ecs.asked == []
    run = on_record(world)
    assert (run.state, run.exit, run.reason) == ("skipped", 0, found.reason)
    assert run.counts["total_votes"] == 34
    assert world.registry.lease() is None
    assert numbers(world.emitted) == {"runs_skipped": 1, "new_votes": 34, "total_votes": 34}


def test_new_votes_count_from_the_cutoff_of_the_last_verdict(world: World) -> None:
    verdict(world)

    found = ask(world)

    assert world.counted_since == [NOW - timedelta(days=7)]
    assert found.last_verdict == "2026-11-15T02:00:05Z"


def test_an_event_may_lower_the_minimum_for_its_own_run(world: World) -> None:
    world.votes = VoteCounts(total=34, new=34)

    assert ask(world, {"min_feedback": 34}).decision == "launched"


def test_an_outage_of_the_database_raises_and_is_never_no_votes(world: World) -> None:
    world.votes = DatabaseError("the database hairme on db: nobody answers there")

    with pytest.raises(DatabaseError):
        ask(world)

    assert world.registry.runs() == []
    assert (world.ecs.asked, world.emitted) == ([], [])


def test_an_outage_of_the_registry_raises_before_anything_starts(world: World) -> None:
    (world.folder / "registry.sqlite").write_text("not a database, but long enough to be read")

    with pytest.raises(RegistryError):
        ask(world)

    assert world.ecs.asked == []


@pytest.mark.parametrize(
    ("event", "votes", "decision"),
    [
        ({"dry_run": True}, 63, "would_launch"),
        ({"dry_run": True}, 3, "would_skip"),
        ({"dry_run": True, "force": True}, 3, "would_launch"),
    ],
)
def test_a_dry_run_only_says_what_would_happen(
    world: World, event: object, votes: int, decision: str
) -> None:
    world.votes = VoteCounts(total=votes, new=votes)

    found = ask(world, event)

    assert (found.decision, found.total_votes) == (decision, votes)
    assert not (world.folder / "registry.sqlite").exists()
    assert (world.ecs.asked, world.emitted) == ([], [])


def test_a_held_lease_skips_even_a_forced_run_and_names_its_owner(world: World) -> None:
    ask(world, {})
    world.claim(AD_HOC)

    found = ask(world, SLOT | {})
    forced = answer(world.trigger(), parse({"force": True}, "second"))

    for each in (found, forced):
        assert each.decision == "skipped"
        assert f"(owner {AD_HOC}/{'a' * 32}) holds the lease until 2026-11-22T02:10" in each.reason
    assert len(world.ecs.asked) == 1
    assert on_record(world).state == "skipped"


def test_a_lease_that_is_taken_while_votes_are_counted_skips_too(world: World) -> None:
    trigger, count = world.trigger(), world.count

    def slow(since: object) -> VoteCounts:
        world.registry.launch(
            Run(run_id="m-x", created_at=NOW), owner="desk", lease_seconds=LEASE, now=NOW
        )
        return count(None)

    found = answer(replace(trigger, count=slow), parse(SLOT, REQUEST_ID))

    assert found.decision == "skipped"
    assert "desk holds the lease until 2026-11-22T02:10:05Z: wait for it" in found.reason
    assert (world.ecs.asked, on_record(world).state) == ([], "skipped")


def test_a_dead_owners_lease_is_taken_over_and_its_run_closed(world: World) -> None:
    ask(world, {})
    world.claim(AD_HOC)
    world.later(minutes=11)

    assert ask(world).decision == "launched"
    assert on_record(world, AD_HOC).state == "failed"


def test_without_capacity_anywhere_the_run_is_closed_the_lease_free_and_it_raises(
    world: World,
) -> None:
    world.ecs.script = [CAPACITY] * 3

    with pytest.raises(LaunchError, match=r"Capacity is unavailable.*; send \{\} for another run$"):
        ask(world)

    assert world.slept == [3, 9]
    run = on_record(world)
    assert (run.state, run.exit) == ("failed", 1)
    assert "Capacity is unavailable" in run.reason
    assert not run.task_arn
    assert world.registry.lease() is None
    assert numbers(world.emitted) == {"launch_failed": 1, "new_votes": 12, "total_votes": 63}


@pytest.mark.parametrize("code", ["AccessDeniedException", "InvalidParameterException"])
def test_a_refusal_of_ecs_closes_the_run_frees_the_lease_and_raises(
    world: World, code: str
) -> None:
    world.ecs.script = [aws_error(code)]

    with pytest.raises(LaunchError, match=code):
        ask(world)

    assert (on_record(world).state, world.registry.lease()) == ("failed", None)
    assert numbers(world.emitted)["launch_failed"] == 1


def test_a_launch_that_failed_is_not_cooled_down_after(world: World) -> None:
    world.ecs.script = [CAPACITY] * 3
    with pytest.raises(LaunchError):
        ask(world)

    own = replace(OWN, cooldown_minutes=60)

    assert answer(world.trigger(own=own), parse({}, "second")).decision == "launched"


def test_a_slot_that_has_not_come_is_refused_and_not_used_up(world: World) -> None:
    world.now = SLOT_TIME - timedelta(minutes=15, seconds=1)
    with pytest.raises(UsageError, match=r"got 2026-11-22T02:00:00Z.*for a run now, send \{\}"):
        ask(world)
    assert world.registry.runs() == []
    world.later(seconds=1)

    assert ask(world).decision == "launched"


def test_a_cooldown_counts_launches_and_not_skips(world: World) -> None:
    ask(world, {})
    world.claim(AD_HOC)
    world.registry.close(AD_HOC, task_arn=None, exit_code=1, reason="it crashed", now=NOW)
    world.later(minutes=30)
    own = replace(OWN, cooldown_minutes=60)

    cooling = answer(world.trigger(own=own), parse(SLOT, "first"))
    world.later(minutes=45)
    later = answer(world.trigger(own=own), parse({}, "second"))

    assert (cooling.decision, later.decision) == ("skipped", "launched")
    assert "cooling down until 2026-11-22T03:00:05Z" in cooling.reason
