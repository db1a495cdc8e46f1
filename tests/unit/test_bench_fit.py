"""The benches of the fit: their votes are the world's, and their opponents do the same work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import preparing
from bench.fit import LEARNED, by_fold, coded, heads
from bench.networks import cells_in, row_data, sample
from bench.sweeps import swept
from bench.worlds import fold_of, levels_of, places, prepared, quality
from common.feedback import FACE_SHAPES
from local.world import make_world
from task import metrics
from task.candidates import merged, network_batch
from task.folds import FOLDS, learned_from
from task.models.crossed import sigmoid
from tests.learning import counts_of


def test_prepared_votes_hold_each_vote_once() -> None:
    # Given votes of a world
    world = make_world("rules", styles=12, seed=1)
    votes = world.sample(3_000, seed=1)
    fold = fold_of(votes.group, 1)

    # When they are prepared
    found = prepared(world, votes, fold)

    # Then each stands in the cell of its own fold and names
    cells, levels = found.cells, found.levels
    assert cells.votes == 3_000
    assert len(found.examples) == 3_000
    assert np.array_equal(found.examples.like, votes.like)
    one = int(np.flatnonzero(fold == 4)[7])
    names = FACE_SHAPES[votes.face[one]], world.styles[votes.style[one]]
    same = (
        (fold == 4)
        & (votes.face == votes.face[one])
        & (votes.tone == votes.tone[one])
        & (votes.style == votes.style[one])
    )
    tone = places(world, levels)[1][votes.tone[one]]
    where = (cells.face == levels.face(names[0])) & (cells.tone == tone)
    where &= (cells.style == levels.style(names[1])) & (cells.fold == 4)
    assert int(cells.n_like[where].sum()) == int(votes.like[same].sum())
    assert int(cells.n_dislike[where].sum()) == int((~votes.like[same]).sum())


def test_a_drawn_group_stands_in_one_fold_alone() -> None:
    votes = make_world("rules", styles=12, seed=1).sample(20_000, seed=2)
    fold = fold_of(votes.group, 2)

    stands = np.zeros((int(votes.group.max()) + 1, FOLDS), dtype=bool)
    stands[votes.group, fold] = True
    assert (stands.sum(axis=1) == 1).all()
    assert np.bincount(fold) / len(fold) == pytest.approx([0.1] * FOLDS, abs=0.015)


def test_the_fit_before_this_one_still_finds_what_it_found() -> None:
    # Given a world, and what that fit reached on its votes when it was the shipped one
    world = make_world("rules", styles=30, seed=1)
    counts = counts_of(world, 3_000, seed=1)

    logit, sweeps = swept(counts.n[0], counts.total[0])

    assert sweeps == 40  # it never settled
    assert world.excess_log_loss(sigmoid(logit)) == pytest.approx(0.0235939258, abs=1e-9)


def test_exact_quality_is_what_very_many_votes_show() -> None:
    # Given a table that is not the truth
    world = make_world("random", styles=10, seed=4)
    p = np.clip(world.p_like + 0.1, 0.0, 0.99)

    # When a million votes are drawn
    votes = world.sample(1_000_000, seed=5)
    seen = p[votes.face, votes.tone, votes.style]
    like = votes.like.astype(np.int64)

    # Then their metrics are the exact ones but for chance
    exact = quality(world, p, 0.7)
    table = metrics.confusion(seen >= 0.7, like, 1 - like)
    assert exact.f1 == pytest.approx(float(metrics.weighted_f1(table)), abs=0.003)
    assert exact.auc == pytest.approx(metrics.auc(seen, like, 1 - like), abs=0.003)
    assert quality(world, world.p_like, 0.5).excess == pytest.approx(0, abs=1e-12)


def test_the_network_on_rows_and_on_cells_has_the_same_loss() -> None:
    # Given one network and the same votes as rows and as cells
    from bench.rows_network import Trainer
    from task.models import embedding

    found = sample("random", 1, votes=1_000, styles=10)
    rows, _ = row_data(found)
    trainer = Trainer(levels_of(found.world).sizes, rows, seed=0, loader=False)
    cells = network_batch(merged(cells_in(found, LEARNED)), 1.0, 1)

    # Then the two trainings differ in how they go about it, not in what they minimise
    trainer.network.eval()
    weights = embedding.class_weights(cells)
    over_cells = float(embedding.loss(trainer.network, cells, weights).detach())
    assert trainer.held_out(rows) == pytest.approx(over_cells, rel=1e-5)


def test_both_arms_of_the_preparation_find_the_same_votes(tmp_path: Path) -> None:
    path = str(preparing.write_snapshot(tmp_path / "votes.parquet", 3_000))

    ours, theirs = preparing.ours(path), preparing.duckdb(path)

    assert ours == theirs
    assert ours["votes"] == ours["votes one by one"] == 3_000


def test_every_fit_of_the_speed_figure_learns_from_the_votes_outside_its_folds() -> None:
    data = coded(4_000, 20)

    likes, scores = heads(by_fold(data, seed=1), learned_from())

    assert likes.n[0].sum() == scores.n[0].sum() == 4_000
    assert likes.total[0].sum() == data.votes.like.sum()
    assert likes.n[1 : 1 + FOLDS].sum() == 9 * 4_000
    assert scores.squares is not None
    assert scores.squares[0] == pytest.approx((data.votes.score**2).sum())
