"""What a look spends of the year's risk, and which version later ones must not fall behind."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import pytest

from task.gate import Policy
from task.harm import LEAST_RISK, Gain, posterior
from tests.compared import a_gain, suspicion
from tests.unit.verdicts import (
    BUDGET,
    SPENT,
    answers,
    decided,
    difference,
    evaluation,
    of,
    references,
    says,
)

MANY, FEW = 1_000.0, 120.0
SURE = a_gain(0.02, 0.004, groups=FEW, divergence=0.02)
"""Few groups that leave little doubt."""


LOOK = BUDGET.look
DOUBTFUL = a_gain(0.01, 0.02, groups=MANY)
"""Many groups that still scatter: nothing less than the whole share would do."""


@pytest.mark.parametrize(
    "gain, decision, risk",
    [
        (a_gain(0.01, 0.002, groups=MANY), "promote", LEAST_RISK),  # a sound one needs no more
        (a_gain(0.014, 0.0035, groups=MANY), "promote", 1.0 - NormalDist().cdf(0.02 / 0.0035 - 2)),
        (DOUBTFUL, "inconclusive", LOOK),
        (a_gain(-0.05, 0.02, groups=MANY), "inconclusive", LOOK),
    ],
)
def test_a_look_at_enough_groups_spends_whatever_comes_of_it(
    gain: Gain, decision: str, risk: float
) -> None:
    verdict = of(gain)

    assert verdict.decision == decision
    assert verdict.risk == pytest.approx(risk)
    assert verdict.budget == f"this year {1.3 if risk == LOOK else 1.2} % of 5 % risked"


def test_a_rejected_challenger_has_been_looked_at_too() -> None:
    found = evaluation(difference(DOUBTFUL), suspicions=(suspicion("log_loss", True),))

    verdict = decided(found)

    assert (verdict.decision, verdict.risk) == ("reject", LOOK)


def test_people_are_counted_for_a_bound_even_where_a_few_of_them_vote_very_often() -> None:
    # Given a thousand people of whom a few have most of the votes
    heavy = replace(DOUBTFUL, effective_groups=20.0)

    assert "posterior" not in says(of(heavy), "no_harm")
    assert of(heavy).risk == LOOK


def test_few_groups_spend_the_probability_of_harm_and_only_on_a_promotion() -> None:
    found = posterior(SURE, 0.01)
    assert found is not None
    assert 0.0 < found.harm < BUDGET.look

    promoted = of(SURE)
    refused = decided(evaluation(difference(SURE), suspicions=(suspicion("score", True),)))

    assert (promoted.decision, promoted.risk) == ("promote", found.harm)
    assert (refused.decision, refused.risk) == ("reject", 0.0)
    assert refused.budget == "this year 1.2 % of 5 % risked"


def test_few_groups_may_risk_the_share_of_one_look() -> None:
    found = posterior(SURE, 0.01)
    assert found is not None
    looks = [found.harm * factor for factor in (1.01, 0.99)]

    verdicts = [of(SURE, budget=replace(BUDGET, look=look)) for look in looks]

    assert [each.decision for each in verdicts] == ["promote", "inconclusive"]
    assert [answers(each)["no_harm"] for each in verdicts] == ["pass", "undecided"]


@pytest.mark.parametrize("groups", [MANY, FEW])
def test_a_spent_budget_is_inconclusive_and_says_when_it_frees(groups: float) -> None:
    # Given a challenger that nobody could doubt
    verdict = of(a_gain(0.05, 0.001, groups=groups, divergence=0.05), budget=SPENT)

    assert verdict.decision == "inconclusive"
    assert answers(verdict)["no_harm"] == "undecided"
    assert "nothing is left for a look before 2026-12-06T02:00:00Z" in verdict.reason
    assert verdict.risk == 0.0


@pytest.mark.parametrize("gate", ["superiority", "f1"])
def test_only_the_gate_of_harm_spends_and_needs_a_budget(gate: str) -> None:
    verdict = of(a_gain(), Policy(gate=gate), budget=SPENT)

    assert (verdict.decision, verdict.risk) == ("promote", 0.0)


def test_a_first_model_spends_nothing() -> None:
    first = decided(evaluation(None, references=references(a_gain())), budget=SPENT)

    assert (first.decision, first.risk, first.anchor) == ("promote", 0.0, None)


# The anchor: m-0 stands for it, m-a is the champion.


@pytest.mark.parametrize(
    "gain, decision",
    [
        (a_gain(0.01, 0.002), "promote"),
        (a_gain(-0.003, 0.001), "promote"),  # worse within the margin, which is ruled out
        (a_gain(-0.009, 0.001), "inconclusive"),  # .009 below, and more is not ruled out
        (a_gain(None, None), "inconclusive"),
        (a_gain(-0.005, 0.01, groups=FEW), "inconclusive"),
    ],
)
def test_a_challenger_must_not_fall_behind_the_anchor_either(gain: Gain, decision: str) -> None:
    verdict = decided(evaluation(difference(), anchor=gain))

    assert verdict.decision == decision
    assert answers(verdict)["no_harm"] == "pass"
    assert (answers(verdict)["no_harm_since"] == "pass") == (decision == "promote")
    assert "m-0, which no version since was shown to beat" in says(verdict, "no_harm_since")


BETTER, NOT_SHOWN = a_gain(0.01, 0.002), a_gain(0.001, 0.002)


@pytest.mark.parametrize(
    "anchor, gain, after",
    [
        (None, BETTER, None),  # better than all before it: it is its own anchor
        (None, NOT_SHOWN, "m-a"),  # expected to be better is not shown
        (NOT_SHOWN, NOT_SHOWN, "m-0"),  # the oldest that is not beaten
        (NOT_SHOWN, BETTER, "m-0"),  # beating the champion does not beat what was better than it
        (BETTER, NOT_SHOWN, "m-a"),
        (BETTER, BETTER, None),
        (a_gain(None, None), BETTER, "m-0"),  # no evidence beats nobody
    ],
)
def test_the_anchor_stays_until_it_is_beaten(
    anchor: Gain | None, gain: Gain, after: str | None
) -> None:
    assert decided(evaluation(difference(gain), anchor=anchor)).anchor == after


def test_challengers_each_worse_within_the_margin_cannot_add_up() -> None:
    # Given champions that each lose .009, and challengers that luck shows .001 better than them
    step, luck, deviation = -0.009, 0.010, 0.0025
    true, promoted = 0.0, 0
    anchor_at: float | None = None
    for _ in range(52):
        anchor = None
        if anchor_at is not None:
            anchor = a_gain(true + step - anchor_at, deviation, divergence=0.001)
        gain = a_gain(step + luck, deviation, divergence=0.0005)
        verdict = decided(evaluation(difference(gain), anchor=anchor))
        if verdict.decision == "promote":
            promoted += 1
            anchor_at = {None: true + step, "m-a": true, "m-0": anchor_at}[verdict.anchor]
            true += step

    # Then the first one gets through by its luck, and none after it
    assert promoted == 1
    assert true > -0.02
