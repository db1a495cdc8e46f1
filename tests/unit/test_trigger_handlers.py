"""Both functions from their entry: environment in, JSON out, and errors that leave."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from common.errors import DatabaseError, RegistryError, UsageError
from common.registry import open_registry
from retrain_trigger import events, handler
from tests.history import SqliteHistory, analysis
from tests.unit.trigger_samples import (
    ENVIRON,
    NOW,
    REQUEST_ID,
    RUN,
    SLOT,
    TASK,
    WATCH_ENVIRON,
    Ecs,
    Sns,
    ecs_event,
)

CONTEXT = SimpleNamespace(aws_request_id=REQUEST_ID)
PASSWORD = "correct-horse"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The functions own their process's logging; a test only borrows it."""
    root, botocore = logging.getLogger(), logging.getLogger("botocore")
    before, levels = root.handlers[:], (root.level, botocore.level)
    yield
    root.handlers[:] = before
    root.setLevel(levels[0])
    botocore.setLevel(levels[1])


@pytest.fixture(autouse=True)
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The environment of both functions, and clients that only take notes."""
    fakes: dict[str, Any] = {"ecs": Ecs(), "sns": Sns()}
    for function in (handler, events):
        monkeypatch.setattr(function, "client", fakes.__getitem__)
        monkeypatch.setattr(function, "_now", lambda: NOW)
    history = SqliteHistory(tmp_path / "votes.sqlite")
    history.store(*(analysis(n, "like", "bad", "LIKE") for n in range(1, 21)))
    addresses = {
        "DATABASE_URL": f"sqlite:///{history.path}",
        "REGISTRY_URL": f"sqlite:///{tmp_path}/registry.sqlite",
        "DB_PASSWORD": PASSWORD,
    }
    for name, value in {**addresses, **ENVIRON, **WATCH_ENVIRON}.items():
        monkeypatch.setenv(name, value)
    return fakes


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What the log group gets: every line is a JSON object."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_schedules_event_becomes_a_task_and_a_plain_answer(
    cloud: dict[str, Any], tmp_path: Path
) -> None:
    found = handler.handle(SLOT, CONTEXT)

    assert json.loads(json.dumps(found)) == {
        "decision": "launched",
        "reason": "60 votes, 60 of them new",
        "run_id": RUN,
        "task_arn": TASK,
        "new_votes": 60,
        "total_votes": 60,
        "unknown_votes": 0,
        "needed": 0,
        "last_verdict": None,
        "settings": {},
    }
    assert len(cloud["ecs"].asked) == 1
    run = open_registry(f"sqlite:///{tmp_path}/registry.sqlite").run(RUN)
    assert run is not None
    assert run.owner == f"trigger/{REQUEST_ID}"


def test_the_log_says_run_and_request_and_carries_the_metrics_and_no_secret(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler.handle(SLOT, CONTEXT)
    logging.getLogger("elsewhere").error("refused with %s", PASSWORD)

    metric, answered, error = lines(capsys)
    assert (metric["Stage"], metric["runs_launched"], metric["total_votes"]) == ("prod", 1, 60)
    assert (answered["run_id"], answered["request_id"]) == (RUN, REQUEST_ID)
    assert answered["answer"]["decision"] == "launched"
    assert error["message"] == "refused with ***"


def test_the_runtimes_own_handler_does_not_write_each_line_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runtimes = logging.StreamHandler()
    logging.getLogger().addHandler(runtimes)

    handler.handle({"dry_run": True}, CONTEXT)

    assert runtimes not in logging.getLogger().handlers
    assert len(lines(capsys)) == 1


def test_the_events_settings_win_over_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAIN_MIN_FEEDBACK_COUNT", "100")

    skipped = handler.handle({"dry_run": True}, CONTEXT)
    launched = handler.handle({"dry_run": True, "min_feedback": 60}, CONTEXT)

    assert (skipped["decision"], skipped["needed"]) == ("would_skip", 40)
    assert launched["decision"] == "would_launch"
    assert launched["settings"] == {"min_feedback_count": 60}


def test_a_wrong_event_is_refused_before_anything_is_read(
    cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")

    with pytest.raises(UsageError, match="no key 'forced'"):
        handler.handle({"forced": True}, CONTEXT)

    assert cloud["ecs"].asked == []


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REGISTRY_URL", "TRIGGER_CLUSTER"])
def test_a_missing_address_is_an_error(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(variable)

    with pytest.raises(UsageError, match=f"{variable} must be set"):
        handler.handle({}, CONTEXT)


def test_a_database_that_is_not_there_leaves_the_function_as_an_error(
    cloud: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/absent.sqlite")

    with pytest.raises(DatabaseError):
        handler.handle({"force": True}, CONTEXT)

    assert cloud["ecs"].asked == []


def test_the_watcher_closes_the_run_of_a_dead_task(
    cloud: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    handler.handle(SLOT, CONTEXT)
    capsys.readouterr()

    found = events.handle(ecs_event(exitCode=137), CONTEXT)

    assert (found["outcome"], found["state"], found["exit"]) == ("closed", "failed", 137)
    assert len(cloud["sns"].sent) == 1
    metric, watched = lines(capsys)
    assert metric["tasks_failed"] == 1
    assert (watched["run_id"], watched["request_id"]) == (RUN, REQUEST_ID)


def test_the_watcher_looks_daily_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    handler.handle(SLOT | {}, CONTEXT)
    monkeypatch.delenv("DATABASE_URL")

    found = events.handle({"check": "daily"}, CONTEXT)

    assert (found["outcome"], found["stopped"], found["rollbacks"]) == ("checked", [], 0)


def test_a_task_that_still_runs_is_no_end() -> None:
    found = events.handle(ecs_event(last_status="RUNNING"), CONTEXT)

    assert found == {"outcome": "ignored", "reason": "the task has not ended"}


@pytest.mark.parametrize("event", [{}, {"check": "weekly"}, {"detail-type": "Other"}, None, "now"])
def test_an_event_that_the_watcher_does_not_know_is_refused(event: object) -> None:
    with pytest.raises(UsageError, match="the watcher takes"):
        events.handle(event, CONTEXT)


def test_an_outage_of_the_registry_leaves_the_watcher_as_an_error(tmp_path: Path) -> None:
    (tmp_path / "registry.sqlite").write_text("not a database, but long enough to be read")

    with pytest.raises(RegistryError):
        events.handle(ecs_event(exitCode=1), CONTEXT)
