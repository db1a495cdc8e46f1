"""How well somebody answered the votes of a week, in sums that add up over the weeks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from task import metrics
from task.paired import losses
from task.prepare import Examples

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Score:
    """Sums over votes: log-loss in nats, ordered pairs of a like and a dislike, answers.

    Pairs are of the same week, so that an AUC over weeks is not about how the weeks differ.
    `table` counts [[true −, false +], [false −, true +]]. `excess` is the expected log-loss above
    the truth's own, None where the truth is unknown.
    """

    votes: int
    loss: float
    pairs: float
    ordered: float
    table: NDArray[np.int64]
    excess: float | None

    def figures(self) -> dict[str, float | None]:
        """Log-loss, AUC, F1 and excess; None where the votes do not say."""
        return {
            "log_loss": self.loss / self.votes if self.votes else None,
            "auc": self.ordered / self.pairs if self.pairs else None,
            "f1": float(metrics.weighted_f1(self.table)) if self.votes else None,
            "excess": self.excess / self.votes if self.votes and self.excess is not None else None,
        }


def score(
    votes: Examples, p: Floats, answer: NDArray[np.bool_], truth: Floats | None = None
) -> Score:
    """The score of like probabilities and answers; all (N,), `truth` the true probabilities."""
    like = votes.like.astype(np.int64)
    pairs = float(like.sum()) * float(len(like) - like.sum())
    return Score(
        votes=len(like),
        loss=float(losses(votes, p).sum()),
        pairs=pairs,
        ordered=metrics.auc(p, like, 1 - like) * pairs if pairs else 0.0,
        table=metrics.confusion(answer, like, 1 - like),
        excess=None if truth is None else _excess(p, truth),
    )


def total(scores: Iterable[Score]) -> Score:
    """The sum of the scores of several weeks."""
    every = list(scores)
    known = [each.excess for each in every if each.excess is not None]
    return Score(
        votes=sum(each.votes for each in every),
        loss=sum(each.loss for each in every),
        pairs=sum(each.pairs for each in every),
        ordered=sum(each.ordered for each in every),
        table=sum((each.table for each in every), start=np.zeros((2, 2), dtype=np.int64)),
        excess=sum(known) if known and len(known) == len(every) else None,
    )


def _excess(p: Floats, truth: Floats) -> float:
    (of_like, of_dislike), (best_like, best_dislike) = map(metrics.log_losses, (p, truth))
    worse = truth * (of_like - best_like) + (1.0 - truth) * (of_dislike - best_dislike)
    return float(worse.sum())
