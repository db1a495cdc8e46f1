"""A call in a fresh process, with its time and its peak memory.

    measure("bench.extraction", "ours", url="mysql://…")

Memory has to be that of one arm alone, and an allocator gives little back: so each such arm
gets a process of its own. The clock starts after the imports; `base` is what was resident
then, `peak` the most that ever was (VmHWM, which begins anew in the process).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.figure import ROOT

MB = 1024
"""Kilobytes, as the kernel counts them."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a call took: wall and CPU seconds, megabytes before and at the peak, its result.

    The result is a JSON object; its `seconds`, if any, replace those of the whole call.
    """

    seconds: float
    cpu: float
    base: float
    peak: float
    result: Any


def measure(module: str, function: str, **arguments: Any) -> Measured:
    """Call a function of a module with JSON arguments in a fresh process."""
    command = [sys.executable, "-m", "bench.child", module, function, json.dumps(arguments)]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, env=os.environ
    )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def flat(entry: Mapping[str, Measured]) -> dict[str, Any]:
    """One round's values by "arm name", results included."""
    return {
        f"{arm} {name}": value
        for arm, found in entry.items()
        for name, value in {**vars(found), **found.result}.items()
        if name != "result"
    }


def main() -> None:
    """In the child: call, and print what it took as the last line."""
    module, function, arguments = sys.argv[1:]
    call = getattr(import_module(module), function)
    base = _resident("VmRSS")
    start, cpu = time.perf_counter(), time.process_time()
    result = call(**json.loads(arguments))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    found = {"seconds": seconds, "cpu": cpu, "base": base, "peak": _resident("VmHWM")}
    print(json.dumps({**found, "result": result}))


def _resident(name: str) -> float:
    """A line of the process's status, in megabytes. Linux only."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(found) / MB


if __name__ == "__main__":
    main()
