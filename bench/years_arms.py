"""The arms of `bench years`: what each would promote, given the same challenger every week.

The new gate's arms are production code: `task.evaluate`, `task.gate` and `task.risk`, with risk
and anchor carried from look to look as a registry would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from common.registry.records import Run
from task import metrics, risk
from task.bootstrap import paired_f1, profiles
from task.evaluate import Against, Difference, Evaluation, evaluate
from task.gate import Policy, decide
from task.intervals import Interval
from task.judging import Version, judge
from task.paired import gain
from task.prepare import Examples, Prepared
from task.refit import Refit

Floats = NDArray[np.float64]
YEARLY_RISK = 0.05
OLD_TEST_VOTES = 30
"""The former gate's fewest test votes."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One week's challenger, and all that any arm may know of it.

    `old` is the challenger as the former gate made it, fitted on 70 %; `truth` the exact gain, in
    nats, of a table of like chances over another in the week that follows.
    """

    week: int
    cutoff: int
    prepared: Prepared
    challenger: Version
    old: Version
    broken: bool
    truth: Callable[[Version, Version], float]
    found: dict[str, Evaluation] = field(default_factory=dict)

    def evaluation(self, champion: Version) -> Evaluation:
        """The whole evaluation against a champion, worked out once for all arms that have it."""
        name = champion.table.version
        if name not in self.found:
            self.found[name] = evaluate(
                self.prepared, self.challenger, champion, cutoff=self.cutoff, report=False
            )
        return self.found[name]


class Arm(Protocol):
    """A way of deciding; `former`: it judges, and serves, the fits on 70 % of the groups."""

    former: bool

    def promotes(self, look: Look, champion: Version) -> bool: ...


@dataclass(kw_only=True)
class Simple:
    """A rule that needs no memory."""

    rule: Callable[[Look, Version], bool]
    former: bool = False

    def promotes(self, look: Look, champion: Version) -> bool:
        return self.rule(look, champion)


@dataclass(kw_only=True)
class Gate:
    """The gate that ships. `why` counts the checks that kept a sound challenger back.

    A challenger that fails the rules alone is not looked at for faults, unless `whole`: what
    else there is to find could not promote it.
    """

    policy: Policy = field(default_factory=Policy)
    anchored: bool = True
    whole: bool = False
    former: bool = False
    runs: list[Run] = field(default_factory=list)
    anchor: Version | None = None
    why: Counter[str] = field(default_factory=Counter)
    refit_failed: int = 0

    def promotes(self, look: Look, champion: Version) -> bool:
        at = datetime.fromtimestamp(look.cutoff / 1e6, UTC)
        budget = risk.budget(self.runs, at, YEARLY_RISK)
        verdict = None
        if not self.whole:
            lean = self._anchored(screen(look.prepared, look.challenger, champion), look)
            verdict = decide(lean, self.policy, budget=budget)
        if verdict is None or verdict.decision == "promote":
            found = self._anchored(look.evaluation(champion), look)
            verdict = decide(found, self.policy, budget=budget)
        promoted = verdict.decision == "promote"
        if not promoted and not look.broken:
            self.why.update(check.name for check in verdict.checks if check.answer != "pass")
        if look.broken:
            self.refit_failed += any(
                c.name == "refit" and c.answer == "fail" for c in verdict.checks
            )
        if promoted:
            known = (champion, self.anchor)
            self.anchor = next((v for v in known if v and v.table.version == verdict.anchor), None)
        self.runs.append(
            Run(
                run_id=f"a-{look.week}",
                created_at=at,
                cutoff=at,
                state="served" if promoted else "inconclusive",
                evidence={"risk": verdict.risk},
            )
        )
        return promoted

    def _anchored(self, found: Evaluation, look: Look) -> Evaluation:
        if self.anchor is None or not self.anchored:
            return found
        judged = judge(look.challenger, self.anchor, look.prepared.levels, look.prepared.examples)
        over = gain(judged.examples, judged.challenger.p, judged.champion.p, 0.9)
        return replace(found, anchor=Against(name=self.anchor.table.version, gain=over))


def screen(prepared: Prepared, challenger: Version, champion: Version) -> Evaluation:
    """The rules' part of an evaluation, without any search for faults."""
    judged = judge(challenger, champion, prepared.levels, prepared.examples)
    over = gain(judged.examples, judged.challenger.p, judged.champion.p, 0.9)
    unknown = Interval(value=None, low=None, high=None, n=over.votes)
    apart = int((judged.challenger.answer != judged.champion.answer).sum())
    changed = int((judged.challenger.p != judged.champion.p).sum())
    return Evaluation(
        judged={"groups": over.groups},
        champion_version=champion.table.version,
        challenger=dict.fromkeys(("accuracy", "precision", "recall", "f1"), unknown),
        champion=None,
        threshold={},
        difference=Difference(
            f1=unknown, log_loss=unknown, gain=over, disagreements=apart, changed=changed
        ),
        since_champion=None,
        anchor=None,
        references=(),
        base_rate=None,
        slices=(),
        faults=None,
        suspicions=(),
        refit=Refit(overall=0.0, worst_style=0.0),
        confusion={},
        roc={},
        calibration={},
    )


def arms(kind: str) -> dict[str, Arm]:
    """Fresh arms for one year, by name."""
    found: dict[str, Arm] = {
        "newest": Simple(rule=lambda *_: True),
        "gate": Gate(whole=True),
        "oracle": Simple(rule=lambda look, champion: look.truth(look.challenger, champion) > 0.0),
    }
    if kind == "sabotage":
        return found | {"skips broken": Simple(rule=lambda look, _: not look.broken)}
    return found | {
        "no anchor": Gate(anchored=False),
        "superiority": Gate(policy=Policy(gate="superiority")),
        "old gate": Simple(rule=_old_gate, former=True),
        "old F1 rule": Simple(rule=_old_f1, former=True),
        "never": Simple(rule=lambda *_: False),
    }


def _old_gate(look: Look, champion: Version) -> bool:
    """Superiority of weighted F1 at 5 % on the fixed test side."""
    votes, ours, theirs = _old_answers(look, champion)
    if len(votes) < OLD_TEST_VOTES or (ours == theirs).all():
        return False
    group = np.unique(votes.group, return_inverse=True)[1].astype(np.int32)
    drawn = paired_f1(profiles(group, votes.like, theirs, ours), seed=look.week)
    return float(np.percentile(drawn.difference, 5)) > 0.0


def _old_f1(look: Look, champion: Version) -> bool:
    """No lower F1 on the fixed test side."""
    votes, ours, theirs = _old_answers(look, champion)
    like = votes.like.astype(np.int64)
    f1 = [metrics.weighted_f1(metrics.confusion(each, like, 1 - like)) for each in (ours, theirs)]
    return bool(f1[0] >= f1[1])  # no test vote: NaN, and the champion stays


def _old_answers(
    look: Look, champion: Version
) -> tuple[Examples, NDArray[np.bool_], NDArray[np.bool_]]:
    every = look.prepared.examples
    votes = every.where(every.test)
    at = votes.face, votes.tone, votes.style
    return votes, look.old.table.answers()[at], champion.table.answers()[at]
