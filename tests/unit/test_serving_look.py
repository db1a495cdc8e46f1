"""What a service on ECS looks like, and what is made of it: every case that there is."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import NotServedError
from common.serving.look import Stage, look, stage


def deployment(
    number: int, status: str = "PRIMARY", rollout: str | None = "COMPLETED", **more: Any
) -> dict[str, Any]:
    counts = {"desiredCount": 2, "runningCount": 2, "pendingCount": 0}
    state = {} if rollout is None else {"rolloutState": rollout}
    return {"id": f"ecs-svc/{number}", "status": status} | counts | state | more


def seen(*deployments: dict[str, Any], status: str = "ACTIVE", desired: int = 2) -> Any:
    events = [{"message": f"event {i}"} for i in range(5)]
    service = {"status": status, "desiredCount": desired, "events": events}
    return look({"services": [service | {"deployments": list(deployments)}]})


OLD = deployment(0, "ACTIVE", runningCount=0, desiredCount=0)


@pytest.mark.parametrize(
    ("deployments", "done", "says"),
    [
        pytest.param([deployment(1)], True, "2 of 2 tasks run, 0 of older", id="completed"),
        pytest.param([deployment(1), OLD], True, "0 of older", id="the old one has no task left"),
        pytest.param([deployment(1, rollout="IN_PROGRESS")], False, "2 of 2", id="in progress"),
        pytest.param([deployment(1, runningCount=1)], False, "1 of 2 tasks run", id="too few run"),
        pytest.param([deployment(1, pendingCount=1)], False, "2 of 2", id="one is starting"),
        pytest.param(
            [deployment(1), deployment(0, "ACTIVE", runningCount=1)],
            False,
            "1 of older deployments",
            id="an older task still runs",
        ),
        pytest.param(
            [deployment(1), OLD | {"pendingCount": 1}], False, "1 of older", id="one still starts"
        ),
        pytest.param([deployment(1, rollout=None)], True, "2 of 2", id="ECS tells no state"),
        pytest.param(
            [deployment(1, rollout=None, runningCount=1)], False, "1 of 2", id="no state, too few"
        ),
        pytest.param([deployment(1, runningCount=3)], True, "3 of 2", id="one more than is needed"),
    ],
)
def test_a_deployment_is_done_once_all_its_tasks_run_and_no_other_has_any(
    deployments: list[dict[str, Any]], done: bool, says: str
) -> None:
    for ours in ("ecs-svc/1", None):
        found = stage(seen(*deployments), ours)

        assert (found.done, found.deployment, found.desired) == (done, "ecs-svc/1", 2)
        assert says in found.says


@pytest.mark.parametrize(
    ("deployments", "says"),
    [
        pytest.param(
            [deployment(1, rollout="FAILED", rolloutStateReason="tasks failed to start")],
            "ecs-svc/1 failed: tasks failed to start; event 0; event 1",
            id="it failed",
        ),
        pytest.param(
            [deployment(0), deployment(1, "ACTIVE", "FAILED", rolloutStateReason="circuit")],
            "ecs-svc/1 failed: circuit",
            id="the circuit breaker brings the old one back",
        ),
        pytest.param(
            [deployment(0)], "ecs-svc/1 is gone: ecs-svc/0 took its place", id="it has, long ago"
        ),
        pytest.param(
            [deployment(2, rollout="IN_PROGRESS"), deployment(1, "ACTIVE")],
            "ecs-svc/1 must stay the newest: ecs-svc/2 took its place",
            id="somebody deploys another one",
        ),
        pytest.param([], "ecs-svc/1 is gone: there is none instead", id="there is none"),
    ],
)
def test_a_deployment_that_will_never_be_done_is_told_at_once_with_what_ecs_says(
    deployments: list[dict[str, Any]], says: str
) -> None:
    with pytest.raises(NotServedError) as caught:
        stage(seen(*deployments), "ecs-svc/1")

    assert says in str(caught.value)
    assert "event 2" not in str(caught.value)


def test_the_newest_deployment_is_whichever_is_primary() -> None:
    both = seen(deployment(1, "ACTIVE", runningCount=0, desiredCount=0), deployment(2))

    assert stage(both, None).deployment == "ecs-svc/2"
    with pytest.raises(NotServedError, match="must have a deployment, it has none"):
        stage(seen(), None)
    with pytest.raises(NotServedError, match="must have a deployment"):
        stage(seen(OLD), None)
    with pytest.raises(NotServedError, match="ecs-svc/3 failed"):
        stage(seen(deployment(3, rollout="FAILED")), None)


@pytest.mark.parametrize("status", ["INACTIVE", "DRAINING"])
def test_a_service_that_is_going_away_serves_nothing(status: str) -> None:
    with pytest.raises(NotServedError, match=f"must stay ACTIVE while it deploys, it is {status}"):
        stage(seen(deployment(1), status=status), "ecs-svc/1")


def test_a_service_that_is_not_there_is_missing() -> None:
    missing = look({"services": [], "failures": [{"reason": "MISSING"}]})

    assert missing.status == "MISSING"
    with pytest.raises(NotServedError, match="it is MISSING"):
        stage(missing, None)


def test_the_answer_to_a_change_is_read_like_that_to_a_question() -> None:
    service = {"status": "ACTIVE", "desiredCount": 0, "deployments": [deployment(7)]}

    found = stage(look({"service": service}), None)

    assert found == Stage(
        done=True,
        deployment="ecs-svc/7",
        desired=0,
        says="2 of 2 tasks run, 0 of older deployments",
    )
