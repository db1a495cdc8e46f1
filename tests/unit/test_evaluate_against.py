"""What else the challenger is held against: references, the anchor, the last weeks' like rate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from task import metrics
from task.evaluate import LAST_WEEKS, Evaluation, evaluate
from task.folds import FOLDS
from task.judging import Version
from task.prepare import Prepared
from task.recency import NO_TIME
from tests.compared import by_fold, constant, crowd, format_1, version
from tests.learning import score_table, unseen, vocabulary
from tests.unit.verdicts import decided

KNOWN = vocabulary(*(f"s{i}" for i in range(6)))
CHANCES = np.array([0.5, 0.8, 0.3, 0.8, 0.3, 0.8, 0.3])
TASTE = np.broadcast_to(CHANCES, KNOWN.sizes)
NOW = 2 * LAST_WEEKS


def knowing(name: str = "m-b", **folds: Any) -> Version:
    return version(score_table(KNOWN, TASTE.copy()), name=name, **folds)


def loss(p: np.ndarray, like: np.ndarray) -> float:
    return float(np.where(like, *metrics.log_losses(p)).mean())


def first(prepared: Prepared, challenger: Version) -> Evaluation:
    return evaluate(prepared, challenger, None, cutoff=NOW)


def test_a_first_model_is_held_against_what_each_fold_knows_from_the_others() -> None:
    prepared, rates = crowd(KNOWN, CHANCES, 500), np.linspace(0.4, 0.6, FOLDS)
    votes = prepared.examples

    (reference,) = first(prepared, knowing(constant=rates)).references

    expected = loss(rates[votes.fold], votes.like) - loss(CHANCES[votes.style], votes.like)
    assert reference.name == "a constant"
    assert reference.gain.value == pytest.approx(expected, abs=1e-6)
    assert reference.gain.low is not None
    assert 0.0 < reference.gain.low < (reference.gain.value or 0)


def test_it_is_held_against_the_base_data_where_there_are_some() -> None:
    prepared = crowd(KNOWN, CHANCES, 500)
    base = np.full(KNOWN.sizes, 0.9, dtype=np.float32)

    _, reference = first(prepared, knowing(base=base)).references

    votes = prepared.examples
    expected = loss(np.full(500, 0.9), votes.like) - loss(CHANCES[votes.style], votes.like)
    assert reference.name == "the base data alone"
    assert reference.gain.value == pytest.approx(expected, abs=1e-6)


def test_a_first_model_is_judged_by_its_folds_and_not_by_what_ships() -> None:
    # Given a model that knows the truth, whose folds know nothing
    shipped = version(score_table(KNOWN, TASTE.copy()), like=0.5)

    found = first(crowd(KNOWN, CHANCES, 500), shipped)

    assert found.challenger["log_loss"].value == pytest.approx(np.log(2))
    assert decided(found).decision != "promote"


def test_a_challenger_of_a_champion_has_no_references() -> None:
    found = evaluate(crowd(KNOWN, CHANCES, 100), knowing(), constant(KNOWN, 0.5), cutoff=NOW)

    assert found.references == ()


@pytest.mark.parametrize("old", [True, False])
def test_the_anchor_is_judged_by_the_same_rules_as_the_champion(old: bool) -> None:
    # Given an anchor of chance .9 as published and .6 by its folds, and votes before its cutoff
    prepared = crowd(KNOWN, CHANCES, 400)
    prepared = replace(
        prepared, examples=replace(prepared.examples, test=prepared.examples.group < 100)
    )
    anchor = version(score_table(KNOWN, 0.9), like=0.6, cutoff=10, name="m-0")
    if old:
        anchor = format_1(score_table(KNOWN, 0.9, version="m-0"), cutoff=10)

    found = evaluate(prepared, knowing(), constant(KNOWN, 0.5), cutoff=NOW, anchor=anchor).anchor

    judged = prepared.examples.where(prepared.examples.test) if old else prepared.examples
    theirs = np.full(len(judged), 0.9 if old else 0.6)
    expected = loss(theirs, judged.like) - loss(CHANCES[judged.style], judged.like)
    assert found is not None
    assert (found.name, found.gain.votes) == ("m-0", len(judged))
    assert found.gain.value == pytest.approx(expected, abs=1e-6)


def test_the_like_rate_of_the_last_weeks_is_that_of_the_other_folds() -> None:
    # Given ten votes of late, one in each fold, liked in even folds; older ones and undated ones
    at = [NOW] * 10 + [NOW - LAST_WEEKS] * 10 + [NO_TIME] * 10
    like = [fold % 2 == 0 for fold in range(10)] + [True] * 20
    prepared = unseen(KNOWN, [1] * 30, like, at=at)

    found = first(prepared, constant(KNOWN, 0.5)).base_rate

    # Then a fold that liked sees 4 of 9 others like, one that did not 5 of 9; one more on each side
    rate = np.where(np.array(like[:10]), 5 / 11, 6 / 11)
    assert found is not None
    assert found.gain.votes == 10
    assert found.gain.value == pytest.approx(loss(rate, np.array(like[:10])) - np.log(2))


def test_without_a_vote_of_late_there_is_no_such_rate() -> None:
    prepared = unseen(KNOWN, [1, 2], [True, False], at=[1, NO_TIME])

    assert first(prepared, knowing()).base_rate is None


def test_the_shipped_model_is_held_against_its_folds_where_there_are_votes() -> None:
    # Given folds that scatter, and a model that is far from them on one style nobody voted on
    logits = np.resize([0.3, -0.3], FOLDS)
    folds = by_fold(1 / (1 + np.exp(-logits)), KNOWN)
    like = np.full(KNOWN.sizes, 0.5)
    like[:, :, 6] = 0.99
    challenger = version(score_table(KNOWN, like), like=folds)

    unheard = first(unseen(KNOWN, [1, 2, 3], [True] * 3), challenger).refit
    heard = first(unseen(KNOWN, [1, 2, 6], [True] * 3), challenger).refit

    assert unheard.overall == pytest.approx(0.0, abs=1e-9)
    assert not heard.alike


@pytest.mark.parametrize("champion", [None, constant(KNOWN, 0.6)])
def test_without_a_report_the_gate_decides_the_same(champion: Version | None) -> None:
    prepared, anchor = crowd(KNOWN, CHANCES, 400), constant(KNOWN, 0.55, name="m-0")

    full, short = (
        evaluate(prepared, knowing(), champion, cutoff=NOW, anchor=anchor, report=report)
        for report in (True, False)
    )

    one, other = decided(full), decided(short)
    assert (one.decision, one.risk, one.anchor) == (other.decision, other.risk, other.anchor)
    assert one.expected_gain == other.expected_gain
    assert [(c.name, c.answer) for c in one.checks] == [(c.name, c.answer) for c in other.checks]
    values = [[c.value for c in verdict.checks if c.value is not None] for verdict in (one, other)]
    assert values[0] == pytest.approx(values[1])
    assert (short.roc, short.since_champion) == ({}, None)


def test_a_gain_of_one_group_has_neither_ends_nor_a_p_value() -> None:
    prepared = unseen(KNOWN, [1] * 132, [True] * 132, group=[7] * 132)

    found = evaluate(prepared, constant(KNOWN, 0.2), constant(KNOWN, 0.9), cutoff=NOW)

    assert found.difference is not None
    gain = found.difference.gain
    assert (gain.low, gain.high, gain.p_worse, gain.deviation) == (None, None, None, None)
    assert decided(found).decision == "inconclusive"
    assert {each.p for each in found.suspicions} == {None}
