"""Training: which candidate ships, what each decision may look at, and back from the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local.world import make_world
from task import artifact, calibrate, metrics, prepare
from task.artifact import METADATA, MODEL, TABLE
from task.base import BaseRows
from task.prepare import REAL, VALIDATION, Prepared
from task.train import Options, Trained, loss_weight, rebuild, train
from tests.learning import NO_BASE, Vote, drawn, small_base, write_votes

WORLD = make_world("rules", styles=12, seed=1)
MANY = drawn(WORLD, 1_800, seed=1)  # some 270 of them in validation
FEW = drawn(WORLD, 300, seed=1)
BASE = small_base()
QUICK = Options(max_epochs=2)
HIERARCHICAL = Options(candidates="hierarchical")


def prepared(folder: Path, votes: list[Vote], base: BaseRows = BASE) -> Prepared:
    return prepare.prepare(write_votes(folder / "votes.parquet", votes), base)


def trained(folder: Path, votes: list[Vote], options: Options, base: BaseRows = BASE) -> Trained:
    ticks = count()
    return train(prepared(folder, votes, base), options, clock=lambda: float(next(ticks)))


def write(folder: Path, found: Trained) -> dict[str, bytes]:
    """The version's files, by name."""
    artifact.write(
        folder,
        weights=found.chosen.weights,
        metadata={
            "version": "m-a",
            "kind": found.chosen.name,
            "vocabulary": found.vocabulary.as_dict(),
            "threshold": found.threshold,
            "calibration": dict(found.calibration),
            "class_weights": list(found.chosen.class_weights),
        },
        score=found.chosen.score,
        like=found.like,
    )
    return {name: (folder / name).read_bytes() for name in (MODEL, METADATA, TABLE)}


def validation_votes(votes: list[Vote]) -> int:
    return sum(vote.split == "validation" for vote in votes)


def of_split(split: str, change: Callable[[Vote], Vote], votes: list[Vote]) -> list[Vote]:
    return [change(vote) if vote.split == split else vote for vote in votes]


def upside_down(vote: Vote) -> Vote:
    """Another vote in every respect but its side."""
    style = f"never seen {vote.style}" if vote.like else vote.style
    return replace(
        vote, like=not vote.like, style=style, face=None, tone="쿨톤", score=None, group="other"
    )


@pytest.mark.parametrize("kind", ["hierarchical", "embedding"])
@pytest.mark.parametrize("what", ["changed", "removed", "many more"])
def test_test_votes_reach_nothing_that_is_learned(tmp_path: Path, kind: str, what: str) -> None:
    # Given the same train and validation votes, and any test votes
    options = replace(QUICK, candidates=kind)
    without = [vote for vote in MANY if vote.split != "test"]
    others = {
        "changed": of_split("test", upside_down, MANY),
        "removed": without,
        "many more": MANY + [Vote(style="only in test", split="test", face="긴형")] * 500,
    }

    expected = write(tmp_path / "a", trained(tmp_path, MANY, options))
    found = write(tmp_path / "b", trained(tmp_path, others[what], options))

    # Then vocabulary, weights, class weights, threshold and calibration are the same bytes
    assert found == expected


def test_validation_votes_reach_threshold_and_calibration_alone(tmp_path: Path) -> None:
    changed = of_split("validation", upside_down, MANY)

    one, other = (trained(tmp_path, votes, HIERARCHICAL) for votes in (MANY, changed))

    assert one.vocabulary == other.vocabulary
    assert write(tmp_path / "a", one)[MODEL] == write(tmp_path / "b", other)[MODEL]
    assert np.array_equal(one.chosen.logit, other.chosen.logit)
    assert one.calibration != other.calibration
    by_network = replace(QUICK, candidates="embedding")
    weights = [trained(tmp_path, votes, by_network).chosen for votes in (MANY, changed)]
    assert weights[0].class_weights == weights[1].class_weights


