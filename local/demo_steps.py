"""What happened in the emulated cloud, one short line for each event and each task."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_WHEN = re.compile(r" since \S+T(\d\d:\d\d:\d\d)\S*")


def of(state: Mapping[str, Any]) -> dict[str, str | None]:
    """Request id or task ARN → what came of it; None while it is under way, "" for nothing."""
    events = {event["request_id"]: _event(event) for event in state["events"]}
    return events | {task["taskArn"]: _task(task) for task in state["tasks"]}


def _event(event: Mapping[str, Any]) -> str | None:
    if not event["done"]:
        return None
    who = event["function"].rpartition("-")[2]
    last, tries = event["attempts"][-1], len(event["attempts"])
    if last["answer"] == {"healed": []}:
        return ""
    again = f", attempt {tries}" if tries > 1 else ""
    return f"{who}: {_answer(last)} ({last['seconds']:.1f} s{again})"


def _answer(attempt: Mapping[str, Any]) -> str:
    answer = attempt["answer"]
    if attempt["error"]:
        return f"{answer.get('errorType')}: {answer.get('errorMessage')}"
    if "decision" in answer:
        why = answer["reason"].partition("; ")[0]
        short = _WHEN.sub(r" since \1", why)
        return f"{answer['decision']} {answer['run_id']}: {short}"
    if "healed" in answer:
        return ", ".join(f"{each['run_id']} {each['state']}" for each in answer["healed"])
    if "outcome" in answer:
        told = ", and told people" if answer.get("alerted") else ""
        return f"{answer['outcome']} {answer.get('run_id')}, {answer.get('state')}{told}"
    return str(answer)


def _task(task: Mapping[str, Any]) -> str | None:
    if not task["told"]:
        return None
    (container,) = task["containers"]
    seconds = task["stoppedAt"] - task["createdAt"]
    why = f", {container['reason']}" if container.get("reason") else ""
    if "exitCode" not in container:
        return f"task:    never started, {task['stoppedReason']}"
    return f"task:    ended with exit {container['exitCode']} after {seconds:.1f} s{why}"
