"""Deploying where a service serves: looked at before the pointer moves, told after it."""

from __future__ import annotations

import signal
from contextlib import suppress

import pytest

from common.errors import InterruptedRunError, RetrainError, ServingError
from task import deploy
from task.interrupt import Interrupt, Stop
from tests.unit.judged import Clock, concluded, evidence, recorded
from tests.unit.place import Place
from tests.unit.services import Ecs

OURS = ("ecs-svc/1", "PRIMARY")


def test_the_pointer_moves_between_the_look_at_the_service_and_its_deployment(
    judged: Place,
) -> None:
    # Given
    ecs, seen = Ecs().is_("ACTIVE").deploys(OURS), []
    ecs.when("DescribeServices", lambda: seen.append(judged.active))
    ecs.when("UpdateService", lambda: seen.append(judged.active))

    # When
    run = concluded(judged, Clock(), ecs=ecs)

    # Then
    assert seen == ["m-a", "m-b"]
    assert (run.state, run.exit, run.deployment, run.serial) == ("promoted", 0, "ecs-svc/1", 2)
    # And registry and evidence say alike that this proves nothing yet
    said = evidence(judged)
    assert (said["state"], said["deployment"]) == ("promoted", "ecs-svc/1")
    assert said["reason"] == run.reason
    assert "not proved in service: nobody has asked ecs://hairme/api" in run.reason
    ecs.done()


def test_a_service_that_is_not_there_leaves_the_champion(judged: Place) -> None:
    ecs = Ecs().is_(None)

    with pytest.raises(ServingError, match="is MISSING"):
        concluded(judged, Clock(), ecs=ecs)

    assert (recorded(judged).state, recorded(judged).exit, judged.active) == ("failed", 1, "m-a")
    assert len(judged.registry.history()) == 1
    assert ecs.asked == ["DescribeServices"]
    assert judged.registry.lease() is None


def test_a_service_that_cannot_be_told_gets_the_champion_back(judged: Place) -> None:
    ecs = Ecs().is_("ACTIVE").refuses("update_service", "ServerException").deploys(OURS)

    run = concluded(judged, Clock(), ecs=ecs)

    assert (run.state, run.exit, run.version, run.previous) == ("rolled_back", 4, "m-b", "m-a")
    assert judged.active == "m-a"
    said = evidence(judged)
    assert (said["state"], said["exit"], said["version"]) == ("rolled_back", 4, "m-b")
    assert said["reason"] == run.reason
    assert judged.registry.lease() is None
    # And the champion's files are still there, whatever retention removes
    assert "models/m-a/manifest.json" in judged.store.keys("models/m-a/")


def test_nothing_is_asked_of_the_service_when_nothing_is_promoted(judged: Place) -> None:
    ecs = Ecs()
    path = judged.work / "m-b" / "verdict.json"
    path.write_text(path.read_text("utf-8").replace('"promote"', '"reject"'), "utf-8")

    assert concluded(judged, Clock(), ecs=ecs).state == "rejected"
    assert ecs.asked == []


def test_a_signal_that_got_lost_while_the_service_was_looked_at_still_stops_the_promotion(
    judged: Place, interrupt: Interrupt
) -> None:
    def lose() -> None:
        with suppress(Stop):
            signal.raise_signal(signal.SIGTERM)

    ecs = Ecs().is_("ACTIVE").when("DescribeServices", lose)

    with pytest.raises(InterruptedRunError):
        concluded(judged, Clock(), ecs=ecs, interrupt=interrupt)

    assert (recorded(judged).state, recorded(judged).exit, judged.active) == ("failed", 143, "m-a")
    assert ecs.asked == ["DescribeServices"]


def test_a_deadline_that_passes_while_the_service_is_looked_at_stops_the_promotion(
    judged: Place, interrupt: Interrupt
) -> None:
    ecs = Ecs().is_("ACTIVE")
    ecs.when("DescribeServices", lambda: signal.raise_signal(signal.SIGALRM))

    with pytest.raises(RetrainError, match="deadline_minutes"):
        concluded(judged, Clock(), ecs=ecs, interrupt=interrupt)

    assert (recorded(judged).state, recorded(judged).exit, judged.active) == ("failed", 1, "m-a")


def test_a_signal_while_the_service_is_told_waits_until_it_is(
    judged: Place, interrupt: Interrupt
) -> None:
    ecs = Ecs().is_("ACTIVE").deploys(OURS)
    ecs.when("UpdateService", lambda: signal.raise_signal(signal.SIGTERM))

    run = concluded(judged, Clock(), ecs=ecs, interrupt=interrupt)

    assert (run.state, run.deployment, judged.active) == ("promoted", "ecs-svc/1", "m-b")


def test_a_bug_after_the_pointer_moved_does_not_call_the_run_failed(
    judged: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(deploy, "roll_out", breaks)

    with pytest.raises(KeyError):
        concluded(judged, Clock(), ecs=Ecs().is_("ACTIVE"))

    assert (recorded(judged).state, judged.active) == ("promoted", "m-b")
    assert judged.registry.lease() is None


def test_a_run_after_a_cleared_pointer_has_no_champion_and_goes_on_counting(
    learned: Place,
) -> None:
    # Given a first version that was taken back
    learned.registry.promote(
        version=None, sha="", expected_serial=1, action="restore", now=Clock()()
    )
    assert learned.active is None

    # When
    learned.vote(60, seed=2)
    outcome = learned.json("run", "--run-id", "m-c")

    # Then
    assert (outcome["state"], outcome["previous_version"]) == ("promoted", None)
    assert outcome["metrics"]["champion"] == {}
    active = learned.registry.active()
    assert active is not None
    assert (active.version, active.serial) == ("m-c", 3)
