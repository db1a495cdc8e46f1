"""What an operator does by hand: look, roll back, hold, resume, promote."""

from __future__ import annotations

import argparse
import json
import signal
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from common.registry import Registry
from common.registry.records import HistoryEntry
from common.registry.sqlite import SqliteTable
from common.settings import Settings
from task.commands import COMMANDS, Call
from task.interrupt import Interrupt
from task.stages import Loop
from tests.unit.place import Place


class Interrupting(Registry):
    """A registry at which somebody presses Ctrl-C as soon as it has changed."""

    def promote(self, **words: Any) -> HistoryEntry:
        entry = super().promote(**words)
        signal.raise_signal(signal.SIGINT)
        return entry

    def clear_hold(self) -> bool:
        held = super().clear_hold()
        signal.raise_signal(signal.SIGINT)
        return held


class InterruptedLoop(Loop):
    @cached_property
    def registry(self) -> Registry:
        return Interrupting(
            SqliteTable(Path(str(self.settings.registry_url).removeprefix("sqlite:///")))
        )


def test_status_tells_what_serves_and_what_is_free(learned: Place) -> None:
    # Given one run that was promoted
    # When
    status = learned.json("status")
    shown = learned.task("status").out

    # Then
    assert status["active"]["version"] == "m-a"
    assert (status["hold"], status["lease"], status["versions"]) == (None, None, ["m-a"])
    assert [(run["run_id"], run["state"]) for run in status["runs"]] == [("m-a", "promoted")]
    assert "m-a since" in shown
    assert "free" in shown


def test_status_of_a_loop_that_never_ran_is_empty(unlearned: Place) -> None:
    status = unlearned.json("status")

    assert status == {
        **dict.fromkeys(("active", "hold", "lease", "running")),
        "versions": [],
        "runs": [],
    }
    assert "none yet" in unlearned.task("status").out


def test_an_environment_file_that_was_named_must_be_there(unlearned: Place) -> None:
    # Else a typing error would lead to whatever addresses the shell happens to have
    answer = unlearned.task("status", "--env-file", ".env.typo")

    assert answer.exit == 2
    assert "--env-file must name a file that is there, got .env.typo" in answer.err


def test_status_names_the_hold(tall: Place) -> None:
    tall.json("rollback")

    assert tall.json("status")["hold"]["version"] == "m-c"
    assert "on hold since" in tall.task("status").out


def test_history_lists_runs_with_f1_and_every_change_of_the_active_version(tall: Place) -> None:
    # Given four promotions and a rollback
    tall.json("rollback")

    # When
    history = tall.json("history")
    shown = tall.task("history").out

    # Then
    assert [run["run_id"] for run in history["runs"]] == ["m-a", "m-b", "m-c", "m-d", "m-e"]
    assert 0 < history["runs"][0]["metrics"]["f1"] <= 1
    changes = [(each["serial"], each["version"], each["action"]) for each in history["changes"]]
    assert changes == [
        (1, "m-a", "promote"),
        (2, "m-b", "promote"),
        (3, "m-c", "promote"),
        (4, "m-d", "promote"),
        (5, "m-c", "rollback"),
    ]
    assert "rollback" in shown
    assert "m-d" in shown


def test_the_deployment_history_is_exported_in_the_form_others_read(tall: Place) -> None:
    # When
    answer = tall.task("history", "--export", "deployment_history.json")

    # Then each run that compared a model is a line with the four fields, and ours
    assert answer.exit == 0
    (line,) = json.loads((tall.folder / "deployment_history.json").read_text("utf-8"))
    assert line["deployed"] is True
    assert line["timestamp"] == tall.json("history")["runs"][0]["ended_at"]
    assert line["new_model_metrics"]["f1"] == tall.json("history")["runs"][0]["metrics"]["f1"]
    assert line["current_model_metrics"] is None
    assert (line["run_id"], line["state"], line["version"]) == ("m-a", "promoted", "m-a")


def test_a_version_promoted_by_hand_later_counts_as_deployed(unlearned: Place) -> None:
    # Given a run that only approved
    assert unlearned.json("run", "--run-id", "m-a", "--no-auto-deploy")["state"] == "approved"
    unlearned.json("history", "--export", "before.json")

    # When a person promotes its version
    unlearned.json("promote", "m-a")
    unlearned.json("history", "--export", "after.json")

    # Then
    before, after = (
        json.loads((unlearned.folder / name).read_text("utf-8"))
        for name in ("before.json", "after.json")
    )
    assert [line["deployed"] for line in before + after] == [False, True]


def test_an_export_that_cannot_be_written_is_a_clear_error(learned: Place) -> None:
    answer = learned.task("history", "--export", "no/such/folder/history.json")

    assert answer.exit == 1
    assert "no/such/folder/history.json must be writable" in answer.err
    assert "Traceback" not in answer.err


def test_rollback_goes_to_the_version_before_and_holds_promotion(tall: Place) -> None:
    # When
    done = tall.json("rollback")

    # Then
    assert (done["version"], done["previous"], done["serial"]) == ("m-c", "m-d", 5)
    assert tall.active == "m-c"
    hold = tall.registry.hold()
    assert hold is not None
    assert "m-d" in hold.reason


def test_repeated_rollbacks_go_further_back_and_never_to_one_rolled_back_from(tall: Place) -> None:
    visited = [tall.active]
    while (answer := tall.task("rollback", "--json")).exit == 0:
        visited.append(tall.active)

    assert visited == ["m-d", "m-c", "m-b", "m-a"]
    assert tall.active == "m-a"
    assert "found none" in answer.result["reason"]


