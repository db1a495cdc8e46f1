"""Cells are not an approximation: every figure on them is the one over single votes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from task import metrics
from task.candidates import base_counts, fold_counts, network_batch
from task.folds import FOLDS
from task.models.crossed import fit, table
from task.models.embedding import Batch, Network, class_weights, loss, validation_loss
from task.prepare import BASE, SCORE_UNIT
from tests.learning import one_fit, real_cells

SIZES = (3, 3, 4)
CLOSE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Rows:
    """N single votes: predicted probability, vote, codes and score, each (N,)."""

    p: NDArray[np.float64]
    like: NDArray[np.bool_]
    codes: NDArray[np.int64]
    score: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Case:
    """The same votes twice: as C cells, and one by one."""

    p: NDArray[np.float64]
    like: NDArray[np.int64]
    dislike: NDArray[np.int64]
    codes: NDArray[np.int64]
    score: NDArray[np.float64]

    @property
    def rows(self) -> Rows:
        votes = self.like + self.dislike
        pairs = zip(self.like, self.dislike, strict=True)
        return Rows(
            p=np.repeat(self.p, votes),
            like=np.concatenate([np.repeat([True, False], pair) for pair in pairs]),
            codes=np.repeat(self.codes, votes, axis=0),
            score=np.repeat(self.score, votes),
        )


CELL = st.tuples(
    st.integers(0, 20).map(lambda i: i / 20) | st.floats(1e-6, 1 - 1e-6),  # ties are likely
    st.integers(0, 5),
    st.integers(0, 5),
    st.tuples(*(st.integers(0, size - 1) for size in SIZES)),
    st.integers(0, SCORE_UNIT).map(lambda i: i / SCORE_UNIT),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    cells = [c for c in draw(st.lists(CELL, min_size=1, max_size=12)) if c[1] + c[2]]
    assume(cells)
    p, like, dislike, codes, score = (np.array(column) for column in zip(*cells, strict=True))
    return Case(p=p.astype(float), like=like, dislike=dislike, codes=codes, score=score)


def near(value: float) -> object:
    return pytest.approx(value, abs=CLOSE, rel=CLOSE, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_metrics_on_cells_are_those_over_single_votes(case: Case) -> None:
    rows, like, dislike = case.rows, case.like, case.dislike
    y, p = rows.like.astype(float), rows.p

    # Then the losses are plain means over the votes
    safe = np.clip(p, metrics.CLIP, 1 - metrics.CLIP)
    nll = -(y * np.log(safe) + (1 - y) * np.log1p(-safe))
    assert metrics.log_loss(case.p, like, dislike) == near(nll.mean())
    assert metrics.brier(case.p, like, dislike) == near(((y - p) ** 2).mean())

    # And the AUC is the share of pairs in the right order, ties counting one half
    pairs = np.sign(p[rows.like][:, None] - p[~rows.like][None, :])
    expected = float((pairs + 1).mean() / 2) if pairs.size else math.nan
    assert metrics.auc(case.p, like, dislike) == near(expected)

    # And the calibration error is the mean gap of the bins, weighted by their votes
    index = np.minimum(np.floor(p * 10), 9)
    gaps = [
        abs(y[index == i].mean() - p[index == i].mean()) * (index == i).mean() for i in set(index)
    ]
    assert metrics.calibration_error(case.p, like, dislike) == near(sum(gaps))


@settings(max_examples=60, deadline=None)
@given(case=cases(), threshold=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
def test_metrics_on_cells_agree_with_scikit_learn(case: Case, threshold: float) -> None:
    rows, answer = case.rows, case.p >= threshold
    table = metrics.confusion(answer, case.like, case.dislike)
    answers = np.repeat(answer, case.like + case.dislike)
    y = rows.like

    assert table.tolist() == sk.confusion_matrix(y, answers, labels=[False, True]).tolist()
    f1 = sk.f1_score(y, answers, average="weighted", zero_division=0)
    assert float(metrics.weighted_f1(table)) == near(f1)
    assert float(metrics.accuracy(table)) == near(sk.accuracy_score(y, answers))
    assert float(metrics.precision(table)) == near(sk.precision_score(y, answers, zero_division=0))
    assert float(metrics.recall(table)) == near(sk.recall_score(y, answers, zero_division=0))
    assert metrics.brier(case.p, case.like, case.dislike) == near(
        sk.brier_score_loss(y, rows.p, pos_label=True)
    )
    inside = np.clip(rows.p, metrics.CLIP, 1 - metrics.CLIP)
    assert metrics.log_loss(case.p, case.like, case.dislike) == near(
        sk.log_loss(y, inside, labels=[False, True])
    )
    if y.any() and not y.all():
        assert metrics.auc(case.p, case.like, case.dislike) == near(sk.roc_auc_score(y, rows.p))


def batch(
    codes: NDArray[np.int64],
    like: NDArray[np.int64],
    dislike: NDArray[np.int64],
    score: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> Batch:
    """A batch in float64; every vote of a cell has the cell's score."""
    scored = (like + dislike).astype(np.float64)
    return Batch(
        codes=torch.from_numpy(codes),
        weight=torch.from_numpy(weight),
        like=torch.from_numpy(like.astype(np.float64)),
        dislike=torch.from_numpy(dislike.astype(np.float64)),
        scored=torch.from_numpy(scored),
        total=torch.from_numpy(scored * score),
        square=torch.from_numpy(scored * score**2),
    )


