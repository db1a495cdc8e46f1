"""gate: how often an equal challenger is promoted, and how often a better one.

"Equal" must be exact, or a promotion could be right. So the world's styles come in twins with
the same tastes and the same share of the votes, and the challenger is the champion with each
pair of twins exchanged: it answers differently, and F1, log-loss and all else are the same in
infinitely many votes. Not two models trained on two samples: those are equal on average only,
and promoting the luckier one is no error; they are shown below for information.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from bench.figure import Arm, Figure, Outcome, Round, Size, Target
from bench.worlds import fold_of, levels_of, places, prepared, quality
from local.world import KINDS, World, make_world, style_names
from task import evaluate, gate, train
from task.artifact import ScoreTable
from task.models.crossed import sigmoid
from task.prepare import Prepared

Floats = NDArray[np.float64]

STYLES = 40
"""Twenty pairs of twins."""
NOISE = 0.8
"""Standard deviation, in logits, of the errors of the models that are close to the truth."""
GAIN, GAIN_VOTES = 0.05, 20_000
VOTES = (55, 500, 5_000)
BOUND, POWER = 0.08, 0.80
THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Two tables of like probabilities (F, T, S) in the world's order, and the votes."""

    world: World
    prepared: Prepared
    champion: Floats
    challenger: Floats
    threshold: float = THRESHOLD

    @property
    def gain(self) -> float:
        """By how much the challenger's F1 is truly higher."""
        f1 = [quality(self.world, p, self.threshold).f1 for p in (self.champion, self.challenger)]
        return f1[1] - f1[0]


Maker = Callable[[int, int], Contest]
"""Votes and seed → a contest."""

ARMS = (
    Arm(
        name="twins, near the truth",
        says=f"the champion is the truth with errors of {NOISE} logits; the challenger is the "
        "champion with all twins exchanged: exactly equal, and both far above the majority class",
    ),
    Arm(
        name="twins, trained",
        says="the same, but the champion is the shipped hierarchical fit with its recalibration "
        "and threshold, trained on the 70 % of these votes that are in train",
    ),
    Arm(
        name="two histories",
        says="for information, no target: both are trained, each on votes of its own of the same "
        "number; counted are promotions of a challenger whose F1 is truly not higher",
    ),
    Arm(
        name="5 points better",
        says=f"{GAIN_VOTES:,} votes; the challenger is the fit on the train votes, the champion "
        "the same with so much noise on its logits that its F1 is truly 0.05 lower",
    ),
)


