"""A roll-out that was left open ends once, with the version before, whoever races or dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.errors import ChampionChangedError, NotServedError, RegistryError, ServingError
from common.healing import UntoldError, heal, left_open, restoration, restore, take_back
from common.registry import Registry, open_registry
from common.registry.records import Lease, Run
from common.serving.watch import Verify
from tests.unit.serving import (
    NOW,
    Clock,
    FakeApi,
    FakeService,
    active,
    fake_api,
    healer,
    promote,
    rolling_out,
    sha_of,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(f"sqlite:///{tmp_path}/registry.sqlite")


@pytest.fixture
def apis() -> Iterator[list[FakeApi]]:
    with ExitStack() as stack:
        yield [stack.enter_context(fake_api()) for _ in range(2)]


@pytest.fixture
def service(registry: Registry, apis: list[FakeApi]) -> FakeService:
    return FakeService(registry, apis)


def stored(registry: Registry, run_id: str = "m-new") -> Run:
    run = registry.run(run_id)
    assert run is not None
    return run


def test_the_version_before_serves_again_and_the_run_is_rolled_back(
    registry: Registry, service: FakeService, clock: Clock
) -> None:
    # Given a new version that serves, of which nobody knows whether it should
    run, _ = rolling_out(registry, "m-older", "m-old")
    service.force()

    # When
    ended = heal(healer(registry, service, clock), run)

    # Then pointer, history, record and every task say the same
    assert (ended.state, ended.exit, ended.version, ended.previous) == (
        *("rolled_back", 4),
        *("m-new", "m-old"),
    )
    assert active(registry) == ("m-old", 4)
    last = registry.history()[-1]
    assert (last.action, last.version, last.previous, last.sha, last.run_id) == (
        *("restore", "m-old", "m-new"),
        *(sha_of("m-old"), "m-new"),
    )
    assert {each.version for each in service.apis} == {"m-old"}
    assert service.forced == ["m-new", "m-old"]
    assert stored(registry) == ended
    assert ended.ended_at == clock.now()
    assert "left open" in ended.reason
    assert "m-old is active again, and every task serves it" in ended.reason
    assert "taken back" in ended.rollout[0]
    assert "d-2 brings the version before back" in ended.rollout[1]


def test_no_deployment_is_forced_where_the_version_before_is_served_already(
    registry: Registry, service: FakeService, clock: Clock
) -> None:
    # Given a run that died before it told the service, or a circuit breaker
    run, _ = rolling_out(registry, "m-old")
    for each in service.apis:
        each.begin("m-old", sha_of("m-old"))

    ended = heal(healer(registry, service, clock), run)

    assert (ended.state, ended.exit, service.forced) == ("rolled_back", 4, [])
    assert active(registry) == ("m-old", 3)


def test_one_task_with_the_new_version_is_enough_to_deploy_anew(
    registry: Registry, service: FakeService, clock: Clock
) -> None:
    run, _ = rolling_out(registry, "m-old")
    service.apis[0].begin("m-old", sha_of("m-old"))
    service.apis[1].begin("m-new", sha_of("m-new"))

    assert heal(healer(registry, service, clock), run).state == "rolled_back"
    assert service.forced == ["m-old"]


def test_without_a_version_before_none_is_active_and_the_run_failed(
    registry: Registry, service: FakeService, clock: Clock
) -> None:
    run, _ = rolling_out(registry)
    service.force()

    ended = heal(healer(registry, service, clock), run)

    assert (ended.state, ended.exit, active(registry)) == ("failed", 1, (None, 2))
    assert "no version is active, as before" in ended.reason
    assert {each.version for each in service.apis} == {None}


@pytest.mark.parametrize("before", [["m-old"], []])
def test_a_restoration_that_is_not_proved_is_a_failure(
    registry: Registry, service: FakeService, clock: Clock, before: list[str]
) -> None:
    # Given tasks that do not come up any more
    run, _ = rolling_out(registry, *before)
    service.looks = [NotServedError("the deployment d-1 failed: out of capacity")] * 2

    ended = heal(healer(registry, service, clock), run)

    assert (ended.state, ended.exit) == ("failed", 1)
    assert active(registry) == (before[0] if before else None, len(before) + 2)
    assert "that it serves is not proved: the deployment d-1 failed" in ended.reason


def test_a_service_that_cannot_be_told_until_time_is_up_is_told_by_the_next(
    registry: Registry, service: FakeService, clock: Clock
) -> None:
    # Given tasks that serve the new version, and nobody who may tell them
    run, _ = rolling_out(registry, "m-old")
    service.force()
    service.refusals = [ServingError("AccessDenied")] * 1_000
    service.checks = [ServingError("the network is down"), lambda: None]

    # When it was tried in vain, twice
    for says in ("the network is down", "AccessDenied"):
        with pytest.raises(UntoldError, match=says):
            heal(healer(registry, service, clock, seconds=300), run)

        # Then the pointer is back and the roll-out is as open as it was
        assert (stored(registry).state, active(registry)) == ("rolling_out", ("m-old", 3))
        assert says in stored(registry).rollout[-1]
    assert clock.seconds >= 600

    # And whoever heals next ends it
    service.refusals.clear()
    ended = heal(healer(registry, service, clock), run)
    assert (ended.state, {each.version for each in service.apis}) == ("rolled_back", {"m-old"})


def test_where_there_is_no_service_any_more_nobody_waits_for_it(
    registry: Registry, service: FakeService, clock: Clock
) -> None:
    run, _ = rolling_out(registry, "m-old")
    service.force()
    service.refusals = [ServingError("ServiceNotFoundException")] * 1_000
    service.checks = [NotServedError("ecs://hairme/api is MISSING")]

    ended = heal(healer(registry, service, clock, seconds=300), run)

    assert (ended.state, ended.exit, active(registry)) == ("failed", 1, ("m-old", 3))
    assert "is MISSING" in ended.reason


@pytest.mark.parametrize("action", ["promote", "rollback"])
def test_whoever_changed_the_active_version_meanwhile_is_right(
    registry: Registry, service: FakeService, clock: Clock, action: Any
) -> None:
    run, _ = rolling_out(registry, "m-old")
    registry.promote(
        version="m-hand", sha=sha_of("m-hand"), expected_serial=2, action=action, now=NOW
    )

    ended = heal(healer(registry, service, clock), run)

    assert (ended.state, ended.exit, active(registry)) == ("failed", 5, ("m-hand", 3))
    assert "was changed meanwhile, and stays" in ended.reason
    assert service.forced == []


def test_a_change_after_the_restoration_stays_too(
    registry: Registry, service: FakeService, clock: Clock
) -> None:
    # Given a healer that died after it had moved the pointer back, and a person after it
    run, _ = rolling_out(registry, "m-old")
    registry.promote(
        version="m-old",
        sha=sha_of("m-old"),
        expected_serial=2,
        action="restore",
        now=NOW,
        run=run,
    )
    promote(registry, "m-hand", after=3)

    ended = heal(healer(registry, service, clock), run)

    assert (ended.state, ended.exit, active(registry)) == ("failed", 5, ("m-hand", 4))


def test_a_person_who_changes_the_pointer_in_the_last_moment_wins(
    registry: Registry, service: FakeService, clock: Clock
) -> None:
    run, _ = rolling_out(registry, "m-old")
    promote_now = registry.promote

    def overtaken(**call: Any) -> Any:
        registry.promote = promote_now  # type: ignore[method-assign]
        promote(registry, "m-hand", after=2)
        return promote_now(**call)

    registry.promote = overtaken  # type: ignore[method-assign]

    ended = heal(healer(registry, service, clock), run)

    assert (ended.state, ended.exit, active(registry)) == ("failed", 5, ("m-hand", 3))


def test_a_service_that_can_be_told_only_after_another_change_is_left_to_it(
    registry: Registry, service: FakeService, clock: Clock
) -> None:
    # Given an outage that outlasts another healer, the next run and its promotion
    run, _ = rolling_out(registry, "m-old")
    service.refusals = [ServingError("ThrottlingException")] * 3
    clock.at = [(0.5, lambda: promote(registry, "m-next", after=3))]

    ended = heal(healer(registry, service, clock), run)

    assert (ended.state, ended.exit, active(registry)) == ("failed", 5, ("m-next", 4))
    assert service.forced == []


def test_with_nobody_to_tell_the_restoration_is_not_proved(
    registry: Registry, clock: Clock
) -> None:
    run, _ = rolling_out(registry, "m-old")

    ended = heal(healer(registry, None, clock), run)

    assert (ended.state, ended.exit, active(registry)) == ("failed", 1, ("m-old", 3))
    assert "SERVING_URL is none" in ended.reason


def test_a_service_that_wants_no_task_is_told_and_said(
    registry: Registry, service: FakeService, clock: Clock
) -> None:
    run, _ = rolling_out(registry, "m-old")
    service.apis = []

    ended = heal(healer(registry, service, clock), run)

    assert (ended.state, ended.exit, service.forced) == ("rolled_back", 4, ["m-old"])
    assert "of a service whose desired count is 0" in ended.reason


@pytest.mark.parametrize("verify", ["health", "deployment"])
def test_where_no_model_may_be_asked_for_a_complete_deployment_is_the_proof(
    registry: Registry, service: FakeService, clock: Clock, verify: Verify
) -> None:
    run, _ = rolling_out(registry, "m-old")

    ended = heal(healer(registry, service, clock, verify=verify), run)

    assert (ended.state, service.forced) == ("rolled_back", ["m-old"])
    assert f"its deployment is complete (verify is {verify}: no task was asked" in ended.reason
    assert all("/model" not in each.asked for each in service.apis)


def test_a_run_that_somebody_has_ended_keeps_that_end(
    registry: Registry, service: FakeService, clock: Clock
) -> None:
    run, _ = rolling_out(registry, "m-old")
    mine = healer(registry, service, clock)
    first = heal(mine, run)

    again = take_back(mine, run, "another reason")

    assert again == first == stored(registry)
    assert len(registry.history()) == 3
    assert len(first.rollout) == 2, "what is noted belongs to a roll-out that goes on"


def test_only_what_nobody_carries_on_is_left_open(registry: Registry) -> None:
    # Given
    run, _ = rolling_out(registry)
    runs = registry.runs()

    def lease(run_id: str, owner: str = "somebody") -> Lease:
        return Lease(run_id=run_id, owner=owner, expires_at=NOW + timedelta(minutes=1), fencing=1)

    # Then a roll-out is its own run's while its lease is held, and nobody's otherwise
    assert left_open(runs, lease("m-new"), NOW) == []
    for other in (None, lease("m-new", owner=""), lease("m-other")):
        assert left_open(runs, other, NOW) == [run]
    assert left_open(runs, lease("m-new"), NOW + timedelta(minutes=1)) == [run]
    for state in ("launched", "running", "promoted", "served", "failed", "rolled_back"):
        assert left_open([replace(run, state=state)], None, NOW) == []


def test_a_person_gets_back_what_was_active_before_and_no_run_is_touched(
    registry: Registry, clock: Clock
) -> None:
    promote(registry, "m-old", after=0)
    entry = promote(registry, "m-hand", after=1)

    assert restore(healer(registry, None, clock), entry) == "m-old"

    assert active(registry) == ("m-old", 3)
    assert registry.history()[-1].run_id is None
    with pytest.raises(ChampionChangedError):
        restore(healer(registry, None, clock), entry)


def test_a_restoration_is_ones_own_only_if_it_followed_at_once(registry: Registry) -> None:
    run, _ = rolling_out(registry, "m-old")
    entry = registry.promote(
        version="m-old", sha="x", expected_serial=2, action="restore", now=NOW, run=run
    )
    history = registry.history()

    assert restoration(history, run) == entry
    assert restoration(history, replace(run, run_id="m-other")) is None
    assert restoration(history, replace(run, serial=1)) is None
    assert restoration(history[:-1], run) is None


def test_an_outage_of_the_registry_leaves_the_run_for_the_next(
    registry: Registry, service: FakeService, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = rolling_out(registry, "m-old")

    def down(*_: object, **__: object) -> None:
        raise RegistryError("down")

    with monkeypatch.context() as outage:
        outage.setattr(registry, "heal", down)
        with pytest.raises(RegistryError):
            heal(healer(registry, service, clock), run)

    assert stored(registry).state == "rolling_out"
    assert heal(healer(registry, service, clock), run).state == "rolled_back"
