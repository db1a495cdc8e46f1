"""The other gates, proof in log-loss or in F1, and what a first model must beat."""

from __future__ import annotations

import pytest

from task.gate import Policy
from task.harm import Gain
from task.intervals import Interval
from tests.compared import a_gain
from tests.unit.verdicts import (
    METRICS,
    answers,
    decided,
    difference,
    evaluation,
    interval,
    of,
    references,
)

SUPERIORITY, F1 = Policy(gate="superiority"), Policy(gate="f1")
AHEAD, BEHIND = a_gain(0.01, p_worse=0.99), a_gain(-0.01, p_worse=0.001)
OPEN = a_gain(-0.001, 0.01, p_worse=0.4)


@pytest.mark.parametrize(
    "low, high, decision",
    [
        (0.001, 0.02, "promote"),  # all of the interval is above
        (0.0, 0.02, "inconclusive"),  # equality never promotes
        (-0.001, 0.02, "inconclusive"),
        (-0.02, 0.0, "inconclusive"),  # as good as equal is not shown worse
        (-0.02, -0.001, "reject"),
        (None, None, "inconclusive"),
        (None, 0.02, "inconclusive"),
    ],
)
def test_superiority_is_all_of_the_interval_above_zero(
    low: float | None, high: float | None, decision: str
) -> None:
    verdict = of(a_gain(0.01, low=low, high=high), SUPERIORITY)

    assert verdict.decision == decision
    assert "no_harm" not in answers(verdict)


@pytest.mark.parametrize(
    "low, high, bound, answer, decision",
    [
        (0.01, 0.07, 0.00, "pass", "promote"),  # all of the interval is above
        (0.00, 0.07, 0.00, "undecided", "inconclusive"),  # equality never promotes
        (-0.01, 0.07, 0.00, "undecided", "inconclusive"),  # the bound is inside
        (-0.07, 0.00, 0.00, "undecided", "inconclusive"),  # as good as equal is not shown worse
        (-0.07, -0.01, 0.00, "fail", "reject"),  # all of it is below
        (0.01, 0.07, 0.01, "undecided", "inconclusive"),  # better, but not shown by so much
        (0.01, 0.07, 0.08, "fail", "reject"),  # better, but surely not by so much
        (-0.04, 0.07, -0.05, "pass", "promote"),  # at most so much worse is allowed
        (-0.05, 0.07, -0.05, "undecided", "inconclusive"),  # equality, there as well
        (-0.09, -0.06, -0.05, "fail", "reject"),  # worse by more than is allowed
        (None, None, 0.00, "undecided", "inconclusive"),  # no evidence keeps the champion
        (None, 0.07, -1.00, "undecided", "inconclusive"),  # nor does half of it suffice
    ],
)
def test_f1_is_judged_by_its_whole_interval(
    low: float | None, high: float | None, bound: float, answer: str, decision: str
) -> None:
    versus = difference(f1=interval(0.04, low, high))

    verdict = decided(evaluation(versus), Policy(gate="f1", min_improvement=bound))

    assert answers(verdict)["f1_improvement"] == answer
    assert verdict.decision == decision


@pytest.mark.parametrize(
    "value, decision",
    [
        (0.001, "promote"),  # the plain rule: more is enough
        (0.0, "inconclusive"),  # equality never promotes
        (-0.001, "reject"),
    ],
)
def test_confidence_zero_is_the_plain_rule(value: float, decision: str) -> None:
    # Given an interval whose ends are the value, as confidence 0 makes it
    versus = difference(f1=interval(value, value, value))

    assert decided(evaluation(versus), F1).decision == decision


@pytest.mark.parametrize("bound", [-0.5, 0.0, 0.5])
def test_f1_of_identical_answers_is_undecided_whatever_the_interval(bound: float) -> None:
    versus = difference(f1=interval(0.0, -0.01, 0.01), disagreements=0)

    verdict = decided(evaluation(versus), Policy(gate="f1", min_improvement=bound))

    assert verdict.decision == "inconclusive"
    assert answers(verdict)["f1_improvement"] == "undecided"


@pytest.mark.parametrize(
    "constant, base, decision",
    [
        (AHEAD, AHEAD, "promote"),
        (AHEAD, None, "promote"),  # there is no base data
        (BEHIND, AHEAD, "reject"),
        (AHEAD, BEHIND, "reject"),
        (OPEN, AHEAD, "inconclusive"),
        (AHEAD, OPEN, "inconclusive"),
        (a_gain(0.0, 0.0, p_worse=1.0), AHEAD, "inconclusive"),  # as good is not better
        (a_gain(None, None, p_worse=None), AHEAD, "inconclusive"),
    ],
)
def test_a_first_model_must_beat_a_constant_and_the_base_data(
    constant: Gain, base: Gain | None, decision: str
) -> None:
    verdict = decided(evaluation(None, references=references(constant, base)))

    assert verdict.decision == decision
    named = {name for name in answers(verdict) if name.startswith("better_than")}
    assert named == {"better_than_constant", *(["better_than_base"] if base else [])}


def test_the_first_model_is_compared_with_nobody_else() -> None:
    verdict = decided(evaluation(None, references=references(AHEAD), suspicions=()))

    assert set(answers(verdict)) == {
        *("self_test", "refit", "min_test_groups", "better_than_constant"),
        *(f"floor_{name}" for name in METRICS),
    }
    assert verdict.reason.startswith("first model: it passed its self-test and the floors")
    assert "+0.0100 nats a vote on groups held out" in verdict.reason


@pytest.mark.parametrize("groups, decision", [(30, "promote"), (29, "inconclusive")])
def test_no_first_model_is_called_proved_on_few_groups(groups: int, decision: str) -> None:
    verdict = decided(evaluation(None, groups=groups, references=references(AHEAD, AHEAD)))

    assert verdict.decision == decision


@pytest.mark.parametrize("versus", [None, difference()])
def test_a_failed_self_test_rejects(versus: object) -> None:
    found = evaluation(versus, references=references(AHEAD))  # type: ignore[arg-type]

    verdict = decided(found, self_test="golden request answered otherwise")

    assert verdict.decision == "reject"
    assert verdict.reason == "self_test: golden request answered otherwise"


@pytest.mark.parametrize(
    "f1, decision", [(0.60, "promote"), (0.59, "reject"), (None, "inconclusive")]
)
def test_a_first_model_under_a_floor_is_not_promoted(f1: float | None, decision: str) -> None:
    found: dict[str, Interval] = {name: interval(f1) for name in METRICS}

    verdict = decided(
        evaluation(None, references=references(AHEAD), challenger=found), Policy(min_f1=0.60)
    )

    assert verdict.decision == decision
    assert "differ" not in verdict.reason  # there is nobody to differ from
