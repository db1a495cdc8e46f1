"""Numbers and verdicts read as a person would say them."""

from __future__ import annotations

import math

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
        (numbers.nats(0.01236), "+0.0124"),
        (numbers.reach(-0.0042, 0.02), "−0.004 to +0.020"),
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
        (numbers.spaced("min_test_groups"), "min test groups"),
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


def test_what_would_change_an_open_verdict_is_the_gates_own_last_word() -> None:
    reason = "no_harm: the gain is small; −0.0100 is needed; votes of more people narrow this down"

    assert (
        words.settles({"decision": "inconclusive", "reason": reason})
        == "votes of more people narrow this down"
    )
    assert words.settles({"decision": "reject", "reason": reason}) is None
    assert words.settles({"decision": "inconclusive", "reason": None}) is None
    assert words.settles(None) is None


def test_a_reason_that_only_repeats_the_gate_is_not_told_twice() -> None:
    sample = samples.promoted()
    assert words.because(sample.run, sample.verdict) == ["All 16 checks passed."]

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
