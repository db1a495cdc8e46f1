"""What a look trains, and the gate's evidence about it: worked out once for all who share it.

Policies that train alike share their fits, and those that also have the same champion share the
evaluation; each is charged the processor's time as if it were alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from common.feedback import SPLIT_VERSION
from task import train
from task.artifact import ScoreTable
from task.backtest.history import History, Look, prepared_at
from task.candidates import Options
from task.evaluate import Evaluation, evaluate
from task.judging import Version
from task.prepare import Prepared
from task.recency import Recency
from task.train import Trained, fold_tables


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a policy makes its models; `base` names the base rows that it learns from."""

    options: Options
    half_life_days: int
    window_days: int
    base: str

    def recency(self, look: Look) -> Recency:
        """How much older votes count at a look."""
        return Recency(
            cutoff=look.cutoff, half_life_days=self.half_life_days, window_days=self.window_days
        )


@dataclass(frozen=True, kw_only=True)
class Judging:
    """What an evaluation depends on besides the votes and the versions.

    `report` also draws the interval of F1, which takes long and which `gate: f1` alone needs.
    """

    confidence: float
    max_negative_flips: float
    seed: int
    report: bool = False


class Bench:
    """One look's fits and evaluations. `cpu` gives processor seconds from an arbitrary start."""

    def __init__(
        self, histories: Mapping[str, History], look: Look, cpu: Callable[[], float]
    ) -> None:
        self._histories, self._look, self._cpu = histories, look, cpu
        self._prepared: dict[Training, Prepared] = {}
        self._fits: dict[Training, tuple[Version, float]] = {}
        self._found: dict[tuple[object, ...], tuple[Evaluation, float]] = {}

    def fit(self, training: Training) -> tuple[Version, float]:
        """The version that this look's training makes, and the seconds it took."""
        if training not in self._fits:
            start = self._cpu()
            history, recency = self._histories[training.base], training.recency(self._look)
            prepared = prepared_at(history, self._look.known, recency)
            self._prepared[training] = prepared
            made = train.train(prepared, training.options, clock=self._cpu)
            self._fits[training] = version_of(made, self._look), self._cpu() - start
        return self._fits[training]

    def evaluation(
        self, training: Training, champion: Version | None, anchor: Version | None, judging: Judging
    ) -> tuple[Evaluation, float]:
        """This look's challenger against a champion of the same training, and the seconds."""
        challenger, _ = self.fit(training)
        names = [each and each.table.version for each in (champion, anchor)]
        key = (training, *names, judging)
        if key not in self._found:
            start = self._cpu()
            found = evaluate(
                self._prepared[training],
                challenger,
                champion,
                cutoff=self._look.cutoff,
                anchor=anchor,
                confidence=judging.confidence,
                max_negative_flips=judging.max_negative_flips,
                seed=judging.seed,
                report=judging.report,
            )
            self._found[key] = found, self._cpu() - start
        return self._found[key]


def version_of(made: Trained, look: Look) -> Version:
    """A training's result as it would be published and judged."""
    table = ScoreTable(
        version=name_of(look),
        vocabulary=made.vocabulary,
        score=np.clip(made.chosen.score, 0.0, 1.0).astype(np.float32),
        like=made.like.astype(np.float32),
        threshold=made.threshold,
        metadata={"split_version": SPLIT_VERSION, "kind": made.chosen.name},
    )
    return Version(table=table, folds=fold_tables(made.folds), cutoff=look.cutoff)


def name_of(look: Look) -> str:
    """The version that a look makes, named as a run of that time by hand would be."""
    return f"m-{look.at:%Y%m%dT%H%M%S}000Z"
