"""An operator's hand on a loop that a service serves, and what `status` tells of it."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta

import pytest

from common.errors import ServingError
from common.registry.records import Run
from task.commands import COMMANDS, Call
from task.interrupt import Interrupt
from tests.unit.judged import loop_of
from tests.unit.place import Place
from tests.unit.services import Ecs

OURS = ("ecs-svc/1", "PRIMARY")
ARN = "arn:aws:ecs:us-east-1:123456789012:task/hairme/0a1b2c"


def by_hand(place: Place, ecs: Ecs, command: str, version: str | None, *, dry: bool = False) -> int:
    """The command as a person gives it."""
    call = Call(
        arguments=argparse.Namespace(version=version, dry_run=dry, json=True),
        flags={},
        loop=loop_of(place, lambda: datetime.now(UTC), ecs),
        interrupt=Interrupt(),
    )
    return COMMANDS[command](call)


@pytest.mark.parametrize(
    ("command", "version", "active"),
    [("promote", "m-e", "m-e"), ("rollback", None, "m-c"), ("rollback", "m-a", "m-a")],
)
def test_a_change_by_hand_deploys_the_service_anew(
    tall: Place,
    capsys: pytest.CaptureFixture[str],
    command: str,
    version: str | None,
    active: str,
) -> None:
    ecs, seen = Ecs().is_("ACTIVE").deploys(OURS), []
    ecs.when("DescribeServices", lambda: seen.append(tall.active))
    ecs.when("UpdateService", lambda: seen.append(tall.active))

    assert by_hand(tall, ecs, command, version) == 0

    assert seen == ["m-d", active]
    done = json.loads(capsys.readouterr().out)
    assert (done["version"], done["previous"], done["deployment"]) == (active, "m-d", "ecs-svc/1")


@pytest.mark.parametrize(("command", "version"), [("promote", "m-e"), ("rollback", None)])
def test_a_service_that_is_not_there_keeps_everything_as_it_is(
    tall: Place, command: str, version: str | None
) -> None:
    before = tall.everything()

    with pytest.raises(ServingError, match="is DRAINING"):
        by_hand(tall, Ecs().is_("DRAINING"), command, version)

    assert tall.everything() == before


@pytest.mark.parametrize(("command", "version"), [("promote", "m-e"), ("rollback", None)])
def test_a_dry_run_looks_at_the_service_and_tells_it_nothing(
    tall: Place, command: str, version: str | None
) -> None:
    before, ecs = tall.everything(), Ecs().is_("ACTIVE")

    assert by_hand(tall, ecs, command, version, dry=True) == 0

    assert ecs.asked == ["DescribeServices"]
    assert tall.everything() == before


def test_a_promotion_of_which_the_service_cannot_be_told_is_taken_back(tall: Place) -> None:
    ecs = Ecs().is_("ACTIVE").refuses("update_service", "ServerException").deploys(OURS)

    with pytest.raises(ServingError, match="m-e was taken back: m-d is active again"):
        by_hand(tall, ecs, "promote", "m-e")

    assert (tall.active, tall.registry.hold()) == ("m-d", None)
    # And it can be tried again
    assert by_hand(tall, Ecs().is_("ACTIVE").deploys(OURS), "promote", "m-e") == 0


def test_a_version_that_was_taken_back_does_not_count_as_deployed(unlearned: Place) -> None:
    # Given a version that a person promoted, in vain
    unlearned.json("run", "--run-id", "m-a", "--no-auto-deploy")
    ecs = Ecs().is_("ACTIVE").refuses("update_service", "ServerException")
    with pytest.raises(ServingError, match="no version is active"):
        by_hand(unlearned, ecs, "promote", "m-a")

    # When
    unlearned.json("history", "--export", "lines.json")

    # Then
    (line,) = json.loads((unlearned.folder / "lines.json").read_text("utf-8"))
    assert line["deployed"] is False
    assert "restore" in unlearned.task("history").out


def test_a_rollback_of_which_the_service_cannot_be_told_stays_with_its_hold(tall: Place) -> None:
    ecs = Ecs().is_("ACTIVE").refuses("update_service", "ServerException")

    with pytest.raises(ServingError, match="aws ecs update-service"):
        by_hand(tall, ecs, "rollback", None)

    assert tall.active == "m-c"
    assert tall.registry.hold() is not None


def test_promotion_and_rollback_need_to_know_who_serves(tall: Place) -> None:
    for words in (["promote", "m-e"], ["rollback"]):
        answer = tall.task(*words, SERVING_URL="")
        assert (answer.exit, tall.active) == (2, "m-d")
        assert "SERVING_URL must be set" in answer.err


@pytest.mark.parametrize("words", [["run"], ["deploy", "--run", "m-a"], ["promote", "m-e"]])
def test_an_address_of_a_kind_that_cannot_be_told_is_wrong_usage(
    tall: Place, words: list[str]
) -> None:
    answer = tall.task(*words, SERVING_URL="http://127.0.0.1:8000")

    assert (answer.exit, tall.active) == (2, "m-d")
    assert "SERVING_URL must be none or ecs://CLUSTER/SERVICE" in answer.err


def test_status_names_the_run_that_was_launched_and_its_task(learned: Place) -> None:
    # Given a trigger that has launched a run
    now = datetime.now(UTC)
    run = Run(run_id="s-20261122T020000Z", created_at=now)
    learned.registry.launch(run, owner="trigger/x", lease_seconds=600, now=now)
    launched = learned.json("status")["running"]

    # When its task runs
    learned.registry.note_task(run.run_id, ARN)
    learned.registry.claim(run.run_id, task="0a1b2c", lease_seconds=600, now=now)
    running = learned.json("status")["running"]

    # Then
    assert (launched["run_id"], launched["state"], launched["task_arn"]) == (
        *("s-20261122T020000Z", "launched"),
        None,
    )
    assert (running["state"], running["task_arn"]) == ("running", ARN)
    shown = learned.task("status").out.replace("\n", "")
    assert "s-20261122T020000Z running since" in shown
    assert "fell silent" not in shown


def test_status_tells_a_run_that_fell_silent_from_one_that_is_alive(learned: Place) -> None:
    then = datetime.now(UTC) - timedelta(hours=1)
    learned.registry.launch(
        Run(run_id="m-dead", created_at=then), owner="o", lease_seconds=60, now=then
    )

    assert learned.json("status")["running"]["run_id"] == "m-dead"
    assert "fell silent: the next run closes it" in learned.task("status").out


def test_status_says_that_no_version_is_active_any_more(learned: Place) -> None:
    learned.registry.promote(
        version=None, sha="", expected_serial=1, action="restore", now=datetime.now(UTC)
    )

    assert learned.json("status")["active"]["version"] is None
    assert "none any more since" in learned.task("status").out
    for words in (["predict", "--input", "a.csv", "--output", "b.csv"], ["rollback"]):
        answer = learned.task(*words)
        assert answer.exit == 1
        assert "there must be an active version" in answer.err


def test_weeks_without_votes_do_not_hide_in_status_what_happened_before(learned: Place) -> None:
    # Given ten weeks in which nobody voted
    start = datetime.now(UTC)
    for week in range(10):
        at = start + timedelta(weeks=week)
        run = Run(run_id=f"s-{at:%Y%m%dT%H%M%SZ}", created_at=at)
        learned.registry.record_skip(run, reason="nothing new", now=at)

    # When
    shown = learned.json("status")["runs"]

    # Then only the last of them stands before the others
    assert [(run["run_id"], run["state"]) for run in shown] == [
        (f"s-{start + timedelta(weeks=9):%Y%m%dT%H%M%SZ}", "skipped"),
        ("m-a", "promoted"),
    ]
