"""A lease that was lost while its owner still runs, and one that expired and still stands there."""

from __future__ import annotations

from datetime import UTC, datetime
from signal import SIGCONT, SIGSTOP

import pytest

from tests.cloud.loop import Loop

SHORT = "3"
"""Seconds of the lease; renewed ten times within."""


def asleep_until_the_lease_is_free(loop: Loop) -> str:
    """The only task stands still until its lease has expired; its ARN."""
    (task,) = loop.tasks()
    loop.cloud.order("signal", number=int(SIGSTOP), task=task["taskArn"])

    def expired(_: object) -> bool:
        lease = loop.registry.lease()
        return lease is not None and not lease.held(datetime.now(UTC))

    loop.cloud.until(expired)
    return str(task["taskArn"])


@pytest.mark.parametrize(
    "operation, where",
    [("PutObject", "/models/"), ("TransactWriteItems", "HISTORY#0000000002")],
    ids=["upload", "promotion"],
)
def test_whoever_lost_its_lease_promotes_nothing_when_it_wakes(
    ready: Loop, operation: str, where: str
) -> None:
    # Given a task that stands still until its lease has expired
    ready.cloud.use(None, RETRAIN_LEASE_SECONDS=SHORT)
    held = ready.hold(operation, where=where)
    ready.strike()
    held.reached()
    old = ready.run_id
    sleeper = asleep_until_the_lease_is_free(ready)

    # When the next Sunday's run takes over and promotes, and the first one wakes
    ready.strike()
    ready.cloud.until(lambda state: len(state["tasks"]) == 2 and state["tasks"][1]["told"])
    assert ready.record().state == "promoted"
    after = ready.champion()
    held.release()
    ready.cloud.order("signal", number=int(SIGCONT), task=sleeper)
    ready.cloud.wait()

    # Then it says that it lost its lease, and has changed nothing
    assert ready.exit_codes() == [5, 0]
    assert ready.champion() == after
    closed = ready.record(old)
    assert (closed.state, closed.exit) == ("failed", 1)
    assert "took it over" in closed.reason
    ready.sound()


def test_a_lease_that_expired_is_taken_over_although_its_item_is_still_there(ready: Loop) -> None:
    # Given a task that died so thoroughly that not even ECS has told of it
    ready.cloud.use(None, RETRAIN_LEASE_SECONDS=SHORT)
    held = ready.hold("PutObject")
    ready.strike()
    held.reached()
    dead = ready.run_id
    asleep_until_the_lease_is_free(ready)
    items = ready.cloud.client("dynamodb").scan(TableName=ready.table_name)["Items"]
    assert "LEASE" in {item["sk"]["S"] for item in items}, "nothing has cleaned up"

    # Then the next Sunday takes it over, closes the dead run and does the work
    ready.strike()
    ready.cloud.until(lambda state: len(state["tasks"]) == 2 and state["tasks"][1]["told"])
    assert ready.record().state == "promoted"
    assert ready.record(dead).state == "failed"
    ready.cloud.order("kill", task=ready.tasks()[0]["taskArn"])
    ready.cloud.wait()
    ready.sound()
