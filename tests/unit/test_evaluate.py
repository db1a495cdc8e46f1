"""Champion and challenger on votes that may judge both: by name, in any world, or not at all."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from task import metrics
from task.artifact import ScoreTable
from task.evaluate import Evaluation, self_test_cells, to_json
from task.evaluate import evaluate as evaluated
from task.features import Vocabulary
from task.judging import Version
from task.prepare import Prepared
from task.recency import NO_TIME
from tests.compared import folds_of, version
from tests.learning import score_table, unseen, vocabulary

STYLES = [f"s{i}" for i in range(8)]
KNOWN = vocabulary(*STYLES)
FIGURES = {
    "f1",
    "accuracy",
    "precision",
    "recall",
    "auc",
    "log_loss",
    "brier",
    "calibration_error",
    "score_rmse",
}


def by_style(known: Vocabulary, chances: dict[str, float], other: float = 0.5) -> ScoreTable:
    """A model that knows the chances of some styles and gives `other` for the rest."""
    like = [chances.get(name, other) for name in known.styles]
    return score_table(known, np.array(like))


def crowd(votes: int = 400, seed: int = 1) -> Prepared:
    """People with up to five votes each; odd styles are liked, even ones are not."""
    rng = np.random.default_rng(seed)
    style = rng.integers(1, 9, votes)
    like = rng.random(votes) < np.where(style % 2, 0.8, 0.3)
    return unseen(
        KNOWN, style.tolist(), like.tolist(), group=(rng.permutation(votes) // 3).tolist()
    )


def evaluate(
    prepared: Prepared, challenger: ScoreTable, champion: ScoreTable | None, cutoff: int = 0
) -> Evaluation:
    """Both with folds that answer as what ships; the champion's votes ended at `cutoff`."""
    theirs = version(champion, cutoff=cutoff) if champion else None
    return evaluated(prepared, version(challenger, name="m-b"), theirs, cutoff=10_000)


KNOWING = by_style(KNOWN, {name: 0.3 + 0.5 * (i % 2 == 0) for i, name in enumerate(STYLES)})
IGNORANT = score_table(KNOWN, 0.7, score=0.2)


def value(found: Evaluation, name: str) -> float:
    got = found.challenger[name].value
    assert got is not None
    return got


def test_the_figures_are_those_of_the_votes() -> None:
    prepared = crowd()
    votes = prepared.examples
    p = np.where(votes.style % 2, np.float32(0.8), np.float32(0.3)).astype(np.float64)
    like, dislike = votes.like.astype(int), 1 - votes.like.astype(int)
    table = metrics.confusion(p >= 0.5, like, dislike)

    found = evaluate(prepared, KNOWING, None)

    assert set(found.challenger) == FIGURES
    assert value(found, "f1") == pytest.approx(float(metrics.weighted_f1(table)))
    assert value(found, "accuracy") == pytest.approx(float(metrics.accuracy(table)))
    assert value(found, "precision") == pytest.approx(float(metrics.precision(table)))
    assert value(found, "recall") == pytest.approx(float(metrics.recall(table)))
    assert value(found, "auc") == pytest.approx(metrics.auc(p, like, dislike))
    assert value(found, "log_loss") == pytest.approx(metrics.log_loss(p, like, dislike))
    assert value(found, "brier") == pytest.approx(metrics.brier(p, like, dislike))
    assert value(found, "calibration_error") == pytest.approx(
        metrics.calibration_error(p, like, dislike)
    )
    assert value(found, "score_rmse") == pytest.approx(0.0)
    assert found.confusion["challenger"] == table.tolist()
    counts = {"votes": 400, "groups": 134, "likes": int(like.sum())}
    assert found.judged == counts | {"effective_groups": 133.6}
    assert {interval.n for interval in found.challenger.values()} == {400}


