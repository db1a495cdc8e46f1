"""Scores add up over weeks, and the truth of a simulated world fits the votes it is given for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from common.errors import UsageError
from task.backtest import truth
from task.backtest.history import taken
from task.backtest.score import score, total
from tests.unit.backtests import past, stream, truth_of


def test_figures_are_those_of_the_rows(tmp_path: Path) -> None:
    votes = past(stream(), tmp_path).votes
    p = np.random.default_rng(1).uniform(0.05, 0.95, len(votes))

    found = score(votes, p, p >= 0.6).figures()

    assert found["log_loss"] == pytest.approx(log_loss(votes.like, p))
    assert found["auc"] == pytest.approx(roc_auc_score(votes.like, p))
    assert found["f1"] == pytest.approx(f1_score(votes.like, p >= 0.6, average="weighted"))
    assert found["excess"] is None


def test_weeks_add_up_but_pairs_are_of_one_week(tmp_path: Path) -> None:
    votes = past(stream(), tmp_path).votes
    weeks = [taken(votes, slice(start, start + 100)) for start in range(0, 600, 100)]
    # Given a constant of each week that says nothing within it
    scores = [score(w, np.full(100, w.like.mean()), np.ones(100, dtype=bool)) for w in weeks]

    found = total(scores)

    assert found.votes == 600
    assert found.loss == pytest.approx(sum(each.loss for each in scores))
    assert found.figures()["auc"] == 0.5
    assert total([]).figures() == {"log_loss": None, "auc": None, "f1": None, "excess": None}


def test_the_excess_is_what_is_expected_above_the_truth(tmp_path: Path) -> None:
    votes = past(stream(), tmp_path).votes
    true, p = np.full(len(votes), 0.7), np.full(len(votes), 0.5)

    found = score(votes, p, p >= 0.5, true).figures()["excess"]

    assert found == pytest.approx(0.7 * np.log(0.7 / 0.5) + 0.3 * np.log(0.3 / 0.5))
    assert score(votes, true, p >= 0.5, true).figures()["excess"] == 0.0


def test_the_truth_is_found_for_each_vote_in_its_week(tmp_path: Path) -> None:
    made = stream()
    of = past(made, tmp_path)

    assert np.array_equal(truth.read(tmp_path / "truth.npz", of), truth_of(made, of))


def test_a_truth_of_another_world_is_refused(tmp_path: Path) -> None:
    of = past(stream(), tmp_path)
    with np.load(tmp_path / "truth.npz") as file:
        arrays = dict(file)
    fewer = arrays | {"like": arrays["like"][..., 1:], "styles": arrays["styles"][1:]}
    np.savez(tmp_path / "other.npz", **fewer)

    with pytest.raises(UsageError, match=r"every vote, got [0-9]+ votes that it does not know"):
        truth.read(tmp_path / "other.npz", of)


@pytest.mark.parametrize(
    "content", [b"", b"no file of arrays", None], ids=["empty", "text", "none"]
)
def test_a_file_that_is_no_truth_is_named(content: bytes | None, tmp_path: Path) -> None:
    of = past(stream(), tmp_path)
    path = tmp_path / "no.npz"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UsageError, match=r"--truth must be an \.npz file with like, start"):
        truth.read(path, of)
