"""3: the shipped model against the row-trained network at 10,000 votes."""

from __future__ import annotations

from statistics import median
from time import process_time

import numpy as np

from bench.figure import Arm, Figure, Outcome, Round, Size, Target, middle, milliseconds
from bench.networks import Sample, row_trained, sample
from bench.worlds import Quality, places, quality
from local.world import KINDS
from task.candidates import HIERARCHICAL, Options
from task.train import train

VOTES = 10_000
STYLES = (50, 200)
EXCESS, F1_LOSS = 0.90, 0.005

SHIPPED, CALIBRATED, CORRECTED, PLAIN = "shipped", "calibrated", "corrected", "as it comes"
ARMS = (
    Arm(
        name=SHIPPED,
        says="`task.train` with its defaults on all 10,000 votes: the hierarchical fit and the "
        "network on cells, the better one by cross-fitted log-loss, recalibrated and with a "
        "threshold from the same; it needs no votes held out",
    ),
    Arm(
        name=PLAIN,
        says="the same layers trained on rows in shuffled batches of 64, at most 50 epochs, "
        "stopped on two folds held out with patience 7; answers at 0.5: as such networks are "
        "deployed",
    ),
    Arm(
        name=CORRECTED,
        says="the same network, its logits less what the class weights added; answers at 0.5. "
        "The opponent of the promise",
    ),
    Arm(
        name=CALIBRATED,
        says="the same, then recalibrated with a threshold from these two folds in the way that "
        "the shipped model is: the hardest opponent, no target for its log-loss",
    ),
)


def run(size: Size) -> Outcome:
    """One sample for each kind of world, number of styles and seed. No base data in any arm."""
    rounds = [
        _round(sample(kind, seed, votes=VOTES, styles=styles))
        for styles in (STYLES if size.full else STYLES[:1])
        for seed in range(size.times(2, 5))
        for kind in KINDS
    ]
    chosen = sum(entry["chosen"] == HIERARCHICAL for entry in rounds)
    return Outcome(
        arms=ARMS,
        columns=("median over seeds", *(arm.name for arm in ARMS)),
        lines=tuple(_lines(rounds)),
        targets=tuple(_targets(rounds)),
        rounds=tuple(rounds),
        note=(
            f"Hierarchical was shipped in {chosen} of {len(rounds)}. The network learns from seven "
            "folds and stops by two, as it must; the shipped model learns from all ten. Quality is "
            "exact: over infinitely many votes."
        ),
    )


def _round(found: Sample) -> Round:
    start = process_time()
    trained = train(found.prepared, Options(), clock=process_time)
    seconds = process_time() - start
    p = trained.like[np.ix_(*places(found.world, trained.vocabulary))]
    network = row_trained(found)
    return {
        "kind": found.kind,
        "styles": len(found.world.styles),
        "seed": found.seed,
        "chosen": trained.chosen.name,
        **_values(SHIPPED, quality(found.world, p, trained.threshold)),
        **_values(CORRECTED, network.corrected),
        **_values(PLAIN, network.plain),
        **_values(CALIBRATED, network.calibrated),
        f"{SHIPPED} seconds": seconds,
        "network seconds": network.seconds,
        "epochs": network.epochs,
    }


def _values(arm: str, found: Quality) -> Round:
    return {f"{arm} {name}": value for name, value in vars(found).items()}


def _lines(rounds: list[Round]) -> list[tuple[str, ...]]:
    lines = []
    arms = [arm.name for arm in ARMS]
    for styles in sorted({entry["styles"] for entry in rounds}):
        for kind in KINDS:
            some = [e for e in rounds if (e["styles"], e["kind"]) == (styles, kind)]
            for metric in ("excess", "auc", "f1"):
                values = (f"{middle(some, f'{arm} {metric}'):.4f}" for arm in arms)
                lines.append((f"{metric}, {styles} styles, {kind}", *values))
    network = milliseconds(middle(rounds, "network seconds"))
    times = [milliseconds(middle(rounds, f"{SHIPPED} seconds")), network, network, network]
    lines.append(("CPU time of training", *times))
    return lines


def _targets(rounds: list[Round]) -> list[Target]:
    n = f"median of {len(rounds)} seed-worlds"
    return [
        Target(
            says=f"excess log-loss, {SHIPPED} ÷ {CORRECTED}, {n}",
            value=median(e[f"{SHIPPED} excess"] / e[f"{CORRECTED} excess"] for e in rounds),
            bound=EXCESS,
            at_most=True,
        ),
        Target(
            says=f"AUC, {SHIPPED} − {CORRECTED}, {n}",
            value=median(e[f"{SHIPPED} auc"] - e[f"{CORRECTED} auc"] for e in rounds),
            bound=0.0,
        ),
        Target(
            says=f"F1, {SHIPPED} − the network's best answers of the three, {n}",
            value=median(
                e[f"{SHIPPED} f1"] - max(e[f"{arm} f1"] for arm in (PLAIN, CORRECTED, CALIBRATED))
                for e in rounds
            ),
            bound=-F1_LOSS,
        ),
    ]


FIGURE = Figure(name="3", title="the shipped model against a network on rows", run=run)
