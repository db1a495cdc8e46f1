"""Training: which candidate ships, what each decision rests on, and back from the weights."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local.world import make_world
from task import metrics, prepare
from task import train as training
from task.base import BaseRows
from task.candidates import loss_weight, merged
from task.folds import FOLDS
from task.models import crossed
from task.prepare import REAL, Prepared
from task.train import Options, Trained, rebuild, train
from tests.learning import NO_BASE, Vote, drawn, group_in, small_base, write_votes

WORLD = make_world("rules", styles=12, seed=1)
MANY = drawn(WORLD, 1_800, seed=1)  # by some 900 people
FEW = drawn(WORLD, 300, seed=1)  # by some 150
BASE = small_base()
QUICK = Options(max_epochs=2)
HIERARCHICAL = Options(candidates="hierarchical")


def prepared(folder: Path, votes: list[Vote], base: BaseRows = BASE) -> Prepared:
    return prepare.prepare(write_votes(folder / "votes.parquet", votes), base)


def trained(folder: Path, votes: list[Vote], options: Options, base: BaseRows = BASE) -> Trained:
    ticks = count()
    return train(prepared(folder, votes, base), options, clock=lambda: float(next(ticks)))


KINDS = ("hierarchical", "embedding")


def probability(found: Trained, fold: int, vote: Vote) -> float:
    """What the model that judges a fold answers for a person and style."""
    known = found.vocabulary
    at = known.face(vote.face), known.tone(vote.tone), known.style(vote.style)
    return float(found.folds.like[fold][at])


def test_the_votes_of_a_fold_are_judged_by_a_model_without_them(tmp_path: Path) -> None:
    # Given a style that people of one fold alone have voted on, all alike
    held = 3
    only = [Vote(style="only here", like=False, group=group_in(held, f"p {i}")) for i in range(90)]

    found = trained(tmp_path, MANY + only, HIERARCHICAL, NO_BASE)

    # Then the fold's own model has no opinion of it, and the others have
    answers = [probability(found, fold, only[0]) for fold in range(FOLDS)]
    unknown = probability(found, held, replace(only[0], style="never heard of"))
    assert answers[held] == pytest.approx(unknown, abs=1e-12)
    assert max(p for fold, p in enumerate(answers) if fold != held) < answers[held] / 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fold", [0, 7])
def test_what_ships_has_learned_from_every_fold(tmp_path: Path, kind: str, fold: int) -> None:
    options = replace(QUICK, candidates=kind)
    turned = [replace(vote, like=vote.like != (vote.fold == fold)) for vote in MANY]

    before, after = (trained(tmp_path, votes, options) for votes in (MANY, turned))

    assert not np.array_equal(after.chosen.logit, before.chosen.logit)


def test_with_few_groups_the_network_is_not_tried(tmp_path: Path) -> None:
    # Given many votes of few people
    loud = [replace(vote, group=f"person {i % 90}") for i, vote in enumerate(MANY)]

    found = trained(tmp_path, loud, Options()).account

    assert [line["name"] for line in found["candidates"]] == ["hierarchical"]
    assert found["effective_groups"] == pytest.approx(90, abs=1)
    assert found["groups"] == 90
    assert "90 effective groups, fewer than 200" in found["reason"]


def test_a_network_that_loses_on_the_first_pair_is_not_trained_any_further(tmp_path: Path) -> None:
    # Given a network that learned for two epochs only
    epochs: list[int] = []
    ticks = count()

    found = train(
        prepared(tmp_path, MANY),
        QUICK,
        clock=lambda: float(next(ticks)),
        progress=epochs.append,
    )

    assert found.chosen.name == "hierarchical"
    assert "not the better one on the first two folds" in found.account["reason"]
    assert epochs == [1, 2]
    assert [line["seconds"] for line in found.account["candidates"]] == [1.0]


def test_the_candidate_with_the_lower_cross_fitted_log_loss_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given that the network is let through to the end
    monkeypatch.setattr(training, "_better", lambda *_: True)

    found = trained(tmp_path, MANY, QUICK)

    lines = {line["name"]: line for line in found.account["candidates"]}
    assert set(lines) == {"hierarchical", "embedding"}
    best = min(lines.values(), key=lambda line: float(line["log_loss"]))
    assert found.chosen.name == best["name"] == "hierarchical"
    assert lines["embedding"]["rounds"] == 2
    assert [line["epoch"] for line in found.account["curve"]] == [1, 2]
    assert all(0.5 < line["auc"] <= 1 for line in lines.values())
    assert all(line["seconds"] == 1.0 for line in lines.values())


def test_the_log_losses_are_those_of_each_fold_by_the_model_without_it(tmp_path: Path) -> None:
    got = prepared(tmp_path, MANY)
    found = trained(tmp_path, MANY, HIERARCHICAL)
    cells = got.cells.of(REAL)
    codes = prepare.encode(cells, got.levels, found.vocabulary)

    logit = found.chosen.fold_logit[(cells.fold, *codes)]

    loss = metrics.log_loss(1 / (1 + np.exp(-logit)), cells.n_like, cells.n_dislike)
    (line,) = found.account["candidates"]
    assert line["log_loss"] == pytest.approx(loss)
    # And a fold's model is not the one that ships
    assert not np.array_equal(found.chosen.fold_logit[0], found.chosen.logit)


@pytest.mark.parametrize("kind", KINDS)
def test_a_setting_can_force_a_candidate(tmp_path: Path, kind: str) -> None:
    found = trained(tmp_path, FEW, replace(QUICK, candidates=kind))

    assert found.chosen.name == kind
    assert kind in found.account["reason"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("votes", [MANY, FEW])
def test_the_table_is_rebuilt_exactly_from_the_weights_and_their_metadata(
    tmp_path: Path, kind: str, votes: list[Vote]
) -> None:
    found = trained(tmp_path, votes, replace(QUICK, candidates=kind))

    metadata = {
        "kind": kind,
        "calibration": dict(found.calibration),
        "class_weights": list(found.chosen.class_weights),
    }
    again = json.loads(json.dumps(metadata))
    like, score = rebuild(again, found.chosen.weights, found.vocabulary.sizes)

    assert np.array_equal(like, found.like)
    assert np.array_equal(score, found.chosen.score)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_learned_more_styles_loads_and_answers(tmp_path: Path, kind: str) -> None:
    # Given the same people, then eighty styles more
    more = MANY + [Vote(style=f"new {i}", like=i % 2 == 0) for i in range(80)] * 5

    found = trained(tmp_path, more, replace(QUICK, candidates=kind))

    metadata = {
        "kind": kind,
        "calibration": found.calibration,
        "class_weights": found.chosen.class_weights,
    }
    like, _ = rebuild(metadata, found.chosen.weights, found.vocabulary.sizes)
    assert found.vocabulary.sizes[2] > 80
    at = found.vocabulary.style("NEW 79")
    assert at != 0
    assert ((like[..., at] > 0) & (like[..., at] < 1)).all()


def test_an_unknown_style_gets_the_answer_of_face_and_tone(tmp_path: Path) -> None:
    found = trained(tmp_path, MANY, HIERARCHICAL)

    unknown, known = found.like[..., 0], found.like[..., 1:]

    assert np.ptp(unknown) > 0  # people differ, also where the style is not known
    assert known.min() < unknown.min() <= unknown.max() < known.max()


def test_real_weight_zero_learns_from_the_base_alone(tmp_path: Path) -> None:
    only_base = replace(HIERARCHICAL, real_data_weight=0.0)
    turned = [replace(vote, like=not vote.like) for vote in FEW]

    one, other = (trained(tmp_path, votes, only_base) for votes in (FEW, turned))

    assert np.array_equal(one.chosen.logit, other.chosen.logit)
    assert one.account["base"]["trust"] is None
    assert one.chosen.weights.keys() == other.chosen.weights.keys()
    for name, values in one.chosen.weights.items():
        assert np.array_equal(values, other.chosen.weights[name])


@pytest.mark.parametrize(
    "real_weight, real, base",
    [(2.0, 1.0, 0.5), (1.0, 1.0, 1.0), (4.0, 1.0, 0.25), (0.0, 0.0, 1.0)],
)
def test_a_real_vote_weighs_one_and_a_base_row_its_share(
    real_weight: float, real: float, base: float
) -> None:
    assert (loss_weight(1, real_weight), loss_weight(0, real_weight)) == (real, base)


def test_the_account_says_how_far_the_base_is_believed_and_what_it_adds(tmp_path: Path) -> None:
    found = trained(tmp_path, MANY, HIERARCHICAL).account

    base = found["base"]
    assert base["rows"] == 300
    assert base["trust_low"] < base["trust"] < base["trust_high"]
    assert base["log_loss_with"] != base["log_loss_without"]
    assert base["votes"] == sum(vote.fold < 2 for vote in MANY)
    assert found["votes"] == found["learned_votes"] == len(MANY)
    assert found["groups"] == len({vote.group for vote in MANY})
    assert len(found["variances"]) == 7
    json.dumps(found, allow_nan=False)


def test_what_the_base_adds_is_nothing_where_there_is_none(tmp_path: Path) -> None:
    found = trained(tmp_path, MANY, HIERARCHICAL, NO_BASE)

    base = found.account["base"]
    assert (base["rows"], base["trust"], base["log_loss_with"]) == (0, None, None)
    assert found.folds.base is None


@pytest.mark.parametrize("rounds, settled", [(2, False), (100, True)])
def test_the_account_says_whether_the_fit_has_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int, settled: bool
) -> None:
    monkeypatch.setattr(crossed, "ROUNDS", rounds)

    found = trained(tmp_path, MANY, HIERARCHICAL).account

    assert found["settled"] is settled
    assert found["candidates"][0]["settled"] is settled
    assert found["candidates"][0]["rounds"] <= rounds


def test_the_network_learns_from_one_cell_for_each_choice(tmp_path: Path) -> None:
    cells = prepared(tmp_path, MANY).cells

    found = merged(cells)

    keys = list(zip(found.source, found.face, found.tone, found.style, strict=True))
    assert len(set(keys)) == len(keys) < len(cells.face)
    assert (found.votes, set(found.fold)) == (cells.votes, {0})
    for source in (prepare.BASE, REAL):
        for name in ("n_like", "n_dislike", "n_scored", "score_sum", "score_square"):
            before, after = (getattr(each.of(source), name).sum() for each in (cells, found))
            assert before == after


def test_a_first_model_is_held_against_the_base_alone_and_a_constant(tmp_path: Path) -> None:
    found = trained(tmp_path, MANY, HIERARCHICAL)

    for fold in range(FOLDS):
        others = [vote.like for vote in MANY if vote.fold != fold]
        expected = (sum(others) + 1) / (len(others) + 2)
        assert found.folds.constant[fold] == pytest.approx(expected)
    assert found.folds.base is not None
    assert found.folds.base.shape == found.vocabulary.sizes
    # And the base data's answers do not depend on any vote
    none = trained(tmp_path, [], HIERARCHICAL).folds.base
    assert none is not None
    known = [found.vocabulary.style(style) for style in set(BASE.hairstyle)]
    assert np.unique(found.folds.base[:, :, known]).size == np.unique(none[..., 1:]).size


@pytest.mark.parametrize(
    "votes, base",
    [
        (MANY, NO_BASE),  # no base data at all
        ([], BASE),  # nobody has voted
        ([], NO_BASE),  # nothing at all
        ([Vote()], BASE),  # one vote
        ([Vote()] * 50, NO_BASE),  # all alike, of one group, so in one fold and cell
        ([Vote(like=False, group=f"p {i}") for i in range(600)], BASE),  # all dislikes
        ([replace(vote, score=None) for vote in FEW], NO_BASE),  # no scores
        ([replace(vote, face=None) for vote in FEW], BASE),  # no face recognised
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_scarce_data_give_a_whole_model(
    tmp_path: Path, votes: list[Vote], base: BaseRows, kind: str
) -> None:
    found = trained(tmp_path, votes, replace(QUICK, candidates=kind), base)

    models = found.folds
    for table in (found.like, found.chosen.score, models.like, models.score, models.constant):
        assert np.isfinite(table).all()
    assert 0 <= found.threshold <= 1
    assert ((models.threshold >= 0) & (models.threshold <= 1)).all()
    json.dumps(found.account, allow_nan=False)


def test_the_best_checkpoint_is_handed_over(tmp_path: Path) -> None:
    kept: list[dict[str, Any]] = []
    options = replace(QUICK, candidates="embedding")

    found = train(
        prepared(tmp_path, FEW), options, clock=lambda: 0.0, checkpoint=kept.append
    ).chosen

    for name, values in kept[-1].items():
        assert np.array_equal(values, found.weights[name])
