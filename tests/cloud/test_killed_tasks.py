"""A task that is stopped or killed, anywhere: the champion stays, people are told, all is free.

SIGTERM is a request: the task closes its record and gives the lease back. After SIGKILL the
watcher does, as soon as ECS says that the task is gone; nobody waits for the lease to expire.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from signal import SIGSTOP

import pytest

from common.registry.records import Run, utc_text
from local.cloud.client import Fault
from tests.cloud.loop import Loop

Moment = Callable[[Loop], Fault]

MOMENTS: dict[str, Moment] = {
    "extract": lambda loop: loop.hold("GetObject", where="votes.parquet"),
    "train": lambda loop: loop.hold("GetItem", where="ACTIVE"),
    "upload": lambda loop: loop.hold("PutObject", where="/models/"),
}
"""What the task is about to do. Right after training it asks for the champion."""
PROMOTION = "HISTORY#0000000002"
"""In the transaction that moves the pointer."""


def at(loop: Loop, moment: Moment) -> Fault:
    """A Sunday whose task has come to this moment."""
    held = moment(loop)
    loop.strike()
    held.reached()
    return held


def stop(loop: Loop, *, patience: float = 30.0) -> None:
    """StopTask, as an operator or a deployment would; SIGKILL after `patience` seconds."""
    loop.cloud.order("stop_seconds", seconds=patience)
    task = loop.tasks()[-1]
    ecs = loop.cloud.client("ecs")
    ecs.stop_task(cluster=task["clusterArn"], task=task["taskArn"], reason="by a person")


def told(loop: Loop, run: Run, *words: str) -> None:
    """There is one alert, about this run, with these words."""
    (alert,) = loop.cloud.alerts()
    assert run.run_id in alert["Subject"]
    assert [word for word in words if word not in alert["Message"]] == []


@pytest.mark.parametrize("stage", MOMENTS)
def test_a_task_that_is_told_to_stop_closes_its_run_and_promotes_nothing(
    ready: Loop, stage: str
) -> None:
    held = at(ready, MOMENTS[stage])

    stop(ready)
    ready.cloud.until(lambda state: bool(state["tasks"][0]["told"]))
    held.release()
    ready.cloud.wait()

    run = ready.record()
    assert (run.state, run.exit, ready.exit_codes()) == ("failed", 143, [143])
    assert "signal" in run.reason
    told(ready, run, "143")
    ready.unchanged()


@pytest.mark.parametrize("stage", MOMENTS)
def test_a_task_that_is_killed_is_closed_by_the_watcher(ready: Loop, stage: str) -> None:
    at(ready, MOMENTS[stage])

    ready.cloud.order("kill", out_of_memory=True)
    ready.cloud.wait()

    run = ready.record()
    assert (run.state, run.exit, ready.exit_codes()) == ("failed", 137, [137])
    assert "OutOfMemoryError" in run.reason
    told(ready, run, "more memory")
    ready.unchanged()
    if stage == "upload":  # where it has left the most behind
        ready.next_one_promotes()


def test_a_task_that_does_not_stop_in_time_is_killed_and_closed(ready: Loop) -> None:
    at(ready, MOMENTS["train"])
    ready.cloud.order("signal", number=int(SIGSTOP))  # deaf to SIGTERM

    stop(ready, patience=0.2)
    ready.cloud.wait()

    run = ready.record()
    assert (run.state, run.exit, ready.exit_codes()) == ("failed", 137, [137])
    assert "by a person" in run.reason
    ready.unchanged()


def test_a_promotion_that_is_told_to_stop_is_carried_out_whole(ready: Loop) -> None:
    held = at(ready, lambda loop: loop.hold("TransactWriteItems", where=PROMOTION))

    stop(ready)
    held.release()
    ready.cloud.wait()

    run = ready.record()
    assert (run.state, run.serial, ready.exit_codes()) == ("promoted", 2, [0])
    assert ready.cloud.alerts() == []
    ready.sound()


def test_a_promotion_that_is_killed_before_its_transaction_never_happened(ready: Loop) -> None:
    at(ready, lambda loop: loop.hold("TransactWriteItems", where=PROMOTION))

    # SIGKILL comes when its time is up: a promotion does not let itself be disturbed
    stop(ready, patience=0.2)
    ready.cloud.until(lambda state: bool(state["tasks"][0]["told"]))
    ready.cloud.order("clear")
    ready.cloud.wait()

    run = ready.record()
    assert (run.state, run.exit, ready.exit_codes()) == ("failed", 137, [137])
    ready.unchanged()
    ready.next_one_promotes()


def test_a_promotion_that_is_killed_after_its_transaction_has_happened(ready: Loop) -> None:
    at(ready, lambda loop: loop.hold("TransactWriteItems", "hold_after", where=PROMOTION))

    ready.cloud.order("kill")
    ready.cloud.wait()

    # The record was closed by the promotion itself; people hear how the task ended
    run = ready.record()
    active, history, _ = ready.champion()
    assert (run.state, ready.exit_codes()) == ("promoted", [137])
    assert active is not None
    assert [entry.version for entry in history][-1] == active.version == run.version
    told(ready, run, "Nothing: the run was on record already")
    ready.sound()
    # And nothing is new
    assert ready.run().state == "skipped"


def test_a_task_that_hangs_is_stopped_by_the_daily_look(ready: Loop) -> None:
    at(ready, MOMENTS["train"])
    ready.cloud.order("signal", number=int(SIGSTOP))
    ready.cloud.order("stop_seconds", seconds=0.2)
    aged(ready, timedelta(hours=3))

    found = ready.cloud.invoke("watcher", {"check": "daily"})
    ready.cloud.wait()

    run = ready.record()
    assert found["stopped"] == [run.run_id]
    assert (run.state, ready.exit_codes()) == ("failed", [137])
    assert "deadline" in run.reason
    assert len(ready.cloud.alerts()) == 1
    ready.unchanged()


def test_a_task_that_hangs_is_stopped_by_the_next_slot_which_does_its_work(ready: Loop) -> None:
    at(ready, MOMENTS["train"])
    ready.cloud.order("signal", number=int(SIGSTOP))
    ready.cloud.order("stop_seconds", seconds=0.2)
    aged(ready, timedelta(hours=3))
    hung = ready.run_id
    ready.cloud.order("clear")

    assert ready.run().state == "promoted"

    assert ready.record(hung).state == "failed"
    assert sorted(code or 0 for code in ready.exit_codes()) == [0, 137]
    ready.sound()


def aged(loop: Loop, by: timedelta) -> None:
    """The last run as if it had been launched so long ago; the registry itself has no such way."""
    dynamodb, table = loop.cloud.client("dynamodb"), loop.table_name
    key = {"pk": {"S": "registry"}, "sk": {"S": f"RUN#{loop.run_id}"}}
    item = dynamodb.get_item(TableName=table, Key=key)["Item"]
    record = json.loads(item["item"]["S"])
    record["created_at"] = record["started_at"] = utc_text(datetime.now(UTC) - by)
    dynamodb.put_item(TableName=table, Item=item | {"item": {"S": json.dumps(record)}})
