"""How long a version is waited for, what ends the waiting, and what is no reason to end it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import NotServedError, ServingError, UnreachableError
from common.registry import open_registry
from common.serving.watch import Expected, Patience, Serving, Verify, force, until_served
from tests.unit.serving import GOING_ON, Clock, FakeService, expected, fake_api, promote, sha_of

OUTAGE = ServingError("ThrottlingException")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FakeService]:
    """Two tasks, in which m-new has just been deployed."""
    registry = open_registry(f"sqlite:///{tmp_path}/registry.sqlite")
    promote(registry, "m-new", after=0)
    with ExitStack() as stack:
        made = FakeService(registry, [stack.enter_context(fake_api()) for _ in range(2)])
        made.force()
        yield made


def patience(clock: Clock, seconds: float = 900.0) -> Patience:
    return Patience(seconds=seconds, clock=clock, sleep=clock.sleep)


def wait(
    service: FakeService,
    clock: Clock,
    verify: Verify = "model",
    wanted: Expected | None = None,
    how: Patience | None = None,
) -> Serving:
    return until_served(service, "d-1", wanted or expected("m-new"), verify, how or patience(clock))


def test_a_version_that_every_task_names_is_served_at_once(
    service: FakeService, clock: Clock
) -> None:
    serving = wait(service, clock)

    assert [api.url for api in serving.apis] == [each.url for each in service.apis]
    assert (serving.stage.deployment, clock.seconds) == ("d-1", 0.0)
    assert all(each.asked == ["/model"] for each in service.apis)


def test_a_deployment_is_waited_for_through_outages_while_pauses_grow(
    service: FakeService, clock: Clock
) -> None:
    service.looks = [GOING_ON, OUTAGE, GOING_ON, OUTAGE]

    wait(service, clock)

    assert clock.seconds == pytest.approx(0.25 + 0.375 + 0.5625 + 0.84375)


def test_nobody_waits_longer_than_is_allowed_and_the_last_sight_is_told(
    service: FakeService, clock: Clock
) -> None:
    service.looks = [GOING_ON] * 1_000

    with pytest.raises(
        ServingError, match=r"within 900 s, it does not: .*1 of 2 tasks run"
    ) as told:
        wait(service, clock)

    assert not isinstance(told.value, NotServedError)
    assert 900 <= clock.seconds <= 911


def test_nobody_waits_longer_than_the_callers_own_time_however_late_it_began(
    service: FakeService, clock: Clock
) -> None:
    clock.seconds = 880.0
    service.looks = [GOING_ON] * 1_000

    with pytest.raises(ServingError, match="it does not"):
        wait(service, clock, how=replace(patience(clock), latest=900.0))

    assert 900 <= clock.seconds <= 911


def test_what_waiting_cannot_mend_ends_it_at_once(service: FakeService, clock: Clock) -> None:
    service.looks = [GOING_ON, NotServedError("the deployment d-1 failed")]

    with pytest.raises(NotServedError, match="d-1 failed"):
        wait(service, clock)

    assert clock.seconds == 0.25


def test_a_task_that_refuses_the_version_ends_it_at_once_with_its_reason(
    service: FakeService, clock: Clock
) -> None:
    # Given a task that fell back to the version before
    api = service.apis[1]
    api.version, api.sha, api.refused, api.why = "m-old", sha_of("m-old"), True, "it is damaged"

    # Then
    with pytest.raises(NotServedError, match=r"serves m-old .* refuses the other: it is damaged"):
        wait(service, clock)
    assert clock.seconds == 0.0


def test_a_task_that_is_degraded_about_another_version_is_only_late(
    service: FakeService, clock: Clock
) -> None:
    service.follows = True
    api = service.apis[1]
    api.version, api.active, api.refused, api.why = "m-old", "m-older", True, "of old"
    clock.at = [(5.0, lambda: api.begin("m-new", sha_of("m-new")))]

    wait(service, clock)

    assert 5.0 <= clock.seconds < 10.0


def test_a_finished_deployment_that_answers_with_another_version_will_not_change_any_more(
    service: FakeService, clock: Clock
) -> None:
    service.apis[0].begin("m-old", sha_of("m-old"))

    with pytest.raises(NotServedError, match=r"must serve m-new \(sha of m-new\), .* serves m-old"):
        wait(service, clock)

    assert clock.seconds == pytest.approx(0.25 + 0.375 + 0.5625)


def test_the_same_version_with_another_sha_is_another_version(
    service: FakeService, clock: Clock
) -> None:
    service.apis[0].sha = "altered"

    with pytest.raises(NotServedError, match=r"serves m-new \(altered\)"):
        wait(service, clock)


def test_who_follows_the_pointer_may_answer_with_another_version_for_long(
    service: FakeService, clock: Clock
) -> None:
    service.follows = True
    service.apis[0].begin("m-old", sha_of("m-old"))
    clock.at = [(120.0, lambda: service.apis[0].begin("m-new", sha_of("m-new")))]

    wait(service, clock)

    assert clock.seconds >= 120.0


@pytest.mark.parametrize("verify", ["model", "health"])
def test_a_task_that_does_not_answer_yet_is_waited_for(
    service: FakeService, clock: Clock, verify: Verify
) -> None:
    for path in ("/model", "/health"):
        service.apis[0].instead[path] = (503, b"")
    clock.at = [(120.0, service.apis[0].instead.clear)]

    wait(service, clock, verify)

    assert clock.seconds >= 120.0


def test_a_task_that_is_still_loading_is_waited_for(service: FakeService, clock: Clock) -> None:
    service.apis[0].begin(None, None)
    clock.at = [(60.0, lambda: service.apis[0].begin("m-new", sha_of("m-new")))]

    wait(service, clock)

    assert clock.seconds >= 60.0


def test_where_no_version_is_active_none_must_be_served(service: FakeService, clock: Clock) -> None:
    nothing = Expected(version=None, sha=None)

    with pytest.raises(NotServedError, match="must serve no version"):
        wait(service, clock, wanted=nothing)
    for each in service.apis:
        each.begin(None, None)
    wait(service, clock, wanted=nothing)


@pytest.mark.parametrize("verify", ["model", "health"])
def test_a_list_of_tasks_that_is_not_complete_proves_nothing(
    service: FakeService, clock: Clock, verify: Verify
) -> None:
    # Given a service that wants two tasks, of which ECS lists one, and then none
    for apis in (service.apis[:1], []):
        service.apis, service.desired = apis, 2

        with pytest.raises(ServingError, match=f"{len(apis)} of 2 are known"):
            wait(service, clock, verify)


def test_who_wants_no_task_proves_nothing(service: FakeService, clock: Clock) -> None:
    service.apis = []

    with pytest.raises(ServingError, match="0 of 0 are known"):
        wait(service, clock)


def test_only_what_is_to_be_proved_is_asked(service: FakeService, clock: Clock) -> None:
    service.apis[0].begin("m-old", sha_of("m-old"))

    assert wait(service, clock, "deployment").apis == []
    assert [each.asked for each in service.apis] == [[], []]
    wait(service, clock, "health")
    assert [each.asked for each in service.apis] == [["/health"], ["/health"]]


def test_what_ends_the_waiting_is_the_callers(service: FakeService, clock: Clock) -> None:
    def told(_: float) -> None:
        raise KeyboardInterrupt

    service.looks = [GOING_ON]

    with pytest.raises(KeyboardInterrupt):
        wait(service, clock, how=replace(patience(clock), sleep=told))


def test_a_deployment_is_forced_through_outages(service: FakeService, clock: Clock) -> None:
    service.refusals = [OUTAGE, UnreachableError("no route")]

    assert force(service, patience(clock)).deployment == "d-2"
    assert clock.seconds == 0.25 + 0.375


def test_a_deployment_that_cannot_be_forced_is_told_in_the_end(
    service: FakeService, clock: Clock
) -> None:
    service.refusals = [OUTAGE] * 1_000

    with pytest.raises(ServingError, match="it does not: ThrottlingException"):
        force(service, patience(clock, 60))

    assert 60 <= clock.seconds <= 71
