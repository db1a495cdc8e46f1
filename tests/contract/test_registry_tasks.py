"""What every registry promises about skipped runs, the tasks started for runs, and alerts."""

from dataclasses import replace

import pytest

from common.errors import AlreadyClaimedError, LeaseLostError, RegistryError
from common.registry import Registry
from common.registry.records import Active, HistoryEntry, Run
from tests.contract.steps import START, after, claim, everything, launch, promote, running

CLUSTER = "arn:aws:ecs:us-east-1:123456789012:task/hairme"
ARN = f"{CLUSTER}/t1"
ANOTHER = f"{CLUSTER}/t2"


def close(registry: Registry, task_arn: str | None, run_id: str = "s-20261122T020000Z") -> object:
    return registry.close(
        run_id, task_arn=task_arn, exit_code=137, reason="out of memory", now=after(5)
    )


# --- record_skip


def test_a_skip_is_on_record_with_its_reason_and_takes_no_lease(registry: Registry) -> None:
    run = Run(run_id="s-20261122T020000Z", created_at=START, counts={"new_votes": 3})

    skipped = registry.record_skip(run, reason="3 of 50 votes", now=after(1))

    assert skipped == replace(
        run, state="skipped", exit=0, reason="3 of 50 votes", ended_at=after(1)
    )
    assert registry.run("s-20261122T020000Z") == skipped
    assert registry.lease() is None


def test_a_skip_leaves_the_lease_of_another_run_alone(registry: Registry) -> None:
    _, lease = running(registry, "m-1")

    registry.record_skip(Run(run_id="m-2", created_at=START), reason="m-1 runs", now=START)

    assert registry.lease() == lease


@pytest.mark.parametrize("state", ["launched", "running", "skipped"])
def test_a_run_that_is_on_record_is_not_recorded_as_skipped(registry: Registry, state: str) -> None:
    if state == "skipped":
        registry.record_skip(Run(run_id="m-1", created_at=START), reason="first", now=START)
    else:
        launch(registry, "m-1")
    if state == "running":
        claim(registry, "m-1")
    before = everything(registry)

    with pytest.raises(AlreadyClaimedError, match=f"m-1 is {state}"):
        registry.record_skip(Run(run_id="m-1", created_at=START), reason="again", now=after(1))

    assert everything(registry) == before


def test_a_run_that_was_skipped_is_not_launched(registry: Registry) -> None:
    registry.record_skip(Run(run_id="m-1", created_at=START), reason="too few", now=START)

    with pytest.raises(AlreadyClaimedError, match="m-1 is skipped"):
        launch(registry, "m-1")


# --- note_task


def test_the_task_of_a_launched_run_is_on_record_and_stays_through_the_claim_and_the_end(
    registry: Registry,
) -> None:
    launch(registry, "m-1")

    noted = registry.note_task("m-1", ARN)

    assert noted.task_arn == ARN
    assert noted == registry.run("m-1")
    lease = claim(registry, "m-1")
    run = registry.run("m-1")
    assert run is not None
    assert registry.finish(replace(run, state="rejected"), lease, now=after(1)).task_arn == ARN


def test_a_task_that_was_noted_after_the_claim_outlives_the_tasks_own_older_record(
    registry: Registry,
) -> None:
    # Given a task that claimed its run before its launcher could note which task it is
    run, lease = running(registry, "m-1")
    registry.note_task("m-1", ARN)
    registry.mark_alerted(run, after(1))

    # When it promotes and ends with the record that it read at its claim
    promote(registry, "m-1", 0, lease=lease, run=replace(run, state="promoted"))
    promoted = registry.run("m-1")
    registry.finish(replace(run, state="promoted", serial=1), lease, now=after(2))

    # Then what others noted is still there
    ended = registry.run("m-1")
    assert promoted is not None
    assert ended is not None
    assert {(each.task_arn, each.alerted_at) for each in (promoted, ended)} == {(ARN, after(1))}


def test_the_first_task_that_was_noted_stays(registry: Registry) -> None:
    launch(registry, "m-1")
    registry.note_task("m-1", ARN)

    assert registry.note_task("m-1", ARN).task_arn == ARN
    assert registry.note_task("m-1", ANOTHER).task_arn == ARN


