"""DynamoDB refuses, throttles or loses the answer: one promotion or none, never half of one."""

from __future__ import annotations

import pytest

from local.minds import WORLD
from tests.cloud.loop import Loop

PROMOTION, CLAIM = "HISTORY#0000000002", '"LEASE"'


def promoted_once(loop: Loop) -> None:
    run = loop.record()
    active, history, _ = loop.champion()
    assert active is not None
    assert (run.state, run.serial, active.serial) == ("promoted", 2, 2)
    assert [entry.run_id for entry in history][1:] == [run.run_id]
    assert loop.exit_codes() == [0]
    loop.sound()


@pytest.mark.parametrize(
    "reasons",
    [
        ["None", "ConditionalCheckFailed"],
        ["ThrottlingError"],
    ],
    ids=lambda reasons: str(reasons[-1]),
)
def test_a_promotion_whose_transaction_is_cancelled_is_made_again_on_what_is_there(
    ready: Loop, reasons: list[str]
) -> None:
    fault = ready.hold("TransactWriteItems", "cancel", where=PROMOTION, reasons=reasons, times=2)

    ready.run()

    assert fault.met == 2
    promoted_once(ready)


@pytest.mark.parametrize(
    "where, kind",
    [
        (PROMOTION, "throttle"),
        (PROMOTION, "server_error"),
        (PROMOTION, "cut_after"),
        (CLAIM, "cut_before"),
        (CLAIM, "cut_after"),
    ],
)
def test_a_transaction_that_fails_or_whose_answer_is_lost_is_made_once(
    ready: Loop, kind: str, where: str
) -> None:
    fault = ready.hold("TransactWriteItems", kind, where=where)

    ready.run()

    assert fault.met == 1
    promoted_once(ready)


def test_a_registry_that_refuses_the_promotion_leaves_the_champion(ready: Loop) -> None:
    gone = {"code": "AccessDeniedException", "message": "no", "times": 0}
    ready.hold("TransactWriteItems", "error", where=PROMOTION, **gone)

    run = ready.run()

    assert (run.state, run.exit, ready.exit_codes()) == ("failed", 1, [1])
    assert "AccessDeniedException" in run.reason
    ready.unchanged()


def test_a_champion_that_changes_under_a_run_stays(ready: Loop) -> None:
    # Given a run that is about to promote, and a person who rolls back meanwhile
    assert ready.run().state == "promoted"
    ready.change_minds(WORLD)
    held = ready.hold("TransactWriteItems", where="HISTORY#0000000003")
    ready.strike()
    held.reached()
    assert ready.cloud.task("rollback").exit == 0
    rolled_back = ready.champion()
    held.release()
    ready.cloud.wait()

    # Then the person's decision stands, and the run says so
    assert ready.champion() == rolled_back
    assert rolled_back[0] == ready.registry.active()
    run = ready.record()
    assert (run.state, run.serial) == ("approved", None)
    assert "on hold" in run.reason
    ready.sound()
