"""An API that goes wrong on command, for rehearsals: the real one, with a fault put around it.

    BAD_API='{"fault": "swapped", "version": "m-20261128T020000000Z"}' \
        python -m local.bad_api --port 8080

The fault sits in the table that `task.artifact` hands to the API: its own code is what it is, and
knows of no test. With `version` only that version goes wrong, with `other_than` every version but
that one; so after a roll-back the same program serves well.

| fault | what goes wrong |
|---|---|
| `crash_at_start` | the process ends before it can answer |
| `crash_after` | it ends `seconds` after a version was loaded, or at request number `requests` |
| `slow_start` | it is ready `seconds` later |
| `unready` | it is never ready |
| `swapped` | the self-test passes, then likes are dislikes |
| `constant` | the self-test passes, then every answer is the same |
| `wrong_self_test` | the self-test finds other answers than were recorded |
| `errors` | a `share` of the requests to the model fail with 500 |
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import RetrainError, UsageError
from task import artifact
from task.artifact import ScoreTable

VARIABLE = "BAD_API"
FAULTS = (
    "crash_at_start",
    "crash_after",
    "slow_start",
    "unready",
    "swapped",
    "constant",
    "wrong_self_test",
    "errors",
)
CRASHED = 9
_FOR_EVER = 10_000.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong, and with which version."""

    fault: str
    version: str | None = None
    """Only with this version."""
    other_than: str | None = None
    """With every version but this one."""
    seconds: float = 0.0
    requests: int = 0
    share: float = 1.0
    flag: str | None = None
    """`errors`: only while this file is there."""

    def concerns(self, version: str) -> bool:
        """Whether it goes wrong with a version."""
        return self.version in (None, version) and version != self.other_than

    @property
    def always(self) -> bool:
        """Whether it goes wrong whatever the version is."""
        return self.version is None and self.other_than is None


class OrderedError(RuntimeError):
    """A request that fails by order."""


class BadTable(ScoreTable):
    """A table that calls `look` at each request."""

    look: Callable[[], None]

    def lookup(self, face: str | None, tone: str | None, style: str | None) -> tuple[int, int, int]:
        """As ever, if `look` lets it."""
        self.look()
        return super().lookup(face, tone, style)


def fault_of(environ: Mapping[str, str]) -> Fault:
    """The fault that the environment orders. Raises UsageError when it is none."""
    text = environ.get(VARIABLE, "")
    try:
        given = dict(json.loads(text))
        fault = Fault(**given)
    except (TypeError, ValueError) as error:
        names = ", ".join(each.name for each in fields(Fault))
        raise UsageError(
            f"{VARIABLE} must be JSON with {names}, got {text!r}: correct it"
        ) from error
    if fault.fault not in FAULTS:
        raise UsageError(
            f"{VARIABLE}: fault must be one of {', '.join(FAULTS)}, got {fault.fault!r}"
        )
    return fault


def install(fault: Fault) -> None:
    """Put the fault between `task.artifact` and whoever loads versions by it from now on."""
    load, self_test = artifact.load, artifact.self_test

    def bad_load(folder: Path) -> ScoreTable:
        table = load(folder)
        wrong = fault.fault == "wrong_self_test" and fault.concerns(table.version)
        return swapped(table) if wrong else table

    def bad_self_test(folder: Path) -> ScoreTable:
        table = self_test(folder)
        return spoiled(table, fault) if fault.concerns(table.version) else table

    artifact.load, artifact.self_test = bad_load, bad_self_test


def spoiled(table: ScoreTable, fault: Fault) -> ScoreTable:
    """What is served in a table's place, after its self-test has passed."""
    if fault.fault == "crash_at_start":
        os._exit(CRASHED)
    if fault.fault in ("slow_start", "unready"):
        time.sleep(_FOR_EVER if fault.fault == "unready" else fault.seconds)
    if fault.fault == "swapped":
        return swapped(table)
    if fault.fault == "constant":
        return constant(table)
    if fault.fault == "crash_after":
        if not fault.requests:
            threading.Timer(fault.seconds, os._exit, [CRASHED]).start()
        return _looking(table, _Counter(fault).crash)
    return _looking(table, _Counter(fault).fail) if fault.fault == "errors" else table


def swapped(table: ScoreTable) -> ScoreTable:
    """Likes are dislikes: each probability p is 1 - p, and so is the threshold."""
    one = np.float32(1.0)
    return replace(table, like=one - table.like, threshold=1.0 - table.threshold)


def constant(table: ScoreTable) -> ScoreTable:
    """Every answer is the same."""
    same = np.full_like(table.like, 0.5)
    return replace(table, score=same, like=same)


@dataclass(kw_only=False)
class _Counter:
    """Counts requests, and lets those go wrong whose turn it is."""

    fault: Fault
    requests: int = 0

    def crash(self) -> None:
        self.requests += 1
        if 0 < self.fault.requests <= self.requests:
            os._exit(CRASHED)

    def fail(self) -> None:
        if self.fault.flag is not None and not Path(self.fault.flag).exists():
            return
        self.requests += 1
        turn = int(self.requests * self.fault.share) > int((self.requests - 1) * self.fault.share)
        if turn:
            raise OrderedError(f"request {self.requests} fails by order of {VARIABLE}")


def _looking(table: ScoreTable, look: Callable[[], None]) -> ScoreTable:
    values: dict[str, Any] = {each.name: getattr(table, each.name) for each in fields(ScoreTable)}
    made = BadTable(**values)
    object.__setattr__(made, "look", look)
    return made


def main() -> int:
    """The API's own command line, with the fault in force."""
    try:
        fault = fault_of(os.environ)
    except RetrainError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    if fault.always and fault.fault == "crash_at_start":
        return CRASHED
    install(fault)
    runpy.run_module("api", run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
