"""What must not go on for ever: tasks that hang, and runs that never began."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from common.errors import LaunchError
from retrain_trigger.heal import close_abandoned
from retrain_trigger.request import parse
from retrain_trigger.trigger import answer
from retrain_trigger.watch import daily
from tests.unit.trigger_samples import (
    AD_HOC,
    CLUSTER,
    LEASE,
    OWN,
    REQUEST_ID,
    RUN,
    SLOT,
    TASK,
    UNANSWERED,
    World,
    ask,
    aws_error,
    fail_to_launch,
    on_record,
)

REFUSED = aws_error("AccessDeniedException", "User: arn:aws:sts::1:assumed-role/x")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


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
