"""From an event to a task, or to a skip on record: with a real registry and a scripted ECS."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from common.database import VoteCounts
from common.errors import DatabaseError, LaunchError, RegistryError
from common.registry.records import Run
from common.settings import Settings
from retrain_trigger.launch import token
from retrain_trigger.request import parse
from retrain_trigger.trigger import Answer, answer
from tests.unit.trigger_samples import (
    CAPACITY,
    CLUSTER,
    LEASE,
    NOW,
    OTHER_TASK,
    OWN,
    REQUEST_ID,
    RUN,
    SLOT,
    TASK,
    World,
    aws_error,
    numbers,
)

AD_HOC = f"a-{REQUEST_ID}"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def ask(world: World, event: object = SLOT, **settings: object) -> Answer:
    request = parse(event, REQUEST_ID)
    return answer(world.trigger(Settings(**{**settings, **request.settings})), request)  # type: ignore[arg-type]


def on_record(world: World, run_id: str = RUN) -> Run:
    run = world.registry.run(run_id)
    assert run is not None
    return run


def verdict(world: World, run_id: str = "s-20261115T020000Z") -> None:
    """A run of last week that was rejected, with its cutoff."""
    begun = world.now - timedelta(days=7)
    world.registry.launch(
        Run(run_id=run_id, created_at=begun), owner="x", lease_seconds=LEASE, now=begun
    )
    lease = world.registry.claim(run_id, task="t", lease_seconds=LEASE, now=begun)
    run = world.registry.run(run_id)
    assert run is not None
    ended = replace(run, state="rejected", exit=0, cutoff=begun)
    world.registry.finish(ended, lease, now=begun + timedelta(minutes=5))


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
        assert f"{AD_HOC}/{'a' * 32} holds the lease until 2026-11-22T02:10:05Z" in each.reason
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


def test_the_same_event_twice_is_one_task_and_one_record(world: World) -> None:
    first, second = ask(world), ask(world)

    assert (first.decision, second.decision) == ("launched", "adopted")
    assert first.task_arn == second.task_arn == TASK
    assert (second.new_votes, second.total_votes) == (12, 63)
    assert len(world.ecs.asked) == len(world.registry.runs()) == 1


def test_the_same_skip_twice_is_one_record_and_one_answer(world: World) -> None:
    world.votes = VoteCounts(total=34, new=34)

    assert ask(world) == ask(world)
    assert len(world.registry.runs()) == 1
    assert len(world.counted_since) == 1


def test_two_deliveries_at_once_are_one_task(world: World) -> None:
    def other_delivery() -> None:
        world.ecs.meanwhile = lambda: None
        ask(world)

    world.ecs.meanwhile = other_delivery

    found = ask(world)

    assert found.task_arn == on_record(world).task_arn == TASK
    assert len(world.ecs.tasks) == 1  # asked for twice, with one token
    assert {each["clientToken"] for each in world.ecs.asked} == {token(RUN, 1)}


def test_two_skips_at_once_are_one_record(world: World) -> None:
    world.votes = VoteCounts(total=34, new=34)
    trigger, count = world.trigger(), world.count

    def slow(since: object) -> VoteCounts:
        ask(world)
        return count(None)

    found = answer(replace(trigger, count=slow), parse(SLOT, REQUEST_ID))

    assert (found.decision, found.reason) == ("skipped", "too few votes: 34 of 50")
    assert len(world.registry.runs()) == 1


def test_a_retry_after_a_crash_behind_run_task_adopts_the_running_task(world: World) -> None:
    def crash() -> None:
        raise KeyboardInterrupt

    trigger = world.trigger()
    world.ecs.tasks[token(RUN, 1)] = TASK  # ECS has started it; the answer reached nobody
    world.ecs.meanwhile = crash
    with pytest.raises(KeyboardInterrupt):
        answer(trigger, parse(SLOT, REQUEST_ID))
    world.ecs.meanwhile = lambda: None
    world.later(minutes=1)

    found = ask(world)

    assert (found.decision, found.task_arn) == ("adopted", TASK)
    assert len(world.ecs.tasks) == 1
    assert on_record(world).task_arn == TASK
    assert on_record(world).created_at == NOW  # the deadline counts from the first attempt


def test_a_retry_finds_a_task_that_has_claimed_its_run(world: World) -> None:
    world.ecs.script = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        ask(world)
    world.claim()

    found = ask(world)

    assert (found.decision, found.task_arn) == ("adopted", None)  # nobody has noted it yet
    assert "its run is running" in found.reason
    assert len(world.ecs.asked) == 1


def test_an_event_whose_run_has_ended_is_answered_with_its_end(world: World) -> None:
    verdict(world, RUN)

    found = ask(world)

    assert found.decision == "skipped"
    assert found.reason.startswith("the event came before: its run is rejected")
    assert world.ecs.asked == []


def test_without_capacity_anywhere_the_run_is_closed_the_lease_free_and_it_raises(
    world: World,
) -> None:
    world.ecs.script = [CAPACITY] * 3

    with pytest.raises(LaunchError, match="Capacity is unavailable"):
        ask(world)

    run = on_record(world)
    assert (run.state, run.exit) == ("failed", 1)
    assert "Capacity is unavailable" in run.reason
    assert not run.task_arn
    assert world.registry.lease() is None
    assert numbers(world.emitted) == {"launch_failed": 1, "new_votes": 12, "total_votes": 63}


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_an_error_of_ecs_closes_the_run_frees_the_lease_and_raises(world: World, code: str) -> None:
    world.ecs.script = [aws_error(code)]

    with pytest.raises(LaunchError, match=code):
        ask(world)

    assert (on_record(world).state, world.registry.lease()) == ("failed", None)
    assert numbers(world.emitted)["launch_failed"] == 1


def test_a_launch_that_failed_is_no_success_when_its_event_comes_again(world: World) -> None:
    world.ecs.script = [CAPACITY] * 3
    with pytest.raises(LaunchError):
        ask(world)

    with pytest.raises(LaunchError, match=r"answered once.*Capacity is unavailable.*send \{\}"):
        ask(world)

    assert len(world.ecs.asked) == 3
    assert ask(world, {}).decision == "launched"  # another event is another run


def test_an_error_does_not_end_a_run_whose_task_has_begun(world: World) -> None:
    """ECS started it and its answer got lost."""
    world.ecs.script = [aws_error("ServerException")]
    world.ecs.meanwhile = world.claim

    found = ask(world)

    assert (found.decision, found.reason) == ("adopted", "its task had begun already")
    assert on_record(world).state == "running"
    assert world.registry.lease() is not None


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


def hang(world: World) -> None:
    """A run of yesterday whose task renews its lease and does nothing else."""
    ask(world, {})
    world.claim(AD_HOC)
    lease = world.registry.lease()
    assert lease is not None
    world.later(minutes=136)
    world.registry.renew(lease, lease_seconds=LEASE, now=world.now)


def test_a_task_that_hangs_past_its_deadline_is_stopped_and_the_next_one_starts(
    world: World,
) -> None:
    hang(world)

    found = ask(world)

    assert found.decision == "launched"
    (stopped,) = world.ecs.stopped
    assert (stopped["cluster"], stopped["task"]) == (CLUSTER, TASK)
    run = on_record(world, AD_HOC)
    assert (run.state, run.exit) == ("failed", 1)
    assert "did not end within its deadline and was stopped after 136 minutes" in run.reason


def test_a_dry_run_names_what_hangs_and_leaves_it_alone(world: World) -> None:
    hang(world)
    before = world.registry.runs()

    found = answer(world.trigger(), parse({"dry_run": True}, "second"))

    assert found.decision == "would_launch"
    assert f"{AD_HOC} hangs and would be stopped first" in found.reason
    assert (world.ecs.stopped, world.registry.runs()) == ([], before)


def test_a_task_within_its_deadline_and_the_time_to_stop_is_left_alone(world: World) -> None:
    hang(world)
    world.now -= timedelta(minutes=1)

    assert ask(world).decision == "skipped"
    assert world.ecs.stopped == []


def test_a_hung_task_that_ecs_has_forgotten_is_closed_all_the_same(world: World) -> None:
    hang(world)
    world.ecs.refuses_to_stop = aws_error(
        "InvalidParameterException", "The referenced task was not found."
    )

    assert ask(world).decision == "launched"
    assert on_record(world, AD_HOC).state == "failed"


def test_a_hung_task_that_cannot_be_stopped_is_an_error_and_stays_on_record(world: World) -> None:
    hang(world)
    world.ecs.refuses_to_stop = aws_error("AccessDeniedException")

    with pytest.raises(LaunchError, match="StopTask must succeed"):
        ask(world)

    assert on_record(world, AD_HOC).state == "running"


def test_another_task_of_the_run_keeps_its_note(world: World) -> None:
    """ECS forgot the token and started a second one: the first that was noted stays."""
    world.ecs.meanwhile = lambda: world.registry.note_task(RUN, OTHER_TASK)

    assert ask(world).task_arn == OTHER_TASK
