"""What must not happen twice, or for ever: repeated events, lost answers and tasks that hang."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ReadTimeoutError

from common.database import VoteCounts
from common.errors import LaunchError
from retrain_trigger.heal import close_abandoned
from retrain_trigger.launch import token
from retrain_trigger.request import parse
from retrain_trigger.trigger import answer
from retrain_trigger.watch import daily
from tests.unit.trigger_samples import (
    AD_HOC,
    CAPACITY,
    CLUSTER,
    LEASE,
    OTHER_TASK,
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


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


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


def test_a_slot_that_is_launched_again_late_has_its_whole_deadline(world: World) -> None:
    world.ecs.script = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        ask(world)
    world.later(minutes=134)

    assert ask(world).decision == "adopted"
    world.later(minutes=2)
    assert daily(world.watcher())["stopped"] == []
    world.claim()
    world.later(minutes=134)
    assert daily(world.watcher())["stopped"] == []
    world.later(minutes=2)
    assert daily(world.watcher())["stopped"] == [RUN]


def test_a_queued_task_has_its_whole_deadline_from_its_claim_on(world: World) -> None:
    ask(world)
    world.later(minutes=100)
    world.claim()
    world.later(minutes=100)

    ask(world, {})

    assert world.ecs.stopped == []


def test_a_retry_finds_a_task_that_has_claimed_its_run(world: World) -> None:
    world.ecs.script = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        ask(world)
    world.claim()

    found = ask(world)

    assert (found.decision, found.task_arn) == ("adopted", None)  # nobody has noted it yet
    assert "its run is running" in found.reason
    assert len(world.ecs.asked) == 1


def test_a_task_that_claims_its_run_just_before_the_retry_launches_it_again_is_adopted(
    world: World,
) -> None:
    world.ecs.script = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        ask(world)

    def now() -> datetime:  # asked for after the record was read, and before it is written
        world.claim()
        return world.now

    found = answer(replace(world.trigger(), now=now), parse(SLOT, REQUEST_ID))

    assert (found.decision, found.reason) == (
        "adopted",
        "the event came before: its run is running",
    )
    assert len(world.ecs.asked) == 1


def test_an_event_whose_run_has_ended_is_answered_with_its_end(world: World) -> None:
    verdict(world, RUN)

    found = ask(world)

    assert found.decision == "skipped"
    assert found.reason.startswith("the event came before: its run is rejected")
    assert world.ecs.asked == []


def test_a_launch_that_failed_is_no_success_when_its_event_comes_again(world: World) -> None:
    world.ecs.script = [CAPACITY] * 3
    with pytest.raises(LaunchError):
        ask(world)

    with pytest.raises(LaunchError, match=r"answered once.*Capacity is unavailable.*send \{\}"):
        ask(world)

    assert len(world.ecs.asked) == 3
    assert ask(world, {}).decision == "launched"  # another event is another run


@pytest.mark.parametrize("code", ["ServerException", "AccessDeniedException"])
def test_an_error_does_not_end_a_run_whose_task_has_begun(world: World, code: str) -> None:
    """ECS started it and its answer got lost; a repeated delivery may be refused besides."""
    world.ecs.script = [aws_error(code)]
    world.ecs.meanwhile = world.claim

    found = ask(world)

    assert (found.decision, found.reason) == ("adopted", "its task had begun already")
    assert on_record(world).state == "running"
    assert world.registry.lease() is not None


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


REFUSED = aws_error("AccessDeniedException", "User: arn:aws:sts::1:assumed-role/x")
UNANSWERED = ReadTimeoutError(endpoint_url="https://ecs")


@pytest.mark.parametrize("error", [REFUSED, UNANSWERED, aws_error("ServerException")])
def test_a_hung_task_that_cannot_be_stopped_is_an_error_while_it_holds_the_lease(
    world: World, error: Exception
) -> None:
    hang(world)
    world.ecs.refuses_to_stop = error

    with pytest.raises(LaunchError, match=f"{AD_HOC} must be stopped, got .*: ") as failed:
        ask(world)

    assert "assumed-role" not in str(failed.value)
    assert on_record(world, AD_HOC).state == "running"


def test_a_task_that_cannot_be_stopped_and_lost_its_lease_does_not_cost_another_slot(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    hang(world)
    world.later(minutes=11)
    world.ecs.refuses_to_stop = UNANSWERED

    assert ask(world).decision == "launched"
    assert "left open: the hung task of" in caplog.text


def test_a_task_that_nobody_may_stop_is_closed_without_its_lease_and_told_of(world: World) -> None:
    hang(world)
    world.later(minutes=11)
    world.ecs.refuses_to_stop = REFUSED

    assert ask(world).decision == "launched"
    run = on_record(world, AD_HOC)
    assert (run.state, run.exit) == ("failed", 1)
    assert "could not be stopped" in run.reason
    assert f"stop {TASK} by hand" in run.reason
    assert daily(world.watcher())["alerted"] == [AD_HOC]


def test_a_task_is_stopped_in_the_cluster_that_it_runs_in(world: World) -> None:
    hang(world)

    answer(world.trigger(own=replace(OWN, cluster=f"{CLUSTER}-2")), parse(SLOT, REQUEST_ID))

    assert [each["cluster"] for each in world.ecs.stopped] == [CLUSTER]


def test_a_task_of_a_cluster_that_is_gone_is_gone_too(world: World) -> None:
    hang(world)
    world.ecs.refuses_to_stop = aws_error("ClusterNotFoundException")

    assert ask(world).decision == "launched"
    assert "was stopped after" in on_record(world, AD_HOC).reason


def fail_to_launch(world: World, error: Exception) -> str:
    """The text of the error that the launch ends with."""
    world.ecs.script = [error]
    with pytest.raises(LaunchError) as failed:
        ask(world)
    return str(failed.value)


PASSING = [
    UNANSWERED,
    aws_error("ServerException"),
    aws_error("ThrottlingException"),
    aws_error("SomethingNew", ResponseMetadata={"HTTPStatusCode": 503}),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: str(error)[:60])
def test_a_failure_that_may_pass_leaves_the_run_to_the_retry_of_its_event(
    world: World, error: Exception
) -> None:
    says = fail_to_launch(world, error)

    assert "a retry of this event asks for the same task" in says
    assert (on_record(world).state, on_record(world).task_arn) == ("launched", None)
    assert world.registry.lease() is not None
    assert numbers(world.emitted)["launch_failed"] == 1
    world.later(minutes=1)

    assert ask(world).decision == "adopted"

    assert [each["clientToken"] for each in world.ecs.asked] == [token(RUN, 1)] * 2
    assert on_record(world).task_arn == TASK


def test_a_run_whose_retries_all_failed_is_closed_and_told_of_once(world: World) -> None:
    fail_to_launch(world, UNANSWERED)
    world.later(minutes=9)
    assert daily(world.watcher())["closed"] == []  # its lease is held: a retry may come
    world.later(minutes=1)

    looks = [daily(world.watcher()) for _ in range(2)]

    assert [look["closed"] for look in looks] == [[RUN], []]
    run = on_record(world)
    assert (run.state, run.exit) == ("failed", 1)
    assert "its task never began" in run.reason
    assert world.ecs.stopped == []
    (message,) = world.sns.sent
    assert "no task began" in message["Message"]
    with pytest.raises(LaunchError, match=r"answered once.*never began.*send \{\} for another run"):
        ask(world)


def test_the_next_event_closes_what_never_began_and_does_not_cool_down_after_it(
    world: World,
) -> None:
    fail_to_launch(world, UNANSWERED)
    world.later(minutes=11)
    own = replace(OWN, cooldown_minutes=60)

    found = answer(world.trigger(own=own), parse({}, "second"))

    assert found.decision == "launched"
    assert "its task never began" in on_record(world).reason


def test_a_task_that_claims_its_run_before_it_is_closed_goes_on(world: World) -> None:
    fail_to_launch(world, UNANSWERED)
    world.later(minutes=11)
    stale = on_record(world)
    world.claim()

    assert close_abandoned(world.registry, stale, world.now) is None
    assert on_record(world).state == "running"


def test_a_run_that_fell_silent_without_a_task_on_record_is_closed(world: World) -> None:
    fail_to_launch(world, UNANSWERED)
    world.claim()
    world.later(minutes=11)

    assert daily(world.watcher())["closed"] == [RUN]
    assert "fell silent: its lease has lapsed" in on_record(world).reason
    assert len(world.sns.sent) == 1


def test_another_task_of_the_run_keeps_its_note(world: World) -> None:
    """ECS forgot the token and started a second one: the first that was noted stays."""
    world.ecs.meanwhile = lambda: world.registry.note_task(RUN, OTHER_TASK)

    assert ask(world).task_arn == OTHER_TASK
