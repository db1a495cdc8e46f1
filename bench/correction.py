"""4: probabilities corrected for the class weights against those that the networks give."""

from __future__ import annotations

from statistics import median

import numpy as np

from bench.figure import Arm, Figure, Outcome, Round, Size, Target, middle
from bench.networks import Sample, row_trained, sample
from bench.worlds import places
from local.world import KINDS
from task.candidates import EMBEDDING, Options
from task.models.crossed import sigmoid
from task.train import train

VOTES, STYLES = 10_000, 50
BOUND = 0.95

ROWS, CELLS = "on rows", "on cells"
ARMS = (
    Arm(
        name=ROWS,
        says="the network trained on single votes, as in figure 3; its probabilities as they come "
        "and with log(w_like ÷ w_dislike) taken from its logits",
    ),
    Arm(
        name=CELLS,
        says="the shipped network on cells alone (`candidates: embedding`), before recalibration; "
        "the same two forms of its probabilities",
    ),
)


def run(size: Size) -> Outcome:
    """One sample for each kind of world and seed; a pair is one network in its two forms."""
    rounds = [
        _round(sample(kind, seed, votes=VOTES, styles=STYLES))
        for seed in range(size.times(2, 5))
        for kind in KINDS
    ]
    return Outcome(
        arms=ARMS,
        columns=("excess log-loss", "corrected", "as they come", "ratio"),
        lines=tuple(_line(rounds, arm.name, kind) for arm in ARMS for kind in KINDS),
        targets=tuple(_target(rounds, arm.name) for arm in ARMS),
        rounds=tuple(rounds),
        note="10,000 votes, 50 styles; exact; medians over the seeds.",
    )


def _round(found: Sample) -> Round:
    rows = row_trained(found)
    trained = train(found.prepared, Options(candidates=EMBEDDING), clock=lambda: 0.0).chosen
    low, high = trained.class_weights
    at = np.ix_(*places(found.world, found.prepared.levels))
    before = sigmoid(trained.logit + np.log(high / low))
    return {
        "kind": found.kind,
        "seed": found.seed,
        f"{ROWS} corrected": rows.corrected.excess,
        f"{ROWS} plain": rows.plain.excess,
        f"{CELLS} corrected": found.world.excess_log_loss(sigmoid(trained.logit)[at]),
        f"{CELLS} plain": found.world.excess_log_loss(before[at]),
    }


def _line(rounds: list[Round], arm: str, kind: str) -> tuple[str, ...]:
    some = [entry for entry in rounds if entry["kind"] == kind]
    corrected, plain = middle(some, f"{arm} corrected"), middle(some, f"{arm} plain")
    return (f"{arm}, {kind}", f"{corrected:.4f}", f"{plain:.4f}", f"{corrected / plain:.2f}")


def _target(rounds: list[Round], arm: str) -> Target:
    return Target(
        says=f"corrected ÷ as they come, {arm}, median of {len(rounds)} seed-worlds",
        value=median(entry[f"{arm} corrected"] / entry[f"{arm} plain"] for entry in rounds),
        bound=BOUND,
        at_most=True,
    )


FIGURE = Figure(name="4", title="probabilities corrected for class weights", run=run)
