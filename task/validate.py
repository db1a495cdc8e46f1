"""Judges a snapshot before anything learns from it: a table of findings, each with an answer.

Pure: it reads counts that were made while the snapshot was written, and the file's schema.
`stop` is for what would teach the model something false (a reader that no longer understands
the source, a bug upstream that writes one answer for everything); `warn` is for what a person
should look at some day.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from common.settings import Settings
from task.reconcile import Difference
from task.snapshot import SCHEMA, Snapshot

ENOUGH = 30  # cells or votes, from which on a share says something
CHANCE = 0.001
"""How likely honest votes may be stopped for a rare answer, at one look."""

Answer = Literal["ok", "warn", "stop"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the table: what was looked at, the answer, and how far it is from the bound."""

    name: str
    answer: Answer
    value: float | None
    bound: float | None
    says: str


def check(snapshot: Snapshot, schema: pa.Schema, settings: Settings) -> tuple[Finding, ...]:
    """Every finding about a snapshot whose file has that schema."""
    return (
        _schema(schema),
        _types(schema),
        _ranges(snapshot),
        _rejected(snapshot, settings.max_reject_share),
        _class_balance(snapshot, settings.min_class_share),
        *_shares(snapshot, settings),
        _freshness(snapshot, settings.max_stale_days),
        _after_cutoff(snapshot),
        _reconciled(snapshot),
        _readable_times(snapshot),
    )


def stopped(findings: Iterable[Finding]) -> bool:
    """Whether the data must not be learned from."""
    return any(finding.answer == "stop" for finding in findings)


def _schema(schema: pa.Schema) -> Finding:
    missing = [name for name in SCHEMA.names if name not in schema.names]
    return Finding(
        name="schema",
        answer="stop" if missing else "ok",
        value=len(missing),
        bound=0,
        says=f"missing columns: {', '.join(missing)}" if missing else "every column is there",
    )


def _types(schema: pa.Schema) -> Finding:
    wrong = [
        field.name
        for field in SCHEMA
        if field.name in schema.names and schema.field(field.name).type != field.type
    ]
    return Finding(
        name="types",
        answer="stop" if wrong else "ok",
        value=len(wrong),
        bound=0,
        says=f"of another type: {', '.join(wrong)}" if wrong else "every column has its type",
    )


def _ranges(snapshot: Snapshot) -> Finding:
    low, high = snapshot.score_low, snapshot.score_high
    if low is None or high is None:
        return Finding(name="ranges", answer="ok", value=None, bound=1, says="there is no score")
    inside = low >= 0 and high <= 1
    return Finding(
        name="ranges",
        answer="ok" if inside else "stop",
        value=high,
        bound=1,
        says=f"scores go from {low:.3g} to {high:.3g}",
    )


def _rejected(snapshot: Snapshot, bound: float) -> Finding:
    cells, rejected = snapshot.checked, snapshot.checked_rejected
    share = rejected / cells if cells else 0.0
    says = f"{rejected:,} of {cells:,} cells are no votes"
    if cells < ENOUGH:
        says += f", too few to judge (from {ENOUGH} on)"
    stop = cells >= ENOUGH and share > bound
    return Finding(
        name="rejected_share", answer="stop" if stop else "ok", value=share, bound=bound, says=says
    )


def _class_balance(snapshot: Snapshot, tolerated: float) -> Finding:
    """Whether either answer has all but gone from the new votes, against the earlier ones.

    A fixed least share would stop honest votes of which few are likes, and a like rate may move
    twentyfold in a year. So an answer must have fallen below a small part of its own earlier
    share; one that is gone altogether is judged sooner, since that is what a bug writes.
    """
    new, likes = snapshot.new_votes, snapshot.new_likes
    earlier, liked = snapshot.votes - new, snapshot.likes - likes
    says = f"{likes:,} of {new:,} new votes are likes"
    says += f", {liked:,} of {earlier:,} earlier ones" if earlier else ""
    # Of likes and dislikes: how many are new, and their share of the earlier votes.
    answers = ((likes, _part(liked, earlier)), (new - likes, _part(earlier - liked, earlier)))
    if earlier < ENOUGH:
        count, before = min(likes, new - likes), 0.0
        stop = new >= ENOUGH and count == 0 and tolerated > 0.0
    else:
        count, before = min(answers, key=lambda one: (_part(one[0], new * one[1], 1.0), one[0]))
        stop = new >= ENOUGH and any(_gone(each, new, share, tolerated) for each, share in answers)
    if new < ENOUGH:
        says += f", too few to judge (from {ENOUGH} on)"
    return Finding(
        name="class_balance",
        answer="stop" if stop else "ok",
        value=_part(count, new),
        bound=tolerated * before,
        says=says,
    )


