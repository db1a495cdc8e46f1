"""An operator's hand on a loop that a service serves, and what `status` tells of it."""

from __future__ import annotations

import argparse
import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest

from common.errors import NotDoneError, NotServedError, ServingError, StoreError
from common.registry import Registry
from common.registry.records import Run
from common.serving import Service
from task import versions
from task.commands import COMMANDS, Call
from task.interrupt import Interrupt, Stop
from tests.unit.judged import loop_of, served
from tests.unit.place import Place
from tests.unit.services import Ecs
from tests.unit.serving import GOING_ON, Clock, FakeService, fake_api

ARN = "arn:aws:ecs:us-east-1:123456789012:task/hairme/0a1b2c"


@pytest.fixture
def service(tall: Place) -> Iterator[FakeService]:
    """Two tasks that serve m-d."""
    with served(tall) as made:
        yield made


def by_hand(
    place: Place,
    service: Service | Ecs | None,
    command: str,
    version: str | None,
    *,
    dry: bool = False,
    waits: Clock | None = None,
    interrupt: Interrupt | None = None,
) -> int:
    """The command as a person gives it."""
    call = Call(
        arguments=argparse.Namespace(version=version, dry_run=dry, json=True),
        flags={},
        loop=loop_of(place, lambda: datetime.now(UTC), service, waits),
        interrupt=interrupt or Interrupt(),
    )
    return COMMANDS[command](call)


CHANGES = [("promote", "m-e"), ("rollback", None)]


@pytest.mark.parametrize(
    ("command", "version", "active"),
    [("promote", "m-e", "m-e"), ("rollback", None, "m-c"), ("rollback", "m-a", "m-a")],
)
def test_a_change_by_hand_deploys_the_service_anew_and_is_waited_for(
    tall: Place,
    service: FakeService,
    capsys: pytest.CaptureFixture[str],
    command: str,
    version: str | None,
    active: str,
) -> None:
    # Given
    seen: list[str | None] = []
    service.checks = [lambda: seen.append(tall.active)]
    service.meanwhile = lambda: seen.append(tall.active)
    service.looks, waits = [GOING_ON] * 3, Clock()

    # When
    assert by_hand(tall, service, command, version, waits=waits) == 0

    # Then
    assert seen == ["m-d", active]
    assert {each.version for each in service.apis} == {active}
    assert waits.seconds > 0
    done = json.loads(capsys.readouterr().out)
    assert (done["version"], done["previous"], done["deployment"]) == (active, "m-d", "d-1")
    assert "2 tasks serve it" in done["proved"]
    assert "answers are as evaluated" in done["proved"]


@pytest.mark.parametrize(("command", "version"), CHANGES)
def test_a_service_that_is_not_there_keeps_everything_as_it_is(
    tall: Place, command: str, version: str | None
) -> None:
    before = tall.everything()

    with pytest.raises(ServingError, match="is DRAINING"):
        by_hand(tall, Ecs().is_("DRAINING"), command, version)

    assert tall.everything() == before


@pytest.mark.parametrize(("command", "version"), CHANGES)
def test_a_dry_run_looks_at_the_service_and_tells_it_nothing(
    tall: Place, command: str, version: str | None
) -> None:
    before, ecs = tall.everything(), Ecs().is_("ACTIVE")

    assert by_hand(tall, ecs, command, version, dry=True) == 0

    assert ecs.asked == ["DescribeServices"]
    assert tall.everything() == before


@pytest.mark.parametrize(("command", "version"), CHANGES)
def test_a_person_who_cannot_reach_the_tasks_is_told_that_nobody_was_asked(
    tall: Place,
    service: FakeService,
    capsys: pytest.CaptureFixture[str],
    command: str,
    version: str | None,
) -> None:
    with fake_api() as gone:
        service.apis.append(gone)

    assert by_hand(tall, service, command, version) == 0

    done = json.loads(capsys.readouterr().out)
    assert done["proved"].startswith("its deployment is complete; not asked what it serves")
    assert tall.active == done["version"]


def test_without_a_service_nothing_is_proved_and_that_is_said(tall: Place) -> None:
    done = tall.json("promote", "m-e")

    assert (done["deployment"], done["proved"]) == (
        None,
        "not proved in service: SERVING_URL is none",
    )


def test_a_promotion_of_which_the_service_cannot_be_told_is_taken_back(
    tall: Place, service: FakeService
) -> None:
    service.refusals = [ServingError("ServerException")]

    with pytest.raises(ServingError, match="m-e was taken back: m-d is active again; see") as told:
        by_hand(tall, service, "promote", "m-e")

    assert "ServerException" in str(told.value)
    assert (tall.active, tall.registry.hold()) == ("m-d", None)
    assert service.forced == ["m-d"], "the first call may have begun unheard"
    # And it can be tried again
    assert by_hand(tall, service, "promote", "m-e") == 0


@pytest.mark.parametrize("served_by", ["somebody", "nobody"])
def test_a_promotion_whose_files_are_gone_once_it_is_active_is_taken_back(
    tall: Place, service: FakeService, served_by: str
) -> None:
    lost = StoreError("the store must be readable, it timed out")
    given = service if served_by == "somebody" else None
    with (
        mock.patch.object(versions, "checked", side_effect=lost),
        pytest.raises(ServingError, match=r"timed out; so m-e was taken back: m-d is active"),
    ):
        by_hand(tall, given, "promote", "m-e")

    assert (tall.active, service.forced) == ("m-d", ["m-d"] if given else [])


