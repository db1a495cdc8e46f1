"""A service on ECS is looked at, told and asked task by task; checked against AWS's own model."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from common.errors import NotServedError, ServingError, UsageError
from common.serving import EcsService, HttpService, Service, service_at
from tests.unit.services import ADDRESS, Ecs
from tests.unit.serving import FakeApi, fake_api

OURS = ("ecs-svc/1", "PRIMARY")


@pytest.fixture
def ecs() -> Ecs:
    return Ecs()


@pytest.fixture
def service(ecs: Ecs) -> Service:
    found = service_at(ADDRESS, ecs)
    assert found is not None
    return found


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with fake_api() as made:
        yield made


def test_an_address_names_the_cluster_and_the_service(ecs: Ecs) -> None:
    found = service_at("ecs://hairme-prod/api_2", ecs, balancer="https://hairme.example/")

    assert isinstance(found, EcsService)
    assert (found.cluster, found.name) == ("hairme-prod", "api_2")
    assert (str(found), found.address) == ("ecs://hairme-prod/api_2", "https://hairme.example")
    assert not found.follows


def test_none_is_nobody_and_needs_no_client() -> None:
    assert service_at("none", lambda: pytest.fail("must not be asked for")) is None


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8000", "http://localhost:80/", "http://[::1]:65535"]
)
def test_an_api_on_this_machine_follows_the_pointer_and_needs_no_client(address: str) -> None:
    found = service_at(address, lambda: pytest.fail("must not be asked for"))

    assert isinstance(found, HttpService)
    assert found.follows
    assert str(found) == address.rstrip("/")


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("http://10.0.0.1:8000", id="an API elsewhere"),
        pytest.param("http://user:secret@127.0.0.1:8000", id="a password"),
        pytest.param("http://127.0.0.1.example.com:80", id="a name that begins like it"),
        pytest.param("http://127.0.0.1", id="no port"),
        pytest.param("https://127.0.0.1:8000", id="TLS"),
        pytest.param("http://127.0.0.1:8000/model", id="a path"),
        pytest.param("ftp://user:secret@host", id="another scheme"),
        pytest.param("secret-without-a-scheme-that-is-longer", id="nothing but a secret"),
        pytest.param("ecs://hairme", id="no service"),
        pytest.param("ecs://hairme/", id="an empty service"),
        pytest.param("ecs:///api", id="no cluster"),
        pytest.param("ecs://hairme/api/two", id="too many parts"),
        pytest.param("ecs://arn:aws:ecs:x/api", id="an ARN"),
        pytest.param("hairme/api", id="no scheme"),
        pytest.param("NONE", id="shouted"),
        pytest.param("", id="nothing"),
    ],
)
def test_any_other_address_is_refused_with_the_accepted_forms(address: str, ecs: Ecs) -> None:
    with pytest.raises(UsageError, match=r"none, http://127.0.0.1:PORT or ecs://") as caught:
        service_at(address, ecs)

    assert "user:secret" not in str(caught.value)
    assert "longer" not in str(caught.value)


@pytest.mark.parametrize("balancer", ["hairme.example", "http://user:secret@host", "http://a/b"])
def test_a_load_balancer_is_named_by_its_origin_alone(balancer: str, ecs: Ecs) -> None:
    with pytest.raises(UsageError, match="SERVICE_URL must be http://HOST") as caught:
        service_at(ADDRESS, ecs, balancer=balancer)

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
    with pytest.raises(NotServedError, match=f"ecs://hairme/api is {status or 'MISSING'}"):
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
    ecs.refuses("describe_services", code).refuses("list_tasks", code)

    asks = (service.check, service.force, lambda: service.stage(None), lambda: service.tasks("d"))
    for ask in asks:
        with pytest.raises(ServingError, match=f"got {code} to .*{remedy}") as caught:
            ask()
        assert not isinstance(caught.value, NotServedError), "it may pass"
        assert "123456789012" not in str(caught.value)


def test_the_deployment_is_the_primary_one_of_the_answer(ecs: Ecs, service: Service) -> None:
    ecs.deploys(("ecs-svc/0", "ACTIVE"), OURS, ("ecs-svc/9", "INACTIVE"), desired=3)

    begun = service.force()

    assert (begun.deployment, begun.desired, begun.done) == ("ecs-svc/1", 3, False)


def test_an_answer_without_a_primary_deployment_is_an_error(ecs: Ecs, service: Service) -> None:
    ecs.deploys(("ecs-svc/0", "ACTIVE"))

    with pytest.raises(ServingError, match="no PRIMARY deployment"):
        service.force()


def test_a_deployment_is_followed_by_its_id(ecs: Ecs, service: Service) -> None:
    ecs.has(OURS).has(OURS, ("ecs-svc/0", "ACTIVE")).has(("ecs-svc/2", "PRIMARY"))

    assert service.stage("ecs-svc/1").done
    assert not service.stage("ecs-svc/1").done
    with pytest.raises(NotServedError, match="ecs-svc/1 is gone: ecs-svc/2 took its place"):
        service.stage("ecs-svc/1")


def test_every_task_is_asked_at_its_own_address_and_the_port_of_its_container(
    ecs: Ecs, service: Service
) -> None:
    ecs.runs([{"address": "10.0.1.17"}, {"address": "10.0.2.9"}]).defines(8080)

    assert [api.url for api in service.tasks("ecs-svc/1")] == [
        "http://10.0.1.17:8080",
        "http://10.0.2.9:8080",
    ]
    ecs.done()


def test_tasks_that_share_an_address_are_told_by_the_port_that_each_was_given(
    ecs: Ecs, service: Service
) -> None:
    tasks = [{"address": "127.0.0.1", "port": 40_001}, {"address": "127.0.0.1", "port": 40_002}]
    ecs.runs(tasks).defines(8080)

    assert [api.url for api in service.tasks("ecs-svc/1")] == [
        "http://127.0.0.1:40001",
        "http://127.0.0.1:40002",
    ]


def test_no_task_is_asked_while_one_belongs_to_another_deployment(
    ecs: Ecs, service: Service
) -> None:
    ecs.runs([{"address": "10.0.1.17"}, {"address": "10.0.2.9", "deployment": "ecs-svc/0"}])

    with pytest.raises(ServingError, match="must be of ecs-svc/1, 1 of 2 are not yet"):
        service.tasks("ecs-svc/1")


def test_a_task_that_is_starting_is_not_asked_yet(ecs: Ecs, service: Service) -> None:
    ecs.runs([{"address": "10.0.1.17"}, {"address": None, "status": "PENDING"}]).defines(8080)

    assert [api.url for api in service.tasks("ecs-svc/1")] == ["http://10.0.1.17:8080"]


def test_however_many_tasks_there_are_all_of_them_are_asked(ecs: Ecs, service: Service) -> None:
    # Given three pages of names, and more tasks than are described at once
    tasks = [{"address": f"10.0.{i // 250}.{i % 250}"} for i in range(230)]
    ecs.runs(tasks, pages=3).defines(8080)

    # Then
    assert len({api.url for api in service.tasks("ecs-svc/1")}) == 230
    assert ecs.asked == [*["ListTasks"] * 3, *["DescribeTasks"] * 3, "DescribeTaskDefinition"]


@pytest.mark.parametrize(("address", "port"), [(None, 8080), ("10.0.1.17", None)])
def test_a_task_that_cannot_be_asked_is_an_error(
    ecs: Ecs, service: Service, address: str | None, port: int | None
) -> None:
    ecs.runs([{"address": address}]).defines(port)

    with pytest.raises(ServingError, match=r"must have an address and a port .* set verify to"):
        service.tasks("ecs-svc/1")


def test_an_api_here_is_one_task_without_deployments(fake: FakeApi) -> None:
    service: Service = HttpService(url=fake.url)
    fake.begin("m-one", "1f")

    service.check()

    for stage in (service.force(), service.stage("d-7"), service.stage(None)):
        assert (stage.done, stage.deployment, stage.desired) == (True, "", 1)
    (api,) = service.tasks("")
    assert api.model().version == "m-one"


def test_an_api_here_that_does_not_answer_is_told_with_how_to_start_it() -> None:
    with fake_api() as fake:
        url = fake.url

    with pytest.raises(ServingError, match=r"start it with `python -m api --port PORT`"):
        HttpService(url=url).check()