@pytest.mark.parametrize("name", sorted(FIGURES - {"calibration_error"}))
def test_each_interval_is_as_wide_as_drawing_groups_makes_it(name: str) -> None:
    # Given scores that differ, and the figure on 400 samples of whole groups
    prepared = crowd(600)
    scores = np.random.default_rng(7).random(600).astype(np.float32)
    votes = replace(prepared.examples, score=scores)
    members = [np.flatnonzero(votes.group == g) for g in range(200)]
    rng, drawn = np.random.default_rng(8), []
    for _ in range(400):
        index = np.concatenate([members[g] for g in rng.integers(0, 200, 200)])
        drawn.append(figure(name, votes.where(index)))

    found = evaluate(replace(prepared, examples=votes), KNOWING, None).challenger[name]

    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / (2 * 1.645) == pytest.approx(np.std(drawn), rel=0.15)


def figure(name: str, votes: Any) -> float:
    """The figure of KNOWING on some votes."""
    p = np.where(votes.style % 2, 0.8, 0.3)
    like, dislike = votes.like.astype(int), 1 - votes.like.astype(int)
    table = metrics.confusion(p >= 0.5, like, dislike)
    if name == "score_rmse":
        return math.sqrt(((votes.score - 0.5) ** 2).mean())
    if name in {"auc", "log_loss", "brier"}:
        return float(getattr(metrics, name)(p, like, dislike))
    of = {"f1": metrics.weighted_f1}.get(name) or getattr(metrics, name)
    return float(of(table))


def test_a_better_challenger_is_shown_to_be_better_and_a_worse_one_worse() -> None:
    better = evaluate(crowd(), KNOWING, IGNORANT).difference
    worse = evaluate(crowd(), IGNORANT, KNOWING).difference

    assert better is not None
    assert worse is not None
    assert better.f1.low is not None
    assert worse.f1.high is not None
    assert better.f1.low > 0 > worse.f1.high
    assert better.f1.value == pytest.approx(-(worse.f1.value or 0))
    assert better.gain.p_worse == pytest.approx(1.0, abs=1e-3)
    assert worse.gain.p_worse == pytest.approx(0.0, abs=1e-3)
    # Then the gain is the log-loss that falls: positive is better
    assert better.gain.low is not None
    assert better.gain.low > 0
    assert (better.log_loss.value, better.log_loss.high) == (
        -(better.gain.value or 0),
        -better.gain.low,
    )
    assert better.gain.value == pytest.approx(-(worse.gain.value or 0))
    # Then the two differ on every dislikable style
    assert better.disagreements == int((crowd().examples.style % 2 == 0).sum())


def test_the_same_table_twice_differs_nowhere() -> None:
    found = evaluate(crowd(), KNOWING, KNOWING)

    assert found.difference is not None
    assert (found.difference.disagreements, found.difference.changed) == (0, 0)
    assert (found.difference.f1.value, found.difference.gain.value) == (0.0, 0.0)
    assert found.difference.gain.divergence == 0.0
    assert found.difference.gain.p_worse == 1.0
    assert found.champion is not None
    ours, theirs = found.challenger, found.champion
    assert {n: i.value for n, i in ours.items()} == {n: i.value for n, i in theirs.items()}
    assert not any(one.shown for one in found.suspicions)


def test_votes_whose_chance_would_move_are_counted_by_what_ships_and_what_is_published() -> None:
    # Given a challenger that moves two styles without any other answer, and folds that move all
    nearly = by_style(
        KNOWN, {"s0": 0.81, "s1": 0.31, **dict.fromkeys(STYLES[2::2], 0.8)}, other=0.3
    )
    votes = crowd().examples
    ours = version(nearly, like=0.123)

    found = evaluated(crowd(), ours, version(KNOWING, cutoff=0), cutoff=10_000).difference

    assert found is not None
    assert found.changed == int(np.isin(votes.style, [1, 2]).sum())


def test_a_champion_with_other_names_is_asked_by_name() -> None:
    # Given a champion that learned half of the styles, in another order, and styles of its own
    theirs = vocabulary("s1", "zzz", "s0", "aaa")
    champion = by_style(theirs, {"s0": 0.8, "s1": 0.3, "": 0.9}, other=0.1)
    prepared = unseen(KNOWN, [KNOWN.style("s0"), KNOWN.style("s1"), KNOWN.style("s5")], [True] * 3)

    found = evaluate(prepared, KNOWING, champion)

    # Then it answers its own chances, and its unknown class for what it does not know
    assert found.champion is not None
    expected = -np.log(np.array([0.8, 0.3, 0.9])).mean()
    assert found.champion["log_loss"].value == pytest.approx(expected, rel=1e-6)