def test_a_run_that_ended_gets_no_task(registry: Registry) -> None:
    run, lease = running(registry, "m-1")
    ended = registry.finish(replace(run, state="failed", exit=1), lease, now=after(1))

    assert registry.note_task("m-1", ARN) == ended
    assert registry.run("m-1") == ended


def test_a_run_that_is_launched_again_waits_for_its_new_task(registry: Registry) -> None:
    launch(registry, "m-1")
    registry.note_task("m-1", ARN)

    launch(registry, "m-1", after(1))

    assert registry.note_task("m-1", ANOTHER).task_arn == ANOTHER


# --- close


@pytest.mark.parametrize("task_arn", [ARN, None], ids=["by its task", "whoever owned it"])
@pytest.mark.parametrize("noted", [False, True], ids=["not noted", "noted"])
@pytest.mark.parametrize("claimed", [False, True], ids=["launched only", "running"])
def test_a_run_whose_task_is_gone_is_closed_and_its_lease_is_free(
    registry: Registry, claimed: bool, noted: bool, task_arn: str | None
) -> None:
    run = launch(registry, "s-20261122T020000Z")
    if noted:
        registry.note_task(run.run_id, ARN)
    if claimed:
        claim(registry, run.run_id, "t1")
    before = registry.run(run.run_id)
    assert before is not None

    closed = close(registry, task_arn)

    assert closed == registry.run(run.run_id)
    assert closed == replace(
        before,
        state="failed",
        exit=137,
        reason="out of memory",
        ended_at=after(5),
        task_arn=before.task_arn or task_arn,
    )
    assert registry.lease() is None
    assert launch(registry, "m-2", after(5)).fencing == before.fencing + 1


def test_the_end_of_a_task_that_does_not_own_the_run_closes_nothing(registry: Registry) -> None:
    # A second task of the same run, which found it claimed and left with exit 0.
    launch(registry, "s-20261122T020000Z")
    registry.note_task("s-20261122T020000Z", ANOTHER)
    claim(registry, "s-20261122T020000Z", "t1")
    before = everything(registry)

    assert close(registry, ANOTHER) is None
    assert close(registry, f"{CLUSTER}/1") is None, "an id that the owner's ends with"
    assert everything(registry) == before


def test_the_end_of_another_task_does_not_close_a_run_that_waits_for_its_own(
    registry: Registry,
) -> None:
    launch(registry, "s-20261122T020000Z")
    registry.note_task("s-20261122T020000Z", ARN)
    before = everything(registry)

    assert close(registry, ANOTHER) is None
    assert everything(registry) == before


def test_a_run_that_has_ended_is_closed_by_nobody(registry: Registry) -> None:
    run, lease = running(registry, "s-20261122T020000Z")
    registry.finish(replace(run, state="rejected", exit=0), lease, now=after(1))
    before = everything(registry)

    assert close(registry, ARN) is None
    assert close(registry, None) is None
    assert close(registry, ARN, "m-unknown") is None
    assert everything(registry) == before


def test_a_run_whose_lease_was_taken_over_does_not_free_the_takers(registry: Registry) -> None:
    launch(registry, "s-20261122T020000Z")
    claim(registry, "s-20261122T020000Z", "t1")
    _, taken = running(registry, "m-2", after(10))
    before = everything(registry)

    assert close(registry, ARN) is None, "the taker has closed it"
    assert registry.lease() == taken
    assert everything(registry) == before


def test_a_task_that_died_between_its_promotion_and_its_end_has_its_end_on_record_but_no_lease(
    registry: Registry,
) -> None:
    run, lease = running(registry, "s-20261122T020000Z")
    promote(registry, run.run_id, 0, lease=lease, run=replace(run, state="promoted"))
    promoted = registry.run(run.run_id)

    assert close(registry, ANOTHER) is None
    assert registry.lease() == lease, "another task's end is no reason"
    assert close(registry, ARN) is None

    assert promoted is not None
    assert registry.run(run.run_id) == replace(promoted, ended_at=after(5))
    assert registry.lease() is None


