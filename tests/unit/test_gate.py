"""The gate as a table of cases: each line is a challenger, and why it is answered so."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from task.evaluate import Difference, Evaluation, Slice
from task.gate import Policy, Verdict, decide, votes_needed
from task.intervals import Interval

METRICS = ("accuracy", "precision", "recall", "f1")
STANDARD = Policy()


def interval(value: float | None, low: float | None = None, high: float | None = None) -> Interval:
    return Interval(value=value, low=low, high=high, n=200)


def one_slice(worse: bool) -> Slice:
    return Slice(
        by="face_shape",
        name="긴형",
        votes=60,
        challenger=interval(0.5),
        champion=interval(0.8),
        difference=interval(-0.3, -0.5, -0.1),
        p_worse=0.001,
        worse=worse,
    )


def difference(
    low: float | None = 0.01,
    high: float | None = 0.07,
    value: float | None = 0.04,
    disagreements: int = 30,
    p_worse: float | None = 0.9,
    deviation: float = 0.02,
) -> Difference:
    return Difference(
        f1=interval(value, low, high),
        f1_deviation=deviation,
        log_loss=interval(-0.02, -0.03, -0.01),
        log_loss_p_worse=p_worse,
        disagreements=disagreements,
    )


def evaluation(
    versus: Difference | None = None,
    *,
    votes: int = 200,
    f1: float | None = 0.80,
    majority: float | None = 0.62,
    worse_slice: bool = False,
    accuracy: float | None = 0.80,
) -> Evaluation:
    found = {name: interval(f1) for name in METRICS} | {"accuracy": interval(accuracy)}
    return Evaluation(
        test={"votes": votes, "groups": votes, "likes": votes // 2},
        champion_version="m-a" if versus else None,
        challenger=found,
        champion=found if versus else None,
        majority={"f1": majority, "accuracy": majority},
        threshold={"challenger": 0.5, "champion": 0.5 if versus else None},
        difference=versus,
        since_champion=None,
        slices=(one_slice(worse_slice),),
        confusion={},
        roc={},
        calibration={},
    )


def decided(found: Evaluation, policy: Policy = STANDARD, **given: Any) -> Verdict:
    return decide(found, policy, **{"real_votes": 1_400} | given)


def answers(verdict: Verdict) -> dict[str, str]:
    return {check.name: check.answer for check in verdict.checks}


def test_a_challenger_that_passes_every_check_is_promoted() -> None:
    verdict = decided(evaluation(difference()))

    assert verdict.decision == "promote"
    assert set(answers(verdict)) == {
        "f1_improvement",
        "self_test",
        "floor_accuracy",
        "floor_precision",
        "floor_recall",
        "floor_f1",
        "majority_class",
        "min_test_votes",
        "slices",
        "log_loss",
        "answers_differ",
    }
    assert set(answers(verdict).values()) == {"pass"}


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
def test_the_improvement_is_judged_by_its_whole_interval(
    low: float | None, high: float | None, bound: float, answer: str, decision: str
) -> None:
    verdict = decided(evaluation(difference(low, high)), Policy(min_improvement=bound))

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
    assert decided(evaluation(difference(value, value, value))).decision == decision


@pytest.mark.parametrize("bound", [-0.5, 0.0, 0.5])
def test_identical_answers_are_undecided_whatever_the_interval(bound: float) -> None:
    same = difference(-0.01, 0.01, 0.0, disagreements=0)

    verdict = decided(evaluation(same), Policy(min_improvement=bound))

    assert verdict.decision == "inconclusive"
    assert answers(verdict)["answers_differ"] == "undecided"
    assert answers(verdict)["f1_improvement"] == "undecided"
    assert verdict.votes_needed is None
    assert "never differ" in verdict.reason


@pytest.mark.parametrize(
    "votes, least, answer",
    [(30, 30, "pass"), (29, 30, "undecided"), (0, 30, "undecided"), (29, 10, "pass")],
)
def test_too_few_unseen_votes_are_undecided(votes: int, least: int, answer: str) -> None:
    verdict = decided(evaluation(difference(), votes=votes), Policy(min_test_votes=least))

    assert answers(verdict)["min_test_votes"] == answer
    assert verdict.decision == ("promote" if answer == "pass" else "inconclusive")


def test_a_difference_on_too_few_votes_shows_neither_better_nor_worse() -> None:
    worse = evaluation(difference(-0.3, -0.1, -0.2), votes=29)

    verdict = decided(worse)

    assert answers(verdict)["f1_improvement"] == "undecided"
    assert verdict.decision == "inconclusive"


@pytest.mark.parametrize(
    "found, name, answer",
    [
        # Shown to be worse in one slice: rejected although better on the whole
        (evaluation(difference(), worse_slice=True), "slices", "fail"),
        # Log-loss shown to be worse at one-sided 0.05
        (evaluation(difference(p_worse=0.049)), "log_loss", "fail"),
        (evaluation(difference(p_worse=0.05)), "log_loss", "pass"),
        # No p-value (no votes): not shown to be worse, and other checks are undecided then
        (evaluation(difference(p_worse=None)), "log_loss", "pass"),
        # Always giving the commoner answer must be beaten; as good is not better
        (evaluation(difference(), f1=0.62, majority=0.62), "majority_class", "fail"),
        (evaluation(difference(), f1=0.61, majority=0.62), "majority_class", "fail"),
        (evaluation(difference(), f1=0.63, majority=0.62), "majority_class", "pass"),
        (evaluation(difference(), f1=None, majority=None), "majority_class", "undecided"),
    ],
)
def test_each_other_check_answers_for_itself(found: Evaluation, name: str, answer: str) -> None:
    verdict = decided(found)

    decisions = {"fail": "reject", "undecided": "inconclusive", "pass": "promote"}
    assert answers(verdict)[name] == answer
    assert verdict.decision == decisions[answer]


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
    undecided = difference(-0.01, 0.07, p_worse=0.01)

    verdict = decided(evaluation(undecided, votes=10))

    assert "undecided" in answers(verdict).values()
    assert verdict.decision == "reject"
    assert verdict.reason.startswith("log_loss: ")


def test_a_failed_self_test_rejects_the_first_model_too() -> None:
    verdict = decided(evaluation(), self_test="golden request answered otherwise")

    assert verdict.decision == "reject"
    assert verdict.reason == "self_test: golden request answered otherwise"


def test_the_first_model_needs_its_self_test_and_the_floors_alone() -> None:
    # Given a first model on five unseen votes, worse than the commoner answer
    verdict = decided(evaluation(votes=5, f1=0.3, majority=0.9))

    assert verdict.decision == "promote"
    assert set(answers(verdict)) == {"self_test", *(f"floor_{name}" for name in METRICS)}
    assert verdict.votes_needed is None


@pytest.mark.parametrize(
    "f1, decision", [(0.60, "promote"), (0.59, "reject"), (None, "inconclusive")]
)
def test_a_first_model_under_a_floor_is_not_promoted(f1: float | None, decision: str) -> None:
    verdict = decided(evaluation(f1=f1), Policy(min_f1=0.60))

    assert verdict.decision == decision
    assert "differ" not in verdict.reason  # there is nobody to differ from


def test_no_unseen_votes_keep_the_champion_and_the_reason_says_what_is_missing() -> None:
    nothing = difference(None, None, None, disagreements=0, p_worse=None, deviation=0.0)

    verdict = decided(evaluation(nothing, votes=0, f1=None, majority=None, accuracy=None))

    assert verdict.decision == "inconclusive"
    assert "0 unseen votes" in verdict.reason
    assert "never differ" not in verdict.reason


# m' = m · (2.487 · SE / 0.01)²; needed = ⌈m' / 0.15⌉ − votes so far.
@pytest.mark.parametrize(
    "m, deviation, disagreements, real_votes, needed",
    [
        # 200 · (2.487 · 2)² = 4,948.1; / .15 = 32,987.6
        (200, 0.02, 30, 1_400, 32_988 - 1_400),
        # the same when more votes than that are there: it would have shown by now
        (200, 0.02, 30, 40_000, 0),
        # SE 0: d = 3.5 / 201, SE² = d / 200; m' = 2.487² · d · 10⁴ = 1,077.0; / .15 = 7,180.1
        (200, 0.0, 3, 1_400, 7_181 - 1_400),
        # fewer than 30 votes: d = 3.5 / 21; m' = 10,308.6; / .15 = 68,724.1
        (20, 0.02, 3, 133, 68_725 - 133),
        # from 30 on the bootstrap counts: 30 · (2.487 · 5)² = 4,638.9; / .15 = 30,925.8
        (30, 0.05, 3, 200, 30_926 - 200),
        # identical answers: no number of votes would do
        (200, 0.02, 0, 1_400, None),
        (0, 0.0, 0, 0, None),
    ],
)
def test_votes_needed_follow_the_formula(
    m: int, deviation: float, disagreements: int, real_votes: int, needed: int | None
) -> None:
    found = evaluation(difference(disagreements=disagreements, deviation=deviation), votes=m)

    assert votes_needed(found, 0.01, real_votes) == needed
    assert decided(found, real_votes=real_votes).votes_needed == needed


def test_a_difference_ten_times_as_large_needs_a_hundredth_of_the_votes() -> None:
    found = evaluation(difference())

    few, many = (votes_needed(found, worth, 0) for worth in (0.1, 0.01))

    assert few is not None
    assert many is not None
    assert math.ceil(many / 100) == few


@pytest.mark.parametrize(
    "real_votes, words", [(1_400, "about 31,588 more votes"), (40_000, "would have shown by now")]
)
def test_an_open_verdict_says_what_would_close_it(real_votes: int, words: str) -> None:
    verdict = decided(evaluation(difference(-0.01, 0.07)), real_votes=real_votes)

    assert verdict.decision == "inconclusive"
    assert verdict.reason.startswith("f1_improvement: ")
    assert words in verdict.reason


def test_each_check_shows_what_it_was_answered_from() -> None:
    checks = {c.name: c for c in decided(evaluation(difference()), Policy(min_f1=0.5)).checks}

    improvement = checks["f1_improvement"]
    assert (improvement.value, improvement.bound) == (0.04, 0.0)
    assert (improvement.low, improvement.high) == (0.01, 0.07)
    assert (checks["floor_f1"].value, checks["floor_f1"].bound) == (0.80, 0.5)
    assert (checks["min_test_votes"].value, checks["min_test_votes"].bound) == (200.0, 30.0)
    assert (checks["majority_class"].value, checks["majority_class"].bound) == (0.80, 0.62)
    assert checks["answers_differ"].value == 30.0
    worse = decided(evaluation(difference(), worse_slice=True))
    assert "긴형 (face_shape)" in worse.reason