def test_a_champion_that_cannot_be_scored_raises() -> None:
    # Given a table that ends before the styles it names
    damaged = replace(IGNORANT, like=IGNORANT.like[:, :, :3], score=IGNORANT.score[:, :, :3])

    for champion in (
        Version(table=damaged, folds=None, cutoff=0),
        version(IGNORANT, like=folds_of(IGNORANT).like[..., :3]),
    ):
        with pytest.raises(IndexError):
            evaluated(crowd(), version(KNOWING), champion, cutoff=10_000)


def test_without_a_champion_there_is_no_comparison() -> None:
    found = evaluate(crowd(), KNOWING, None)

    assert (found.champion, found.difference, found.since_champion) == (None, None, None)
    assert found.champion_version is None
    assert (found.slices, found.suspicions, found.faults, found.anchor) == ((), (), None, None)
    assert (found.roc["champion"], found.calibration["champion"]) == (None, None)


@pytest.mark.parametrize("champion", [None, IGNORANT])
def test_no_unseen_votes_give_no_figures_and_no_error(champion: ScoreTable | None) -> None:
    found = evaluate(unseen(KNOWN, [], []), KNOWING, champion)

    assert {found.judged[name] for name in ("votes", "groups", "effective_groups")} == {0}
    assert {(i.value, i.low, i.high, i.n) for i in found.challenger.values()} == {
        (None, None, None, 0)
    }
    assert (found.slices, found.base_rate) == ((), None)
    assert all(each.gain.value is None for each in found.references)
    if found.difference:
        assert found.difference.f1.value is None
        assert (found.difference.gain.value, found.difference.gain.p_worse) == (None, None)
        assert found.difference.disagreements == 0
    json.dumps(to_json(found), allow_nan=False)


def test_one_class_alone_has_no_auc_and_everything_else() -> None:
    found = evaluate(unseen(KNOWN, [1, 2, 3], [True] * 3), KNOWING, IGNORANT)

    assert found.challenger["auc"].value is None
    assert found.roc == {"challenger": [], "champion": []}
    others = FIGURES - {"auc"}
    assert all(found.challenger[name].value is not None for name in others)
    json.dumps(to_json(found), allow_nan=False)


def test_one_group_alone_shows_no_difference() -> None:
    # Given forty votes of one person, all of them for the challenger
    prepared = unseen(KNOWN, [2] * 40, [False] * 40, group=[0] * 40)

    found = evaluate(prepared, KNOWING, IGNORANT).difference

    assert found is not None
    assert found.f1.value == 1.0
    assert found.f1.low is not None
    assert found.f1.low < 0
    assert (found.log_loss.low, found.log_loss.high) == (None, None)
    assert (found.gain.deviation, found.gain.p_worse) == (None, None)


def test_missing_scores_take_no_part_in_the_score_error() -> None:
    prepared = unseen(KNOWN, [1, 2, 3], [True, False, True])
    scores = np.array([0.5, np.nan, 0.9], dtype=np.float32)

    found = evaluate(
        replace(prepared, examples=replace(prepared.examples, score=scores)), KNOWING, None
    )
    none = np.full(3, np.nan, dtype=np.float32)
    without = evaluate(
        replace(prepared, examples=replace(prepared.examples, score=none)), KNOWING, None
    )

    assert found.challenger["score_rmse"].n == 2
    assert value(found, "score_rmse") == pytest.approx(math.sqrt(0.16 / 2))
    assert without.challenger["score_rmse"].value is None
    assert without.challenger["score_rmse"].n == 0


