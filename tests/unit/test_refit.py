"""The model that ships must answer like its folds, or what was proved of them is not of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from local.world import make_world
from task import train
from task.evaluate import evaluate
from task.prepare import REAL, Prepared, prepare
from task.refit import MOST, MOST_OF_A_STYLE, Refit, compare
from tests.compared import version
from tests.learning import drawn, score_table, small_base, write_votes

Floats = NDArray[np.float64]
WORLD = make_world("rules", styles=24, seed=3)
FAST = train.Options(candidates="hierarchical")
SHAPE = (2, 1, 3)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Votes, the model fitted on them and its folds' models."""

    prepared: Prepared
    trained: train.Trained

    def judged(self, like: Floats) -> Refit:
        """The check, were this table (F, T, S) what ships."""
        folds = train.fold_tables(self.trained.folds)
        ships = version(score_table(self.trained.vocabulary, like), like=folds.like)
        return evaluate(self.prepared, ships, None, cutoff=0, report=False).refit


def fitted(folder: Path, votes: int, seed: int) -> Fitted:
    path = write_votes(folder / "votes.parquet", drawn(WORLD, votes, seed))
    prepared = prepare(path, small_base())
    return Fitted(prepared=prepared, trained=train.train(prepared, FAST, clock=lambda: 0.0))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return fitted(tmp_path_factory.mktemp("refit"), 3_000, seed=1)


@pytest.mark.parametrize("votes", [40, 400, 3_000])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_sound_refit_answers_like_its_folds(tmp_path: Path, votes: int, seed: int) -> None:
    made = fitted(tmp_path, votes, seed)

    found = made.judged(made.trained.like)

    assert found.alike
    assert found.overall < 0.5


def noisy(like: Floats) -> Floats:
    """Noise of 0.6 on the logits."""
    logit = np.log(like / (1 - like)) + np.random.default_rng(4).normal(0.0, 0.6, like.shape)
    return np.asarray(1 / (1 + np.exp(-logit)))


def swapped(like: Floats) -> Floats:
    """The most and the least liked style change places."""
    order = np.argsort(like.mean(axis=(0, 1)))
    changed = like.copy()
    changed[..., [order[0], order[-1]]] = like[..., [order[-1], order[0]]]
    return changed


def constant(like: Floats) -> Floats:
    return np.full_like(like, like.mean())


@pytest.mark.parametrize("broken", [noisy, swapped, constant, lambda like: 1 - like])
def test_a_refit_that_went_wrong_alone_is_caught(
    sound: Fitted, broken: Callable[[Floats], Floats]
) -> None:
    assert sound.judged(sound.trained.like).alike
    assert not sound.judged(broken(sound.trained.like)).alike


def test_a_refit_on_labels_of_which_a_tenth_is_flipped_is_caught(sound: Fitted) -> None:
    # Given the same votes, a tenth of them turned round for the refit alone
    cells, rng = sound.prepared.cells, np.random.default_rng(6)
    real = cells.source == REAL
    up = np.where(real, rng.binomial(cells.n_dislike, 0.1), 0)
    down = np.where(real, rng.binomial(cells.n_like, 0.1), 0)
    flipped = replace(
        sound.prepared,
        cells=replace(
            cells, n_like=cells.n_like + up - down, n_dislike=cells.n_dislike + down - up
        ),
    )

    refit = train.train(flipped, FAST, clock=lambda: 0.0).like

    assert not sound.judged(refit).alike


def folds(spread: float) -> Floats:
    """Ten folds around 0 in logits, half of them this far on either side: (10, *SHAPE)."""
    sides = np.resize([spread, -spread], 10)[:, None, None, None]
    return np.array(1 / (1 + np.exp(-np.broadcast_to(sides, (10, *SHAPE)))))


def at(logit: float) -> Floats:
    return np.full(SHAPE, 1 / (1 + np.exp(-logit)))


@pytest.mark.parametrize("distance, alike", [(0.0, True), (0.19, True), (0.21, False)])
def test_the_bound_is_the_farthest_fold(distance: float, alike: bool) -> None:
    found = compare(at(distance), folds(0.2), np.ones(SHAPE))

    assert found.alike is alike
    assert found.overall == pytest.approx(distance**2 / (0.2**2 + 0.01**2))


def test_where_two_answers_are_open_the_whole_may_take_the_one_that_one_fold_took() -> None:
    tables = folds(0.0)
    tables[3] = at(1.0)

    assert compare(at(0.9), tables, np.ones(SHAPE)).alike
    assert not compare(at(1.2), tables, np.ones(SHAPE)).alike


def test_cells_without_votes_do_not_count() -> None:
    votes, ships = np.ones(SHAPE), at(0.0)
    votes[1], ships[1] = 0.0, 0.999

    assert compare(ships, folds(0.2), votes).overall == pytest.approx(0.0, abs=1e-12)
    assert compare(ships, folds(0.2), np.zeros(SHAPE)) == Refit(overall=0.0, worst_style=0.0)


def test_one_style_alone_can_be_too_far() -> None:
    # Given a rare style that is answered the other way round
    votes, ships = np.full(SHAPE, 1_000.0), at(0.0)
    votes[..., 2], ships[..., 2] = 1.0, 0.9

    found = compare(ships, folds(0.2), votes)

    assert found.overall < MOST
    assert found.worst_style > MOST_OF_A_STYLE
    assert not found.alike


def test_folds_that_all_agree_leave_room_for_a_rounding_and_no_more() -> None:
    assert compare(at(0.009), folds(0.0), np.ones(SHAPE)).alike
    assert not compare(at(0.011), folds(0.0), np.ones(SHAPE)).alike


def test_certain_answers_are_no_infinite_distance() -> None:
    found = compare(np.ones(SHAPE), np.zeros((10, *SHAPE)), np.ones(SHAPE))

    assert np.isfinite(found.overall)
    assert not found.alike
