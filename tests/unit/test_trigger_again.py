"""What must not happen twice: repeated events and lost answers."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from common.database import VoteCounts
from common.errors import LaunchError
from retrain_trigger.launch import token
from retrain_trigger.request import parse
from retrain_trigger.trigger import answer
from tests.unit.trigger_samples import (
    CAPACITY,
    OTHER_TASK,
    REQUEST_ID,
    RUN,
    SLOT,
    TASK,
    UNANSWERED,
    World,
    ask,
    aws_error,
    fail_to_launch,
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


def test_another_task_of_the_run_keeps_its_note(world: World) -> None:
    """ECS forgot the token and started a second one: the first that was noted stays."""
    world.ecs.meanwhile = lambda: world.registry.note_task(RUN, OTHER_TASK)

    assert ask(world).task_arn == OTHER_TASK
