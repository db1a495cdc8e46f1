"""A service without AWS: real HTTP servers that answer as a test says, and a clock that it sets.

A forced deployment does what it does on ECS: every task begins anew and loads what the registry
names. What else happens (a deployment that fails, an outage, a person in between) is scripted.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from common.errors import NotServedError, ServingError
from common.healing import Healer
from common.registry import Registry
from common.registry.records import HistoryEntry, Run
from common.serving.answers import Api
from common.serving.look import Stage
from common.serving.watch import Expected, Patience, Verify
from task.questions import Question

NOW = datetime(2026, 11, 29, 2, tzinfo=UTC)
LEASE = 600.0
QUESTIONS = [
    Question(
        item={"face_shape": "oval", "skin_tone": "spring", "hairstyle": f"style {i}"},
        like_probability=p,
        like=p >= 0.5,
    )
    for i, p in enumerate((0.1, 0.35, 0.5, 0.8, 0.97))
]


class FakeApi:
    """An API on 127.0.0.1 that says of itself what the test wants."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.version: str | None = None
        self.sha: str | None = None
        self.refused, self.why = False, ""
        self.active: str | None = None
        self.began = 0
        self.errors = 0
        self.instead: dict[str, tuple[int, bytes]] = {}
        """By path: the status and the body that it answers instead."""
        self.alter: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer
        """What becomes of each of its predictions."""
        self.asked: list[str] = []
        self.before: Callable[[], object] = lambda: None
        """What happens before it answers."""
        self.knows(QUESTIONS)

    @property
    def api(self) -> Api:
        return Api(self.url)

    def knows(self, questions: Sequence[Question]) -> None:
        """From now on it answers these, and rightly."""
        self._known = {tuple(sorted(each.item.items())): each for each in questions}

    def begin(self, version: str | None, sha: str | None) -> None:
        """Its process begins anew, and loads this version."""
        self.version, self.sha, self.active = version, sha, version
        self.errors, self.began = 0, self.began + 1

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        self.asked.append(path)
        self.before()
        if path in self.instead:
            return self.instead[path]
        if path == "/metrics":
            return 200, f'hairme_errors_total{{kind="unexpected"}} {float(self.errors)}\n'.encode()
        if path == "/predict/batch":
            items = [self._predicted(item) for item in json.loads(body)["items"]]
            return 200, json.dumps({"items": items}).encode()
        model = {
            "version": self.version,
            "sha": self.sha,
            "since": f"process {self.began}",
            "degraded": self.refused,
            "refused": self.refused,
            "why": self.why or None,
            "active": {"version": self.active, "serial": 1},
        }
        return 200, json.dumps(model).encode()

    def _predicted(self, item: Mapping[str, str]) -> dict[str, Any]:
        known = self._known[tuple(sorted(item.items()))]
        return self.alter({"like_probability": known.like_probability, "like": known.like})


@contextmanager
def fake_api() -> Iterator[FakeApi]:
    """An API that answers until the end of the `with`."""
    holder: list[FakeApi] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status, body = holder[0].answer(self.path, self.rfile.read(length))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        holder.append(FakeApi(f"http://127.0.0.1:{server.server_port}"))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield holder[0]
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Clock:
    """Seconds that pass only where somebody waits; `at` is what happens meanwhile."""

    seconds: float = 0.0
    at: list[tuple[float, Callable[[], object]]] = field(default_factory=list)

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        assert self.seconds < 100_000, "somebody waits for ever"
        due, self.at = (
            [each for each in self.at if each[0] <= self.seconds],
            [each for each in self.at if each[0] > self.seconds],
        )
        for _, happens in due:
            happens()


