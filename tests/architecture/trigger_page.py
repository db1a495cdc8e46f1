"""Writes docs/trigger.md: `python -m tests.architecture.trigger_page`.

Each answer on the page is what the function answered just now, over a real registry, with a
scripted ECS; a test holds the page to it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from common.database import VoteCounts
from common.errors import RetrainError
from common.settings import Settings
from retrain_trigger.metrics import NAMES, NAMESPACE
from retrain_trigger.request import parse
from retrain_trigger.settings import TriggerSettings, WatcherSettings
from retrain_trigger.stopped import task_end
from retrain_trigger.trigger import answer
from retrain_trigger.watch import daily, ended
from tests.unit.trigger_samples import CAPACITY, KILLED_FOR_MEMORY, SLOT, World, ecs_event, verdict

PATH = Path(__file__).parents[2] / "docs" / "trigger.md"
FULL = {
    "force": True,
    "dry_run": True,
    "min_feedback": 10,
    "real_weight": 3.0,
    "min_improvement": 0.01,
    "auto_deploy": False,
    "skip_data_check": True,
}
_HEAD = """\
# The trigger and the watcher

Written from the code; `python -m tests.architecture.trigger_page` writes it again.

Two functions from one bundle. The **trigger** is called by the schedule, or by a person: it
counts votes, decides, and launches the training task or records a skip. The **watcher** is called
when a task ends, and daily: it closes what a dead task left open, stops what hangs, and tells
people by one message a failed run.

The same event is the same run: its id comes from the schedule's slot (`s-…`) or from the id of
the request (`a-…`). A repeated delivery, a retry after a crash and two deliveries at once end at
one task and one record. Two requests by hand are two events.

The *champion* is the model in service, the *challenger* the one just trained. A *verdict* is the
end of a run that judged its votes; votes after it are new. The *lease* is the right to run, which
one run has at a time. A *slot* is a time of the schedule.

## Asking the trigger

    aws lambda invoke --function-name HairmeRetraining-prod-trigger \\
        --cli-binary-format raw-in-base64-out --cli-read-timeout 900 \\
        --payload '{"dry_run": true}' /dev/stdout

(or "Test" in the console). The event is `{}` or any of these keys; any other key, and a value of
another type, is refused: Lambda answers with `errorType` and `errorMessage` and names
`FunctionError`, the command line still ends with 0, and the alarm `trigger-errors` counts it.

`{"time": "2026-11-22T02:00:00Z"}`, with no other key, is that slot of the schedule: it launches
what was missed, and repeats nothing. Another time is another run, and one that lies over 15
minutes ahead is refused.

| key | takes | means |
|---|---|---|
| `force` | true or false | launch whatever the minimums and the cooldown say; never over a lease, \
never from no votes |
| `dry_run` | true or false | only say what would happen; nothing is written |
| `min_feedback` | whole number from 0 | votes needed in all, for this run |
| `real_weight` | number, 0 to 1,000,000 | weight of a real vote against a base row, for this run |
| `min_improvement` | number, -1 to 1 | how much better a model must be (F1), for this run |
| `auto_deploy` | true or false | whether a better model is promoted, for this run |
| `skip_data_check` | true or false | skip the vote minimums, never validation, for this run |

