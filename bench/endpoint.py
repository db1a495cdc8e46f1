"""10: the service over HTTP on one core, against the same network served by torch."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import child, served
from bench.figure import (
    ROOT,
    Arm,
    Figure,
    Outcome,
    Round,
    Size,
    Target,
    alternated,
    middle,
    number,
    ratio,
)
from local.table import create_sqlite

STYLES, TEN = 500, 10
CONNECTIONS = 16
SHARE = 0.8
"""The constant load, as a share of what the slower arm answered at most."""
FASTER, SOONER, SMALLER = 5.0, 10.0, 3.0
SERVER_CORE, CLIENT_CORE = 0, 1
MB = 1024
"""Kilobytes, as the kernel counts them."""
START_SECONDS = 60

OURS, TORCH = "python -m api", "torch in FastAPI"
ARMS = (
    Arm(
        name=OURS,
        says="the service as it ships, as a process on one core: metrics, request ids, a log line "
        f"a request (to /dev/null); `POST /recommend` with k {TEN} and `record: false`, since "
        "the contestant has no database",
    ),
    Arm(
        name=TORCH,
        says="`bench.torch_api`, on the same core: the same network, framework, server, event "
        "loop, body types and JSON library, asked in one eager pass a request; no metrics, no log",
    ),
)
BODIES = [
    json.dumps({"face_shape": face, "personal_color": colour, "k": TEN, "record": False})
    for face, colour in served.PAIRS
]


@dataclass(frozen=True, kw_only=True)
class Started:
    """A server that answers: where, after how many seconds, and as which process."""

    port: int
    seconds: float
    pid: int

    def cpu(self) -> float:
        """CPU seconds so far."""
        clock: int = os.sysconf("SC_CLK_TCK")
        fields = Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / clock

    def memory(self) -> float:
        """Resident megabytes."""
        lines = Path(f"/proc/{self.pid}/status").read_text("utf-8").splitlines()
        return next(int(line.split()[1]) / MB for line in lines if line.startswith("VmRSS:"))


def run(size: Size) -> Outcome:
    """Both arms by turns: started, asked as fast as they answer, asked at a constant rate."""
    seconds = size.pick(3, 10)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        where = served.published(folder, STYLES)
        create_sqlite(folder / "votes.sqlite").close()
        arms = {
            OURS: ([sys.executable, "-m", "api", "--port"], where.environment()),
            TORCH: ([sys.executable, "-m", "bench.torch_api", str(folder / "model")], {}),
        }
        same = _agreeing(arms)
        fastest = {arm: partial(_measured, *arms[arm], [None], seconds) for arm in (OURS, TORCH)}
        found = alternated(fastest, size.times(3, 7))
        limit = {arm: middle([entry[arm] for entry in found], "most rate") for arm in arms}
        # At the same load for both, and ours also at its own share.
        loads = {arm: [SHARE * limit[TORCH], SHARE * limit[arm]] for arm in arms}
        constant = {arm: partial(_measured, *arms[arm], loads[arm], seconds) for arm in arms}
        paired = alternated(constant, size.times(3, 7))
    rounds = [_flat(one) | _flat(two) for one, two in zip(found, paired, strict=True)]
    return _outcome(rounds, same)


def _measured(
    command: list[str], settings: dict[str, str], loads: Sequence[float | None], seconds: float
) -> Round:
    """One start of a server and what it does under each load in turn."""
    with _started(command, settings) as server:
        _load(server, None, 1.0)  # warm
        values: Round = {"start": server.seconds}
        for name, rate in zip(_names(loads), loads, strict=True):
            values |= {f"{name} {k}": v for k, v in _load(server, rate, seconds).items()}
        return values | {"memory": server.memory()}


def _names(loads: Sequence[float | None]) -> list[str]:
    return ["most"] if len(loads) == 1 else ["same", "own"]


def _load(server: Started, rate: float | None, seconds: float) -> dict[str, Any]:
    arguments = {
        "port": server.port,
        "path": "/recommend",
        "bodies": BODIES,
        "connections": CONNECTIONS,
        "seconds": seconds,
        "rate": rate,
        "core": CLIENT_CORE,
    }
    before = server.cpu()
    found: dict[str, Any] = child.measure("bench.load", "run", **arguments).result
    return found | {"per cpu": found["answers"] / (server.cpu() - before)}


@contextmanager
def _started(command: list[str], settings: dict[str, str]) -> Iterator[Started]:
    """A server on its core, from its start until it is ready; killed at the end."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as logs, open(os.devnull, "wb") as nowhere:
        start = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(SERVER_CORE), *command, str(port)],
            cwd=ROOT,
            env=os.environ | settings | {"LOG_DIR": logs},
            stdout=nowhere,
            stderr=nowhere,
        )
        try:
            while not _ready(port):
                if process.poll() is not None or time.perf_counter() > start + START_SECONDS:
                    raise RuntimeError(f"{' '.join(command)} must start, and did not")
                time.sleep(0.005)
            yield Started(port=port, seconds=time.perf_counter() - start, pid=process.pid)
        finally:
            process.kill()
            process.wait()


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _agreeing(arms: dict[str, tuple[list[str], dict[str, str]]]) -> float:
    """The share of questions that both arms answer with the same styles in the same order."""
    named: list[list[list[str]]] = []
    for command, settings in arms.values():
        with _started(command, settings) as server:
            named.append([_styles(server.port, body) for body in BODIES])
    same = [one for one, other in zip(*named, strict=True) if one == other]
    return len(same) / len(BODIES)


