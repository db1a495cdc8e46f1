"""A policy played week by week on past votes: trigger, training, gate, promotion, all in memory.

At each look every policy asks the trigger, trains, judges and decides as a run would, with the
same functions. What serves then answers the votes that come before the next look. Beside the
policies stand who always serves the newest fit, who never changes the first model, a constant
(the like rate of the votes so far) and, where it is known, the truth. Weeks count from the first
in which every policy serves something, for all alike.

Not replayed: validation, and everything after the pointer has moved. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from common.registry.records import Run, State, anchor_name
from task.backtest.fits import Bench, Judging, Training, name_of
from task.backtest.history import History, Look, taken
from task.backtest.returning import Returning
from task.backtest.score import Score, score, total
from task.gate import Policy, Verdict, decide
from task.judging import Version, as_published
from task.risk import budget

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A policy to be tried. `enough` says why so many votes, and new ones, are too few."""

    name: str
    training: Training
    policy: Policy
    judging: Judging
    yearly_risk: float
    enough: Callable[[int, int], str | None]
    personal: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """One look of one arm: what came of it, and how the votes after it were answered."""

    look: Look
    state: State | None = None
    reason: str = ""
    refused_by: tuple[str, ...] = ()
    serves: str | None = None
    score: Score | None = None
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A policy or a reference over all looks; `of` are the policies that a reference stands by."""

    name: str
    lines: tuple[Line, ...]
    of: tuple[str, ...] = ()
    contender: Contender | None = None
    returning: Returning | None = None

    def score(self, first: int) -> Score:
        """Over the votes that count: those after look `first`."""
        return total(line.score for line in self.lines[first:] if line.score is not None)


@dataclass(frozen=True, kw_only=True)
class Played:
    """All arms. Looks count from `first` on; it is their number if nothing ever served."""

    arms: tuple[Arm, ...]
    looks: tuple[Look, ...]
    first: int


def play(
    contenders: Sequence[Contender],
    histories: Mapping[str, History],
    looks: Sequence[Look],
    *,
    cpu: Callable[[], float],
    truth: Floats | None = None,
    progress: Callable[[int], None] | None = None,
) -> Played:
    """Play all looks. `histories` are by base rows; `truth` (N,) are the votes' true chances."""
    seats = [_Seat(each, histories[each.training.base]) for each in contenders]
    trainings = list(dict.fromkeys(each.training for each in contenders))
    rows = [_Reference(training, histories[training.base]) for training in trainings]
    plain = _Plain(histories[trainings[0].base], truth)
    for look in looks:
        bench = Bench(histories, look, cpu)
        for seat in seats:
            seat.look(bench, look, truth)
        for row in rows:
            row.look(bench, look, [s for s in seats if s.training == row.training], truth)
        plain.look(look)
        if progress:
            progress(look.number + 1)
    began = [seat.began for seat in seats if seat.began is not None]
    first = max(began, default=len(looks))
    arms = [seat.arm(first) for seat in seats]
    for row in rows:
        arms += row.arms(tuple(s.who.name for s in seats if s.training == row.training))
    return Played(arms=(*arms, *plain.arms()), looks=tuple(looks), first=first)