`needed` in an answer says how many more votes would satisfy both minimums; `unknown_votes` counts
cells whose spelling nobody knows (since the last verdict), which are no votes.
"""
_METRICS = {
    "runs_launched": "a task was started",
    "runs_skipped": "a run was skipped, for too few votes or a held lease",
    "launch_failed": "ECS started no task",
    "new_votes": "votes since the last verdict, when they were counted",
    "total_votes": "votes in all, when they were counted",
    "days_since_success": (
        "days since a run ended well, a skip among them; missing before the first, which the "
        "alarm takes for too many (send `{}` once after the first deployment)"
    ),
    "refusals_in_a_row": "verdicts in a row that rejected the new model",
    "rollbacks": "changes back within the last 24 hours, by a run or by a person",
    "tasks_failed": "a task ended with another exit code than 0, or with none",
}


def page() -> str:
    """The whole page as Markdown."""
    parts = [_HEAD, *_examples(), *_watching(), *_settings(), *_metrics()]
    return "\n".join(parts)


def _examples() -> list[str]:
    few = VoteCounts(total=63, new=0)
    return [
        "## Events and answers\n",
        _example("The schedule, with enough new votes", SLOT),
        _example("The same event once more (a repeated delivery, or a retry)", SLOT, before=[SLOT]),
        _example("By hand, with nothing new", {}, votes=few),
        _example("By hand, while a run is at work", {}, before=[SLOT]),
        _example("Forced, with nothing new", {"force": True}, votes=few),
        _example("What would happen, and nothing else", {"dry_run": True}, votes=few),
        _example("Everything at once", FULL, votes=VoteCounts(total=12, new=12, unknown=3)),
        _example("A number in quotes", {"min_feedback": "10"}),
        _example("No capacity in any subnet", SLOT, capacity=False),
    ]


def _example(
    title: str,
    event: Mapping[str, object],
    *,
    votes: VoteCounts | None = None,
    before: list[dict[str, str]] | None = None,
    capacity: bool = True,
) -> str:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        verdict(world)
        for number, earlier in enumerate(before or []):
            _answer(world, earlier, f"earlier-{number}")
        world.votes = votes or world.votes
        world.ecs.script = [] if capacity else [CAPACITY] * 3
        found = _answer(world, event, "6f1c9a52-0d55-4f3e-9f43-5f0f3a6f5b11")
    return f"**{title}**\n\n```json\n{json.dumps(event)}\n```\n{found}\n"


def _answer(world: World, event: object, request_id: str) -> str:
    try:
        request = parse(event, request_id)
        settings = Settings(**request.settings)  # type: ignore[arg-type]
        found = answer(world.trigger(settings), request).as_json()
    except RetrainError as error:
        return f"```text\n{type(error).__name__}: {error}\n```"
    return f"```json\n{json.dumps(found, indent=2)}\n```"


def _watching() -> list[str]:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        verdict(world)
        _answer(world, SLOT, "x")
        world.claim()
        end = task_end(ecs_event(**KILLED_FOR_MEMORY), "task")  # type: ignore[arg-type]
        assert end is not None
        world.later(minutes=9)
        closed = ended(world.watcher(), end)
        looked = daily(world.watcher())
        (message,) = world.sns.sent
    return [
        "## What the watcher does\n",
        "ECS says that a task ended, here killed for its memory; the answer, and the message:\n",
        f"```json\n{json.dumps(closed, indent=2)}\n```\n",
        f"```text\nSubject: {message['Subject']}\n\n{message['Message']}\n```\n",
        'The daily look, `{"check": "daily"}`:\n',
        f"```json\n{json.dumps(looked, indent=2)}\n```\n",
    ]


def _settings() -> list[str]:
    """The settings that the stack gives the functions."""
    lines = [
        "## Settings of the functions\n",
        "The stack sets them as environment variables, beside those of docs/settings.md.\n",
        "| variable | default | meaning |\n|---|---|---|",
    ]
    for kind in (TriggerSettings, WatcherSettings):
        for field in dataclasses.fields(kind):
            given = field.default is not dataclasses.MISSING
            default = f"`{field.default}`" if given else "–"
            rule = field.metadata["rule"]
            says = f"{rule.says} ({rule.unit})" if rule.unit else rule.says
            lines.append(f"| `{kind.prefix}{field.name.upper()}` | {default} | {says} |")
    return [*lines, ""]


def _metrics() -> list[str]:
    lines = [
        "## Metrics\n",
        f"In the namespace `{NAMESPACE}`, by `Stage`.\n",
        "| metric | means |\n|---|---|",
        *(f"| `{name}` | {_METRICS[name]} |" for name in NAMES),
    ]
    return [*lines, ""]


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