def _styles(port: int, body: str) -> list[str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/recommend", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return [item["style"] for item in json.load(answer)["items"]]


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


def _flat(entry: dict[str, Round]) -> Round:
    return {f"{arm} {name}": value for arm, found in entry.items() for name, value in found.items()}


def _outcome(rounds: list[Round], same: float) -> Outcome:
    def line(says: str, name: str, unit: str) -> tuple[str, ...]:
        return says, *(f"{number(middle(rounds, f'{arm.name} {name}'))}{unit}" for arm in ARMS)

    loads = {
        "most": f"{CONNECTIONS} connections, each always waiting",
        "same": "the same constant load",
        "own": f"constant load of {SHARE:.0%} of its own most",
    }
    latencies = [
        line(f"{says}: {value}", f"{load} {value}", " ms")
        for load, says in loads.items()
        for value in ("p50", "p95", "p99")
    ]
    return Outcome(
        arms=ARMS,
        columns=(f"{STYLES} styles, k {TEN}, one core", *(arm.name for arm in ARMS)),
        lines=(
            *(
                line(f"{says}: requests per second", f"{load} rate", "")
                for load, says in loads.items()
            ),
            line("requests per CPU second of the server", "most per cpu", ""),
            *latencies,
            line("resident memory", "memory", " MB"),
            line("start until ready", "start", " s"),
        ),
        targets=(
            _target(rounds, "requests per second", "most rate", OURS, TORCH, FASTER),
            _target(rounds, "requests per CPU second", "most per cpu", OURS, TORCH, FASTER),
            _target(rounds, "p99, each always waiting", "most p99", TORCH, OURS, SOONER),
            _target(rounds, "p99 at the same constant load", "same p99", TORCH, OURS, SOONER),
            _target(rounds, "resident memory", "memory", TORCH, OURS, SMALLER),
            Target(says="share of identical answers", value=same, bound=1.0),
        ),
        rounds=tuple(rounds),
        note="The client has the other core; requests per CPU second say the same whatever else "
        "the machine does. At a constant load a latency counts from when the "
        f"request was due. The same load is {SHARE:.0%} of what the torch arm answers at most.",
    )


def _target(
    rounds: list[Round], says: str, name: str, above: str, below: str, bound: float
) -> Target:
    value = ratio(rounds, f"{above} {name}", f"{below} {name}")
    return Target(says=f"{says}, {above} ÷ {below}", value=value, bound=bound)


FIGURE = Figure(name="10", title="the service over HTTP", run=run)
