"""Whether to start a run now: a small policy over what is known, without any input or output.

The rules stand in the order of their rank. Two hold even when a run is forced: nobody takes a
lease that is held, and nothing is learned from no votes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from common.database import VoteCounts
from common.registry.records import Lease, utc_text


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the registry and the votes' database say."""

    votes: VoteCounts
    last_verdict: datetime | None
    """Until when votes have been judged; None before any verdict."""
    last_launch: datetime | None
    """When the newest run that was not skipped was created; None if there is none."""
    lease: Lease | None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What must hold for a run to start."""

    min_total: int
    """votes in all"""
    min_new: int
    """votes since the last verdict"""
    skip_minimums: bool = False
    cooldown_minutes: int = 0
    """0 is off"""
    max_age_days: int = 0
    """A last verdict older than this lets one new vote suffice; 0 is off."""
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer, and why."""

    launch: bool
    reason: str
    needed: int
    """So many more votes would satisfy both minimums; 0 when they are satisfied."""


def decide(known: Known, policy: Policy, now: datetime) -> Decision:
    """Whether to launch, by the first rule that applies."""
    launch, reason = _first(known, policy, now)
    votes = known.votes
    needed = max(0, policy.min_total - votes.total, policy.min_new - votes.fresh)
    return Decision(launch=launch, reason=f"{reason}{votes.unread()}", needed=needed)


def _first(known: Known, policy: Policy, now: datetime) -> tuple[bool, str]:
    votes, lease = known.votes, known.lease
    if lease is not None and lease.held(now):
        return False, (
            f"one run at a time: {lease.run_id} (owner {lease.owner}) holds the lease until "
            f"{utc_text(lease.expires_at)}"
        )
    if votes.total == 0:
        return False, "no votes yet"
    if policy.force:
        return True, f"forced, with {_counted(known)}"
    if (free_at := _cooled(known, policy)) is not None and now < free_at:
        return False, (
            f"cooling down until {utc_text(free_at)}: launches are at least "
            f"{policy.cooldown_minutes:,} minutes apart"
        )
    if policy.skip_minimums:
        return True, f"the vote minimums are skipped, with {_counted(known)}"
    return _enough(known, policy, now)


def _enough(known: Known, policy: Policy, now: datetime) -> tuple[bool, str]:
    votes = known.votes
    shortage = votes.shortage(min_total=policy.min_total, min_new=policy.min_new)
    if shortage is None:
        return True, _counted(known)
    if votes.total >= policy.min_total and votes.fresh >= 1 and _aged(known, policy, now):
        return True, f"the last verdict is over {policy.max_age_days:,} days old: {_counted(known)}"
    return False, shortage


def _cooled(known: Known, policy: Policy) -> datetime | None:
    """When the cooldown ends; None without a launch before."""
    if known.last_launch is None:
        return None
    return known.last_launch + timedelta(minutes=policy.cooldown_minutes)


def _aged(known: Known, policy: Policy, now: datetime) -> bool:
    if not policy.max_age_days or known.last_verdict is None:
        return False
    return now - known.last_verdict > timedelta(days=policy.max_age_days)


def _counted(known: Known) -> str:
    since = f" since {utc_text(known.last_verdict)}" if known.last_verdict else ""
    votes = known.votes
    then = f", when there were {votes.before:,}" if votes.fresh > votes.new else ""
    return f"{votes.total:,} votes, {votes.new:,} of them new{since}{then}"