@dataclass
class FakeService:
    """A service with these tasks; `looks` and `refusals` are what it answers next."""

    registry: Registry
    apis: list[FakeApi]
    follows: bool = False
    address: str | None = None
    desired: int | None = None
    """As many as there are tasks, if nobody says otherwise."""
    looks: list[Stage | Exception | Callable[[], object]] = field(default_factory=list)
    """What the next looks find, or what happens meanwhile; after them every deployment is done."""
    refusals: list[Exception] = field(default_factory=list)
    """What the next calls to deploy end with."""
    forced: list[str | None] = field(default_factory=list)
    """What was active at each deployment."""
    meanwhile: Callable[[], object] = lambda: None
    """What happens while the next deployment begins."""
    checks: list[Exception | Callable[[], object]] = field(default_factory=list)
    """What the next checks end with, or what happens meanwhile."""
    checked: int = 0

    def __str__(self) -> str:
        return "ecs://hairme/api"

    @property
    def deployment(self) -> str:
        return f"d-{len(self.forced)}"

    def check(self) -> None:
        self.checked += 1
        found = self.checks.pop(0) if self.checks else lambda: None
        if isinstance(found, Exception):
            raise found
        found()

    def force(self) -> Stage:
        happens, self.meanwhile = self.meanwhile, lambda: None
        happens()
        if self.refusals:
            raise self.refusals.pop(0)
        active = self.registry.active()
        version = active.version if active else None
        shas = [each.sha for each in self.registry.history() if each.version == version]
        for api in self.apis:
            api.begin(version, (shas[-1] if shas else "") or None)
        self.forced.append(version)
        return self._stage(done=False)

    def stage(self, deployment: str | None) -> Stage:
        while self.looks:
            found = self.looks.pop(0)
            if isinstance(found, Exception):
                raise found
            if isinstance(found, Stage):
                return found
            found()
        if deployment not in (None, self.deployment):
            raise NotServedError(f"the deployment {deployment} is gone")
        return self._stage(done=True)

    def tasks(self, deployment: str) -> list[Api]:
        if deployment != self.deployment:
            raise ServingError("every task must be of the deployment")
        return [each.api for each in self.apis]

    def _stage(self, *, done: bool) -> Stage:
        desired = len(self.apis) if self.desired is None else self.desired
        return Stage(done=done, deployment=self.deployment, desired=desired, says="all run")


GOING_ON = Stage(done=False, deployment="d-1", desired=2, says="1 of 2 tasks run")


def sha_of(version: str) -> str:
    return f"sha of {version}"


def expected(version: str) -> Expected:
    return Expected(version=version, sha=sha_of(version))


def healer(
    registry: Registry,
    service: FakeService | None,
    clock: Clock,
    *,
    verify: Verify = "model",
    seconds: float = 900.0,
) -> Healer:
    return Healer(
        registry=registry,
        service=service,
        verify=verify,
        patience=Patience(seconds=seconds, clock=clock, sleep=clock.sleep),
        now=clock.now,
    )


def promote(
    registry: Registry, version: str, *, after: int, run: Run | None = None
) -> HistoryEntry:
    """Somebody makes a version active, by a run or by hand."""
    return registry.promote(
        version=version,
        sha=sha_of(version),
        expected_serial=after,
        action="promote",
        now=NOW + timedelta(minutes=after),
        run=run,
    )


def rolling_out(
    registry: Registry, *before: str, run_id: str = "m-new"
) -> tuple[Run, HistoryEntry]:
    """A run has just made its version active, after these; its lease is given back."""
    for serial, version in enumerate(before):
        promote(registry, version, after=serial)
    known = registry.active()
    serial = known.serial if known else 0
    run = Run(run_id=run_id, created_at=NOW, reason="better")
    registry.launch(run, owner="o", lease_seconds=LEASE, now=NOW)
    lease = registry.claim(run_id, task="t", lease_seconds=LEASE, now=NOW)
    claimed = registry.run(run_id)
    assert claimed is not None
    entry = promote(registry, run_id, after=serial, run=replace(claimed, state="rolling_out"))
    registry.leave(lease, now=NOW)
    run_now = registry.run(run_id)
    assert run_now is not None
    return run_now, entry


def active(registry: Registry) -> tuple[str | None, int]:
    found = registry.active()
    assert found is not None
    return found.version, found.serial
