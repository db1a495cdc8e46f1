"""The table of faults: each roll-out ends as it must, whatever goes wrong with it.

Real processes throughout: the run's task, the service's tasks behind the load balancer, the
healer's bundle. What each scenario injects, and what must come of it, stands in
`local/faults/scenarios.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.faults import page
from local.faults.play import differences, play
from local.faults.scenarios import SCENARIOS, Scenario
from local.faults.stage import Stage, started

OFTEN = frozenset(
    {
        "nothing goes wrong",
        "crash at start",
        "crash after healthy, in the bake",
        "slow start past the deadline",
        "labels swapped after the evaluation",
        "constant output",
        "self-test mismatch",
        "errors in the bake",
        "labels swapped, and no version before",
        "table file altered in the store",
        "version deleted under it",
        "registry unreachable at start",
        "store unreachable while serving",
        "labels swapped, and the roll-back target missing",
        "desired count 0",
        "circuit breaker rolled back, and the service is stable",
        "a foreign deployment",
        "service deleted meanwhile",
        "a person rolls back meanwhile",
        "killed before the service is told",
        "killed while it bakes",
        "killed after the restoration",
        "killed and the healer is down",
        "killed and everybody heals at once",
        "told to stop meanwhile",
    }
)
"""Played with every `make test`; `make faults` plays the others too, which takes minutes more."""


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A cloud with a version in service and a better one that waits for its roll-out."""
    with started(tmp_path_factory.mktemp("faults")) as made:
        yield made


@pytest.mark.parametrize(
    "scenario",
    [each for each in SCENARIOS if each.name in OFTEN],
    ids=lambda each: each.name,
)
def test_a_roll_out_ends_as_it_must(stage: Stage, scenario: Scenario) -> None:
    assert differences(scenario, play(stage, scenario)) == {}


def test_what_is_played_often_are_scenarios() -> None:
    assert {each.name for each in SCENARIOS} >= OFTEN


def test_the_page_lists_every_scenario() -> None:
    # If not: make faults
    assert page.names(page.PAGE.read_text("utf-8")) == [each.name for each in SCENARIOS]
