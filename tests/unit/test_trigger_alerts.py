"""A message says which run, how it ended, why, and what to do first."""

from dataclasses import replace

import pytest

from common.registry.records import Run
from retrain_trigger.alerts import Alert, of_run, of_unknown_task
from retrain_trigger.stopped import task_end
from tests.unit.trigger_samples import (
    KILLED_FOR_MEMORY,
    NEVER_STARTED,
    NOW,
    RUN,
    SPOT,
    TASK,
    ecs_event,
)

FAILED = Run(
    run_id=RUN,
    created_at=NOW,
    state="failed",
    exit=137,
    reason="its task was killed for using more memory than it has (exit code 137): "
    "OutOfMemoryError: Container killed due to memory usage",
    task_arn=TASK,
)


def test_a_message_is_this_text() -> None:
    end = task_end(ecs_event(**KILLED_FOR_MEMORY), "task")  # type: ignore[arg-type]

    assert of_run("prod", FAILED, end) == Alert(
        subject=f"HairMe retraining prod: {RUN} failed (exit 137, out of memory)",
        body=f"""\
The retraining run {RUN} on prod ended failed.

state:   failed
exit:    137
reason:  its task was killed for using more memory than it has (exit code 137): \
OutOfMemoryError: Container killed due to memory usage
task:    {TASK}
ECS:     OutOfMemoryError: Container killed due to memory usage; Essential container in task exited

What to do first: Give the task more memory in infra/settings.py and deploy.
Then: python -m task history, and runs/{RUN}/ in the store.""",
    )


@pytest.mark.parametrize(
    ("code", "event", "first"),
    [
        (1, {"exitCode": 1}, "last lines of the task's log"),
        (2, {"exitCode": 2}, "that the reason, or the last lines of the task's log, name"),
        (3, {"exitCode": 3}, "the votes that validation refused"),
        (4, {"exitCode": 4}, "The champion of before serves again"),
        (5, {"exitCode": 5}, "Nothing was changed"),
        (9, {"exitCode": 9}, "last lines of the task's log"),  # one that we never give
        (137, {"exitCode": 137}, "killed before it could say why"),
        (143, {"exitCode": 143}, "Nothing was promoted"),
        (143, SPOT, "set capacity FARGATE"),
        (1, NEVER_STARTED, "a pull error means"),
    ],
)
def test_what_to_do_first_follows_from_the_cause_or_else_from_the_exit_status(
    code: int, event: dict[str, object], first: str
) -> None:
    end = task_end(ecs_event(**event), "task")  # type: ignore[arg-type]

    alert = of_run("prod", replace(FAILED, exit=code), end)

    assert f"exit:    {code}\n" in alert.body
    assert first in alert.body.split("What to do first: ")[1]


def test_a_roll_out_that_was_overtaken_is_not_said_to_have_changed_nothing() -> None:
    alert = of_run("prod", replace(FAILED, exit=5, serial=7), None)

    assert "Somebody made another version active" in alert.body
    assert "Nothing was changed" not in alert.body


def test_without_word_from_ecs_the_record_alone_is_told() -> None:
    alert = of_run("prod", replace(FAILED, exit=1, reason="it crashed"), None)

    assert alert.subject.endswith("failed (exit 1)")
    assert f"task:    {TASK}" in alert.body
    assert "ECS:" not in alert.body


def test_the_words_of_ecs_stand_there_once() -> None:
    end = task_end(ecs_event(exitCode=1), "task")
    assert end is not None

    alert = of_run("prod", replace(FAILED, exit=1, reason=end.sentence()), end)

    assert alert.body.count("Essential container in task exited") == 1


@pytest.mark.parametrize("stage", ["prod", "a" * 200, "한국\n\x07"])
def test_a_subject_is_one_line_of_at_most_100_ascii_characters(stage: str) -> None:
    end = task_end(ecs_event(exitCode=1), "task")
    assert end is not None

    for alert in (of_run(stage, FAILED, end), of_unknown_task(stage, end)):
        assert len(alert.subject) <= 100
        assert alert.subject.isascii()
        assert alert.subject.isprintable()


def test_a_long_reason_is_cut_and_a_foreign_one_is_kept() -> None:
    long = of_run("prod", replace(FAILED, reason="한" * 100_000), None)

    assert "한…" in long.body
    assert len(long.body.encode()) < 10_000  # SNS takes 256 kB


def test_a_task_without_a_run_is_named_with_who_started_it() -> None:
    end = task_end(ecs_event(started_by="", exitCode=1), "task")
    assert end is not None

    alert = of_unknown_task("prod", end)

    assert "startedBy:  nobody" in alert.body
    assert TASK in alert.body
