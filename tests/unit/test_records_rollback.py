"""Where a rollback without a version leads: the cases, and what is true of every history."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.registry.records import Action, HistoryEntry, rollback_target

AT = datetime(2026, 11, 22, 2, tzinfo=UTC)
Steps = list[tuple[Action, str | None]]


def replayed(steps: Steps) -> list[HistoryEntry]:
    """The history that a registry would have written of these changes."""
    history: list[HistoryEntry] = []
    for number, (action, version) in enumerate(steps, start=1):
        history.append(
            HistoryEntry(
                serial=number,
                version=version,
                previous=history[-1].version if history else None,
                run_id=None,
                action=action,
                at=AT,
                sha=version or "",
            )
        )
    return history


def steps(text: str) -> Steps:
    """`+a` promotes a, `-a` rolls back to it, `!a` restores it, `!` leaves none active."""
    actions: dict[str, Action] = {"+": "promote", "-": "rollback", "!": "restore"}
    return [(actions[step[0]], step[1:] or None) for step in text.split()]


@pytest.mark.parametrize(
    ("history", "target", "why"),
    [
        ("", None, "nothing was ever active"),
        ("+a", None, "nothing was active before the first"),
        ("+a +b", "a", "the one before"),
        ("+a +b +c", "b", "the one before, not the first"),
        ("+a +b -a", None, "b was left, and nothing lies below a"),
        ("+a +b +c -b", "a", "one step further down"),
        ("+a +b +c -b -a", None, "down to the ground"),
        ("+a +b +c -a", None, "b was passed over by a person, c was left"),
        ("+a +b -a +c", "a", "promoted after a rollback: a was active before c"),
        ("+a +b -a +c -a", None, "and back again"),
        ("+a +b -a +c +d", "c", "what was left long ago does not matter to c"),
        ("+a +b -a +b", "a", "promoted again after all: a was active before"),
        ("+a +b -a +b +c", "a", "b was rolled back from once, so it must be named"),
        ("+a +b -a -b", None, "by name to the one that was left: a was left in turn"),
        ("+a +b +c -x", "b", "by name to one that was never active: it takes c's place"),
        ("+a +b !a", None, "a restoration leaves as a rollback does"),
        ("+a +b +c !b", "a", "and goes on from there"),
        ("+a +b !a +c", "a", "promoted after a restoration"),
        ("+a !", None, "a restoration to the time before the first leaves nowhere to go"),
        ("+a ! +b", None, "none was active before b, and none is no version"),
        ("+a ! +b +c", "b", "the one before, whatever there was not before it"),
        ("+a +b +a", "b", "promoted again without a rollback: b was active before"),
        ("+a +b +a -b", None, "a was left, here and further down"),
        ("+a +b +b", "a", "promoting the active one again changes nothing"),
        ("+a +b -b", "a", "nor does rolling back to it"),
    ],
)
def test_a_rollback_leads_to_the_version_before_that_was_never_left(
    history: str, target: str | None, why: str
) -> None:
    assert rollback_target(replayed(steps(history))) == target, why


VERSIONS = st.sampled_from("abcdef")
HISTORIES = st.lists(
    st.tuples(st.sampled_from(["promote", "promote", "rollback", "restore"]), VERSIONS), max_size=12
)
economical = settings(max_examples=60, deadline=None)


def left(history: list[HistoryEntry]) -> set[str | None]:
    """The versions that a rollback or a restoration went away from."""
    return {
        each.previous
        for each in history
        if each.action != "promote" and each.previous != each.version
    }


@economical
@given(HISTORIES)
def test_a_rollback_never_leads_to_the_active_version_nor_to_one_that_was_left(
    changes: Steps,
) -> None:
    history = replayed(changes)
    target = rollback_target(history)

    if target is not None:
        assert target != history[-1].version
        assert target in {each.version for each in history}
        assert target not in left(history)


@economical
@given(HISTORIES)
def test_a_rollback_after_a_new_promotion_leads_to_what_was_active_before_it(
    changes: Steps,
) -> None:
    history = replayed([*changes, ("promote", "new")])
    active_before = history[-1].previous

    if active_before not in left(history):
        assert rollback_target(history) == active_before


@economical
@given(HISTORIES)
def test_a_promotion_and_its_rollback_leave_the_target_as_it_was(changes: Steps) -> None:
    before = replayed(changes)
    if before:
        back = replayed([*changes, ("promote", "new"), ("rollback", before[-1].version)])

        assert rollback_target(back) == rollback_target(before)


@economical
@given(HISTORIES)
def test_repeated_rollbacks_come_to_an_end_and_visit_no_version_twice(changes: Steps) -> None:
    visited: list[str] = []
    while (target := rollback_target(replayed(changes))) is not None:
        assert target not in visited
        visited.append(target)
        changes = [*changes, ("rollback", target)]

    assert len(visited) <= 6
