"""Numbers and verdicts read as a person would say them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from jinja2 import Undefined

from task import report_numbers as numbers
from task import report_words as words
from tests.unit import report_samples as samples

NOTHING: list[object] = [None, math.nan, math.inf, "", Undefined(), [], True]


@pytest.mark.parametrize("value", NOTHING, ids=repr)
def test_what_is_not_a_number_reads_as_a_dash(value: object) -> None:
    assert numbers.decimal(value) == "–"
    assert numbers.signed(value) == "–"
    assert numbers.percent(value) == "–"
    assert numbers.count(value) == "–"
    assert numbers.seconds(value) == "–"


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (numbers.decimal(0.71249), "0.712"),
        (numbers.decimal(-0.5, 1), "−0.5"),
        (numbers.signed(0.031), "+0.031"),
        (numbers.signed(-0.0042), "−0.004"),
        (numbers.signed(0.00001), "0.000"),  # a zero with a sign would be a claim
        (numbers.signed(-0.00001), "0.000"),
        (numbers.percent(0.9653), "96.5\u00a0%"),
        (numbers.count(1234567), "1,234,567"),
        (numbers.plain(30.0), "30"),
        (numbers.plain(12000.0), "12,000"),
        (numbers.plain(0.0256), "0.0256"),
        (numbers.plain(-0.5), "−0.5"),
        (numbers.plain(0.0000116), "< 0.001"),
        (numbers.plain(-0.0000116), "> −0.001"),
        (numbers.plain("utf8mb4"), "utf8mb4"),
        (numbers.plain(None), "–"),
        (numbers.plain(Undefined()), "–"),
        (numbers.seconds(0.421), "0.42 s"),
        (numbers.seconds(12.34), "12.3 s"),
        (numbers.seconds(65), "1 min 5 s"),
        (numbers.seconds(119.7), "2 min 0 s"),
        (numbers.moment("2026-11-22T02:00:00Z"), "22 November 2026, 02:00 UTC"),
        (numbers.moment("2026-11-22T11:00:00+09:00"), "22 November 2026, 02:00 UTC"),
        (numbers.moment("2026-11-22T02:00:00"), "22 November 2026, 02:00 UTC"),
        (numbers.moment("last Sunday"), "last Sunday"),
        (numbers.moment(None), "–"),
        (numbers.spaced("min_test_votes"), "min test votes"),
        (numbers.sentence("class balance: 0 %"), "Class balance: 0 %."),
        (numbers.sentence("Why?"), "Why?"),
    ],
)
def test_a_number_reads_as_a_person_would_write_it(told: str, text: str) -> None:
    assert told == text


@pytest.mark.parametrize(
    ("state", "word", "tone"),
    [
        ("served", "Promoted", "good"),
        ("promoted", "Promoted", "good"),
        ("approved", "Approved", "good"),
        ("rejected", "Rejected", "bad"),
        ("inconclusive", "Inconclusive", "wait"),
        ("skipped", "Skipped", "idle"),
        ("data_stopped", "Data stopped", "bad"),
        ("rolled_back", "Rolled back", "bad"),
        ("failed", "Failed", "bad"),
        ("running", "Not finished", "idle"),
    ],
)
def test_every_state_of_a_run_has_its_word(state: str, word: str, tone: str) -> None:
    found = words.headline({"state": state}, None, None)

    assert (found.word, found.tone) == (word, tone)
    assert found.sentence.endswith(".")


@pytest.mark.parametrize(
    ("decision", "word"),
    [("promote", "Passed"), ("reject", "Rejected"), ("inconclusive", "Inconclusive")],
)
def test_before_the_run_has_ended_the_gates_decision_is_the_verdict(
    decision: str, word: str
) -> None:
    compared = {"champion_version": "m-1"}

    found = words.headline({"state": "running"}, compared, {"decision": decision})

    assert found.word == word


@pytest.mark.parametrize(
    ("state", "decision", "word"),
    [
        ("promoted", "promote", "First model"),
        ("approved", "promote", "First model"),
        ("running", "promote", "First model"),
        ("rejected", "reject", "Rejected"),  # a floor it did not reach
        ("failed", "promote", "Failed"),
    ],
)
def test_a_good_model_without_a_champion_is_the_first(state: str, decision: str, word: str) -> None:
    found = words.headline({"state": state}, {"champion_version": None}, {"decision": decision})

    assert found.word == word


@pytest.mark.parametrize(
    ("votes", "disagreements", "says"),
    [
        (
            3214,
            312,
            "About 3,214 more votes in all would show a difference as small as 0.01 in F1.",
        ),
        (0, 312, "A difference as small as 0.01 in F1 would have shown by now."),
        (None, 0, "The two models never differ, so no number of votes would tell them apart."),
        (None, 4, None),  # not known
    ],
)
def test_the_votes_still_needed_are_told(
    votes: int | None, disagreements: int, says: str | None
) -> None:
    evaluation = {"champion_version": "m-1", "disagreements": disagreements}

    assert words.needed({"votes_needed": votes}, evaluation, 0.01) == says


def test_a_first_model_needs_no_more_votes() -> None:
    assert words.needed({"votes_needed": 0}, {"champion_version": None}, 0.01) is None


def test_a_reason_that_only_repeats_the_gate_is_not_told_twice() -> None:
    sample = samples.promoted()
    assert words.because(sample.run, sample.verdict) == ["All 11 checks passed."]

    sample.run["reason"] = "promotion is on hold; " + sample.run["reason"]
    assert words.because(sample.run, sample.verdict)[0] == "promotion is on hold"

    sample.run["reason"] = samples.promoted().run["reason"] + "; not proved in service"
    assert words.because(sample.run, sample.verdict)[0] == "not proved in service"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("rejected_share", 0.0178, "1.8\u00a0%"),
        ("class_balance", 0.0, "0.0\u00a0%"),
        ("freshness", 12.5, "12.5"),  # days
        ("after_cutoff", 3, "3"),  # votes
        ("schema", None, "–"),
    ],
)
def test_a_finding_about_a_share_is_told_in_per_cent(name: str, value: object, text: str) -> None:
    assert words.finding_figure(name, value) == text


def check(name: str, answer: str, **figures: float) -> dict[str, Any]:
    return {"name": name, "answer": answer, "value": None, "bound": None} | figures


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (
            check("f1_improvement", "pass", value=0.03, bound=0.0, low=0.012, high=0.05),
            (
                "Votes that move the interval's low end to 0.000 or below, "
                "or a min_improvement of +0.012 or more."
            ),
        ),
        (
            check("f1_improvement", "fail", value=-0.05, bound=0.0, low=-0.07, high=-0.032),
            "A challenger whose interval ends above 0.000; this one ends at −0.032.",
        ),
        (
            check("floor_recall", "fail", value=0.55, bound=0.6),
            "A model that reaches 0.600, or a min_recall of at most 0.550.",
        ),
        (
            check("floor_recall", "pass", value=0.55, bound=0.0),
            "No floor is set. A min_recall above 0.550 would fail it.",
        ),
        (
            check("min_test_votes", "undecided", value=21.0, bound=30.0),
            "9 more test votes, about 60 votes in all: 15 % are tested.",
        ),
        (
            check("answers_differ", "undecided", value=0.0, bound=0.0),
            "One test vote that the two models answer differently.",
        ),
    ],
)
def test_a_check_says_what_would_change_it(found: dict[str, Any], says: str) -> None:
    assert words.what_would_change(found) == says


def test_every_answer_that_a_check_can_give_has_its_words() -> None:
    """The gate: improvement and evidence may stay open, slices and log-loss only fail or pass."""
    answers = {"f1_improvement": "pass fail undecided", "min_test_votes": "pass undecided"}
    answers |= {"answers_differ": "pass undecided", "majority_class": "pass fail undecided"}
    answers |= dict.fromkeys(("slices", "log_loss", "self_test"), "pass fail")
    floors = ("accuracy", "precision", "recall", "f1")
    answers |= {f"floor_{name}": "pass fail undecided" for name in floors}

    assert answers.keys() == words.CHECKS.keys()
    for name, possible in answers.items():
        for answer in possible.split():
            told = words.what_would_change(check(name, answer, value=0.5, bound=0.4))
            assert told, (name, answer)
            assert "{" not in told


def test_a_check_that_is_not_known_keeps_its_name() -> None:
    assert words.check_words("new_rule").title == "new rule"
    assert words.what_would_change(check("new_rule", "fail")) is None
