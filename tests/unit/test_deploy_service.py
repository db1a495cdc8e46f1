"""Deploying where a service serves: proved before it is called served, or taken back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from common.errors import (
    InterruptedRunError,
    LeaseLostError,
    RegistryError,
    RetrainError,
    ServingError,
)
from common.registry import Registry
from common.registry.records import Run
from task import deploy, pipeline
from task.interrupt import Interrupt, Stop
from tests.unit import serving
from tests.unit.attempts import wait_for
from tests.unit.judged import Clock, concluded, evidence, loop_of, recorded, served
from tests.unit.place import Place
from tests.unit.services import Ecs
from tests.unit.serving import GOING_ON, FakeService, rolling_out


@pytest.fixture
def service(judged: Place) -> Iterator[FakeService]:
    """Two tasks that serve m-a."""
    with served(judged) as made:
        yield made


def test_the_pointer_moves_between_the_look_at_the_service_and_its_deployment(
    judged: Place, service: FakeService
) -> None:
    # Given
    seen: list[str | None] = []
    service.checks = [lambda: seen.append(judged.active)]
    service.meanwhile = lambda: seen.append(judged.active)

    # When
    run = concluded(judged, Clock(), service=service)

    # Then
    assert seen == ["m-a", "m-b"]
    assert (run.state, run.exit, run.deployment, run.serial) == ("served", 0, "d-1", 2)
    # And registry and evidence say alike what is proved
    said = evidence(judged)
    assert (said["state"], said["deployment"], said["version"]) == ("served", "d-1", "m-b")
    assert said["reason"] == run.reason
    assert "answers are as evaluated, 60 s without an error" in run.reason
    assert len(run.rollout) == 3
    assert judged.registry.lease() is None


def test_a_service_that_is_not_there_leaves_the_champion(
    judged: Place, service: FakeService
) -> None:
    service.checks = [ServingError("the service must be ACTIVE, it is MISSING")]

    with pytest.raises(ServingError, match="is MISSING"):
        concluded(judged, Clock(), service=service)

    assert (recorded(judged).state, recorded(judged).exit, judged.active) == ("failed", 1, "m-a")
    assert len(judged.registry.history()) == 1
    assert service.forced == []
    assert judged.registry.lease() is None


def test_a_version_that_is_not_proved_leaves_the_champion_in_service(
    judged: Place, service: FakeService
) -> None:
    # Given an image in which answers are turned round
    for each in service.apis:
        each.alter = lambda answer: answer | {"like": not answer["like"]}

    # When
    run = concluded(judged, Clock(), service=service)

    # Then
    assert (run.state, run.exit, run.version, run.previous) == ("rolled_back", 4, "m-b", "m-a")
    assert (judged.active, {each.version for each in service.apis}) == ("m-a", {"m-a"})
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

    assert concluded(judged, Clock(), service=ecs).state == "rejected"
    assert ecs.asked == []


# --- told to stop before the pointer moves


def test_a_signal_that_got_lost_while_the_service_was_looked_at_still_stops_the_promotion(
    judged: Place, service: FakeService, interrupt: Interrupt
) -> None:
    def lose() -> None:
        with suppress(Stop):
            signal.raise_signal(signal.SIGTERM)

    service.checks = [lose]

    with pytest.raises(InterruptedRunError, match="nothing was promoted"):
        concluded(judged, Clock(), service=service, interrupt=interrupt)

    assert (recorded(judged).state, recorded(judged).exit, judged.active) == ("failed", 143, "m-a")
    assert service.forced == []


def test_a_deadline_that_passes_while_the_service_is_looked_at_stops_the_promotion(
    judged: Place, service: FakeService, interrupt: Interrupt
) -> None:
    service.checks = [lambda: signal.raise_signal(signal.SIGALRM)]

    with pytest.raises(RetrainError, match="deadline_minutes"):
        concluded(judged, Clock(), service=service, interrupt=interrupt)

    assert (recorded(judged).state, recorded(judged).exit, judged.active) == ("failed", 1, "m-a")


# --- cut short after it has moved


def left_open(place: Place) -> None:
    """Its version is active, nobody says that it serves, and the lease is free for a healer."""
    run = recorded(place)
    assert (run.state, run.exit, run.ended_at, run.serial) == ("rolling_out", None, None, 2)
    assert place.active == "m-b"
    assert evidence(place)["state"] == "running", "no evidence runs ahead"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 143), (signal.SIGALRM, 1)]
)
def test_a_signal_while_it_is_waited_for_leaves_the_roll_out_to_a_healer(
    judged: Place, service: FakeService, interrupt: Interrupt, number: int, code: int
) -> None:
    service.looks = [GOING_ON] * 10
    waits = serving.Clock(at=[(1.0, lambda: signal.raise_signal(number))])

    with pytest.raises(RetrainError, match="must be left alone to finish") as told:
        concluded(judged, Clock(), service=service, waits=waits, interrupt=interrupt)

    assert told.value.exit_code == code
    assert "m-b is active and not proved in service; the next run" in str(told.value)
    left_open(judged)
    assert judged.registry.lease() is None


def test_a_lost_lease_while_it_is_waited_for_leaves_the_roll_out_to_the_taker(
    judged: Place,
    service: FakeService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Given another run that takes the lease over, which the heart soon notices
    monkeypatch.setattr("task.attempt.BEATS_PER_LEASE", 60_000)
    clock = Clock()

    def taken_over() -> None:
        late = clock() + timedelta(hours=2)
        other = Run(run_id="m-z", created_at=late)
        judged.registry.launch(other, owner="o", lease_seconds=60, now=late)
        wait_for(lambda: "heartbeat" in caplog.text)

    service.looks = [GOING_ON] * 10
    waits = serving.Clock(at=[(1.0, taken_over)])

    # When
    with pytest.raises(LeaseLostError) as told:
        concluded(judged, clock, service=service, waits=waits)

    # Then
    assert told.value.exit_code == 5
    left_open(judged)
    lease = judged.registry.lease()
    assert lease is not None
    assert lease.run_id == "m-z"


def test_a_registry_that_is_gone_while_it_is_waited_for_leaves_the_roll_out_to_a_healer(
    judged: Place, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object, **__: object) -> None:
        raise RegistryError("down")

    monkeypatch.setattr(Registry, "note_rollout", down)

    with pytest.raises(RegistryError) as told:
        concluded(judged, Clock(), service=service)

    assert told.value.exit_code == 1
    left_open(judged)
    assert judged.registry.lease() is None


def test_a_bug_after_the_pointer_moved_does_not_call_the_run_failed(
    judged: Place, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(deploy, "roll_out", breaks)

    with pytest.raises(KeyError):
        concluded(judged, Clock(), service=service)

    left_open(judged)
    assert judged.registry.lease() is None


def test_a_persons_rollback_in_the_midst_of_it_stays_and_the_run_failed(
    judged: Place, service: FakeService
) -> None:
    def rolls_back() -> None:
        judged.json("rollback", "m-a")
        service.force()

    run = concluded(judged, Clock(), service=service, waits=serving.Clock(at=[(30.0, rolls_back)]))

    assert (run.state, run.exit, judged.active) == ("failed", 5, "m-a")
    assert (evidence(judged)["state"], evidence(judged)["exit"]) == ("failed", 5)
    assert judged.registry.hold() is not None


# --- healed


def test_the_next_run_heals_before_it_counts_votes_also_when_it_is_then_skipped(
    judged: Place, service: FakeService, interrupt: Interrupt
) -> None:
    # Given a roll-out that was told to stop
    service.looks = [GOING_ON]
    waits = serving.Clock(at=[(0.1, lambda: signal.raise_signal(signal.SIGTERM))])
    with pytest.raises(InterruptedRunError):
        concluded(judged, Clock(), service=service, waits=waits, interrupt=interrupt)

    # When
    outcome = pipeline.run(loop_of(judged, Clock(), service), "m-c", Interrupt())

    # Then what it had judged is no longer new
    assert (outcome.state, outcome.exit) == ("skipped", 0)
    assert str(outcome.reason).startswith("nothing new")
    run = recorded(judged)
    assert (run.state, run.exit, judged.active) == ("rolled_back", 4, "m-a")
    assert {each.version for each in service.apis} == {"m-a"}


def test_a_deployment_by_hand_heals_first(judged: Place) -> None:
    # Given another run's roll-out that was left open
    rolling_out(judged.registry, run_id="m-x")

    # When
    answer = judged.task("deploy", "--run", "m-b", "--json")

    # Then the champion is back, although not the one that m-b was compared with
    healed = judged.registry.run("m-x")
    assert healed is not None
    assert (healed.state, judged.active) == ("failed", "m-a")
    assert "m-a" in healed.reason
    assert "SERVING_URL is none, so nobody was told" in healed.reason
    assert answer.exit == 5


def test_what_cannot_be_healed_for_want_of_the_registry_stops_the_next_run(
    judged: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolling_out(judged.registry, run_id="m-x")

    def down(*_: Any, **__: Any) -> None:
        raise RegistryError("down")

    monkeypatch.setattr(Registry, "note_rollout", down)

    assert judged.task("run", "--run-id", "m-c").exit == 1
    failed, left = judged.registry.run("m-c"), judged.registry.run("m-x")
    assert failed is not None
    assert left is not None
    assert (failed.state, left.state) == ("failed", "rolling_out")


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