def test_a_style_of_validation_or_test_alone_is_unknown_to_the_model(tmp_path: Path) -> None:
    votes = [*FEW, Vote(style="only seen", split="validation"), Vote(style="later", split="test")]

    known = trained(tmp_path, votes, HIERARCHICAL).vocabulary

    assert (known.style("only seen"), known.style("later")) == (0, 0)
    assert known.style(FEW[0].style) != 0


def test_with_few_validation_votes_nothing_is_fitted_on_them(tmp_path: Path) -> None:
    assert validation_votes(FEW) < calibrate.MIN_VOTES

    found = trained(tmp_path, FEW, Options())

    assert found.chosen.name == "hierarchical"
    assert found.threshold == 0.5
    assert dict(found.calibration) == {"fitted": False, "u": 0.0, "v": 1.0}
    assert [line["name"] for line in found.account["candidates"]] == ["hierarchical"]
    assert "fewer than 200" in found.account["reason"]


@pytest.mark.parametrize("votes, fitted", [(199, False), (200, True)])
def test_two_hundred_real_validation_votes_are_enough(
    tmp_path: Path, votes: int, fitted: bool
) -> None:
    rest = [vote for vote in MANY if vote.split == "train"]
    some = [vote for vote in MANY if vote.split == "validation"][:votes]

    found = trained(tmp_path, rest + some, HIERARCHICAL)

    assert found.calibration["fitted"] == fitted
    assert (found.threshold == 0.5) == (not fitted)


def test_the_candidate_with_the_lower_validation_log_loss_ships(tmp_path: Path) -> None:
    # Given a network that learned for two epochs only
    found = trained(tmp_path, MANY, QUICK)
    lines = {line["name"]: line for line in found.account["candidates"]}

    assert set(lines) == {"hierarchical", "embedding"}
    best = min(lines.values(), key=lambda line: float(line["validation_log_loss"]))
    assert found.chosen.name == best["name"] == "hierarchical"
    assert lines["embedding"]["rounds"] == 2
    assert [line["epoch"] for line in found.account["curve"]] == [1, 2]
    assert all(0.5 < line["validation_auc"] <= 1 for line in lines.values())
    assert all(line["seconds"] == 1.0 for line in lines.values())


def test_the_validation_losses_are_those_of_corrected_probabilities(tmp_path: Path) -> None:
    got = prepared(tmp_path, MANY)
    found = trained(tmp_path, MANY, replace(QUICK, candidates="embedding"))
    cells = got.cells.of(REAL, VALIDATION)
    codes = prepare.encode(cells, got.levels, found.vocabulary)

    loss = metrics.log_loss(
        1 / (1 + np.exp(-found.chosen.logit[codes])), cells.n_like, cells.n_dislike
    )

    (line,) = found.account["candidates"]
    assert line["validation_log_loss"] == pytest.approx(loss)
    # And the network's own last look at it agrees
    best = min(epoch["validation_loss"] for epoch in found.account["curve"])
    assert best == pytest.approx(loss, abs=1e-5)


@pytest.mark.parametrize("kind", ["hierarchical", "embedding"])
def test_a_setting_can_force_a_candidate(tmp_path: Path, kind: str) -> None:
    found = trained(tmp_path, FEW, replace(QUICK, candidates=kind))

    assert found.chosen.name == kind
    assert kind in found.account["reason"]
    assert found.threshold == 0.5


@pytest.mark.parametrize("kind", ["hierarchical", "embedding"])
@pytest.mark.parametrize("votes", [MANY, FEW])
def test_the_table_is_rebuilt_exactly_from_the_weights_and_their_metadata(
    tmp_path: Path, kind: str, votes: list[Vote]
) -> None:
    write(tmp_path / "m-a", trained(tmp_path, votes, replace(QUICK, candidates=kind)))
    served = artifact.load(tmp_path / "m-a")

    metadata = artifact.read_metadata(tmp_path / "m-a")
    weights = artifact.read_tensors(tmp_path / "m-a" / MODEL)
    like, score = rebuild(metadata, weights, served.vocabulary.sizes)

    assert np.array_equal(like.astype(np.float32), served.like)
    assert np.array_equal(np.clip(score, 0, 1).astype(np.float32), served.score)