def twin_world(seed: int) -> World:
    """A world whose styles i and i + STYLES/2 have the same tastes and the same share."""
    half = make_world(KINDS[seed % len(KINDS)], styles=STYLES // 2, seed=seed)
    return replace(
        half,
        styles=style_names(STYLES),
        log_odds=np.concatenate([half.log_odds] * 2, axis=2),
        style_share=np.concatenate([half.style_share] * 2) / 2,
    )


def exchanged(table: Floats) -> Floats:
    """A table with each style's values given to its twin."""
    return np.roll(table, STYLES // 2, axis=2)


def near_twins(votes: int, seed: int) -> Contest:
    """Equal by construction, and good."""
    world, data, rng = _drawn(votes, seed)
    p = sigmoid(world.log_odds + NOISE * rng.normal(size=world.log_odds.shape))
    return Contest(world=world, prepared=data, champion=p, challenger=exchanged(p))


def trained_twins(votes: int, seed: int) -> Contest:
    """Equal by construction, and as good as so many votes make it."""
    world, data, _ = _drawn(votes, seed)
    p, threshold = _fitted(world, data)
    return Contest(
        world=world, prepared=data, champion=p, challenger=exchanged(p), threshold=threshold
    )


def two_histories(votes: int, seed: int) -> Contest:
    """Equal on average only."""
    world, data, _ = _drawn(votes, seed)
    other = world.sample(votes, seed + 1_000_003)
    champion, _ = _fitted(world, prepared(world, other, fold_of(other.group, seed + 1)))
    challenger, _ = _fitted(world, data)
    return Contest(world=world, prepared=data, champion=champion, challenger=challenger)


def better(votes: int, seed: int) -> Contest:
    """The challenger's F1 is higher by GAIN, as nearly as 600 cells allow."""
    world, data, rng = _drawn(votes, seed)
    p, _ = _fitted(world, data)
    logit, noise = np.log(p / (1 - p)), rng.normal(size=p.shape)
    good, low, high = quality(world, p, THRESHOLD).f1, 0.0, 16.0
    for _ in range(30):
        middle = (low + high) / 2
        lost = good - quality(world, sigmoid(logit + middle * noise), THRESHOLD).f1
        low, high = (middle, high) if lost < GAIN else (low, middle)
    champion = sigmoid(logit + high * noise)
    return Contest(world=world, prepared=data, champion=champion, challenger=p)


def verdict(contest: Contest, seed: int) -> gate.Verdict:
    """What the real evaluation and the real gate say, with the shipped settings."""
    found = evaluate.evaluate(
        contest.prepared,
        _table(contest, contest.challenger, "challenger"),
        _table(contest, contest.champion, "champion"),
        seed=seed,
    )
    return gate.decide(found, gate.Policy(), real_votes=contest.prepared.cells.votes)


def upper(successes: int, trials: int) -> float:
    """The one-sided 95 % upper bound of a share (Clopper and Pearson 1934)."""
    return 1.0 if successes == trials else float(beta.ppf(0.95, successes + 1, trials - successes))


def few(seeds: int) -> str | None:
    """Why so few seeds cannot show the bound; None when even a share of 6 % would show it."""
    return None if upper(round(0.06 * seeds), seeds) <= BOUND else f"{seeds} seeds are too few"


def _drawn(votes: int, seed: int) -> tuple[World, Prepared, np.random.Generator]:
    world = twin_world(seed)
    sample = world.sample(votes, seed)
    data = prepared(world, sample, fold_of(sample.group, seed))
    return world, data, np.random.default_rng([seed, 2])


def _fitted(world: World, data: Prepared) -> tuple[Floats, float]:
    """The shipped model's like probabilities in the world's order, and its threshold."""
    fit = train.train(data, train.Options(candidates="hierarchical"), clock=lambda: 0.0)
    return fit.like[np.ix_(*places(world, fit.vocabulary))], fit.threshold


def _table(contest: Contest, p: Floats, version: str) -> ScoreTable:
    vocabulary = levels_of(contest.world)
    like = np.full(vocabulary.sizes, THRESHOLD, dtype=np.float32)
    like[np.ix_(*places(contest.world, vocabulary))] = p
    return ScoreTable(
        version=version,
        vocabulary=vocabulary,
        score=like,
        like=like,
        threshold=contest.threshold,
        metadata={},
    )


def _line(arm: Arm, make: Maker, votes: int, seeds: int) -> Iterator[dict[str, Any]]:
    for seed in range(seeds):
        contest = make(votes, seed)
        decided = verdict(contest, seed)
        gain = contest.gain
        yield {
            "arm": arm.name,
            "votes": votes,
            "seed": seed,
            "decision": decided.decision,
            "passed_f1": decided.checks[0].answer == "pass",
            "gain": gain,
            "counted": decided.decision == "promote" and (make is not two_histories or gain <= 0),
        }


def run(size: Size) -> Outcome:
    """Every arm at its numbers of votes; a round is one seed."""
    seeds = size.times(60, 1_000)
    plans: list[tuple[Arm, Maker, int]] = [
        *((ARMS[0], near_twins, votes) for votes in VOTES),
        *((ARMS[1], trained_twins, votes) for votes in VOTES),
        (ARMS[2], two_histories, VOTES[-1]),
        (ARMS[3], better, GAIN_VOTES),
    ]
    rounds: list[Round] = []
    lines, targets = [], []
    for arm, make, votes in plans:
        found = list(_line(arm, make, votes, seeds))
        rounds += found
        promoted = sum(entry["counted"] for entry in found)
        share, bound = promoted / len(found), upper(promoted, len(found))
        lines.append(_cells(arm, votes, found, share, bound))
        what = f"{arm.name}, {votes:,} votes"
        if make is better:
            targets.append(Target(says=f"{what}: share promoted", value=share, bound=POWER))
        elif make is not two_histories:
            says = f"{what}: upper 95 % bound of the share promoted"
            targets.append(
                Target(says=says, value=bound, bound=BOUND, at_most=True, too_small=few(seeds))
            )
    return Outcome(
        arms=ARMS,
        columns=(
            "challenger",
            "votes",
            "seeds",
            "promoted",
            "upper 95 %",
            "F1 check passed",
            "rejected",
            "mean true gain",
        ),
        lines=tuple(lines),
        targets=tuple(targets),
        rounds=tuple(rounds),
        note="Each is decided by task.evaluate and task.gate at their shipped settings.",
    )


def _cells(
    arm: Arm, votes: int, found: list[dict[str, Any]], share: float, bound: float
) -> tuple[str, ...]:
    rejected = np.mean([entry["decision"] == "reject" for entry in found])
    passed = np.mean([entry["passed_f1"] for entry in found])
    return (
        arm.name,
        f"{votes:,}",
        f"{len(found):,}",
        f"{share:.1%}",
        f"{bound:.1%}",
        f"{passed:.1%}",
        f"{rejected:.1%}",
        f"{np.mean([entry['gain'] for entry in found]):+.4f}",
    )


FIGURE = Figure(
    name="gate",
    title="equal challengers are not promoted, better ones are",
    run=run,
)
