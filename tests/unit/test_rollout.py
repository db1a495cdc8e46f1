"""A version comes into service and is proved there, or what was active before is so again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import InterruptedRunError, NotServedError, RegistryError, ServingError
from common.healing import UntoldError
from common.serving.look import Stage
from common.serving.watch import Verify
from task.rollout import ask, by_hand, roll_out, unproved
from tests.unit.rollouts import HICCUP, PROOF, Scene, begun
from tests.unit.serving import (
    GOING_ON,
    NOW,
    QUESTIONS,
    active,
    fake_api,
    healer,
    promote,
    sha_of,
)

# --- proved


def test_a_version_that_is_proved_is_served(scene: Scene) -> None:
    # Given
    scene.service.looks = [GOING_ON, HICCUP]

    # When
    ended = scene.rolled()

    # Then
    assert (ended.state, ended.exit, ended.serial, ended.deployment) == ("served", 0, 2, "d-1")
    assert (active(scene.registry), scene.service.forced) == (("m-new", 2), ["m-new"])
    assert ended.reason == (
        "better; deployment d-1 was forced; 2 tasks serve it, 10 answers are as evaluated, "
        "60 s without an error"
    )
    # And what was seen is noted on a run that has not ended yet
    noted = scene.registry.run("m-new")
    assert noted is not None
    assert (noted.state, noted.deployment) == ("rolling_out", "d-1")
    assert [line.partition(" ")[2] for line in noted.rollout] == [
        "deployment d-1 was forced",
        "2 tasks serve it: all run",
        "10 answers in service are those that were evaluated",
    ]


def test_an_api_that_follows_is_proved_alike(scene: Scene) -> None:
    # Given an API that takes some time to follow
    scene.service.follows = True
    api = scene.service.apis[0]
    scene.service.apis = [api]
    scene.service.force()
    api.begin("m-old", sha_of("m-old"))
    scene.clock.at = [(30.0, lambda: api.begin("m-new", sha_of("m-new")))]
    scene.service.force = lambda: Stage(done=True, deployment="d-1", desired=1, says="")  # type: ignore[method-assign]

    ended = scene.rolled()

    assert (ended.state, active(scene.registry)) == ("served", ("m-new", 2))
    assert scene.clock.seconds >= 90


def test_a_deployment_is_told_through_outages(scene: Scene) -> None:
    scene.service.refusals = [ServingError("ThrottlingException")] * 2

    assert scene.rolled().state == "served"


def test_through_a_load_balancer_people_are_answered_as_evaluated(scene: Scene) -> None:
    scene.service.address = scene.spare.url

    assert scene.rolled().state == "served"

    assert scene.spare.asked == ["/predict/batch"]


def test_a_balancer_that_fails_a_request_is_asked_again(scene: Scene) -> None:
    scene.service.address = scene.spare.url
    scene.spare.instead = {"/predict/batch": (503, b"")}
    scene.clock.at = [(0.2, scene.spare.instead.clear)]

    assert scene.rolled().state == "served"

    assert len(scene.spare.asked) > 1


def test_many_questions_are_asked_in_as_many_requests_as_it_takes(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("task.rollout.BATCH", 2)

    assert ask(scene.service, [scene.service.apis[0].api], QUESTIONS) == 5

    assert scene.service.apis[0].asked == ["/predict/batch"] * 3


@pytest.mark.parametrize(
    ("verify", "asked"),
    [("health", {"/health"}), ("deployment", set())],
)
def test_where_no_model_may_be_asked_the_promotion_stands_unproved(
    scene: Scene, verify: Verify, asked: set[str]
) -> None:
    ended = scene.rolled(verify=verify)

    assert (ended.state, ended.exit, active(scene.registry)) == ("promoted", 0, ("m-new", 2))
    assert f"not proved in service: verify is {verify}" in ended.reason
    assert {path for each in scene.service.apis for path in each.asked} == asked


def test_a_service_that_wants_no_task_is_told_and_nothing_is_proved(scene: Scene) -> None:
    scene.service.apis = []

    ended = scene.rolled()

    assert (ended.state, ended.exit, ended.deployment) == ("promoted", 0, "d-1")
    assert "desired count is 0: not proved" in ended.reason


def test_with_nobody_to_tell_the_promotion_stands(scene: Scene) -> None:
    run = replace(scene.run, state="promoted", exit=0)

    ended = roll_out(healer(scene.registry, None, scene.clock), PROOF, scene.entry, run)

    assert (ended.state, ended.serial, ended.deployment) == ("promoted", 2, None)
    assert "SERVING_URL is none" in str(unproved(None, "model"))
    assert scene.clock.seconds == 0


# --- taken back


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        pytest.param(
            lambda a: {"like_probability": 1 - a["like_probability"], "like": not a["like"]},
            "5 of 5 answers differ: to oval, spring, style 0 it says 0.9 (like) instead of "
            "0.100000 (dislike)",
            id="labels are swapped",
        ),
        pytest.param(
            lambda _: {"like_probability": 0.1, "like": False},
            "4 of 5 answers differ",
            id="the answer is constant",
        ),
        pytest.param(
            lambda a: a | {"like_probability": a["like_probability"] + 2e-6},
            "5 of 5 answers differ",
            id="probabilities are shifted a little",
        ),
        pytest.param(
            lambda a: a | {"like": a["like_probability"] > 0.5},
            "1 of 5 answers differ",
            id="another threshold",
        ),
        pytest.param(lambda a: {"like": a["like"]}, "5 of 5", id="no probability"),
        pytest.param(
            lambda a: {"like_probability": a["like_probability"]}, "5 of 5", id="no answer"
        ),
        pytest.param(lambda _: {"error": {"title": "no"}}, "says None", id="a problem"),
        pytest.param(lambda a: a | {"like_probability": float("nan")}, "5 of 5", id="NaN"),
        pytest.param(lambda a: a | {"like_probability": "0.1"}, "5 of 5", id="a text"),
        pytest.param(lambda a: a | {"like": int(a["like"])}, "5 of 5", id="a number for a like"),
    ],
)
def test_a_version_that_answers_otherwise_than_it_was_evaluated_is_taken_back(
    scene: Scene, alter: Callable[[dict[str, Any]], dict[str, Any]], says: str
) -> None:
    # Given one task of two that answers wrong
    scene.service.apis[1].alter = alter

    ended = scene.rolled()

    scene.taken_back(ended, says)
    assert scene.clock.seconds == 0, "nobody waits for what will not change"


def test_answers_are_compared_as_single_precision_travels(scene: Scene) -> None:
    for each in scene.service.apis:
        each.alter = lambda a: a | {"like_probability": a["like_probability"] + 5e-7}

    assert scene.rolled().state == "served"


def test_what_people_get_from_the_load_balancer_counts(scene: Scene) -> None:
    scene.service.address = scene.spare.url
    scene.spare.alter = lambda _: {"like_probability": 0.5, "like": True}

    scene.taken_back(scene.rolled(), scene.spare.url)


def test_an_api_that_cannot_answer_questions_is_taken_back(scene: Scene) -> None:
    scene.service.apis[0].instead["/predict/batch"] = (500, b"")

    scene.taken_back(scene.rolled(), "200, got 500")


@pytest.mark.parametrize(
    ("wrong", "looks"),
    [
        (NotServedError("the deployment d-1 failed"), 1),
        (ServingError("ThrottlingException"), 105),  # a quarter of an hour, and then all is well
    ],
)
def test_a_deployment_that_fails_or_never_ends_is_taken_back(
    scene: Scene, wrong: Exception, looks: int
) -> None:
    scene.service.looks = [wrong] * looks

    scene.taken_back(scene.rolled(), str(wrong))
    assert scene.service.forced == ["m-new", "m-old"]


def test_a_service_that_cannot_be_told_gets_the_version_before_back(scene: Scene) -> None:
    for each in scene.service.apis:
        each.begin("m-old", sha_of("m-old"))
    scene.service.refusals = [ServingError("AccessDeniedException")] * 1_000

    ended = scene.rolled()

    scene.taken_back(ended, "AccessDeniedException")
    assert scene.service.forced == [], "it serves already"


def test_a_restoration_of_which_the_service_cannot_be_told_stays_open(scene: Scene) -> None:
    # Given a version that answers otherwise, and a service that then cannot be told any more
    for each in scene.service.apis:
        each.alter = lambda answer: answer | {"like": not answer["like"]}
    scene.service.looks = [lambda: scene.service.refusals.extend([ServingError("Denied")] * 999)]

    with pytest.raises(UntoldError, match="Denied; whoever heals next tries again"):
        scene.rolled()

    run = scene.registry.run("m-new")
    assert run is not None
    assert (run.state, active(scene.registry)[0]) == ("rolling_out", "m-old")


def test_without_a_version_before_none_is_active_and_the_run_failed(tmp_path: Path) -> None:
    with begun(tmp_path) as scene:
        scene.service.looks = [NotServedError("the deployment d-1 failed")]

        ended = scene.rolled()

    assert (ended.state, ended.exit, active(scene.registry)) == ("failed", 1, (None, 2))


# --- somebody else


@pytest.mark.parametrize("at", [0.1, 30.0])
def test_a_persons_change_in_the_midst_of_it_stays_and_the_run_failed(
    scene: Scene, at: float
) -> None:
    # Given a person who rolls back, which deploys the service anew
    def rolls_back() -> None:
        scene.registry.promote(
            version="m-old", sha=sha_of("m-old"), expected_serial=2, action="rollback", now=NOW
        )
        scene.service.force()

    scene.service.looks = [GOING_ON]
    scene.clock.at = [(at, rolls_back)]

    ended = scene.rolled()

    assert (ended.state, ended.exit, active(scene.registry)) == ("failed", 5, ("m-old", 3))
    assert scene.registry.history()[-1].action == "rollback"


def test_a_change_that_the_service_has_not_heard_of_yet_is_seen_at_the_end(scene: Scene) -> None:
    scene.clock.at = [(30.0, lambda: promote(scene.registry, "m-hand", after=2))]

    ended = scene.rolled()

    assert (ended.state, ended.exit, active(scene.registry)) == ("failed", 5, ("m-hand", 3))
    assert "somebody made m-hand active meanwhile, which stays" in ended.reason


# --- what ends the waiting


@pytest.mark.parametrize("error", [InterruptedRunError("told to stop"), RegistryError("down")])
@pytest.mark.parametrize("looks", [[GOING_ON], []])
def test_whatever_ends_the_waiting_leaves_the_roll_out_open(
    scene: Scene, error: Exception, looks: list[Any]
) -> None:
    scene.service.looks = looks

    def told(_: float) -> None:
        raise error

    mine = healer(scene.registry, scene.service, scene.clock)
    mine = replace(mine, patience=replace(mine.patience, sleep=told))

    with pytest.raises(type(error)):
        roll_out(mine, PROOF, scene.entry, scene.run)

    left = scene.registry.run("m-new")
    assert left is not None
    assert (left.state, left.ended_at, active(scene.registry)) == (
        "rolling_out",
        None,
        ("m-new", 2),
    )
    assert left.deployment == "d-1"


# --- by hand


def hand(scene: Scene, verify: Verify = "model") -> str:
    """What a person is told once their version serves."""
    deployment = scene.service.force().deployment
    mine = healer(scene.registry, scene.service, scene.clock, verify=verify)
    return by_hand(mine, PROOF, deployment)


def test_a_person_is_told_what_is_proved(scene: Scene) -> None:
    scene.service.looks = [GOING_ON]

    assert hand(scene) == "2 tasks serve it, 10 answers are as evaluated"


def test_a_person_from_where_no_way_leads_to_the_tasks_is_told_that_nobody_was_asked(
    scene: Scene,
) -> None:
    with fake_api() as gone:
        scene.service.apis.append(gone)

    says = hand(scene)

    assert says.startswith("its deployment is complete; not asked what it serves, from here: ")
    assert scene.clock.seconds == 0


@pytest.mark.parametrize("path", ["/model", "/predict/batch"])
def test_a_hiccup_does_not_cost_a_person_their_promotion(scene: Scene, path: str) -> None:
    scene.service.apis[1].instead[path] = (502, b"")
    scene.clock.at = [(1.0, scene.service.apis[1].instead.clear)]

    assert hand(scene) == "2 tasks serve it, 10 answers are as evaluated"


def test_tasks_that_are_not_listed_yet_prove_nothing(scene: Scene) -> None:
    scene.service.desired = 3
    scene.spare.begin("m-new", sha_of("m-new"))
    scene.clock.at = [(1.0, lambda: scene.service.apis.append(scene.spare))]

    assert hand(scene) == "3 tasks serve it, 15 answers are as evaluated"


@pytest.mark.parametrize("address", [None, "http://127.0.0.1:1"])
def test_a_person_is_told_that_nobody_serves_where_nobody_shall(
    scene: Scene, address: str | None
) -> None:
    scene.service.apis, scene.service.address = [], address

    assert hand(scene) == "its deployment is complete; not proved: the service's desired count is 0"


@pytest.mark.parametrize("verify", ["health", "deployment"])
def test_a_person_is_told_what_is_not_proved(scene: Scene, verify: Verify) -> None:
    assert f"verify is {verify}" in hand(scene, verify)


def test_a_person_is_told_of_tasks_that_answer_otherwise(scene: Scene) -> None:
    scene.service.apis[0].alter = lambda a: a | {"like": not a["like"]}

    with pytest.raises(NotServedError, match="must answer as the version was evaluated"):
        hand(scene)