def both(case: Case) -> tuple[Batch, Batch]:
    """The case as cells and as single votes; half of the cells weigh one half."""
    weight = np.where(np.arange(len(case.p)) % 2, 0.5, 1.0)
    rows = case.rows
    like = rows.like.astype(np.int64)
    each = np.repeat(weight, case.like + case.dislike)
    return (
        batch(case.codes, case.like, case.dislike, case.score, weight),
        batch(rows.codes, like, 1 - like, rows.score, each),
    )


def network() -> Network:
    """In float64 without dropout."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = Network(SIZES).double()
    made.eval()
    return made


@settings(max_examples=30, deadline=None)
@given(case=cases())
def test_the_networks_loss_and_gradient_on_cells_are_those_over_single_votes(case: Case) -> None:
    gradients, losses = [], []
    for each in both(case):
        made = network()
        value = loss(made, each, class_weights(each))
        value.backward()  # type: ignore[no-untyped-call]
        losses.append(value.item())
        gradients.append([p.grad for p in made.parameters()])

    assert losses[0] == near(losses[1])
    for ours, theirs in zip(*gradients, strict=True):
        assert ours is not None
        assert theirs is not None
        assert torch.allclose(ours, theirs, rtol=CLOSE, atol=CLOSE)


@settings(max_examples=30, deadline=None)
@given(case=cases())
def test_the_networks_loss_is_what_torch_computes_over_single_votes(case: Case) -> None:
    cells, rows = both(case)
    made, weights = network(), class_weights(cells)
    with torch.no_grad():
        score, vote = made(rows.codes)
        # Given torch's own losses of each vote, and the weights of its source and class
        nll = torch.nn.functional.cross_entropy(vote, rows.like.long(), reduction="none")
        error = torch.nn.functional.mse_loss(score, rows.total, reduction="none")
        each = rows.weight * weights[rows.like.long()]
        expected = (rows.weight * error).sum() / rows.weight.sum()
        expected = expected + 2.0 * (each * nll).sum() / each.sum()

        assert float(loss(made, cells, weights)) == near(float(expected))
        assert validation_loss(made, cells, weights) == near(validation_loss(made, rows, weights))


@settings(max_examples=25, deadline=None)
@given(case=cases(), scored=st.booleans())
def test_the_hierarchical_fit_on_cells_is_that_over_single_votes(case: Case, scored: bool) -> None:
    rows, votes = case.rows, case.like + case.dislike
    of_cells = case.score * votes if scored else case.like.astype(float)
    of_rows = rows.score if scored else rows.like.astype(float)
    squares = float((rows.score**2).sum()) if scored else None

    tables = [
        table(fit(one_fit(summed(codes, n), summed(codes, total), squares)), SIZES)
        for codes, n, total in (
            (case.codes, votes.astype(float), of_cells),
            (rows.codes, np.ones(len(rows.like)), of_rows),
        )
    ]

    assert np.allclose(tables[0], tables[1], rtol=0, atol=CLOSE)


def summed(codes: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of cells or votes (N,) at their codes (N, 3) as a table."""
    at = np.ravel_multi_index(codes.T, SIZES)
    return np.asarray(np.bincount(at, values, int(np.prod(SIZES))).reshape(SIZES), dtype=np.float64)


@settings(max_examples=30, deadline=None)
@given(case=cases(), fold=st.integers(0, FOLDS - 1))
def test_cells_reach_the_models_as_they_were_counted(case: Case, fold: int) -> None:
    face, tone, style = case.codes.T
    cells = real_cells(fold, face, tone, style, case.like, case.dislike, case.score)
    expected = batch(case.codes, case.like, case.dislike, case.score, np.ones(len(case.p)))

    for name, values in vars(network_batch(cells, 2.0, 1)).items():
        assert torch.allclose(values.double(), vars(expected)[name].double(), rtol=1e-6), name
    # And weighted ones as the votes that they stand for
    halves = network_batch(cells, 2.0, 2)
    assert torch.allclose((2 * halves.weight * halves.like).double(), expected.like.double())
    votes = summed(case.codes, (case.like + case.dislike).astype(float))
    scores = summed(case.codes, (case.like + case.dislike) * case.score)
    for unit in (1, 1_000):
        found = fold_counts(cells, SIZES, unit)
        assert not np.delete(found.n, fold, axis=0).any()
        assert np.array_equal(found.n[fold], votes / unit)
        assert np.array_equal(found.scored[fold], votes / unit)
        assert np.array_equal(found.like[fold], summed(case.codes, case.like.astype(float)) / unit)
        assert np.allclose(found.score_sum[fold], scores / unit)
        assert found.score_square[fold] == near((case.rows.score**2).sum() / unit)
    base = replace(cells, source=np.full_like(cells.source, BASE))
    likes, scored = base_counts(base, SIZES, 0.5)
    assert np.array_equal(likes.n[0], votes / 2)
    assert np.array_equal(scored.n[0], votes / 2)
    assert np.allclose(scored.total[0], scores / 2)
    assert scored.squares is not None
    assert scored.squares[0] == near((case.rows.score**2).sum() / 2)
    assert not fold_counts(base, SIZES, 1).n.any()
