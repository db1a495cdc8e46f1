"""The two functions: what they run, where, and what becomes of an event that they cannot handle."""

import importlib
import re

from tests.architecture.code import ROOT
from tests.infra.controls import control
from tests.infra.stacks import Synthesised

AREA = "Functions"


def both(stack: Synthesised) -> tuple[dict[str, object], dict[str, object]]:
    return stack.trigger, stack.watcher


@control(AREA, "The runtime is Lambda's newest Python", "Lambda.2")
def test_both_run_on_the_newest_python_which_is_named_once(every: Synthesised) -> None:
    (named,) = re.findall(
        r"Runtime\.PYTHON_(\d+)_(\d+)",
        "".join(path.read_text() for path in (ROOT / "infra").glob("*.py")),
    )

    for function in both(every):
        assert function["Runtime"] == f"python{named[0]}.{named[1]}"
    assert tuple(map(int, named)) >= (3, 13)


@control(AREA, "What fails three times is put aside into the queue")
def test_an_event_that_fails_is_tried_thrice_within_an_hour_and_then_put_aside(
    every: Synthesised,
) -> None:
    queue = every.arn("SQS::Queue")

    for function in both(every):
        failures = every.one("Lambda::EventInvokeConfig", FunctionName=function["FunctionName"])
        assert failures["DestinationConfig"] == {"OnFailure": {"Destination": queue}}
        assert failures["MaximumRetryAttempts"] == 2
        assert failures["MaximumEventAgeInSeconds"] == 3_600
        assert failures["Qualifier"] == "$LATEST"


@control(AREA, "One at a time where the account can reserve it; never in an empty account")
def test_concurrency_is_reserved_by_the_stages_setting(dev: Synthesised, prod: Synthesised) -> None:
    for function in both(prod):
        assert function["ReservedConcurrentExecutions"] == 1
    for function in both(dev):
        assert "ReservedConcurrentExecutions" not in function


@control(AREA, "The trigger is in the network, in two subnets; the watcher in none")
def test_the_trigger_is_in_two_subnets_and_the_watcher_in_no_network(every: Synthesised) -> None:
    assert len(every.trigger["VpcConfig"]["SubnetIds"]) == 2
    assert "VpcConfig" not in every.watcher


@control(AREA, "Processor as the stage says, ARM64 unless x86 is asked for")
def test_the_functions_run_on_the_stages_processor(every: Synthesised) -> None:
    wanted = ["arm64" if every.stage.processor == "ARM64" else "x86_64"]

    assert [function["Architectures"] for function in both(every)] == [wanted, wanted]


@control(AREA, "Each logs into a group of its own that forgets after a while")
def test_each_function_logs_into_a_group_with_an_end(every: Synthesised) -> None:
    names = [function["LoggingConfig"]["LogGroup"] for function in (every.trigger, every.watcher)]

    assert len(set(names)) == 2
    for name in names:
        assert every.one("Logs::LogGroup", LogGroupName=name)["RetentionInDays"] == (
            every.stage.log_days
        )


@control(AREA, "Both run the same bundle, by the hash of what it is made of")
def test_both_functions_run_one_bundle(every: Synthesised) -> None:
    trigger, watcher = both(every)

    assert trigger["Code"] == watcher["Code"]
    assert re.fullmatch(r"[0-9a-f]{64}\.zip", every.trigger["Code"]["S3Key"])


def test_the_handlers_exist(every: Synthesised) -> None:
    for function in (every.trigger, every.watcher):
        module, _, name = function["Handler"].rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_the_trigger_outlives_three_of_the_slowest_statements(every: Synthesised) -> None:
    seconds = int(every.environment("trigger")["RETRAIN_STATEMENT_TIMEOUT_SECONDS"])

    assert every.trigger["Timeout"] >= 3 * seconds + 60
    assert every.trigger["Timeout"] <= 900


def test_there_are_two_functions_and_no_helpers_of_the_cdk(every: Synthesised) -> None:
    assert len(every.all("Lambda::Function")) == 2
    assert every.all("Lambda::LayerVersion") == {}
