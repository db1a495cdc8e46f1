"""The variables in the template are the fields of the classes that read them, and no others."""

from common.setting_sources import environment_name
from common.settings import RULES, load
from retrain_trigger.settings import (
    HealerSettings,
    TriggerSettings,
    WatcherSettings,
    read,
    variables,
)
from tests.infra.stacks import Synthesised

LOOP = {
    environment_name(name, rule): name
    for name, rule in RULES.items()
    if rule.section != "addresses"
}
LOG_IN = {"dev": {"DB_IAM_AUTH"}, "prod": {"DB_IAM_AUTH"}, "staging": {"DB_SECRET_ARN"}}
DATABASE = {"DATABASE_URL", "DB_CA"}
TASK = {"STORE_URL", "REGISTRY_URL", "SERVING_URL", "WORK_DIR", "LOG_DIR"}


def proved_at(stack: Synthesised) -> set[str]:
    """SERVICE_URL, where a load balancer can be reached from inside."""
    return set() if stack.stage.name == "staging" else {"SERVICE_URL"}


def not_none(stack: Synthesised) -> set[str]:
    """The loop's own variables; a setting that is None has none."""
    return {v for v, name in LOOP.items() if getattr(stack.stage.loop, name) is not None}


def test_the_task_gets_every_setting_and_every_address(every: Synthesised) -> None:
    addresses = DATABASE | LOG_IN[every.stage.name] | TASK | proved_at(every)

    assert every.environment("task").keys() == not_none(every) | addresses


def test_the_api_gets_the_loops_settings_and_the_addresses_that_it_reads(
    dev: Synthesised, staging: Synthesised
) -> None:
    for stack, key in ((dev, set()), (staging, {"API_KEY_SECRET_ARN"})):
        addresses = DATABASE | LOG_IN[stack.stage.name] | TASK | key
        assert stack.environment("api").keys() == not_none(stack) | addresses


def test_task_and_api_look_at_the_same_store_and_registry(
    dev: Synthesised, staging: Synthesised
) -> None:
    for stack in (dev, staging):
        for name in ("STORE_URL", "REGISTRY_URL", "SERVING_URL"):
            assert stack.environment("api")[name] == stack.environment("task")[name]
        cluster = stack.task["Family"] if stack is dev else "hairme"
        assert stack.environment("api")["SERVING_URL"] == (
            f"ecs://{cluster}/{stack.one('ECS::Service')['ServiceName']}"
        )


def test_together_the_variants_set_every_field_but_what_nobody_may_see(
    dev: Synthesised, staging: Synthesised
) -> None:
    names = {environment_name(name, rule) for name, rule in RULES.items()}

    given = dev.environment("task").keys() | staging.environment("task").keys()
    given |= staging.environment("api").keys()

    assert names - given == {"API_KEY", "DB_PASSWORD", "RETRAIN_BASE_CSV"}
    assert given - names == set()


def test_the_trigger_gets_the_loops_settings_its_own_and_the_addresses_that_it_reads(
    every: Synthesised,
) -> None:
    addresses = DATABASE | LOG_IN[every.stage.name] | {"REGISTRY_URL"}

    assert every.environment("trigger").keys() == (
        not_none(every) | addresses | variables(TriggerSettings).keys()
    )


def test_the_watcher_gets_the_loops_settings_its_own_and_the_registry(every: Synthesised) -> None:
    assert every.environment("watcher").keys() == (
        not_none(every) | {"REGISTRY_URL"} | variables(WatcherSettings).keys()
    )


def test_the_healer_gets_the_loops_settings_its_own_the_registry_and_who_serves(
    every: Synthesised,
) -> None:
    assert every.environment("healer").keys() == (
        not_none(every)
        | {"REGISTRY_URL", "SERVING_URL", *proved_at(every)}
        | variables(HealerSettings).keys()
    )


def test_every_process_reads_the_same_loop_from_its_variables(every: Synthesised) -> None:
    for of in every.programs:
        settings = load(yaml_path=None, env_file=None, environ=every.environment(of), flags={})

        expected = {name: getattr(every.stage.loop, name) for name in LOOP.values()}
        if of == "trigger":  # it has less time than the task
            expected["statement_timeout_seconds"] = 270
        assert {name: getattr(settings, name) for name in LOOP.values()} == expected, of


def test_the_trigger_reads_where_to_run_the_task(every: Synthesised) -> None:
    own = read(TriggerSettings, every.environment("trigger"))

    assert own.task_definition == every.template.attribute(
        *next(
            (name, "TaskDefinitionArn")
            for name, one in every.all("ECS::TaskDefinition").items()
            if one == every.task
        )
    )
    assert own.cluster.endswith(
        ":cluster/HairmeRetraining-dev" if every.stage.standalone else ":cluster/hairme"
    )
    assert (own.capacity, own.stage) == (every.stage.capacity, every.stage.name)
    assert (own.cooldown_minutes, own.max_age_days) == (
        every.stage.cooldown_minutes,
        every.stage.max_age_days,
    )


def test_the_watcher_watches_the_cluster_that_the_trigger_uses(every: Synthesised) -> None:
    own = read(WatcherSettings, every.environment("watcher"))

    assert own.cluster == every.environment("trigger")["TRIGGER_CLUSTER"]
    assert own.alert_topic.endswith(f":{every.stage.stack_name}-alerts")
    assert own.stage == every.stage.name


def test_healer_and_task_prove_the_same_service_at_the_same_address(every: Synthesised) -> None:
    healer, task = every.environment("healer"), every.environment("task")

    assert read(HealerSettings, healer).cluster == every.environment("trigger")["TRIGGER_CLUSTER"]
    for name in ("SERVING_URL", "SERVICE_URL", "RETRAIN_VERIFY"):
        assert healer.get(name) == task.get(name)
    (own,) = every.all("ElasticLoadBalancingV2::LoadBalancer") or [None]
    assert (
        task.get("SERVICE_URL")
        == {
            "dev": own and f"http://{every.template.attribute(own, 'DNSName')}",
            "prod": "https://api.example.com",
            # Public, so its address leads out of the private subnets.
            "staging": None,
        }[every.stage.name]
    )


def test_the_variables_of_a_function_fit_into_lambdas_four_kilobytes(every: Synthesised) -> None:
    for of in every.functions:
        size = sum(len(name) + len(value) for name, value in every.environment(of).items())
        assert size < 4_096
