"""What the doctor finds of who serves: asked as a roll-out would ask, and nothing is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from common.errors import NotServedError, ServingError
from task.doctor import Finding, examine
from tests.unit.judged import loop_of, served
from tests.unit.place import Place
from tests.unit.serving import FakeService, fake_api


@pytest.fixture
def service(learned: Place) -> Iterator[FakeService]:
    """Two tasks that serve m-a."""
    with served(learned) as made:
        yield made


def serving(place: Place, service: FakeService | None, **settings: str) -> Finding:
    loop = loop_of(place, lambda: datetime.now(UTC), service)
    loop = replace(loop, settings=replace(loop.settings, **settings))  # type: ignore[arg-type]
    vars(loop)["service"] = service
    (found,) = [each for each in examine(loop) if each.name == "serving"]
    return found


def test_tasks_that_serve_the_active_version_are_well(learned: Place, service: FakeService) -> None:
    found = serving(learned, service)

    assert (found.answer, service.forced) == ("ok", [])
    assert found.says == "2 tasks of ecs://hairme/api serve m-a"


def test_a_task_that_serves_something_else_is_a_fault(learned: Place, service: FakeService) -> None:
    service.apis[1].sha = "altered"

    found = serving(learned, service)

    assert found.answer == "fault"
    assert "must serve m-a" in found.says


def test_a_task_that_does_not_answer_is_a_fault(learned: Place, service: FakeService) -> None:
    with fake_api() as gone:
        service.apis.append(gone)

    assert serving(learned, service).answer == "fault"


@pytest.mark.parametrize(
    "error", [NotServedError("the deployment d-1 failed"), ServingError("AccessDenied")]
)
def test_a_service_that_cannot_be_looked_at_is_a_fault(
    learned: Place, service: FakeService, error: ServingError
) -> None:
    service.looks = [error]

    found = serving(learned, service)

    assert (found.answer, found.says) == ("fault", str(error))


@pytest.mark.parametrize("verify", ["health", "deployment"])
def test_where_no_model_may_be_asked_the_service_is_only_there(
    learned: Place, service: FakeService, verify: str
) -> None:
    service.apis[0].sha = "altered"
    asked = [len(each.asked) for each in service.apis]

    found = serving(learned, service, verify=verify)

    assert found.answer == "ok"
    assert f"is there; not proved in service: verify is {verify}" in found.says
    assert service.checked == 1
    assert [len(each.asked) for each in service.apis] == asked


def test_before_the_first_version_the_service_is_only_there(unlearned: Place) -> None:
    with fake_api() as api:
        found = serving(unlearned, FakeService(unlearned.registry, [api]))

    assert (found.answer, found.says) == (
        "ok",
        "ecs://hairme/api is there; no version is active yet",
    )


def test_nobody_who_serves_is_said(learned: Place) -> None:
    assert serving(learned, None).says == "none: a promotion is not proved in service"
