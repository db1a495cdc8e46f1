"""A task's end closes what it left open, and people are told once: over a real registry."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import AlertError, LaunchError, UsageError
from common.registry.records import Run, State
from retrain_trigger.stopped import TaskEnd, task_end
from retrain_trigger.watch import daily, ended
from tests.unit.trigger_samples import (
    CLUSTER,
    KILLED_FOR_MEMORY,
    LEASE,
    NEVER_STARTED,
    NOW,
    OTHER_TASK,
    OUT_OF_MEMORY,
    PULL,
    RUN,
    SPOT,
    STOPPED_BY_CALL,
    TASK,
    TOPIC,
    World,
    aws_error,
    ecs_event,
    numbers,
)

CRASHED = {"exitCode": 1}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def launched(world: World, task: str | None = TASK) -> None:
    world.registry.launch(
        Run(run_id=RUN, created_at=world.now), owner="trigger/x", lease_seconds=LEASE, now=world.now
    )
    if task:
        world.registry.note_task(RUN, task)


def running(world: World) -> None:
    launched(world)
    world.claim()


def finished(
    world: World, state: State, code: int, reason: str = "it said so", **more: Any
) -> None:
    """The task closed its own record."""
    running(world)
    run, lease = world.registry.run(RUN), world.registry.lease()
    assert run is not None
    assert lease is not None
    ended = replace(run, state=state, exit=code, reason=reason, **more)
    world.registry.finish(ended, lease, now=world.now)


def rolling_out(world: World) -> None:
    """The pointer has moved, and the task does nothing more."""
    running(world)
    run, lease = world.registry.run(RUN), world.registry.lease()
    assert run is not None
    world.registry.promote(
        version=RUN,
        sha="1f",
        expected_serial=0,
        action="promote",
        now=world.now,
        lease=lease,
        run=replace(run, state="rolling_out"),
    )


def watch(world: World, **event: Any) -> dict[str, Any]:
    end = task_end(ecs_event(**event), "task")
    assert end is not None
    return ended(world.watcher(), end)


@pytest.mark.parametrize(
    ("event", "code", "says"),
    [
        (CRASHED, 1, "ended without closing the record (exit code 1): Essential container"),
        (KILLED_FOR_MEMORY, 137, "killed for using more memory than it has (exit code 137): Out"),
        ({"exitCode": 137}, 137, "its task was killed (exit code 137)"),
        (SPOT, 143, "interrupted, since Spot took the capacity back (exit code 143)"),
        (STOPPED_BY_CALL, 143, "stopped by a call to ECS (exit code 143): Task stopped by user"),
        (NEVER_STARTED, 1, f"never started (no exit code): {PULL}"),
        # ECS does not always know the exit code of what it killed.
        ({"reason": OUT_OF_MEMORY}, 137, "killed for using more memory than it has (no exit code)"),
        # A task that says all is well, and left its record open.
        ({"exitCode": 0}, 1, "ended without closing the record (exit code 0)"),
    ],
)
def test_a_task_that_died_has_its_record_closed_its_lease_freed_and_is_told_of(
    world: World, event: dict[str, Any], code: int, says: str
) -> None:
    running(world)
    world.later(minutes=9)

    found = watch(world, **event)

    run = world.registry.run(RUN)
    assert run is not None
    assert (run.state, run.exit, run.ended_at) == ("failed", code, world.now)
    assert says in run.reason
    assert world.registry.lease() is None
    assert (found["outcome"], found["alerted"]) == ("closed", True)
    (message,) = world.sns.sent
    assert message["TopicArn"] == TOPIC
    assert says in message["Message"]


@pytest.mark.parametrize("noted", [TASK, None])
def test_a_task_that_never_claimed_its_run_is_closed_by_its_arn_or_if_none_is_noted(
    world: World, noted: str | None
) -> None:
    launched(world, noted)

    assert watch(world, **NEVER_STARTED)["outcome"] == "closed"
    run = world.registry.run(RUN)
    assert run is not None
    assert (run.state, run.task_arn, world.registry.lease()) == ("failed", TASK, None)


@pytest.mark.parametrize("state", ["served", "promoted", "rejected", "inconclusive", "skipped"])
def test_an_end_that_the_task_recorded_with_exit_0_is_nobodys_alert(
    world: World, state: State
) -> None:
    finished(world, state, 0)

    assert watch(world, exitCode=0)["alerted"] is False
    assert (world.sns.sent, world.emitted) == ([], [])


@pytest.mark.parametrize(
    ("state", "code"), [("failed", 1), ("data_stopped", 3), ("rolled_back", 4), ("failed", 143)]
)
def test_a_failure_that_the_task_recorded_is_told_in_its_own_words(
    world: World, state: State, code: int
) -> None:
    finished(world, state, code, reason="the store said no")

    found = watch(world, exitCode=code)

    run = world.registry.run(RUN)
    assert run is not None
    assert (run.state, run.exit, run.reason) == (state, code, "the store said no")
    assert run.alerted_at == NOW
    assert (found["outcome"], found["state"], found["alerted"]) == ("noted", state, True)
    assert "the store said no" in world.sns.sent[0]["Message"]
    assert numbers(world.emitted) == {"tasks_failed": 1}


def test_the_same_event_twice_is_one_message(world: World) -> None:
    running(world)

    assert [watch(world, **CRASHED)["alerted"] for _ in range(2)] == [True, False]
    assert len(world.sns.sent) == 1


def test_a_message_that_was_not_sent_is_sent_when_the_event_comes_again(world: World) -> None:
    running(world)
    world.sns.refuses = aws_error("AuthorizationError")
    with pytest.raises(AlertError, match=r"AuthorizationError .*WATCH_ALERT_TOPIC names"):
        watch(world, **CRASHED)
    assert world.registry.lease() is None  # the record is closed all the same

    world.sns.refuses = None

    assert watch(world, **CRASHED)["alerted"] is True


def test_a_second_task_of_a_run_neither_closes_it_nor_alarms_anybody(world: World) -> None:
    running(world)

    found = watch(world, task=OTHER_TASK, **CRASHED)

    run = world.registry.run(RUN)
    assert run is not None
    assert (run.state, run.alerted_at) == ("running", None)
    assert world.registry.lease() is not None
    assert (found["outcome"], world.sns.sent) == ("ignored", [])


def test_a_task_that_lost_against_another_does_not_close_what_the_other_launched(
    world: World,
) -> None:
    launched(world, OTHER_TASK)

    assert watch(world, exitCode=0)["outcome"] == "ignored"
    run = world.registry.run(RUN)
    assert run is not None
    assert run.state == "launched"


def test_a_task_that_died_in_its_roll_out_gives_its_lease_back_and_leaves_it_to_the_healer(
    world: World,
) -> None:
    rolling_out(world)

    found = [watch(world, exitCode=137) for _ in range(2)]

    assert world.registry.lease() is None
    assert [(each["state"], each["alerted"]) for each in found] == [
        ("rolling_out", True),
        ("rolling_out", False),
    ]
    (message,) = world.sns.sent
    assert message["Subject"].endswith(f"{RUN} rolling_out (exit 137, killed)")
    assert "ended rolling_out, and its task failed." in message["Message"]
    assert f"{RUN} is active and not proved in service" in message["Message"]
    assert "brings the time before the first version back" in message["Message"]
    assert found[0]["outcome"] == "noted"
    run = world.registry.run(RUN)
    assert run is not None
    assert (run.state, run.ended_at) == ("rolling_out", None)


def test_the_end_of_a_roll_out_that_is_healed_while_people_are_told_is_told_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolling_out(world)
    publish = world.sns.publish

    def heals(**message: str) -> object:
        run = world.registry.run(RUN)
        assert run is not None
        back = replace(run, state="rolled_back", exit=4, reason="back")
        world.registry.heal(back, now=world.now)
        return publish(**message)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(world.sns, "publish", heals)
        watch(world, exitCode=137)

    assert daily(world.watcher())["alerted"] == [RUN]
    assert [message["Subject"].split()[4] for message in world.sns.sent] == [
        "rolling_out",
        "rolled_back",
    ]
    assert daily(world.watcher())["alerted"] == []


def test_a_task_that_hangs_in_its_roll_out_is_stopped_and_told_of_once(world: World) -> None:
    rolling_out(world)
    world.later(minutes=136)

    looks = [daily(world.watcher()) for _ in range(2)]

    assert [look["stopped"] for look in looks] == [[RUN], []]
    assert "days_since_success" not in looks[0], "nothing is proved yet"
    run = world.registry.run(RUN)
    assert run is not None
    assert (run.state, run.exit, run.ended_at) == ("rolling_out", None, None)
    assert world.registry.lease() is None
    assert watch(world, **STOPPED_BY_CALL)["alerted"] is False
    (message,) = world.sns.sent
    assert "not proved in service" in message["Message"]


@pytest.mark.parametrize(("state", "more"), [("rejected", {}), ("promoted", {"deployment": "d"})])
def test_a_task_that_failed_after_its_run_was_over_is_told_of_without_alarm(
    world: World, state: State, more: dict[str, str]
) -> None:
    finished(world, state, 0, **more)

    assert watch(world, exitCode=137)["alerted"] is True
    assert "Nothing: the run was on record already" in world.sns.sent[0]["Message"]


def test_a_task_that_cannot_be_stopped_is_an_error_after_the_look_is_done(world: World) -> None:
    running(world)
    world.later(minutes=136)
    world.ecs.refuses_to_stop = aws_error("ServerException")

    with pytest.raises(LaunchError, match="must be stopped, got ServerException"):
        daily(world.watcher())

    assert "rollbacks" in numbers(world.emitted)


@pytest.mark.parametrize(("code", "alerts"), [(0, 0), (1, 1)])
@pytest.mark.parametrize("started_by", ["m-unknown", "a person/by hand", ""])
def test_a_task_that_belongs_to_no_run_is_told_of_only_when_it_failed(
    world: World, started_by: str, code: int, alerts: int
) -> None:
    found = watch(world, started_by=started_by, exitCode=code)

    assert found["outcome"] == "ignored"
    assert len(world.sns.sent) == alerts
    assert world.registry.runs() == []


def test_another_clusters_task_is_none_of_ours(world: World) -> None:
    running(world)

    assert watch(world, cluster=f"{CLUSTER}-2", **CRASHED)["outcome"] == "ignored"
    run = world.registry.run(RUN)
    assert run is not None
    assert run.state == "running"
    assert world.sns.sent == []


def test_a_task_that_is_told_to_stop_has_not_ended_yet() -> None:
    event = ecs_event(**SPOT | {"last_status": "RUNNING"})  # type: ignore[arg-type]

    assert task_end(event, "task") is None


def test_of_several_containers_the_tasks_own_decides() -> None:
    event = ecs_event(exitCode=0)
    event["detail"]["containers"].insert(0, {"name": "helper", "exitCode": 9})

    end = task_end(event, "task")

    assert isinstance(end, TaskEnd)
    assert (end.exit_code, end.failed) == (0, False)


@pytest.mark.parametrize("missing", ["lastStatus", "taskArn", "clusterArn"])
def test_an_event_that_lacks_what_every_such_event_has_is_refused(missing: str) -> None:
    event = ecs_event(exitCode=0)
    del event["detail"][missing]

    with pytest.raises(UsageError, match=missing):
        task_end(event, "task")


def test_the_daily_look_emits_the_figures(world: World) -> None:
    finished(world, "rejected", 0)
    world.later(days=2)

    found = daily(world.watcher())

    figures = {"days_since_success": 2.0, "refusals_in_a_row": 1, "rollbacks": 0}
    assert numbers(world.emitted) == figures
    nothing: dict[str, list[str]] = {"stopped": [], "closed": [], "alerted": []}
    assert found == {"outcome": "checked", **nothing, **figures}
    assert (world.sns.sent, world.ecs.stopped) == ([], [])


def test_the_daily_look_stops_what_hangs_and_its_end_is_then_told_of(world: World) -> None:
    running(world)
    world.later(minutes=136)

    assert daily(world.watcher())["stopped"] == [RUN]

    assert [each["task"] for each in world.ecs.stopped] == [TASK]
    assert world.sns.sent == []  # ECS will say that it ended
    assert watch(world, **STOPPED_BY_CALL)["alerted"] is True
    assert "did not end within its deadline" in world.sns.sent[0]["Message"]
    assert daily(world.watcher())["stopped"] == []


def test_the_daily_look_tells_of_a_failure_whose_event_was_lost(world: World) -> None:
    running(world)
    world.registry.close(RUN, task_arn=TASK, exit_code=1, reason="it crashed", now=world.now)
    world.later(hours=20)

    assert [daily(world.watcher())["alerted"] for _ in range(2)] == [[RUN], []]
    assert "it crashed" in world.sns.sent[0]["Message"]


def test_the_daily_look_lets_old_failures_and_those_of_people_rest(world: World) -> None:
    running(world)
    world.registry.close(RUN, task_arn=TASK, exit_code=1, reason="it crashed", now=world.now)
    world.later(days=2, minutes=1)
    desk = Run(run_id="m-desk", created_at=world.now)
    world.registry.launch(desk, owner="desk", lease_seconds=LEASE, now=world.now)
    world.registry.close("m-desk", task_arn=None, exit_code=1, reason="by hand", now=world.now)

    assert daily(world.watcher())["alerted"] == []
    assert world.sns.sent == []