def test_nothing_is_promoted_by_hand_while_a_roll_out_is_open(
    tall: Place, service: FakeService
) -> None:
    first, *others = tall.registry.runs()
    open_run = replace(first, state="rolling_out", exit=None)
    with (
        mock.patch.object(Registry, "runs", return_value=[open_run, *others]),
        pytest.raises(NotDoneError, match=f"{open_run.run_id} is rolling_out"),
    ):
        by_hand(tall, service, "promote", "m-e")

    assert (tall.active, service.forced) == ("m-d", [])


def test_a_promotion_that_does_not_serve_is_taken_back(tall: Place, service: FakeService) -> None:
    for each in service.apis:
        each.alter = lambda answer: answer | {"like": not answer["like"]}

    with pytest.raises(ServingError, match=r"answers differ.* m-e was taken back: m-d is active"):
        by_hand(tall, service, "promote", "m-e")

    assert tall.active == "m-d"
    assert service.forced == ["m-e", "m-d"]


def test_a_promotion_that_is_taken_back_untold_says_what_to_do(
    tall: Place, service: FakeService
) -> None:
    service.refusals = [ServingError("ServerException"), ServingError("ThrottlingException")]
    waits = Clock()

    with pytest.raises(ServingError) as told:
        by_hand(tall, service, "promote", "m-e", waits=waits)

    assert "ServerException; so m-e was taken back: m-d is active again, but" in str(told.value)
    assert "could not be told of it (ThrottlingException): see that" in str(told.value)
    assert waits.seconds == 0, "nobody is made to wait for what may be tried again"


def test_a_promotion_that_cannot_be_undone_says_both(tall: Place, service: FakeService) -> None:
    def overtaken() -> None:
        tall.json("promote", "m-b")

    service.meanwhile, service.refusals = overtaken, [ServingError("ServerException")]

    with pytest.raises(ServingError, match=r"ServerException; and m-e could not be taken back"):
        by_hand(tall, service, "promote", "m-e")

    assert tall.active == "m-b"


def test_a_version_that_was_taken_back_does_not_count_as_deployed(unlearned: Place) -> None:
    # Given a version that a person promoted, in vain
    unlearned.json("run", "--run-id", "m-a", "--no-auto-deploy")
    with served(unlearned) as service:
        service.refusals = [ServingError("ServerException")]
        with pytest.raises(ServingError, match="no version is active"):
            by_hand(unlearned, service, "promote", "m-a")

    # When
    unlearned.json("history", "--export", "lines.json")

    # Then
    (line,) = json.loads((unlearned.folder / "lines.json").read_text("utf-8"))
    assert line["deployed"] is False
    assert "restore" in unlearned.task("history").out


def test_a_rollback_of_which_the_service_cannot_be_told_stays_with_its_hold(tall: Place) -> None:
    ecs = Ecs().is_("ACTIVE").refuses("update_service", "ServerException")

    with pytest.raises(ServingError, match="m-c is active and promotion on hold") as told:
        by_hand(tall, ecs, "rollback", None)

    assert "aws ecs update-service --cluster hairme --service api" in str(told.value)
    assert tall.active == "m-c"
    assert tall.registry.hold() is not None


def test_a_rollback_that_does_not_serve_stays_with_its_hold(
    tall: Place, service: FakeService
) -> None:
    service.looks = [NotServedError("the deployment d-1 failed")]

    with pytest.raises(ServingError, match=r"d-1 failed; m-c is active and promotion on hold"):
        by_hand(tall, service, "rollback", None)

    assert tall.active == "m-c"
    assert tall.registry.hold() is not None
    assert service.forced == ["m-c"]


@pytest.mark.parametrize(("command", "version"), CHANGES)
def test_who_stops_waiting_is_told_what_stays(
    tall: Place,
    service: FakeService,
    interrupt: Interrupt,
    command: str,
    version: str | None,
) -> None:
    service.looks = [GOING_ON] * 5
    waits = Clock(at=[(1.0, lambda: signal.raise_signal(signal.SIGINT))])

    with pytest.raises(Stop, match="nobody has asked who serves it") as told:
        by_hand(tall, service, command, version, waits=waits, interrupt=interrupt)

    assert told.value.error.exit_code == 143
    assert tall.active == (version or "m-c")


def test_promotion_and_rollback_need_to_know_who_serves(tall: Place) -> None:
    for words in (["promote", "m-e"], ["rollback"]):
        answer = tall.task(*words, SERVING_URL="")
        assert (answer.exit, tall.active) == (2, "m-d")
        assert "SERVING_URL must be set" in answer.err


@pytest.mark.parametrize("words", [["run"], ["deploy", "--run", "m-a"], ["promote", "m-e"]])
def test_an_address_of_a_kind_that_cannot_be_told_is_wrong_usage(
    tall: Place, words: list[str]
) -> None:
    answer = tall.task(*words, SERVING_URL="http://10.0.0.1:8000")

    assert (answer.exit, tall.active) == (2, "m-d")
    assert "must be none, http://127.0.0.1:PORT or ecs://CLUSTER/SERVICE" in answer.err


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
