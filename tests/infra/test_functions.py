"""The functions: what they run, where, and what becomes of an event that they cannot handle."""

import importlib
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.architecture.code import ROOT
from tests.infra.controls import control
from tests.infra.stacks import Synthesised

AREA = "Functions"


def each(stack: Synthesised) -> list[dict[str, Any]]:
    return list(stack.functions.values())


@control(AREA, "The runtime is Lambda's newest Python", "Lambda.2")
def test_all_run_on_the_newest_python_which_is_named_once(every: Synthesised) -> None:
    (named,) = re.findall(
        r"Runtime\.PYTHON_(\d+)_(\d+)",
        "".join(path.read_text() for path in (ROOT / "infra").glob("*.py")),
    )

    for function in each(every):
        assert function["Runtime"] == f"python{named[0]}.{named[1]}"
    assert tuple(map(int, named)) >= (3, 13)


@control(AREA, "What fails three times is put aside into the queue")
def test_an_event_that_fails_is_tried_thrice_within_an_hour_and_then_put_aside(
    every: Synthesised,
) -> None:
    queue = every.arn("SQS::Queue")

    for function in each(every):
        failures = every.one("Lambda::EventInvokeConfig", FunctionName=function["FunctionName"])
        assert failures["DestinationConfig"] == {"OnFailure": {"Destination": queue}}
        assert failures["MaximumRetryAttempts"] == 2
        assert failures["MaximumEventAgeInSeconds"] == 3_600
        assert failures["Qualifier"] == "$LATEST"


@control(AREA, "One at a time where the account can reserve it; never in an empty account")
def test_concurrency_is_reserved_by_the_stages_setting(dev: Synthesised, prod: Synthesised) -> None:
    for function in each(prod):
        assert function["ReservedConcurrentExecutions"] == 1
    for function in each(dev):
        assert "ReservedConcurrentExecutions" not in function


@control(AREA, "Trigger and healer are in the network, in two subnets; the watcher in none")
def test_trigger_and_healer_are_in_two_subnets_and_the_watcher_in_no_network(
    every: Synthesised,
) -> None:
    for name, function in every.functions.items():
        if name == "watcher":
            assert "VpcConfig" not in function
        else:
            assert len(function["VpcConfig"]["SubnetIds"]) == 2


@control(AREA, "Processor as the stage says, ARM64 unless x86 is asked for")
def test_the_functions_run_on_the_stages_processor(every: Synthesised) -> None:
    wanted = ["arm64" if every.stage.processor == "ARM64" else "x86_64"]

    assert all(function["Architectures"] == wanted for function in each(every))


@control(AREA, "Each logs into a group of its own that forgets after a while")
def test_each_function_logs_into_a_group_with_an_end(every: Synthesised) -> None:
    names = [function["LoggingConfig"]["LogGroup"] for function in each(every)]

    assert len(set(names)) == len(every.functions)
    for name in names:
        assert every.one("Logs::LogGroup", LogGroupName=name)["RetentionInDays"] == (
            every.stage.log_days
        )


@control(AREA, "All run the same bundle, by the hash of what it is made of")
def test_all_functions_run_one_bundle(every: Synthesised) -> None:
    for function in each(every):
        assert function["Code"] == every.trigger["Code"]
    assert re.fullmatch(r"[0-9a-f]{64}\.zip", every.trigger["Code"]["S3Key"])


def test_the_handlers_exist(every: Synthesised) -> None:
    for function in each(every):
        module, _, name = function["Handler"].rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_the_trigger_outlives_three_of_the_slowest_statements(every: Synthesised) -> None:
    seconds = int(every.environment("trigger")["RETRAIN_STATEMENT_TIMEOUT_SECONDS"])

    assert every.trigger["Timeout"] >= 3 * seconds + 60
    assert every.trigger["Timeout"] <= 900


def test_there_are_functions_of_ours_and_no_helpers_of_the_cdk(every: Synthesised) -> None:
    assert len(every.all("Lambda::Function")) == len(every.functions) == 3
    assert every.all("Lambda::LayerVersion") == {}


@control(AREA, "A healer is there where something serves, and nowhere else")
def test_where_nothing_serves_there_is_nothing_to_heal(
    refused: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    nat = Synthesised.read(refused[0], "nat")

    assert nat.stage.service_name is None
    assert nat.functions.keys() == {"trigger", "watcher"}
    assert len(nat.all("Lambda::Function")) == 2
    assert nat.environment("task")["SERVING_URL"] == "none"
    assert not [one for one in nat.statements("task") if one["Sid"].startswith("Serving")]


def test_the_healer_waits_as_long_as_lambda_lets_it(every: Synthesised) -> None:
    assert every.functions["healer"]["Timeout"] == 900