def test_a_version_rolled_back_from_is_not_the_next_ones_way_back(tall: Place) -> None:
    # Given m-d was rolled back from, and m-e promoted since
    tall.json("rollback")
    tall.json("resume")
    tall.json("promote", "m-e")

    # When
    done = tall.json("rollback")

    # Then it is not m-d that serves again
    assert (done["previous"], done["version"]) == ("m-e", "m-c")


def test_rollback_to_a_named_version(tall: Place) -> None:
    assert tall.json("rollback", "m-a")["version"] == "m-a"
    assert tall.active == "m-a"
    assert tall.registry.hold() is not None


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param(["m-d"], 1, "another version than the active one", id="the active one"),
        pytest.param(["m-unknown"], 1, "must be a published version", id="unknown"),
        pytest.param(["no version"], 2, "a run id must be", id="no name of a version"),
    ],
)
def test_a_rollback_that_cannot_be_done_changes_nothing(
    tall: Place, words: list[str], code: int, says: str
) -> None:
    before = tall.everything()

    answer = tall.task("rollback", *words)

    assert answer.exit == code
    assert says in answer.err
    assert tall.everything() == before


def test_rollback_before_any_promotion_says_so(unlearned: Place) -> None:
    answer = unlearned.task("rollback")

    assert answer.exit == 1
    assert "there must be an active version" in answer.err


def test_a_damaged_version_is_not_rolled_back_to(tall: Place) -> None:
    # Given the version before was altered in the store
    table = tall.folder / "store/models/m-c/table.safetensors"
    table.write_bytes(table.read_bytes()[:-1])

    # When
    answer = tall.task("rollback")

    # Then
    assert answer.exit == 1
    assert "table.safetensors must have the sha256" in answer.err
    assert (tall.active, tall.registry.hold()) == ("m-d", None)


def test_promote_puts_a_published_version_into_service(tall: Place) -> None:
    done = tall.json("promote", "m-e")

    assert (done["version"], done["previous"], done["serial"]) == ("m-e", "m-d", 5)
    assert tall.active == "m-e"


@pytest.mark.parametrize(
    ("version", "code", "says"),
    [
        pytest.param("m-d", 1, "another version than the active one", id="the active one"),
        pytest.param("m-unknown", 1, "must be a published version", id="unknown"),
        pytest.param("../m-a", 2, "a run id must be", id="no name of a version"),
    ],
)
def test_a_promotion_that_cannot_be_done_changes_nothing(
    tall: Place, version: str, code: int, says: str
) -> None:
    before = tall.everything()

    answer = tall.task("promote", version)

    assert answer.exit == code
    assert says in answer.err
    assert tall.everything() == before


def test_nothing_is_promoted_while_on_hold_until_resume(tall: Place) -> None:
    # Given a rollback
    tall.json("rollback")

    # When a person promotes, resumes and promotes again
    refused = tall.task("promote", "m-e")
    hold = tall.json("resume")["hold"]
    done = tall.json("promote", "m-e")

    # Then only the last one is done
    assert refused.exit == 1
    assert "resume" in refused.err
    assert (hold["version"], done["version"], tall.active) == ("m-c", "m-e", "m-e")
    assert hold["since"].endswith("Z")


def test_resume_without_a_hold_says_there_is_nothing_to_do(learned: Place) -> None:
    answer = learned.task("resume")

    assert answer.exit == 1
    assert "it is not: nothing to do" in answer.err


@pytest.mark.parametrize(
    "words",
    [["rollback"], ["rollback", "m-a"], ["promote", "m-e"]],
    ids=lambda words: " ".join(words),
)
def test_a_dry_run_says_what_would_change_and_changes_nothing(
    tall: Place, words: list[str]
) -> None:
    before = tall.everything()

    done = tall.json(*words, "--dry-run")

    assert done["dry_run"] is True
    assert done["previous"] == "m-d"
    assert tall.everything() == before


def test_a_dry_resume_keeps_the_hold(tall: Place) -> None:
    tall.json("rollback")
    before = tall.everything()

    assert tall.json("resume", "--dry-run")["dry_run"] is True
    assert tall.everything() == before


@pytest.mark.parametrize(
    ("command", "version", "active"),
    [("rollback", "m-c", "m-c"), ("promote", "m-e", "m-e"), ("resume", None, "m-c")],
)
def test_a_command_that_is_interrupted_once_it_has_changed_something_says_what(
    tall: Place,
    interrupt: Interrupt,
    capsys: pytest.CaptureFixture[str],
    command: str,
    version: str | None,
    active: str,
) -> None:
    # Given somebody who presses Ctrl-C just after the change
    if command == "resume":
        tall.json("rollback")
    settings = Settings(
        store_url=tall.addresses["STORE_URL"],
        registry_url=tall.addresses["REGISTRY_URL"],
        serving_url="none",
    )
    call = Call(
        arguments=argparse.Namespace(version=version, dry_run=False, json=True),
        flags={},
        loop=InterruptedLoop(settings=settings, now=lambda: datetime.now(UTC), clock=float),
        interrupt=interrupt,
    )

    # When
    code = COMMANDS[command](call)

    # Then the command is done and says so, and the signal is without effect
    assert (code, interrupt.pending) == (0, True)
    assert json.loads(capsys.readouterr().out)["dry_run"] is False
    assert tall.active == active
    assert (tall.registry.hold() is not None) == (command == "rollback")


@pytest.mark.parametrize("command", ["status", "history"])
def test_looking_makes_no_registry(unlearned: Place, command: str) -> None:
    before = unlearned.everything()

    assert unlearned.task(command).exit == 0
    assert unlearned.everything() == before
