"""The gate as a table of cases: each line is a challenger, and why it is answered so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from task.evaluate import Evaluation
from task.gate import Policy
from task.harm import ENOUGH, Gain
from task.refit import Refit
from tests.compared import a_gain, suspicion
from tests.unit.verdicts import (
    BUDGET,
    FAULTS,
    METRICS,
    STANDARD,
    answers,
    decided,
    difference,
    evaluation,
    interval,
    of,
    references,
    says,
)

PROMISING = a_gain()
NOTHING = a_gain(None, None, groups=0.0, divergence=0.0, p_worse=None)


def test_a_challenger_that_passes_every_check_is_promoted() -> None:
    verdict = decided(evaluation(difference(), anchor=PROMISING))

    assert verdict.decision == "promote"
    assert set(answers(verdict)) == {
        *("no_harm", "expected_gain", "no_harm_since", "self_test", "refit", "min_test_groups"),
        *(f"floor_{name}" for name in METRICS),
        *FAULTS,
        "answers_differ",
    }
    assert set(answers(verdict).values()) == {"pass"}


@pytest.mark.parametrize(
    "gain, decision",
    [
        (a_gain(0.010, 0.002), "promote"),
        # Better on these votes, and harm beyond the margin is not ruled out: .010 − 3.2 · .008
        (a_gain(0.010, 0.008), "inconclusive"),
        # Harm is ruled out, and no improvement is to be expected
        (a_gain(-0.002, 0.001), "inconclusive"),
        # Nothing shows how far it scatters: one group, or none
        (a_gain(0.2, None, groups=1.0), "inconclusive"),
        (a_gain(0.2, None), "inconclusive"),
        (NOTHING, "inconclusive"),
        # A tie keeps the champion
        (a_gain(0.0, 0.0, divergence=0.0), "inconclusive"),
    ],
)
def test_harm_must_be_ruled_out_and_improvement_expected(gain: Gain, decision: str) -> None:
    assert of(gain).decision == decision


@pytest.mark.parametrize(
    "value, answer",
    [
        # The bound is value − 3.162 · .002 at a risk of .0008 with 999 degrees of freedom
        (-0.010 + 3.17 * 0.002, "pass"),
        (-0.010 + 3.15 * 0.002, "undecided"),
        (0.010 + 3.17 * 0.002, "pass"),  # the margin is a loss that is tolerated, not a gain asked
    ],
)
def test_the_margin_is_how_much_worse_it_may_be(value: float, answer: str) -> None:
    verdict = of(a_gain(value, 0.002, divergence=1e-6))

    assert answers(verdict)["no_harm"] == answer
    check = next(check for check in verdict.checks if check.name == "no_harm")
    assert check.bound == -STANDARD.tolerated_loss


def test_a_larger_margin_lets_more_through() -> None:
    gain = a_gain(0.010, 0.008)

    assert of(gain).decision == "inconclusive"
    assert of(gain, Policy(tolerated_loss=0.02)).decision == "promote"


def test_a_smaller_share_of_the_risk_asks_for_more() -> None:
    gain = a_gain(0.010, 0.006)

    verdicts = [of(gain, budget=replace(BUDGET, look=look)) for look in (0.0008, 0.00005)]

    assert [verdict.decision for verdict in verdicts] == ["promote", "inconclusive"]


@pytest.mark.parametrize(
    "groups, decision",
    [(30, "promote"), (29, "inconclusive"), (0, "inconclusive")],
)
def test_too_few_groups_are_undecided(groups: int, decision: str) -> None:
    verdict = decided(evaluation(difference(), groups=groups))

    assert verdict.decision == decision
    assert (answers(verdict)["min_test_groups"] == "pass") == (decision == "promote")


def test_groups_are_counted_and_not_votes() -> None:
    # Given a thousand votes of few people
    found = evaluation(difference(), groups=29)
    found = replace(found, judged=found.judged | {"votes": 1_000})

    assert answers(decided(found))["min_test_groups"] == "undecided"


def test_identical_answers_are_undecided_whatever_the_figures() -> None:
    verdict = decided(evaluation(difference(changed=0)))

    assert verdict.decision == "inconclusive"
    assert answers(verdict)["answers_differ"] == "undecided"
    assert "votes that move the model would change this" in verdict.reason


@pytest.mark.parametrize("name", [*FAULTS, "base_rate"])
def test_a_fault_that_is_shown_rejects_and_is_named(name: str) -> None:
    found = tuple(suspicion(each, each == name, says=f"<{each}>") for each in (*FAULTS, name))

    verdict = decided(evaluation(difference(), suspicions=found))

    assert verdict.decision == "reject"
    assert [n for n, answer in answers(verdict).items() if answer == "fail"] == [name]
    assert verdict.reason.startswith(f"{name}: shown to be worse: <{name}>")


def test_every_slice_that_is_shown_is_named() -> None:
    found = (
        suspicion("slices", True, says="긴형 (face_shape)", p=0.001),
        suspicion("slices", False, says="웜톤 (skin_tone)", p=0.6),
        suspicion("slices", True, says="가일컷 (hairstyle)", p=0.002),
    )

    verdict = decided(evaluation(difference(), suspicions=found))

    assert says(verdict, "slices").endswith("긴형 (face_shape), 가일컷 (hairstyle)")
    assert next(c.value for c in verdict.checks if c.name == "slices") == 0.001


def test_what_could_not_be_tested_is_no_fault() -> None:
    found = tuple(suspicion(name, False, p=None) for name in FAULTS)

    assert decided(evaluation(difference(), suspicions=found)).decision == "promote"


@pytest.mark.parametrize(
    "refit, answer",
    [
        (Refit(overall=1.0, worst_style=2.0), "pass"),
        (Refit(overall=1.01, worst_style=0.0), "fail"),
        (Refit(overall=0.0, worst_style=2.01), "fail"),
    ],
)
def test_a_model_that_does_not_answer_like_its_folds_is_rejected(refit: Refit, answer: str) -> None:
    for versus in (difference(), None):
        verdict = decided(evaluation(versus, refit=refit, references=references(PROMISING)))

        assert answers(verdict)["refit"] == answer
        assert verdict.decision == ("promote" if answer == "pass" else "reject")


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    "value, floor, answer",
    [
        (0.80, 0.80, "pass"),  # a floor may be stood on
        (0.80, 0.81, "fail"),
        (None, 0.50, "undecided"),  # nothing measured is not shown to be above
        (None, 0.00, "pass"),  # no floor asked for
    ],
)
def test_a_floor_compares_the_plain_figure(
    name: str, value: float | None, floor: float, answer: str
) -> None:
    found = evaluation(difference())
    found = replace(found, challenger=found.challenger | {name: interval(value)})

    floors: dict[str, Any] = {f"min_{name}": floor}
    verdict = decided(found, replace(STANDARD, **floors))

    assert answers(verdict)[f"floor_{name}"] == answer


def test_one_failure_outweighs_whatever_is_undecided() -> None:
    found = (suspicion("log_loss", True),)

    verdict = decided(evaluation(difference(a_gain(0.0, 0.1)), groups=10, suspicions=found))

    assert "undecided" in answers(verdict).values()
    assert verdict.decision == "reject"
    assert verdict.reason.startswith("log_loss: ")


def test_no_votes_keep_the_champion_and_the_reason_says_what_is_missing() -> None:
    none = {name: interval(None) for name in METRICS}
    versus = difference(NOTHING, f1=interval(None), disagreements=0)

    verdict = decided(evaluation(versus, groups=0, challenger=none))

    assert verdict.decision == "inconclusive"
    assert "0 people or photos held out; 30 are the least to judge on" in verdict.reason
    assert verdict.expected_gain is None


@pytest.mark.parametrize(
    "asked, value, decision",
    [
        (0.0, -0.02, "promote"),  # nobody asked for F1
        (-0.5, -0.02, "promote"),
        (0.01, 0.02, "promote"),
        (0.01, 0.01, "promote"),  # the gain asked for is expected, not proved
        (0.01, 0.009, "inconclusive"),
        (0.01, None, "inconclusive"),
    ],
)
def test_a_gain_in_f1_is_needed_only_where_it_is_asked_for(
    asked: float, value: float | None, decision: str
) -> None:
    versus = difference(f1=interval(value, -0.1, 0.1))

    verdict = decided(evaluation(versus), Policy(min_improvement=asked))

    assert verdict.decision == decision
    assert ("f1_improvement" in answers(verdict)) == (asked > 0)


def test_each_check_shows_what_it_was_answered_from() -> None:
    verdict = decided(evaluation(difference()), Policy(min_f1=0.5))

    checks = {check.name: check for check in verdict.checks}
    assert (checks["floor_f1"].value, checks["floor_f1"].bound) == (0.80, 0.5)
    assert (checks["min_test_groups"].value, checks["min_test_groups"].bound) == (1_000.0, 30.0)
    assert (checks["refit"].value, checks["refit"].bound) == (0.1, 1.0)
    assert checks["answers_differ"].value == 90.0
    expected = checks["expected_gain"]
    assert (expected.low, expected.high) == (PROMISING.low, PROMISING.high)
    assert expected.value == verdict.expected_gain
    assert 0.0 < (verdict.expected_gain or 0.0) <= 0.0101
    assert "the gain over the champion is +0.0100 nats a vote" in checks["no_harm"].says


@pytest.mark.parametrize(
    "found, words",
    [
        (evaluation(difference(a_gain(0.0, 0.02))), "votes of more people narrow this down"),
        (evaluation(difference(a_gain(-0.002, 0.001))), "the next run looks again"),
    ],
)
def test_an_open_verdict_says_what_would_change_it(found: Evaluation, words: str) -> None:
    verdict = decided(found)

    assert verdict.decision == "inconclusive"
    assert words in verdict.reason


def test_fewer_groups_than_a_bound_needs_are_said_to_be_judged_by_a_posterior() -> None:
    below = of(a_gain(0.02, 0.01, groups=ENOUGH - 1.0, divergence=0.02))
    from_there = of(a_gain(0.02, 0.01, groups=float(ENOUGH), divergence=0.02))

    assert "199 people or photos are fewer than 200, so a posterior decides" in says(
        below, "no_harm"
    )
    assert "posterior" not in says(from_there, "no_harm")
