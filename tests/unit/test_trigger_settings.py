"""What the stack tells the two functions is checked before anything is done with it."""

import pytest

from common.errors import UsageError
from retrain_trigger.settings import (
    CONTAINER,
    TriggerSettings,
    WatcherSettings,
    listed,
    read,
    variables,
)
from tests.unit.trigger_samples import CLUSTER, ENVIRON, OWN, REVISION, TOPIC, WATCH_ENVIRON


def test_the_environment_of_the_stack_becomes_settings_and_others_variables_are_passed_over() -> (
    None
):
    assert read(TriggerSettings, ENVIRON | {"AWS_REGION": "us-east-1", "PATH": "/bin"}) == OWN
    assert read(WatcherSettings, WATCH_ENVIRON) == WatcherSettings(
        cluster=CLUSTER, alert_topic=TOPIC, stage="prod"
    )


def test_what_differs_between_stages_has_no_default_and_the_rest_is_plain_fargate() -> None:
    with pytest.raises(UsageError) as refused:
        read(TriggerSettings, {"TRIGGER_SUBNETS": ""})

    for variable in ENVIRON:
        assert variable in str(refused.value)
    assert (OWN.container, OWN.capacity) == (CONTAINER, "FARGATE")
    assert (OWN.cooldown_minutes, OWN.max_age_days) == (0, 0)


def test_every_variable_begins_with_its_functions_prefix_and_names_a_field() -> None:
    for kind in (TriggerSettings, WatcherSettings):
        for variable, name in variables(kind).items():
            assert variable == kind.prefix + name.upper()


def test_numbers_and_lists_are_read_from_text() -> None:
    more = {"TRIGGER_COOLDOWN_MINUTES": "90", "TRIGGER_MAX_AGE_DAYS": "28"}

    settings = read(TriggerSettings, ENVIRON | more)

    assert (settings.cooldown_minutes, settings.max_age_days) == (90, 28)
    assert listed(settings.subnets) == ["subnet-a", "subnet-b"]


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TRIGGER_SUBNET", "subnet-a", "did you mean TRIGGER_SUBNETS"),  # nobody would read it
        ("TRIGGER_CLUSTER", "hairme", "arn:aws:ecs"),  # a name would be another region's
        # By family ECS checks the rights on the newest revision alone.
        ("TRIGGER_TASK_DEFINITION", REVISION.removesuffix(":7"), "name:7"),
        ("TRIGGER_SUBNETS", "subnet-a, subnet-b", "subnet-0a1b,subnet-2c3d"),
        ("TRIGGER_SECURITY_GROUPS", ",".join(["sg-a"] * 6), "sg-0a1b"),  # ECS takes five
        ("TRIGGER_CAPACITY", "EC2", "FARGATE_SPOT"),
        ("TRIGGER_COOLDOWN_MINUTES", "-1", "at least 0"),
        ("TRIGGER_COOLDOWN_MINUTES", "soon", "a whole number"),
        ("TRIGGER_STAGE", "Prod!", "prod"),
        ("TRIGGER_CONTAINER", "app", "task"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_it_must_be(
    variable: str, value: str, says: str
) -> None:
    with pytest.raises(UsageError) as refused:
        read(TriggerSettings, ENVIRON | {variable: value})

    assert variable in str(refused.value)
    assert says in str(refused.value)


def test_a_topic_of_the_watcher_must_be_an_arn() -> None:
    with pytest.raises(UsageError, match="WATCH_ALERT_TOPIC must look like arn:aws:sns"):
        read(WatcherSettings, WATCH_ENVIRON | {"WATCH_ALERT_TOPIC": "alerts"})