def _gone(count: int, votes: int, before: float, tolerated: float) -> bool:
    """Whether an answer with `before` as its earlier share is missing by more than chance.

    Absent: not even half its earlier share explains that. Rare: its share is shown to be below
    `tolerated` of the earlier one.
    """
    if tolerated == 0.0 or before == 0.0:
        return False
    least = before * tolerated
    absent = count == 0 and _tail(0, votes, before / 2) < CHANCE
    return absent or (count < least * votes and _tail(count, votes, least) < CHANCE)


def _tail(count: int, votes: int, share: float) -> float:
    """The exact binomial probability of at most `count` among so many votes, 0 < share < 1."""
    if share >= 1.0:
        return float(count >= votes)
    ways = math.lgamma(votes + 1)
    return math.fsum(
        math.exp(
            ways
            - math.lgamma(k + 1)
            - math.lgamma(votes - k + 1)
            + k * math.log(share)
            + (votes - k) * math.log1p(-share)
        )
        for k in range(count + 1)
    )


def _part(count: float, whole: float, otherwise: float = 0.0) -> float:
    return count / whole if whole else otherwise


def _shares(snapshot: Snapshot, settings: Settings) -> Iterable[Finding]:
    """What deserves a look when too many votes have it."""
    votes = snapshot.votes
    missing = settings.max_missing_share
    of_votes = (
        ("missing_score_share", snapshot.missing_scores, missing, "have no score"),
        ("missing_time_share", snapshot.missing_times, missing, "have no time"),
        ("unknown_face_share", snapshot.unknown_faces, settings.max_unknown_share, "have no face"),
    )
    for name, count, bound, what in of_votes:
        yield _share(
            name, count / votes if votes else 0.0, bound, f"{count:,} of {votes:,} votes {what}"
        )
    duplicate = snapshot.duplicate_share
    yield _share(
        "duplicate_share",
        duplicate,
        settings.max_duplicate_share,
        f"{duplicate:.1%} of votes repeat a person's or photo's vote on a style",
    )
    busiest = snapshot.busiest_share if snapshot.new_votes >= ENOUGH else 0.0
    yield _share(
        "outliers",
        busiest,
        settings.max_group_share,
        f"{busiest:.1%} of {snapshot.new_votes:,} new votes come from one person or photo",
    )


def _share(name: str, share: float, bound: float, says: str) -> Finding:
    answer: Answer = "warn" if share > bound else "ok"
    return Finding(name=name, answer=answer, value=share, bound=bound, says=says)


def _freshness(snapshot: Snapshot, bound: float) -> Finding:
    if snapshot.newest is None:
        answer: Answer = "warn" if snapshot.votes else "ok"
        return Finding(
            name="freshness", answer=answer, value=None, bound=bound, says="no vote has a time"
        )
    days = (snapshot.cutoff - snapshot.newest).total_seconds() / 86_400
    return Finding(
        name="freshness",
        answer="warn" if days > bound else "ok",
        value=days,
        bound=bound,
        says=f"the newest vote is {days:.1f} days old",
    )


def _after_cutoff(snapshot: Snapshot) -> Finding:
    return Finding(
        name="after_cutoff",
        answer="warn" if snapshot.late else "ok",
        value=snapshot.late,
        bound=0,
        says=f"{snapshot.late} votes bear a time after the database's clock, and wait until then",
    )


def _reconciled(snapshot: Snapshot) -> Finding:
    """Whether the snapshot holds what the database holds, read in full if need be."""
    answer: Answer = "ok"
    says = f"{snapshot.counted:,} votes in the database, each of them read or rejected"
    if snapshot.repeated:
        answer = "stop"
        says = (
            f"ids must be unique, {snapshot.ids + snapshot.repeated:,} rows have {snapshot.ids:,} "
            "different ones: a view whose join repeats rows, or a table without a key"
        )
    elif snapshot.differs:
        answer = "stop"
        says = f"a full read differs from the database: {_listed(snapshot.differs)}"
    elif snapshot.missed:
        answer = "warn"
        says = (
            "rows were deleted, or changed without moving feedback_at, so all votes were read "
            f"again: {_listed(snapshot.missed)} by increments"
        )
    return Finding(
        name="reconciled",
        answer=answer,
        value=snapshot.repeated or len(snapshot.differs or snapshot.missed),
        bound=0,
        says=says,
    )


def _listed(differences: Iterable[Difference]) -> str:
    return "; ".join(map(str, differences))


def _readable_times(snapshot: Snapshot) -> Finding:
    """Votes whose time is there and is none of the calendar: no increment need see them."""
    count = snapshot.untimed
    return Finding(
        name="readable_times",
        answer="warn" if count else "ok",
        value=count,
        bound=0,
        says=f"{count:,} votes have a feedback_at that is no time, such as 2026-00-15 or "
        "9999-12-31: they are learned from, and are never new"
        if count
        else "every feedback_at that is there can be read",
    )
