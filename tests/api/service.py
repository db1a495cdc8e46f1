"""A service as tests have it: versions that give themselves away, a real server, a real client."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from starlette.types import ASGIApp

from api.app import build
from api.metrics import Metrics
from api.server import listening, server
from api.serving import Serving
from api.votes import Votes
from common.registry import Registry, open_registry
from common.registry.records import Action, HistoryEntry
from common.settings import load
from common.store import Store, open_store
from common.votes_writer import open_writer
from local.alike import folds_alike
from local.table import create_sqlite
from task import artifact, publish
from tests.learning import vocabulary

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds after which something is taken for hung."""
STYLES = 8
MODULE = ("-m", "api")
PERSON = {"face_shape": "계란형", "personal_color": "봄웜"}


@dataclass(frozen=True)
class Place:
    """A folder with the votes, a store and a registry, and what happens to them."""

    folder: Path

    @property
    def store(self) -> Store:
        return open_store((self.folder / "store").as_uri())

    @property
    def registry(self) -> Registry:
        return open_registry(f"sqlite:///{self.folder / 'registry.sqlite'}")

    @property
    def votes(self) -> Path:
        return self.folder / "votes.sqlite"

    @property
    def addresses(self) -> dict[str, str]:
        return {
            "DATABASE_URL": f"sqlite:///{self.votes}",
            "STORE_URL": (self.folder / "store").as_uri(),
            "REGISTRY_URL": f"sqlite:///{self.folder / 'registry.sqlite'}",
            "SERVING_URL": "none",
        }

    def make_table(self, styles: int = 3) -> None:
        create_sqlite(self.votes, styles=styles).close()

    def publish(self, number: int) -> str:
        """Publish the version of this number; its sha."""
        folder = write_version(self.folder / "made" / name(number), number)
        return publish.publish(self.store, name(number), folder).sha

    def promote(
        self, number: int, sha: str | None = None, action: Action = "promote"
    ) -> HistoryEntry:
        """Make a published version active, as a run does."""
        version = name(number)
        if sha is None:
            manifest = self.store.read(f"models/{version}/manifest.json")
            (self.folder / "manifest").write_bytes(manifest)
            sha = artifact.sha256(self.folder / "manifest")
        return self.registry.promote(
            version=version,
            sha=sha,
            expected_serial=self.serial(),
            action=action,
            now=datetime.now(UTC),
        )

    def clear(self) -> None:
        """Take back the only version there was."""
        self.registry.promote(
            version=None,
            sha="",
            expected_serial=self.serial(),
            action="restore",
            now=datetime.now(UTC),
        )

    def serial(self) -> int:
        active = self.registry.active()
        return active.serial if active else 0

    def serve(self, number: int) -> None:
        """Publish and promote."""
        self.promote(number, self.publish(number))

    def file(self, number: int, file: str) -> Path:
        return self.folder / "store" / "models" / name(number) / file


def name(number: int) -> str:
    """The version of this number."""
    return f"m-{number}"


def like_of(number: int) -> float:
    """The like probability of the first style by the version of this number: like no other's."""
    return float(np.float32(0.3 + number / 1000))


def write_version(folder: Path, number: int, *, styles: int = STYLES) -> Path:
    """A version's files, but for the manifest: its styles and figures tell its number."""
    known = vocabulary(*(f"{number} style {chr(97 + i)}" for i in range(styles)))
    like = np.full(known.sizes, like_of(number))
    like[:, :, 2:] -= 0.01 * np.arange(1, styles)
    artifact.write(
        folder,
        weights={"w": np.arange(3.0)},
        metadata={
            "version": name(number),
            "vocabulary": known.as_dict(),
            "threshold": 0.3,
            "cutoff": "2026-01-01T00:00:00+00:00",
        },
        score=1.0 - like,
        like=like,
    )
    artifact.write_folds(folder, folds_alike(like, 1.0 - like))
    artifact.write_self_test(folder, [[known.faces[1], known.tones[1], known.styles[-1], 3, 2]])
    return folder


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Asks a server on this machine, over one connection."""

    port: int
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, content: object, **headers: str) -> Answer:
        """A body of JSON, or these very bytes."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.ask("POST", path, body, {"Content-Type": "application/json"} | headers)

    def ask(
        self, method: str, path: str, body: object, headers: Mapping[str, str] | None = None
    ) -> Answer:
        names = {key.replace("_", "-"): text for key, text in (headers or {}).items()}
        self._connection.request(method, path, body, dict(self.headers) | names)  # type: ignore[arg-type]
        got = self._connection.getresponse()
        found = {key.lower(): text for key, text in got.getheaders()}
        return Answer(status=got.status, headers=found, body=got.read())

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service in this process."""

    client: Client
    serving: Serving
    metrics: Metrics
    votes: Votes


@contextmanager
def service(
    place: Place,
    settings: Mapping[str, str] | None = None,
    *,
    key: bytes | None = None,
    follow: bool = True,
) -> Iterator[Service]:
    """A real server over a place, asked over HTTP; it looks at the pointer when told to."""
    metrics = Metrics()
    read = load(
        yaml_path=None, env_file=None, environ=place.addresses | dict(settings or {}), flags={}
    )
    votes = Votes(open_writer(read), metrics)
    serving = Serving(place.registry, place.store, metrics, follow=follow, look_seconds=0.0)
    serving.look()
    app = build(serving=serving, votes=votes, metrics=metrics, key=key)
    try:
        with answering(app) as port:
            client = Client(port)
            yield Service(client=client, serving=serving, metrics=metrics, votes=votes)
            client.close()
    finally:
        votes.close()


@contextmanager
def answering(app: ASGIApp) -> Iterator[int]:
    """The port on which an application answers, served as in service but from a thread."""
    made = server(app)
    with listening(HOST, 0) as listener:
        thread = threading.Thread(target=made.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: made.started)
            yield listener.getsockname()[1]
        finally:
            made.should_exit = True
            thread.join()


@dataclass(frozen=True, kw_only=True)
class Running:
    """`python -m api` as a process."""

    process: subprocess.Popen[str]
    client: Client
    log: Path

    def stop(self) -> int:
        """Tell it to stop; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def environment(place: Place, changes: Mapping[str, str]) -> dict[str, str]:
    """The addresses and nothing of the caller's own settings."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    measured = {key: text for key, text in os.environ.items() if key.startswith("COVERAGE")}
    return kept | measured | {"PYTHONPATH": str(ROOT)} | place.addresses | dict(changes)


@contextmanager
def running(
    place: Place, *options: str, python: Sequence[str] = MODULE, **changes: str
) -> Iterator[Running]:
    """The service as a real process on a free port; it is gone at the end.

    python: what Python is told, if not to run the module.
    """
    log = place.folder / "service.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, *python, "--port", "0", *options],
            cwd=place.folder,
            env=environment(place, changes),
            stderr=out,
            text=True,
        )
    try:
        until(lambda: '"listening"' in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        started = next(line for line in log.read_text().splitlines() if '"listening"' in line)
        client = Client(json.loads(started)["port"])
        yield Running(process=process, client=client, log=log)
        client.close()
    finally:
        process.kill()
        process.wait()


def until(true: Any) -> None:
    """Wait for something that somebody else does."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
