"""No vote of a fold reaches what the fold is judged by, and every vote reaches what ships."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from local.world import make_world
from task import train
from task.artifact import FoldTables
from task.folds import FOLDS, fold_numbers, learned_from, pair, partner
from task.prepare import REAL, Cells, Prepared, prepare
from task.recency import Recency
from tests.learning import NO_BASE, Vote, drawn, fold_of, group_in, small_base, write_votes

FOLD = 3
WORLD = make_world("rules", styles=12, seed=5)
OPTIONS = {
    "hierarchical": train.Options(candidates="hierarchical"),
    "embedding": train.Options(candidates="embedding", max_epochs=3),
    "auto": train.Options(candidates="auto", max_epochs=3),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    path = tmp_path_factory.mktemp("folds") / "votes.parquet"
    return prepare(write_votes(path, drawn(WORLD, 1_500, seed=1)), small_base())


def fitted(prepared: Prepared, kind: str) -> train.Trained:
    return train.train(prepared, OPTIONS[kind], clock=lambda: 0.0)


def tables(prepared: Prepared, kind: str) -> FoldTables:
    return train.fold_tables(fitted(prepared, kind).folds)


def turned(cells: Cells, fold: int) -> Cells:
    """Every vote of a fold is the other way round, and its scores too."""
    there = (cells.source == REAL) & (cells.fold == fold)
    return replace(
        cells,
        n_like=np.where(there, cells.n_dislike, cells.n_like),
        n_dislike=np.where(there, cells.n_like, cells.n_dislike),
        score_sum=np.where(there, 0, cells.score_sum),
        score_square=np.where(there, 0, cells.score_square),
    )


@pytest.mark.parametrize("kind", ["hierarchical", "embedding", "auto"])
def test_a_folds_own_votes_reach_nothing_that_it_is_judged_by(
    prepared: Prepared, kind: str
) -> None:
    before = tables(prepared, kind)

    after = tables(replace(prepared, cells=turned(prepared.cells, FOLD)), kind)

    for name in ("like", "score", "threshold", "constant"):
        ours, theirs = getattr(before, name), getattr(after, name)
        assert np.array_equal(ours[FOLD], theirs[FOLD]), name
    assert before.base is not None
    assert after.base is not None
    assert np.array_equal(before.base, after.base)
    # Then every other fold has learned of it
    for fold in set(range(FOLDS)) - {FOLD}:
        assert not np.array_equal(before.like[fold], after.like[fold]), fold
        assert before.constant[fold] != after.constant[fold]


def test_every_votes_fold_reaches_what_ships(prepared: Prepared) -> None:
    shipped = fitted(prepared, "hierarchical").like

    for fold in range(FOLDS):
        other = replace(prepared, cells=turned(prepared.cells, fold))
        assert not np.array_equal(fitted(other, "hierarchical").like, shipped)


def test_what_is_decided_for_a_fold_is_decided_on_its_partner(prepared: Prepared) -> None:
    found = train.fold_tables(fitted(prepared, "hierarchical").folds)

    assert len(set(found.threshold.tolist())) > 1
    assert [partner(fold) for fold in range(4)] == [1, 0, 3, 2]
    assert {int(pair(fold)) for fold in range(FOLDS)} == set(range(FOLDS // 2))


def test_each_fit_learns_from_the_folds_that_it_does_not_judge() -> None:
    learned = learned_from()

    assert learned[0].all()
    for fold in range(FOLDS):
        assert np.flatnonzero(~learned[1 + fold]).tolist() == [fold]
        without_pair = np.flatnonzero(~learned[1 + FOLDS + pair(fold)])
        assert without_pair.tolist() == sorted([fold, partner(fold)])


@pytest.mark.parametrize("kind", ["hierarchical"])
def test_a_style_of_one_fold_alone_is_unknown_to_the_model_that_judges_it(
    tmp_path: Path, kind: str
) -> None:
    # Given a style that the people of one fold alone were shown, and always liked
    told = [
        Vote(style="새 컷", like=True, group=group_in(FOLD, f"n{number}")) for number in range(30)
    ]
    path = write_votes(tmp_path / "votes.parquet", [*drawn(WORLD, 600, seed=2), *told])

    made = fitted(prepare(path, small_base()), kind)

    known = made.vocabulary
    new, unknown = known.style("새 컷"), 0
    like = train.fold_tables(made.folds).like
    assert new != unknown
    assert like[FOLD, :, :, new] == pytest.approx(like[FOLD, :, :, unknown], abs=1e-6)
    assert (like[FOLD + 1, :, :, new] > like[FOLD + 1, :, :, unknown] + 0.02).any()


def grouped(groups: list[str]) -> Callable[[Path], Prepared]:
    def made(folder: Path) -> Prepared:
        votes = [Vote(group=group, style=f"s{i % 3}") for i, group in enumerate(groups)]
        return prepare(write_votes(folder / "votes.parquet", votes), small_base())

    return made


def test_a_group_stands_in_one_fold_and_stays_there_as_votes_come(tmp_path: Path) -> None:
    groups = [f"g{i % 40}" for i in range(200)]
    few, many = tmp_path / "few", tmp_path / "many"
    few.mkdir()
    many.mkdir()

    first, then = grouped(groups[:80])(few).examples, grouped(groups)(many).examples

    for found, names in ((first, groups[:80]), (then, groups)):
        assert found.fold.tolist() == [fold_of(name) for name in names]
    assert len(set(then.fold.tolist())) > 5


def test_folds_are_other_bytes_of_the_hash_than_the_fixed_split() -> None:
    # Given hashes that differ in their first eight bytes alone
    import pyarrow as pa

    same = [f"{i:016x}" + "0" * 15 + "7" + "f" * 32 for i in (0, 1, 2**63)]

    assert fold_numbers(pa.chunked_array([same])).tolist() == [7, 7, 7]


def test_a_vote_is_counted_once_in_its_groups_fold(prepared: Prepared) -> None:
    for fold in range(FOLDS):
        votes = prepared.examples.where(prepared.examples.fold == fold)
        cells = prepared.cells.where(
            (prepared.cells.source == REAL) & (prepared.cells.fold == fold)
        )

        assert cells.n_like.sum() == votes.like.sum()
        assert cells.n_dislike.sum() == (~votes.like).sum()


def test_base_rows_are_no_votes_of_any_fold(prepared: Prepared) -> None:
    found = train.fold_tables(fitted(prepared, "hierarchical").folds).constant

    for fold in range(FOLDS):
        others = prepared.examples.where(prepared.examples.fold != fold)
        expected = (others.like.sum() + 1) / (len(others) + 2)
        assert found[fold] == pytest.approx(expected)


def test_a_vote_that_is_not_learned_from_names_no_style(tmp_path: Path) -> None:
    # Given a spelling that votes before the window alone have, more often than the other one
    day = 86_400
    old = [Vote(style="새컷", at=0, group=f"o{i}") for i in range(5)]
    votes = [*old, *(Vote(style="새 컷", at=100 * day, group=f"n{i}") for i in range(2))]
    path = write_votes(tmp_path / "votes.parquet", votes)
    recent = Recency(cutoff=100 * day * 1_000_000, window_days=30)

    names = prepare(path, NO_BASE, recent).levels.names

    assert "새 컷" in names
    assert "새컷" not in names