def test_a_promotion_that_its_run_took_for_a_failure_stays_on_record(registry: Registry) -> None:
    # Given a promotion whose answer was lost, so that the run believes that it failed
    run, lease = running(registry, "m-1")
    promote(registry, "m-1", 0, lease=lease, run=replace(run, state="promoted", exit=0))

    registry.finish(replace(run, state="failed", exit=1, reason="outage"), lease, now=after(5))

    ended = registry.run("m-1")
    assert ended is not None
    assert (ended.state, ended.serial, ended.ended_at) == ("promoted", 1, after(5))
    assert registry.lease() is None


def test_of_two_tasks_for_one_run_the_one_that_owns_it_is_on_record(registry: Registry) -> None:
    launch(registry, "m-1")
    registry.note_task("m-1", ANOTHER)
    claim(registry, "m-1", "t1")

    registry.note_task("m-1", ARN)
    registry.note_task("m-1", ANOTHER)

    run = registry.run("m-1")
    assert run is not None
    assert run.task_arn == ARN


def test_the_old_owner_of_a_closed_run_changes_nothing_any_more(registry: Registry) -> None:
    run, lease = running(registry, "s-20261122T020000Z")
    close(registry, ARN)
    before = everything(registry)

    for change in (
        lambda: promote(registry, run.run_id, 0, lease=lease, run=replace(run, state="promoted")),
        lambda: registry.renew(lease, lease_seconds=600, now=after(1)),
        lambda: registry.finish(replace(run, state="promoted"), lease, now=after(1)),
    ):
        with pytest.raises(LeaseLostError):
            change()

    assert everything(registry) == before


# --- mark_alerted


def test_people_are_told_of_a_run_once(registry: Registry) -> None:
    launch(registry, "m-1")
    told = registry.run("m-1")
    assert told is not None

    assert registry.mark_alerted(told, after(1)) is True
    assert registry.mark_alerted(told, after(2)) is False

    run = registry.run("m-1")
    assert run is not None
    assert run.alerted_at == after(1)


def test_who_was_told_of_a_state_that_is_over_has_not_heard_of_the_end(
    registry: Registry,
) -> None:
    told, lease = running(registry, "m-1")
    ended = registry.finish(replace(told, state="failed", exit=1), lease, now=after(1))

    assert registry.mark_alerted(told, after(2)) is False

    assert registry.run("m-1") == ended
    assert ended.alerted_at is None


def test_nothing_is_noted_on_a_run_that_is_not_on_record(registry: Registry) -> None:
    for note in (
        lambda: registry.note_task("m-1", ARN),
        lambda: registry.mark_alerted(Run(run_id="m-1", created_at=START), START),
    ):
        with pytest.raises(RegistryError, match="must be on record"):
            note()

    assert registry.runs() == []


# --- no version active


def test_a_restoration_to_the_time_before_the_first_version_leaves_none_active(
    registry: Registry,
) -> None:
    run, lease = running(registry, "m-1")
    promote(registry, "m-1", 0, lease=lease, run=replace(run, state="rolling_out"))
    rolling_out = registry.run("m-1")

    entry = registry.promote(
        version=None,
        sha="",
        expected_serial=1,
        action="restore",
        now=after(1),
        run=rolling_out,
    )

    assert entry == HistoryEntry(
        serial=2,
        version=None,
        previous="m-1",
        run_id="m-1",
        action="restore",
        at=after(1),
        sha="",
    )
    assert registry.active() == Active(version=None, serial=2, run_id="m-1", since=after(1))
    assert registry.run("m-1") == rolling_out, "it ends once the old version serves again"


def test_after_such_a_restoration_the_serial_counts_on(registry: Registry) -> None:
    promote(registry, "m-1", 0)
    registry.promote(version=None, sha="", expected_serial=1, action="restore", now=START)

    entry = promote(registry, "m-2", 2)

    assert (entry.serial, entry.previous) == (3, None)
    assert [each.version for each in registry.history()] == ["m-1", None, "m-2"]


@pytest.mark.parametrize(("action", "sha"), [("promote", ""), ("rollback", ""), ("restore", "0")])
def test_nothing_but_a_restoration_may_leave_none_active(
    registry: Registry, action: str, sha: str
) -> None:
    promote(registry, "m-1", 0)

    with pytest.raises(AssertionError, match="only a restoration"):
        registry.promote(
            version=None,
            sha=sha,
            expected_serial=1,
            action=action,  # type: ignore[arg-type]
            now=START,
        )