def test_only_votes_after_the_champions_cutoff_are_new_to_both() -> None:
    # Given votes at the cutoff, after it, before it and at no known time
    at = [1_000, 1_001, 999, NO_TIME, 2_000]
    prepared = unseen(KNOWN, [1, 2, 3, 4, 5], [True, False, True, False, True], at=at)

    found = evaluate(prepared, KNOWING, IGNORANT, cutoff=1_000).since_champion

    assert found is not None
    assert found.votes == 2
    assert (found.challenger["accuracy"].value, found.champion["accuracy"].value) == (1.0, 0.5)
    assert (found.challenger["accuracy"].n, found.difference.n) == (2, 2)
    later = evaluate(prepared, KNOWING, IGNORANT, cutoff=9_999).since_champion
    assert later is not None
    assert later.votes == 0
    assert later.difference.value is None
    assert evaluate(prepared, KNOWING, None).since_champion is None


def test_the_answer_at_the_threshold_is_the_one_that_is_served() -> None:
    # Given a probability that is stored a little below the threshold that it was written as
    table = score_table(KNOWN, 0.7, threshold=0.7)
    assert float(table.like[0, 0, 0]) < 0.7
    exact = replace(table, threshold=float(table.like[0, 0, 0]))
    prepared = unseen(KNOWN, [1], [True])

    for model, answer in ((table, False), (exact, True)):
        assert bool(model.answers().all()) == answer
        assert evaluate(prepared, model, None).challenger["accuracy"].value == float(answer)


def test_neither_the_order_of_votes_nor_the_names_of_groups_change_anything() -> None:
    prepared, rng = crowd(), np.random.default_rng(3)
    order = rng.permutation(400)
    shuffled = prepared.examples.where(order)  # type: ignore[arg-type]
    renamed = replace(shuffled, group=rng.permutation(400).astype(np.uint64)[shuffled.group])

    ours, theirs = (
        to_json(evaluate(replace(prepared, examples=votes), KNOWING, IGNORANT))
        for votes in (prepared.examples, renamed)
    )

    assert_near(ours, theirs)


def assert_near(ours: Any, theirs: Any) -> None:
    """Equal but for the last digits of sums."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert_near(ours[name], theirs[name])
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_near(one, other)
    elif isinstance(ours, float):
        assert ours == pytest.approx(theirs, abs=1e-9)
    else:
        assert ours == theirs


def test_the_calibration_rows_account_for_every_vote() -> None:
    rows = evaluate(crowd(), KNOWING, IGNORANT).calibration["challenger"]

    assert [row["predicted"] for row in rows] == pytest.approx([0.3, 0.8])
    assert sum(row["votes"] for row in rows) == 400
    assert sum(row["votes"] * row["observed"] for row in rows) == crowd().examples.like.sum()
    for row in rows:
        assert 0 <= row["low"] < row["observed"] < row["high"] <= 1


def test_the_self_test_cells_are_the_votes_of_one_fold() -> None:
    prepared = crowd()
    votes = prepared.examples.where(prepared.examples.fold == 0)

    rows = self_test_cells(prepared)

    counted = {(*row[:3],): (row[3], row[4]) for row in rows}
    assert len(counted) == len(rows)
    for style in np.unique(votes.style):
        of_style = votes.style == style
        likes = int(votes.like[of_style].sum())
        key = (KNOWN.faces[1], KNOWN.tones[0], KNOWN.styles[style])
        assert counted[key] == (likes, int(of_style.sum()) - likes)
    assert sum(row[3] + row[4] for row in rows) == len(votes)
    assert self_test_cells(unseen(KNOWN, [], [])) == []


def test_the_file_form_holds_what_the_gate_decided_on() -> None:
    evaluation = evaluate(crowd(), KNOWING, IGNORANT)
    assert evaluation.difference is not None

    found = to_json(evaluation)

    difference = found["difference"]
    assert difference["disagreements"] == evaluation.difference.disagreements
    assert difference["f1"]["low"] == evaluation.difference.f1.low
    assert difference["gain"]["p_worse"] == evaluation.difference.gain.p_worse
    assert set(difference) == {"f1", "log_loss", "gain", "disagreements", "changed"}
    assert found["champion_version"] == "m-a"
    assert found["threshold"] == {"challenger": 0.5, "champion": 0.5}
    assert set(found["slices"][0]["difference"]) == {"value", "low", "high", "n"}
    assert found["refit"]["alike"] is True
    json.dumps(found, allow_nan=False)