class _Seat:
    """A policy at play: its champion and the record of its looks."""

    def __init__(self, who: Contender, history: History) -> None:
        self.who, self.training, self.history = who, who.training, history
        self.champion: Version | None = None
        self.versions: dict[str, Version] = {}
        self.runs: list[Run] = []
        self.judged = 0
        self.began: int | None = None
        self.lines: list[Line] = []
        self.returning = Returning(history) if who.personal else None

    def look(self, bench: Bench, look: Look, truth: Floats | None) -> None:
        """One look, and the votes that follow it."""
        line = self._decided(bench, look)
        if self.champion is not None:
            self.began = look.number if self.began is None else self.began
            line = replace(
                line,
                serves=self.champion.table.version,
                score=_answered(self.champion, self.history, look, truth),
            )
            if self.returning is not None:
                self.returning.look(self.champion, look)
        self.lines.append(line)

    def _decided(self, bench: Bench, look: Look) -> Line:
        if not look.known:
            return Line(look=look, state="skipped", reason="no votes yet")
        shortage = self.who.enough(look.known, look.known - self.judged)
        if shortage is not None:
            return Line(look=look, state="skipped", reason=shortage)
        challenger, trained = bench.fit(self.training)
        serving = self.champion.table.version if self.champion else None
        anchor = anchor_name(self.runs, serving, look.at)
        evaluation, judged = bench.evaluation(
            self.training,
            self.champion,
            self.versions.get(anchor or ""),
            self.who.judging,
        )
        risk = budget(self.runs, look.at, self.who.yearly_risk)
        verdict = decide(evaluation, self.who.policy, budget=risk)
        if verdict.decision == "promote":
            self.champion = challenger
            self.versions[challenger.table.version] = challenger
        self.judged = look.known
        self.runs.append(_record(look, verdict))
        return Line(
            look=look,
            state=_STATES[verdict.decision],
            reason=verdict.reason,
            refused_by=_refused_by(verdict),
            seconds=trained + judged,
        )

    def arm(self, first: int) -> Arm:
        """What the policy did, counted from look `first` on."""
        if self.returning is not None:
            self.returning.counted_from(first)
        return Arm(
            name=self.who.name,
            lines=tuple(self.lines),
            contender=self.who,
            returning=self.returning,
        )


@dataclass(kw_only=False)
class _Reference:
    """Always the newest fit of one training, and for ever the first one that served."""

    training: Training
    history: History
    never: Version | None = None
    newest_lines: list[Line] = field(default_factory=list)
    never_lines: list[Line] = field(default_factory=list)

    def look(self, bench: Bench, look: Look, seats: Sequence[_Seat], truth: Floats | None) -> None:
        newest = bench.fit(self.training)[0] if look.known else None
        if self.never is None:
            self.never = next((s.champion for s in seats if s.champion is not None), None)
        for lines, version in ((self.newest_lines, newest), (self.never_lines, self.never)):
            found = _answered(version, self.history, look, truth) if version else None
            name = version.table.version if version else None
            lines.append(Line(look=look, serves=name, score=found))

    def arms(self, of: tuple[str, ...]) -> list[Arm]:
        return [
            Arm(name="newest always", lines=tuple(self.newest_lines), of=of),
            Arm(name="first for ever", lines=tuple(self.never_lines), of=of),
        ]


class _Plain:
    """A constant, and the truth where it is known: alike for all policies."""

    def __init__(self, history: History, truth: Floats | None) -> None:
        self.votes, self.truth = history.votes, truth
        self.likes = np.concatenate([[0], np.cumsum(history.votes.like)])
        self.constant: list[Line] = []
        self.true: list[Line] = []

    def look(self, look: Look) -> None:
        """Answer the votes that follow a look."""
        votes = taken(self.votes, look.following)
        rate = (float(self.likes[look.known]) + 1.0) / (look.known + 2.0)
        truth = None if self.truth is None else self.truth[look.following]
        p = np.full(len(votes), rate)
        self.constant.append(Line(look=look, score=score(votes, p, p >= 0.5, truth)))
        if truth is not None:
            self.true.append(Line(look=look, score=score(votes, truth, truth >= 0.5, truth)))

    def arms(self) -> list[Arm]:
        """The one or two arms."""
        found = [Arm(name="a constant", lines=tuple(self.constant))]
        return found + ([Arm(name="the truth", lines=tuple(self.true))] if self.true else [])


def _answered(version: Version, history: History, look: Look, truth: Floats | None) -> Score:
    votes = taken(history.votes, look.following)
    found = as_published(version.table, history.levels, votes)
    return score(votes, found.p, found.answer, None if truth is None else truth[look.following])


_STATES: Mapping[str, State] = {
    "promote": "promoted",
    "reject": "rejected",
    "inconclusive": "inconclusive",
}


def _record(look: Look, verdict: Verdict) -> Run:
    """What the registry would hold of this look."""
    return Run(
        run_id=name_of(look),
        created_at=look.at,
        state=_STATES[verdict.decision],
        cutoff=look.at,
        evidence={"risk": verdict.risk, "anchor": verdict.anchor},
    )


def _refused_by(verdict: Verdict) -> tuple[str, ...]:
    """The checks that kept a challenger out."""
    answer = {"reject": "fail", "inconclusive": "undecided"}.get(verdict.decision)
    return tuple(check.name for check in verdict.checks if check.answer == answer)
