"""One slot, one task, one row of history: whatever is delivered twice, lost, or dies half-way."""

from __future__ import annotations

import pytest

from tests.cloud.loop import Loop


def promoted_once(loop: Loop) -> None:
    """The slot has led to one task, one promotion and one row of the history."""
    assert loop.exit_codes() == [0]
    run = loop.record()
    active, history, _ = loop.champion()
    assert (run.state, run.serial, run.task_arn) == ("promoted", 2, loop.tasks()[0]["taskArn"])
    assert active is not None
    assert [entry.run_id for entry in history][1:] == [run.run_id]
    loop.sound()


def test_an_event_that_comes_twice_at_once_starts_one_task(ready: Loop) -> None:
    ready.strike(times=2)
    ready.cloud.wait()

    # Both may ask ECS at the same moment: with the same token, so that it is the same task.
    answers = ready.answers()
    assert len(answers) == 2
    assert {answer["decision"] for answer in answers} <= {"adopted", "launched"}
    assert {answer["task_arn"] for answer in answers} == {ready.tasks()[0]["taskArn"]}
    promoted_once(ready)


def test_an_event_that_comes_again_after_the_end_starts_nothing(ready: Loop) -> None:
    ready.run()
    before = ready.champion(), ready.registry.runs()

    ready.weeks -= 1
    ready.strike()
    ready.cloud.wait()

    assert "came before" in ready.answers()[-1]["reason"]
    assert (ready.champion(), ready.registry.runs()) == before
    promoted_once(ready)


@pytest.mark.parametrize(
    "kind, decision",
    [("die_before", "adopted"), ("die_after", "adopted"), ("cut_after", "launched")],
    ids=["dies before RunTask", "dies after RunTask", "the answer is lost"],
)
def test_a_trigger_that_dies_at_the_launch_is_repeated_and_finds_its_task(
    ready: Loop, kind: str, decision: str
) -> None:
    ready.cloud.fault("ecs", "RunTask", kind)

    ready.strike()
    state = ready.cloud.wait()

    # After a death Lambda repeats the event; a lost answer the client asks for again by itself
    attempts = state["events"][0]["attempts"]
    assert len(attempts) == (1 if kind == "cut_after" else 2)
    assert attempts[-1]["answer"]["decision"] == decision
    promoted_once(ready)


def test_a_trigger_that_dies_before_it_noted_the_task_finds_it_by_its_token(ready: Loop) -> None:
    # Given a task that has not claimed its run yet when the event is repeated
    held = ready.hold("TransactWriteItems")
    ready.cloud.fault("ecs", "RunTask", "die_after")

    ready.strike()
    held.reached()
    ready.cloud.until(lambda state: bool(state["events"][0]["done"]))
    held.release()
    ready.cloud.wait()

    assert ready.answers()[0]["decision"] == "adopted"
    calls = [call for call in ready.cloud.calls() if call["operation"] == "RunTask"][-2:]
    assert calls[0]["parameters"] == calls[1]["parameters"], "the same token for the same run"
    promoted_once(ready)


def test_a_slot_whose_predecessor_is_at_work_is_skipped_and_names_it(ready: Loop) -> None:
    held = ready.hold("PutObject")
    ready.strike()
    held.reached()
    owner = ready.run_id

    ready.strike()
    ready.cloud.until(lambda state: bool(state["events"][1]["done"]))

    assert ready.record().state == "skipped"
    assert owner in ready.record().reason
    held.release()
    ready.cloud.wait()
    assert ready.record(owner).state == "promoted"
    assert ready.exit_codes() == [0]
    ready.sound()


def test_a_second_task_of_the_same_run_ends_quietly(ready: Loop) -> None:
    # Given ECS that starts two tasks for one request, and forgets that it did
    held = ready.hold("PutObject")
    ready.strike()
    held.reached()
    request = [call for call in ready.cloud.calls() if call["operation"] == "RunTask"][-1]
    ecs = ready.cloud.client("ecs", "TriggerRole")
    ecs.run_task(**request["parameters"] | {"clientToken": "another"})

    ready.cloud.until(lambda state: bool(state["tasks"][1]["told"]))
    held.release()
    ready.cloud.wait()

    assert ready.exit_codes() == [0, 0]
    run = ready.record()
    assert (run.state, run.task_arn) == ("promoted", ready.tasks()[0]["taskArn"])
    assert ready.cloud.alerts() == []
    ready.sound()
