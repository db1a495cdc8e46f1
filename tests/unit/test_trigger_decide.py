"""Whether a run starts: the policy as a table of cases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from common.database import VoteCounts
from common.registry.records import Lease
from retrain_trigger.decide import Decision, Known, Policy, decide
from tests.unit.trigger_samples import NOW

WEEK = timedelta(days=7)
KNOWN = Known(
    votes=VoteCounts(total=63, new=12),
    last_verdict=NOW - WEEK,
    last_launch=NOW - WEEK,
    lease=None,
)
POLICY = Policy(min_total=50, min_new=5)
HELD = Lease(run_id="m-x", owner="m-x/desk-1", expires_at=NOW + timedelta(minutes=3), fencing=4)


def known(total: int = 63, new: int = 12, **changes: object) -> Known:
    return replace(KNOWN, votes=VoteCounts(total=total, new=new), **changes)  # type: ignore[arg-type]


def moved(before: int) -> Known:
    """63 votes, none of them new, where there were other ones at the last verdict."""
    return replace(KNOWN, votes=VoteCounts(total=63, new=0, before=before))


def policy(**changes: object) -> Policy:
    return replace(POLICY, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "rules", "launch", "says"),
    [
        # Enough votes, or not quite.
        (known(), policy(), True, "63 votes, 12 of them new since 2026-11-15T02:00:05Z"),
        (known(50, 5), policy(), True, "50 votes, 5 of them new"),
        (known(49, 49), policy(), False, "too few votes: 49 of 50"),
        (known(63, 4), policy(), False, "nothing new: 4 of 5 votes since the last verdict"),
        (known(63, 0), policy(min_new=1), False, "nothing new: 0 of 1"),
        # Votes that were deleted, or came with times from before the last verdict.
        (moved(70), policy(), True, "63 votes, 0 of them new since 2026-11-15T02:00:05Z, when"),
        (moved(58), policy(), True, "when there were 58"),
        (moved(59), policy(), False, "nothing new: 4 of 5 votes since the last verdict"),
        (known(63, 0), policy(min_new=0), True, "63 votes, 0 of them new"),
        (known(63, 63, last_verdict=None), policy(), True, "63 votes, 63 of them new"),
        # The minimums are skipped, and nothing else.
        (known(3, 0), policy(skip_minimums=True), True, "minimums are skipped, with 3 votes"),
        (known(0, 0), policy(skip_minimums=True), False, "no votes yet"),
        # Forced: but never from nothing, and never over a lease.
        (known(3, 0), policy(force=True), True, "forced, with 3 votes, 0 of them new"),
        (known(0, 0), policy(force=True), False, "no votes yet"),
        (known(0, 0), policy(min_total=0, min_new=0), False, "no votes yet"),
        (known(lease=HELD), policy(force=True), False, "m-x (owner m-x/desk-1) holds the lease"),
        (known(lease=HELD), policy(), False, "one run at a time: m-x (owner m-x/desk-1)"),
        (known(lease=HELD), policy(skip_minimums=True), False, "2026-11-22T02:03:05Z"),
        # A lease that expired, to the second, holds nothing up.
        (known(lease=replace(HELD, expires_at=NOW)), policy(), True, "63 votes"),
        # The cooldown counts from the last launch, to the second.
        (known(), policy(cooldown_minutes=7 * 24 * 60), True, "63 votes"),
        (known(), policy(cooldown_minutes=7 * 24 * 60 + 1), False, "until 2026-11-22T02:01:05Z"),
        (known(), policy(cooldown_minutes=7 * 24 * 60 + 1, force=True), True, "forced"),
        (known(), policy(cooldown_minutes=20_000, skip_minimums=True), False, "cooling down"),
        (known(last_launch=None), policy(cooldown_minutes=20_000), True, "63 votes"),
        # An old verdict lets one new vote suffice; not none, and not too few in all.
        (known(63, 1), policy(max_age_days=6), True, "over 6 days old: 63 votes, 1 of them new"),
        (known(63, 1), policy(max_age_days=7), False, "nothing new: 1 of 5"),
        (known(63, 0), policy(max_age_days=6), False, "nothing new: 0 of 5"),
        (known(49, 1), policy(max_age_days=6), False, "too few votes: 49 of 50"),
        (known(63, 1, last_verdict=None), policy(max_age_days=6), False, "nothing new: 1 of 5"),
    ],
)
def test_the_first_rule_that_applies_decides(
    state: Known, rules: Policy, launch: bool, says: str
) -> None:
    decision = decide(state, rules, NOW)

    assert decision.launch is launch
    assert says in decision.reason


@pytest.mark.parametrize(
    ("total", "new", "needed"),
    [(63, 12, 0), (49, 49, 1), (63, 2, 3), (10, 2, 40), (48, 0, 5), (0, 0, 50)],
)
def test_needed_is_how_many_more_votes_would_satisfy_both_minimums(
    total: int, new: int, needed: int
) -> None:
    assert decide(known(total, new), POLICY, NOW).needed == needed
    # So many more votes are new ones, too.
    assert decide(known(total + needed, new + needed), POLICY, NOW).needed == 0


def test_cells_in_unknown_spellings_are_named_since_they_may_be_the_reason() -> None:
    votes = VoteCounts(total=0, new=0, unknown=1_234)

    decision = decide(replace(KNOWN, votes=votes), POLICY, NOW)

    assert decision == Decision(
        launch=False,
        reason="no votes yet; 1,234 cells are in unknown spellings and count as no votes",
        needed=50,
    )
