"""Runs `python -m task` so that a test can stop it at an exact point, or fill its disk there.

    python -m tests.e2e.paused '{"event": "open", "path": "prepared.json", …}' run --json

The interpreter's own audit events say where the program is; the program itself knows nothing
of this. At the point the process writes the file `reached` and waits for the file `go`: time
for a signal to come. With `fill` it goes on at once, but from then on no file in that folder
can be written, as if its disk were full; the registry is on another disk.
"""

import json
import resource
import runpy
import sqlite3
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

Limit = resource.RLIMIT_FSIZE


class Point:
    """Where to stop: an audit event, a part of its path, and who must be on the stack.

    `statement` names a part of an SQL statement instead: the point is then within a transaction.
    """

    def __init__(self, **given: str) -> None:
        self.event = given.get("event", "open")
        self.path = given["path"]
        self.function = given.get("function")
        self.statement = given.get("statement")
        self.reached, self.go = Path(given["reached"]), Path(given["go"])
        self.fill = given.get("fill", "")
        self.full = self.passed = False
        self.sleep = time.sleep  # for the very end, when modules are gone

    def __del__(self) -> None:
        """The event "end": the interpreter is shutting down, nothing of the program is left."""
        if self.event == "end":
            self._stop()

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if self.full:
            self._turn_disk(event, args)
        elif not self.passed and event == self.event and self._is_here(args):
            self._stop()
        elif self.statement and event == "sqlite3.connect":
            sys.setprofile(self._watch)

    def _is_here(self, args: tuple[Any, ...]) -> bool:
        if self.statement or self.path not in str(args[0]):
            return False
        return self.function is None or self.function in _callers()

    def _watch(self, _frame: FrameType, event: str, result: object) -> None:
        """Wait for the function that returns the connection, which then tells its statements."""
        if event == "return" and isinstance(result, sqlite3.Connection):
            sys.setprofile(None)
            result.set_trace_callback(self._trace)

    def _trace(self, statement: str) -> None:
        if not self.passed and self.statement and self.statement in statement:
            self._stop()

    def _stop(self) -> None:
        self.passed = True
        if self.fill:
            self.full = True
            _write_at_most(0)
            return
        self.reached.touch()
        while not self.go.exists():
            self.sleep(0.01)

    def _turn_disk(self, event: str, args: tuple[Any, ...]) -> None:
        """Full for what lies in the folder `fill`, roomy for the registry."""
        if event == "sqlite3.connect":
            _write_at_most(resource.RLIM_INFINITY)
        elif event == "open" and self.fill in str(args[0]):
            _write_at_most(0)


def _callers() -> set[str]:
    frame, names = sys._getframe(2), set()
    while frame.f_back is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return names


def _write_at_most(size: int) -> None:
    """Let no file of this process grow beyond `size` bytes."""
    resource.setrlimit(Limit, (size, resource.getrlimit(Limit)[1]))


if __name__ == "__main__":
    point = Point(**json.loads(sys.argv[1]))
    if point.event != "end":
        sys.addaudithook(point.hook)
    del sys.argv[1]
    runpy.run_module("task", run_name="__main__", alter_sys=True)
