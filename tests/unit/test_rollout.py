"""A version comes into service by a forced deployment, or what was active before is so again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest

from common.errors import ServingError, UsageError
from common.registry import Registry, open_registry
from common.registry.records import HistoryEntry, Run
from task.rollout import (
    Forced,
    Service,
    bring_back,
    bring_by_hand,
    roll_out,
    service_at,
    unproved,
)
from tests.unit.services import ADDRESS, Ecs

NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)
OURS = ("ecs-svc/1", "PRIMARY")
RUN = Run(run_id="m-new", created_at=NOW, state="promoted", exit=0, reason="better")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(f"sqlite:///{tmp_path}/registry.sqlite")


@pytest.fixture
def ecs() -> Ecs:
    return Ecs()


@pytest.fixture
def service(ecs: Ecs) -> Service:
    found = service_at(ADDRESS, ecs)
    assert found is not None
    return found


def promote(
    registry: Registry, version: str, *, after: int, run: Run | None = None
) -> HistoryEntry:
    return registry.promote(
        version=version,
        sha=f"sha of {version}",
        expected_serial=after,
        action="promote",
        now=NOW + timedelta(minutes=after),
        run=run,
    )


def promoted(registry: Registry, *versions: str, by_hand: bool = False) -> HistoryEntry:
    """These versions were promoted one after the other, the last one just now."""
    for serial, version in enumerate(versions):
        run = None if by_hand else Run(run_id=version, created_at=NOW, state="promoted")
        entry = promote(registry, version, after=serial, run=run)
    return entry


def active(registry: Registry) -> tuple[str | None, int]:
    found = registry.active()
    assert found is not None
    return found.version, found.serial


def test_an_address_names_the_cluster_and_the_service(ecs: Ecs) -> None:
    found = service_at("ecs://hairme-prod/api_2", ecs)

    assert found is not None
    assert (found.cluster, found.name, str(found)) == (
        "hairme-prod",
        "api_2",
        "ecs://hairme-prod/api_2",
    )


def test_none_is_nobody_and_needs_no_client() -> None:
    assert service_at("none", lambda: pytest.fail("must not be asked for")) is None


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("http://127.0.0.1:8000", id="an API's address"),
        pytest.param("ftp://user:secret@host", id="another scheme"),
        pytest.param("ecs://hairme", id="no service"),
        pytest.param("ecs://hairme/", id="an empty service"),
        pytest.param("ecs:///api", id="no cluster"),
        pytest.param("ecs://hairme/api/two", id="too many parts"),
        pytest.param("ecs://arn:aws:ecs:x/api", id="an ARN"),
        pytest.param("hairme/api", id="no scheme"),
        pytest.param("NONE", id="shouted"),
    ],
)
def test_any_other_address_is_refused_with_the_accepted_forms(address: str, ecs: Ecs) -> None:
    with pytest.raises(UsageError, match="must be none or ecs://CLUSTER/SERVICE") as caught:
        service_at(address, ecs)

    assert "secret" not in str(caught.value)


def test_a_client_that_lacks_a_region_is_a_matter_of_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")

    with pytest.raises(UsageError, match="AWS_REGION"):
        service_at(ADDRESS, lambda: boto3.session.Session().client("ecs"))


@pytest.mark.parametrize("status", [None, "INACTIVE", "DRAINING"])
def test_a_service_that_cannot_deploy_is_told_from_one_that_can(
    ecs: Ecs, service: Service, status: str | None
) -> None:
    ecs.is_("ACTIVE").is_(status)

    service.check()
    with pytest.raises(ServingError, match=f"ecs://hairme/api is {status or 'MISSING'}"):
        service.check()


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AccessDeniedException", "allow this process's role"),
        ("ClusterNotFoundException", "correct SERVING_URL"),
        ("ServerException", "see that this network reaches AWS"),
    ],
)
def test_what_ecs_refuses_is_a_clear_error_with_its_remedy(
    ecs: Ecs, service: Service, code: str, remedy: str
) -> None:
    ecs.refuses("describe_services", code).refuses("update_service", code)

    for asks in (service.check, service.deploy):
        with pytest.raises(ServingError, match=f"got {code} to .*{remedy}") as caught:
            asks()
        assert "123456789012" not in str(caught.value)


def test_the_deployment_is_the_primary_one_of_the_answer(ecs: Ecs, service: Service) -> None:
    ecs.deploys(("ecs-svc/0", "ACTIVE"), OURS, ("ecs-svc/9", "INACTIVE"), desired=3)

    assert service.deploy() == Forced(deployment="ecs-svc/1", desired=3)


def test_an_answer_without_a_primary_deployment_is_an_error(ecs: Ecs, service: Service) -> None:
    ecs.deploys(("ecs-svc/0", "ACTIVE"))

    with pytest.raises(ServingError, match="no PRIMARY deployment"):
        service.deploy()


def test_with_nobody_to_tell_the_promotion_stands_unproved(registry: Registry) -> None:
    entry = promoted(registry, "m-old", "m-new")

    ended = roll_out(None, registry, entry, RUN, now=NOW)

    assert (ended.state, ended.serial, ended.deployment) == ("promoted", 2, None)
    assert "SERVING_URL is none" in unproved(None)


def test_a_deployment_is_forced_and_goes_on_record(
    ecs: Ecs, service: Service, registry: Registry
) -> None:
    entry = promoted(registry, "m-old", "m-new")
    ecs.deploys(OURS)

    ended = roll_out(service, registry, entry, RUN, now=NOW)

    assert (ended.state, ended.exit, ended.serial) == ("promoted", 0, 2)
    assert ended.deployment == "ecs-svc/1"
    assert ended.reason == "better; deployment ecs-svc/1 was forced"
    assert active(registry) == ("m-new", 2)
    assert "nobody has asked ecs://hairme/api" in unproved(service)


def test_a_service_that_wants_no_task_is_said(
    ecs: Ecs, service: Service, registry: Registry
) -> None:
    entry = promoted(registry, "m-new")
    ecs.deploys(OURS, desired=0)

    assert "desired count is 0" in roll_out(service, registry, entry, RUN, now=NOW).reason


def test_if_the_service_cannot_be_told_the_version_before_is_active_again(
    ecs: Ecs, service: Service, registry: Registry
) -> None:
    # Given
    entry = promoted(registry, "m-old", "m-new")
    ecs.refuses("update_service", "ThrottlingException").deploys(OURS)

    # When
    ended = roll_out(service, registry, entry, RUN, now=NOW)

    # Then nothing claims that the new one serves
    assert (ended.state, ended.exit, ended.version) == ("rolled_back", 4, RUN.version)
    assert active(registry) == ("m-old", 3)
    last = registry.history()[-1]
    assert (last.action, last.version, last.previous) == ("restore", "m-old", "m-new")
    assert (last.sha, last.run_id) == ("sha of m-old", "m-new")
    # And the registry says so even if this process dies now
    run = registry.run("m-new")
    assert run is not None
    assert (run.state, run.exit) == ("rolled_back", 4)
    # And a deployment that may have begun unheard is followed by one that loads the old version
    assert "ThrottlingException" in ended.reason
    assert "m-old is active again, and deployment ecs-svc/1 was forced for it" in ended.reason
    ecs.done()


def test_if_it_cannot_be_told_of_the_restoration_either_somebody_has_to_look(
    ecs: Ecs, service: Service, registry: Registry
) -> None:
    entry = promoted(registry, "m-old", "m-new")
    for _ in range(2):
        ecs.refuses("update_service", "AccessDeniedException")

    ended = roll_out(service, registry, entry, RUN, now=NOW)

    assert (ended.state, ended.exit, active(registry)) == ("rolled_back", 4, ("m-old", 3))
    assert "see that every task of ecs://hairme/api serves it" in ended.reason


def test_without_a_version_before_none_is_active_and_the_run_failed(
    ecs: Ecs, service: Service, registry: Registry
) -> None:
    entry = promoted(registry, "m-new")
    ecs.refuses("update_service", "AccessDeniedException")

    ended = roll_out(service, registry, entry, RUN, now=NOW)

    assert (ended.state, ended.exit, active(registry)) == ("failed", 1, (None, 2))
    assert "no version is active, as before" in ended.reason
    assert ecs.asked == ["UpdateService"]


def test_whoever_changed_the_active_version_meanwhile_is_right(
    ecs: Ecs, service: Service, registry: Registry
) -> None:
    # Given a person who promotes while the service is told
    entry = promoted(registry, "m-old", "m-new")
    ecs.when("UpdateService", lambda: promote(registry, "m-hand", after=2)).refuses(
        "update_service", "ServerException"
    )

    # When
    ended = roll_out(service, registry, entry, RUN, now=NOW)

    # Then
    assert (ended.state, ended.exit, active(registry)) == ("failed", 5, ("m-hand", 3))
    assert "m-new could not be taken back" in ended.reason


def test_a_promotion_by_hand_that_cannot_be_told_is_undone(
    ecs: Ecs, service: Service, registry: Registry
) -> None:
    entry = promoted(registry, "m-old", "m-new", by_hand=True)
    ecs.refuses("update_service", "ServerException").deploys(OURS)

    with pytest.raises(ServingError, match="m-new was taken back: m-old is active again") as caught:
        bring_by_hand(service, registry, entry, now=NOW)

    assert "ServerException" in str(caught.value)
    assert active(registry) == ("m-old", 3)
    ecs.done()


def test_a_promotion_by_hand_that_cannot_be_undone_says_both(
    ecs: Ecs, service: Service, registry: Registry
) -> None:
    entry = promoted(registry, "m-old", "m-new", by_hand=True)
    ecs.when("UpdateService", lambda: promote(registry, "m-hand", after=2)).refuses(
        "update_service", "ServerException"
    )

    with pytest.raises(ServingError, match=r"ServerException.*could not be taken back"):
        bring_by_hand(service, registry, entry, now=NOW)

    assert active(registry) == ("m-hand", 3)


def test_a_rollback_that_cannot_be_told_stays_and_says_what_to_do(
    ecs: Ecs, service: Service
) -> None:
    ecs.refuses("update_service", "ServerException")

    with pytest.raises(ServingError, match="m-old is active and promotion on hold") as caught:
        bring_back(service, "m-old")

    assert "aws ecs update-service --cluster hairme --service api" in str(caught.value)


def test_by_hand_without_a_service_there_is_no_deployment(registry: Registry) -> None:
    entry = promoted(registry, "m-new", by_hand=True)

    assert bring_by_hand(None, registry, entry, now=NOW) is None
    assert bring_back(None, "m-old") is None
