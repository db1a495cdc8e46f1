"""A version that serves is watched for a while: what takes it back, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.rollouts import HICCUP, PROOF, Scene
from tests.unit.serving import FakeApi, sha_of


def test_new_errors_while_it_bakes_take_it_back(scene: Scene) -> None:
    # Given errors of before, which are no fault of the version, and one more
    scene.service.meanwhile = lambda: scene.clock.at.append(
        (30.0, lambda: setattr(scene.service.apis[1], "errors", scene.service.apis[1].errors + 1))
    )
    for each in scene.service.apis:
        each.before = _errors(each, 5)

    ended = scene.rolled()

    scene.taken_back(ended, "must answer without errors, 1 requests failed")
    assert scene.clock.seconds >= 30


def _errors(api: FakeApi, count: int) -> Callable[[], None]:
    """It has failed so often before anybody asks it for the first time."""

    def once() -> None:
        api.errors, api.before = count, lambda: None

    return once


def test_errors_of_before_are_no_fault_of_the_version(scene: Scene) -> None:
    for each in scene.service.apis:
        each.before = _errors(each, 5)

    assert scene.rolled().state == "served"


def test_a_task_that_began_anew_while_it_bakes_takes_it_back(scene: Scene) -> None:
    scene.clock.at = [(20.0, lambda: scene.service.apis[0].begin("m-new", sha_of("m-new")))]

    ended = scene.rolled()

    scene.taken_back(ended, "1 of 2 died or began anew")


def test_a_task_that_died_and_was_replaced_while_it_bakes_takes_it_back(scene: Scene) -> None:
    def dies() -> None:
        scene.spare.begin("m-new", sha_of("m-new"))
        scene.service.apis = [scene.service.apis[0], scene.spare]

    scene.clock.at = [(20.0, dies)]

    ended = scene.rolled()

    scene.taken_back(ended, "1 of 2 died or began anew")


def test_a_task_that_forgets_the_version_while_it_bakes_takes_it_back(scene: Scene) -> None:
    scene.clock.at = [(20.0, lambda: setattr(scene.service.apis[0], "version", "m-old"))]

    ended = scene.rolled()

    scene.taken_back(ended, "serves m-old")


@pytest.mark.parametrize("answers", [True, False])
def test_a_task_more_is_fine_also_while_it_is_starting(scene: Scene, answers: bool) -> None:
    # Given a service that is scaled out in the midst of it
    def scales_out() -> None:
        scene.spare.begin("m-new", sha_of("m-new"))
        scene.service.apis = [*scene.service.apis, scene.spare]

    scene.spare.instead = {} if answers else {"/model": (503, b""), "/metrics": (503, b"")}
    scene.clock.at = [(20.0, scales_out), (90.0, scene.spare.instead.clear)]

    # Then it is served once that task, too, says that it serves it
    assert "3 tasks serve it" in scene.rolled().reason
    assert (scene.clock.seconds >= 90) is not answers


def test_a_task_more_that_serves_the_version_before_is_seen(scene: Scene) -> None:
    def scales_out() -> None:
        scene.spare.begin("m-old", sha_of("m-old"))
        scene.spare.active, scene.spare.refused, scene.spare.why = "m-new", True, "it is damaged"
        scene.service.apis = [*scene.service.apis, scene.spare]

    scene.clock.at = [(20.0, scales_out)]

    scene.taken_back(scene.rolled(), "it is damaged")


def test_a_task_less_is_fine_where_less_are_wanted(scene: Scene) -> None:
    scene.clock.at = [(20.0, lambda: scene.service.apis.pop())]

    assert scene.rolled().state == "served"


def test_a_service_that_is_scaled_out_and_in_again_may_lose_any_of_its_tasks(scene: Scene) -> None:
    def scales_out() -> None:
        scene.spare.begin("m-new", sha_of("m-new"))
        scene.service.apis = [*scene.service.apis, scene.spare]

    scene.clock.at = [(20.0, scales_out), (40.0, lambda: scene.service.apis.pop(0))]

    assert scene.rolled().state == "served"


@pytest.mark.parametrize(("looks", "state"), [(1, "served"), (2, "served"), (3, "rolled_back")])
def test_a_hiccup_while_it_bakes_is_fine_and_three_in_a_row_are_not(
    scene: Scene, looks: int, state: str
) -> None:
    scene.clock.at = [(20.0, lambda: scene.service.looks.extend([HICCUP] * looks))]

    assert scene.rolled().state == state


@pytest.mark.parametrize("at", [0.0, 60.0])
def test_a_hiccup_at_the_first_look_or_the_last_one_is_looked_at_again(
    scene: Scene, at: float
) -> None:
    # Given
    api = scene.service.apis[0]

    def hiccups() -> None:
        api.instead["/metrics"] = (503, b"")
        scene.clock.at.append((scene.clock.seconds + 5, api.instead.clear))

    if at:
        scene.clock.at = [(at, hiccups)]
    else:
        hiccups()

    # Then
    assert scene.rolled().state == "served"
    assert scene.clock.seconds >= 60 + (10 if at else 0)


def test_hiccups_in_a_row_count_and_not_in_all(scene: Scene) -> None:
    def twice() -> None:
        scene.service.looks.extend([HICCUP] * 2)

    scene.clock.at = [(20.0, twice), (60.0, twice)]

    proof = replace(PROOF, bake_seconds=120)
    assert scene.rolled(proof=proof).state == "served"


def test_another_deployment_while_it_bakes_takes_it_back_at_once(scene: Scene) -> None:
    scene.clock.at = [(20.0, lambda: scene.service.forced.append("m-new"))]

    ended = scene.rolled()

    scene.taken_back(ended, "the deployment d-1 is gone")
    assert scene.clock.seconds == 20.0