@pytest.mark.parametrize("kind", ["hierarchical", "embedding"])
def test_a_model_that_learned_more_styles_loads_and_answers(tmp_path: Path, kind: str) -> None:
    # Given the same people, then forty styles more
    more = MANY + [Vote(style=f"new {i}", like=i % 2 == 0) for i in range(40)] * 5
    sizes = []
    for votes in (MANY, more):
        write(tmp_path / "m-a", trained(tmp_path, votes, replace(QUICK, candidates=kind)))
        table = artifact.load(tmp_path / "m-a")
        sizes.append(table.vocabulary.sizes[2])

    assert sizes[1] == sizes[0] + 40
    at = table.lookup("계란형", "웜톤", "NEW 39")
    assert at[2] == table.vocabulary.styles.index("new39") != 0
    assert 0 < float(table.like[at]) < 1


def test_an_unknown_style_gets_the_answer_of_face_and_tone(tmp_path: Path) -> None:
    found = trained(tmp_path, MANY, HIERARCHICAL)

    unknown, known = found.like[..., 0], found.like[..., 1:]

    assert np.ptp(unknown) > 0  # people differ, also where the style is not known
    assert known.min() < unknown.min() <= unknown.max() < known.max()


def test_real_weight_zero_learns_from_the_base_alone(tmp_path: Path) -> None:
    only_base = replace(HIERARCHICAL, real_data_weight=0.0)
    turned = of_split("train", lambda vote: replace(vote, like=not vote.like), FEW)

    one, other = (trained(tmp_path, votes, only_base) for votes in (FEW, turned))

    assert np.array_equal(one.like, other.like)
    assert one.account["base"]["trust"] is None
    assert write(tmp_path / "a", one)[MODEL] == write(tmp_path / "b", other)[MODEL]


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
    assert base["validation_log_loss_with"] != base["validation_log_loss_without"]
    assert base["validation_votes"] == found["validation_votes"] == validation_votes(MANY)
    assert found["train_votes"] == sum(vote.split == "train" for vote in MANY)
    assert len(found["variances"]) == 7
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    "votes, base",
    [
        (MANY, NO_BASE),  # no base data at all
        ([], BASE),  # nobody has voted
        ([Vote(split="test")] * 9, BASE),  # nobody in train
        ([Vote()] * 50, NO_BASE),  # all alike, in one cell
        ([Vote(like=False, split=side) for side in ("train", "validation")] * 300, BASE),
        ([replace(vote, score=None) for vote in FEW], NO_BASE),  # no scores
        ([replace(vote, face=None) for vote in FEW], BASE),  # no face recognised
    ],
)
@pytest.mark.parametrize("kind", ["hierarchical", "embedding"])
def test_scarce_data_give_a_whole_model(
    tmp_path: Path, votes: list[Vote], base: BaseRows, kind: str
) -> None:
    found = trained(tmp_path, votes, replace(QUICK, candidates=kind), base)

    assert np.isfinite(found.like).all()
    assert np.isfinite(found.chosen.score).all()
    assert 0 <= found.threshold <= 1
    write(tmp_path / "m-a", found)
    assert artifact.load(tmp_path / "m-a").vocabulary == found.vocabulary
    json.dumps(found.account, allow_nan=False)


def test_the_best_checkpoint_is_handed_over(tmp_path: Path) -> None:
    kept: list[dict[str, Any]] = []
    options = replace(QUICK, candidates="embedding")

    found = train(
        prepared(tmp_path, FEW), options, clock=lambda: 0.0, checkpoint=kept.append
    ).chosen

    for name, values in kept[-1].items():
        assert np.array_equal(values, found.weights[name])
