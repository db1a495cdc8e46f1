"""9: the ten best styles from the published table, against the network asked each time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from time import process_time

import numpy as np
import torch

from api.model import Model, made, tone_of
from bench import served
from bench.figure import (
    Arm,
    Figure,
    Outcome,
    Round,
    Size,
    Target,
    alternated,
    middle,
    ratio,
)
from bench.served import PAIRS, THRESHOLD, VERSION
from common import feedback
from common.registry.records import HistoryEntry
from task.artifact import ScoreTable
from task.features import Vocabulary
from task.models.embedding import Network

FASTER = {500: 30.0, 100_000: 500.0}
"""Styles → how many times faster the table must be."""
TEN = 10

TABLE, SORTED, TORCH = "table", "table, put in order each time", "torch eager"
ARMS = (
    Arm(
        name=TABLE,
        says="`api.model`, as the service answers: names to codes, then the first ten of a "
        "ranking that was made when the version was loaded",
    ),
    Arm(
        name=TORCH,
        says="the task's own embedding network, eager, one thread, no gradients: the same names "
        "to codes, one pass over all styles of that face and tone in one batch whose style codes "
        "are prepared, `topk`, codes to names",
    ),
    Arm(
        name=SORTED,
        says="for information, no target: the table without prepared rankings, `argpartition` of "
        "its row and a sort of ten",
    ),
)
Ask = Callable[[str, str], list[str]]


def run(size: Size) -> Outcome:
    """All arms at both sizes on every face and colour; the answers are compared first."""
    rounds: list[Round] = [{} for _ in range(size.times(5, 15))]
    lines, targets = [], []
    for styles, faster in FASTER.items():
        known = served.vocabulary(styles)
        network = served.network(known)
        table = score_table(network, known)
        start = process_time()
        model = loaded(table)
        loading = process_time() - start
        arms = {TABLE: from_model(model), TORCH: eager(network, known), SORTED: sorting(table)}
        same = agreeing(arms[TABLE], arms[TORCH])
        calls = {name: _timed(ask, name) for name, ask in arms.items()}
        for entry, found in zip(rounds, alternated(calls, len(rounds)), strict=True):
            entry |= {f"{styles} {name}": seconds for name, seconds in found.items()}
        rounds[0][f"{styles} loading"] = loading
        lines.append(_line(rounds, styles, loading, same))
        targets += [_faster(rounds, styles, faster), _same(styles, same)]
    return Outcome(
        arms=ARMS,
        columns=("CPU time of one answer", *(arm.name for arm in ARMS), "rankings made", "same"),
        lines=tuple(lines),
        targets=tuple(targets),
        rounds=tuple(rounds),
        note=f"{len(PAIRS)} pairs of face and colour. The rankings are made once a version; "
        "their time stands beside.",
    )


def score_table(network: Network, known: Vocabulary) -> ScoreTable:
    """What would be published of the network."""
    score, like = served.tables(network, known)
    return ScoreTable(
        version=VERSION,
        vocabulary=known,
        score=score,
        like=like,
        threshold=THRESHOLD,
        metadata={},
    )


def loaded(table: ScoreTable) -> Model:
    """The model that the service would make of a table."""
    now = datetime.now(UTC)
    entry = HistoryEntry(
        serial=1, version=VERSION, previous=None, run_id=None, action="promote", at=now, sha="0"
    )
    return made(entry, table, now)


def from_model(model: Model) -> Ask:
    """The service's own way."""

    def ask(face: str, colour: str) -> list[str]:
        found = model.recommend(face, tone_of(None, colour), k=TEN, without=())
        return [style.name for style in found]

    return ask


def sorting(table: ScoreTable) -> Ask:
    """The table, without anything prepared."""
    known = table.vocabulary

    def ask(face: str, colour: str) -> list[str]:
        at = known.face(feedback.face_shape(face)), known.tone(feedback.skin_tone(colour))
        row = table.like[at][1:]
        best = np.argpartition(row, -TEN)[-TEN:]
        order = best[np.argsort(-row[best], kind="stable")] + 1
        return [known.names[code] for code in order.tolist()]

    return ask


def eager(network: Network, known: Vocabulary) -> Ask:
    """The network, asked each time."""
    torch.set_num_threads(1)
    asked = served.codes(known, 0, 0)

    def ask(face: str, colour: str) -> list[str]:
        asked[:, 0] = known.face(feedback.face_shape(face))
        asked[:, 1] = known.tone(feedback.skin_tone(colour))
        _, like = served.answers(network, asked)
        best = torch.topk(like[1:], TEN).indices + 1  # the unknown style is none
        return [known.names[code] for code in best.tolist()]

    return ask


def agreeing(one: Ask, other: Ask, pairs: Sequence[tuple[str, str]] = PAIRS) -> float:
    """The share of pairs with the same ten styles in the same order."""
    return sum(one(*pair) == other(*pair) for pair in pairs) / len(pairs)


def _timed(ask: Ask, name: str) -> Callable[[], float]:
    """CPU seconds of one answer: the mean over all pairs, many times where it is short."""
    again = 200 if name == TABLE else 1

    def measure() -> float:
        start = process_time()
        for _ in range(again):
            for pair in PAIRS:
                ask(*pair)
        return (process_time() - start) / (again * len(PAIRS))

    return measure


def _line(rounds: list[Round], styles: int, loading: float, same: float) -> tuple[str, ...]:
    times = (middle(rounds, f"{styles} {arm.name}") * 1e6 for arm in ARMS)
    shown = (f"{time:,.1f} µs" for time in times)
    return (f"{styles:,} styles", *shown, f"{loading * 1e3:,.1f} ms", f"{same:.0%}")


def _faster(rounds: list[Round], styles: int, bound: float) -> Target:
    value = ratio(rounds, f"{styles} {TORCH}", f"{styles} {TABLE}")
    return Target(says=f"{styles:,} styles, {TORCH} ÷ {TABLE}", value=value, bound=bound)


def _same(styles: int, same: float) -> Target:
    return Target(says=f"{styles:,} styles, share of identical answers", value=same, bound=1.0)


FIGURE = Figure(name="9", title="the ten best styles", run=run)
