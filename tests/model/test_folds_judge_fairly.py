"""Nothing that is judged on a fold has been decided on it: not a table, not a threshold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.feedback import FACE_SHAPES
from local.world import make_world
from task import prepare
from task.folds import FOLDS, partner
from task.train import Options, Trained, train
from tests.learning import Vote, drawn, small_base, write_votes

STYLES = make_world("rules", styles=12, seed=1)
VOTES = drawn(STYLES, 1_500, seed=1)
OPTIONS = {
    "hierarchical": Options(candidates="hierarchical"),
    "embedding": Options(candidates="embedding", max_epochs=2),
    "auto": Options(max_epochs=2),
}


def trained(folder: Path, votes: Iterable[Vote], kind: str) -> Trained:
    got = prepare.prepare(write_votes(folder / "votes.parquet", votes), small_base())
    return train(got, OPTIONS[kind], clock=lambda: 0.0)


def upside_down(vote: Vote) -> Vote:
    """The contrary vote of another person with another score, on another style."""
    style = STYLES.styles[(STYLES.styles.index(vote.style) + 5) % 12]
    face = FACE_SHAPES[(FACE_SHAPES.index(vote.face or "") + 1) % 5]
    return replace(vote, like=not vote.like, style=style, face=face, tone="쿨톤", score=0.01)


def judges(found: Trained, fold: int) -> list[bytes]:
    """All that a fold is judged by."""
    models = found.folds
    tables = models.like[fold], models.score[fold], models.threshold[fold], models.constant[fold]
    return [np.asarray(values).tobytes() for values in tables]


@pytest.fixture(scope="module", params=list(OPTIONS))
def before(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return trained(tmp_path_factory.mktemp("before"), VOTES, request.param)


def kind_of(before: Trained, request: pytest.FixtureRequest) -> str:
    return str(request.node.callspec.params["before"])


@pytest.mark.parametrize("fold", [0, 1, 6])
def test_whatever_the_votes_of_a_fold_are_it_is_judged_by_the_same_models(
    tmp_path: Path, before: Trained, request: pytest.FixtureRequest, fold: int
) -> None:
    changed = [upside_down(vote) if vote.fold == fold else vote for vote in VOTES]

    after = trained(tmp_path, changed, kind_of(before, request))

    assert after.vocabulary == before.vocabulary
    assert judges(after, fold) == judges(before, fold)
    # And every other fold's model has learned from those votes
    learned = [other for other in range(FOLDS) if other not in (fold, partner(fold))]
    assert all(judges(after, other) != judges(before, other) for other in learned)
    assert not np.array_equal(after.like, before.like)


def test_the_partner_fold_alone_decides_the_threshold_of_a_fold(tmp_path: Path) -> None:
    # Given a fold whose partner is turned
    before = trained(tmp_path, VOTES, "hierarchical")
    changed = [upside_down(vote) if vote.fold == partner(6) else vote for vote in VOTES]

    after = trained(tmp_path, changed, "hierarchical")

    assert after.folds.threshold[6] != before.folds.threshold[6]
    assert np.array_equal(after.chosen.pair_logit[3], before.chosen.pair_logit[3])


def test_no_group_stands_in_two_folds() -> None:
    folds: dict[str, set[int]] = {}
    for vote in VOTES:
        folds.setdefault(vote.group, set()).add(vote.fold)

    assert all(len(stands) == 1 for stands in folds.values())
    assert max(sum(v.group == g for v in VOTES) for g in list(folds)[:99]) > 1
