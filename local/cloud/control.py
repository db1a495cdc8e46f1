"""What a rehearsal may order: faults, events, signals, other settings, a look at the state.

Each command is a POST of JSON to `/_local/<command>`; `client.py` has a method for each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.errors import UsageError
from local.cloud import functions
from local.cloud.parts import Parts

CONTROL = "/_local/"
QUIET_SECONDS = 20.0
"""How long a reset waits for events that are still being handled."""


@dataclass(frozen=True)
class Control:
    """The commands, by their names."""

    parts: Parts

    def carry_out(self, command: str, given: Mapping[str, Any]) -> Any:
        """One command; UsageError for an unknown one."""
        known: dict[str, Callable[..., Any]] = {
            "fault": self.fault,
            "release": self.release,
            "clear": self.clear,
            "fire": self.fire,
            "put": self.put,
            "kill": self.kill,
            "signal": self.signal,
            "stop_seconds": self.stop_seconds,
            "variables": self.variables,
            "service": self.service,
            "pace": self.pace,
            "state": self.state,
            "reset": self.reset,
        }
        if command not in known:
            raise UsageError(f"a command must be one of {', '.join(known)}, got {command!r}")
        return known[command](**given)

    def fault(self, **given: Any) -> int:
        """Put a fault in force; its number."""
        return self.parts.faults.add(given)

    def release(self, fault: int) -> None:
        """Let the call that a fault holds go on."""
        self.parts.faults.release(fault)

    def clear(self) -> None:
        """No faults any more."""
        self.parts.faults.clear()

    def fire(self, schedule: str, time: str, times: int = 1) -> list[str]:
        """A schedule strikes at this time; the request ids of the events it sends."""
        rule = self.parts.stack.schedule(schedule)
        return self.parts.bus.strike(rule, datetime.fromisoformat(time), times=times)

    def put(self, event: Mapping[str, Any], times: int = 1) -> list[str]:
        """An event comes to the bus."""
        return self.parts.bus.put(event, times=times)

    def kill(self, task: str = "", out_of_memory: bool = False) -> None:
        """SIGKILL to a task (the only one that runs, if not named)."""
        self.parts.tasks.kill(task, out_of_memory=out_of_memory)

    def signal(self, number: int, task: str = "") -> None:
        """A signal to a task."""
        self.parts.tasks.signal(task, number)

    def stop_seconds(self, seconds: float) -> None:
        """Until the next reset: at most so long between SIGTERM and SIGKILL."""
        self.parts.tasks.stop_seconds = seconds

    def variables(self, values: dict[str, str | None]) -> None:
        """What replaces the template's variables from now on; functions begin anew."""
        self.parts.rehearsal.variables = values
        self.parts.functions.restart()

    def service(self, **given: Any) -> None:
        """Until the next reset new tasks of a service have other words, and further variables."""
        self.parts.services.change(**given)

    def pace(self, **given: Any) -> None:
        """Until the next reset the life of services goes as fast as this."""
        self.parts.services.set_pace(given)

    def state(self) -> dict[str, Any]:
        """Faults, tasks, services and events as they stand; a service's tasks are with it."""
        return {
            "faults": self.parts.faults.state(),
            "tasks": [{**task.as_json(), "told": task.told} for task in self.parts.tasks.all()],
            "services": self.parts.services.state(),
            "events": [functions.as_json(event) for event in self.parts.functions.events],
        }

    def reset(self, *, at_rest: bool = False) -> None:
        """An empty stack: no objects, items, messages, tasks, events or faults; services at 0.

        at_rest: the services are left as they are, with the tasks that they have.
        """
        parts = self.parts
        parts.faults.clear()
        parts.services.reset(at_rest=at_rest)
        parts.tasks.reset(at_rest=at_rest)
        deadline = time.monotonic() + QUIET_SECONDS
        while not all(event.done for event in parts.functions.events):
            if time.monotonic() > deadline:
                raise UsageError("a reset needs the functions to come to an end: one hangs")
            time.sleep(0.01)
        parts.functions.events.clear()
        parts.resources.wipe()
