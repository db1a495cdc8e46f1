"""What ECS is asked for, as a value; and what is made of its answers."""

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from common.errors import LaunchError
from retrain_trigger.launch import ATTEMPTS, is_open, start, task_request, token
from tests.unit.trigger_samples import (
    CAPACITY,
    CLUSTER,
    OTHER_TASK,
    OWN,
    REVISION,
    RUN,
    TASK,
    Ecs,
    aws_error,
    refusal,
)


def started(*script: Any) -> tuple[str, Ecs]:
    ecs = Ecs(script=list(script))
    fake: Any = ecs
    return start(fake, OWN, RUN, {}, lambda _: None), ecs


def failing(*script: Any) -> tuple[str, Ecs]:
    """The text of the error, and what was asked."""
    ecs = Ecs(script=list(script))
    fake: Any = ecs
    with pytest.raises(LaunchError) as failed:
        start(fake, OWN, RUN, {}, lambda _: None)
    return str(failed.value), ecs


def test_the_request_is_this_value() -> None:
    environment = {"RETRAIN_REAL_DATA_WEIGHT": "3.0", "RETRAIN_AUTO_DEPLOY": "false"}

    assert task_request(OWN, RUN, environment, 1) == {
        "launchType": "FARGATE",
        "cluster": CLUSTER,
        "taskDefinition": REVISION,
        "count": 1,
        "clientToken": "4433e89b449b1c955e1c075b2fdb916c847b96e8f3316c8ba90a31552c5432c3",
        "startedBy": RUN,
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-a", "subnet-b"],
                "securityGroups": ["sg-a"],
                "assignPublicIp": "DISABLED",
            }
        },
        "overrides": {
            "containerOverrides": [
                {
                    "name": "task",
                    "command": ["run", "--run-id", RUN, "--launched"],
                    "environment": [
                        {"name": "RETRAIN_AUTO_DEPLOY", "value": "false"},
                        {"name": "RETRAIN_REAL_DATA_WEIGHT", "value": "3.0"},
                    ],
                }
            ]
        },
        "propagateTags": "TASK_DEFINITION",
        "enableExecuteCommand": False,
    }


def test_spot_is_asked_for_by_its_provider_and_not_by_launch_type() -> None:
    request = task_request(replace(OWN, capacity="FARGATE_SPOT"), RUN, {}, 1)

    assert "launchType" not in request  # ECS refuses both together
    assert request["capacityProviderStrategy"] == [
        {"capacityProvider": "FARGATE_SPOT", "weight": 1}
    ]


def test_a_token_depends_on_run_and_attempt_alone_and_is_as_long_as_ecs_allows() -> None:
    tokens = [token(run_id, n) for run_id in (RUN, "m-x") for n in (1, 2, 3)]

    assert len(set(tokens)) == len(tokens)
    assert {len(each) for each in tokens} == {64}
    assert tokens[0] == token(RUN, 1)


def test_botocore_takes_the_request_as_it_stands() -> None:
    """A misspelt parameter would be found on the first Sunday otherwise."""
    import botocore.session
    from botocore.validate import ParamValidator

    model = botocore.session.get_session().get_service_model("ecs")
    shape = model.operation_model("RunTask").input_shape
    assert shape is not None

    report = ParamValidator().validate(task_request(OWN, RUN, {"RETRAIN_SEED": "1"}, 1), shape)

    assert not report.has_errors(), report.generate_report()


def test_a_task_that_starts_is_asked_for_once() -> None:
    task, ecs = started()

    assert task == TASK
    assert len(ecs.asked) == 1


def test_without_capacity_another_token_and_another_subnet_are_tried() -> None:
    task, ecs = started(CAPACITY, CAPACITY)

    assert task == TASK
    assert [ask["clientToken"] for ask in ecs.asked] == [token(RUN, n) for n in (1, 2, 3)]
    assert [ask["networkConfiguration"]["awsvpcConfiguration"]["subnets"] for ask in ecs.asked] == [
        ["subnet-a", "subnet-b"],
        ["subnet-b", "subnet-a"],
        ["subnet-a", "subnet-b"],
    ]


def test_an_answer_that_names_failures_only_is_no_task() -> None:
    says, ecs = failing(*[CAPACITY] * ATTEMPTS)

    assert len(ecs.asked) == ATTEMPTS
    assert RUN in says
    assert "Capacity is unavailable" in says
    assert says.count("Capacity is unavailable") == 1  # three times the same is told once
    assert "subnets of more zones" in says


def test_different_refusals_are_all_told() -> None:
    says, _ = failing(refusal("RESOURCE:ENI"), CAPACITY, {"tasks": [], "failures": []})

    for word in ("RESOURCE:ENI", "Capacity is unavailable", "no task and no reason"):
        assert word in says


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AccessDeniedException", "allow this process's role the operation"),
        ("ClusterNotFoundException", "make what TRIGGER_TASK_DEFINITION names"),
        ("InvalidParameterException", "deploy the stack again"),
        ("ThrottlingException", "too busy: wait"),
        ("ServerException", "AWS is up"),
        ("BlockedException", "deploy the stack again"),
    ],
)
def test_an_error_of_ecs_ends_the_attempts_with_its_code_and_a_remedy(
    code: str, remedy: str
) -> None:
    says, ecs = failing(aws_error(code, "so it said by 123456789012"))

    assert len(ecs.asked) == 1  # the client has tried again already where that helps
    assert f'got {code} to Operation ("so it said by ACCOUNT"): ' in says
    assert remedy in says


PASSING = [
    aws_error(
        "InvalidParameterException",
        "Error retrieving security group information for [sg-a]: Request limit exceeded. "
        "(ErrorCode: RequestLimitExceeded)",
    ),
    aws_error(
        "InvalidParameterException",
        "Unable to assume the service linked role. Please verify that the ECS service linked "
        "role exists.",
    ),
    aws_error("ClientException", "ECS was unable to assume the role 'arn:aws:iam::1:role/x'."),
    aws_error("ClientException", "You've reached the limit on the number of vCPUs"),
]


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_a_refusal_that_passes_is_tried_again_with_another_token(error: Exception) -> None:
    task, ecs = started(error)

    assert task == TASK
    assert [ask["clientToken"] for ask in ecs.asked] == [token(RUN, 1), token(RUN, 2)]


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_one_that_does_not_pass_in_time_is_told_in_its_words_and_asked_again_later(
    error: Exception,
) -> None:
    ecs: Any = Ecs(script=[error] * ATTEMPTS)

    with pytest.raises(LaunchError) as failed:
        start(ecs, OWN, RUN, {}, lambda _: None)

    assert len(ecs.asked) == ATTEMPTS
    assert str(error).partition("operation: ")[2][:40] in str(failed.value)
    assert is_open(failed.value)


def test_a_lasting_refusal_after_a_passing_one_ends_the_attempts() -> None:
    says, ecs = failing(PASSING[0], aws_error("ClientException", "TaskDefinition is inactive"))

    assert len(ecs.asked) == 2
    assert "TaskDefinition is inactive" in says


def test_an_answer_that_never_came_is_an_error_too() -> None:
    says, _ = failing(ReadTimeoutError(endpoint_url="https://ecs.us-east-1.amazonaws.com"))

    assert f"ECS must start the task of {RUN}, got ReadTimeoutError: " in says
    assert "this network reaches AWS" in says


def test_the_same_token_with_other_parameters_adopts_the_task_that_has_it() -> None:
    """The stack was deployed between the first call and its retry."""
    task, _ = started(aws_error("ConflictException", "token is taken", resourceIds=[OTHER_TASK]))

    assert task == OTHER_TASK
