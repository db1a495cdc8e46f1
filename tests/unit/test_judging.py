"""Nobody is judged on a vote that the judged model was fitted on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from task.folds import FOLDS
from task.judging import Judged, Version, as_published, judge, out_of_fold
from task.prepare import Prepared
from task.recency import NO_TIME
from tests.compared import OF_THIS_RELEASE, by_fold, format_1, version
from tests.learning import score_table, unseen, vocabulary

KNOWN = vocabulary("s0", "s1", "s2")
CUTOFF = 1_000
TIMES = [999, 1_000, 1_001, NO_TIME, 2_000, 500]
SHIPPED = 0.9
OWN_FOLDS = [0.1 + 0.05 * fold for fold in range(FOLDS)]
"""What the champion's fold models answer: each another, and none as the published one."""
CHALLENGER = version(score_table(KNOWN, 0.99), like=by_fold(np.linspace(0.3, 0.75, FOLDS), KNOWN))


def votes(times: list[int] = TIMES, test: list[bool] | None = None) -> Prepared:
    """A vote at each time, each of another group, so that each stands in a fold of its own."""
    prepared = unseen(KNOWN, [1] * len(times), [True] * len(times), at=times)
    side = np.zeros(len(times), dtype=bool) if test is None else np.array(test)
    return replace(prepared, examples=replace(prepared.examples, test=side))


def champion() -> Version:
    return version(score_table(KNOWN, SHIPPED), like=by_fold(OWN_FOLDS, KNOWN), cutoff=CUTOFF)


def judged(champion: Version, prepared: Prepared) -> Judged:
    return judge(CHALLENGER, champion, KNOWN, prepared.examples)


def test_votes_after_the_champions_cutoff_judge_it_as_it_is_published() -> None:
    found = judged(champion(), votes())

    after = found.examples.feedback_at > CUTOFF
    assert found.champion.p[after] == pytest.approx(SHIPPED)
    assert found.examples.feedback_at[after].tolist() == [1_001, 2_000]
    assert found.after_cutoff == 2


def test_votes_up_to_the_champions_cutoff_judge_its_folds() -> None:
    # Given votes before the cutoff, at it, and at no known time: the champion may have learned them
    found = judged(champion(), votes())

    before = found.examples.feedback_at <= CUTOFF
    assert found.examples.feedback_at[before].tolist() == [999, 1_000, NO_TIME, 500]
    expected = np.array(OWN_FOLDS)[found.examples.fold[before]]
    assert found.champion.p[before] == pytest.approx(expected)
    assert (found.out_of_fold, found.fixed_split) == (4, 0)
    assert len(found.examples) == 6


def test_the_challenger_is_judged_by_its_folds_on_every_vote() -> None:
    found = judged(champion(), votes())

    expected = np.linspace(0.3, 0.75, FOLDS)[found.examples.fold]
    assert found.challenger.p == pytest.approx(expected)


@pytest.mark.parametrize("other", [replace(champion(), folds=None), champion()])
def test_a_champion_of_another_split_is_judged_on_what_came_after_it_alone(other: Version) -> None:
    # Given a champion whose groups were made otherwise, so that its folds are not ours
    metadata = OF_THIS_RELEASE | {"split_version": "0"}
    other = replace(other, table=replace(other.table, metadata=metadata))

    found = judged(other, votes(test=[True] * 6))

    assert found.examples.feedback_at.tolist() == [1_001, 2_000]
    assert found.champion.p == pytest.approx(SHIPPED)
    assert (found.after_cutoff, found.out_of_fold, found.fixed_split) == (2, 0, 0)


def test_a_champion_of_format_1_is_judged_on_its_test_side_and_on_what_came_after_it() -> None:
    # Given test votes before the cutoff, at no known time and after it, and train votes
    old = format_1(score_table(KNOWN, SHIPPED), cutoff=CUTOFF)
    test = [True, False, False, True, True, False]

    found = judged(old, votes(test=test))

    assert found.examples.feedback_at.tolist() == [999, 1_001, NO_TIME, 2_000]
    assert found.champion.p == pytest.approx(SHIPPED)
    assert (found.after_cutoff, found.out_of_fold, found.fixed_split) == (2, 0, 2)


@pytest.mark.parametrize("split", [None, "0", 1])
def test_a_champion_of_format_1_of_another_split_has_no_test_side_here(split: object) -> None:
    old = format_1(score_table(KNOWN, SHIPPED), cutoff=CUTOFF, split_version=split)

    found = judged(old, votes(test=[True] * 6))

    assert found.examples.feedback_at.tolist() == [1_001, 2_000]
    assert found.fixed_split == 0


def test_a_champion_newer_than_every_vote_and_without_folds_can_be_judged_on_nothing() -> None:
    old = format_1(score_table(KNOWN, SHIPPED), cutoff=9_999)

    found = judged(old, votes())

    assert len(found.examples) == len(found.champion.p) == len(found.challenger.p) == 0


def test_the_two_are_judged_on_the_same_votes_in_the_same_order() -> None:
    prepared = votes()
    likes = np.array([True, False, True, True, False, False])
    prepared = replace(prepared, examples=replace(prepared.examples, like=likes))

    found = judged(champion(), prepared)

    for scored in (found.champion, found.challenger):
        assert len(scored.p) == len(scored.answer) == len(scored.score) == len(found.examples)
    assert found.examples.like.tolist() == likes.tolist()


def test_a_fold_answers_by_its_own_threshold() -> None:
    # Given folds that give the same chance and differ in what they call a like
    thresholds = np.linspace(0.0, 0.9, FOLDS)
    model = version(score_table(KNOWN, 0.45), threshold=thresholds)

    found = out_of_fold(model, KNOWN, votes().examples)

    assert found.answer.tolist() == [t <= 0.45 for t in thresholds[:6]]


def test_a_published_version_answers_by_the_one_it_serves_with() -> None:
    exact = float(np.float32(0.7))

    for threshold, answer in ((0.7, False), (exact, True)):  # float32 .7 lies a little below .7
        table = score_table(KNOWN, 0.7, threshold=threshold)
        assert as_published(table, KNOWN, votes().examples).answer.tolist() == [answer] * 6


def test_each_version_is_asked_by_name() -> None:
    # Given models that learned other styles, in other orders; the empty name is the unknown class
    theirs = vocabulary("s1", "zzz", "s0")
    like = np.array([{"s0": 0.8, "s1": 0.3, "": 0.6}.get(name, 0.1) for name in theirs.styles])
    model = version(score_table(theirs, like))
    asked = unseen(KNOWN, [KNOWN.style(name) for name in ("s0", "s1", "s2")], [True] * 3)

    for found in (
        out_of_fold(model, KNOWN, asked.examples),
        as_published(model.table, KNOWN, asked.examples),
    ):
        assert found.p == pytest.approx([0.8, 0.3, 0.6])
