"""One process of a race: says `ready`, waits for a line, acts, prints how it went as JSON.

Run by the `race` fixture as `python -m tests.contract.racer ACTION '{"url": …}'`. The times it
acts at are its own, as those of a process that was paused would be.
"""

import json
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from common.errors import RetrainError
from common.registry import open_registry
from common.registry.records import Run
from common.store import open_store

NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)


def wait() -> None:
    """Tell the race that this process stands at the line, and wait for the start."""
    print("ready", flush=True)
    sys.stdin.readline()


def outcome(action: Callable[[], object]) -> str:
    """`done`, or the name of the error a person would see."""
    try:
        action()
    except RetrainError as error:
        return type(error).__name__
    return "done"


def launch(url: str, run_id: str) -> list[str]:
    registry = open_registry(url)
    run = Run(run_id=run_id, created_at=NOW)
    wait()
    return [outcome(lambda: registry.launch(run, owner=run_id, lease_seconds=600, now=NOW))]


def claim(url: str, run_id: str, task: str) -> list[str]:
    registry = open_registry(url)
    wait()
    return [outcome(lambda: registry.claim(run_id, task=task, lease_seconds=600, now=NOW))]


def promote(url: str, version: str, serial: int, file_bytes: int | None = None) -> list[str]:
    registry = open_registry(url)
    wait()
    with_limit(file_bytes)
    change = outcome(
        lambda: registry.promote(
            version=version, sha=version, expected_serial=serial, action="promote", now=NOW
        )
    )
    with_limit(None)
    return [change]


def own_and_pause(url: str, run_id: str) -> list[str]:
    """Claim a run, pause, and then try everything that only the lease's owner may do."""
    registry = open_registry(url)
    lease = registry.claim(run_id, task="paused", lease_seconds=600, now=NOW)
    run = registry.run(run_id)
    assert run is not None
    wait()
    promoted = replace(run, state="promoted")
    return [
        outcome(
            lambda: registry.promote(
                version=run_id,
                sha="0",
                expected_serial=0,
                action="promote",
                now=NOW,
                lease=lease,
                run=promoted,
            )
        ),
        outcome(lambda: registry.renew(lease, lease_seconds=600, now=NOW)),
        outcome(lambda: registry.finish(promoted, lease, now=NOW)),
    ]


def create(url: str, key: str, text: str) -> list[str]:
    store = open_store(url)
    wait()
    return [outcome(lambda: store.create(key, text.encode()))]


def put(url: str, key: str, path: str, file_bytes: int | None = None) -> list[str]:
    store = open_store(url)
    wait()
    with_limit(file_bytes)
    written = outcome(lambda: store.put(key, Path(path)))
    with_limit(None)
    return [written]


def fetch(url: str, key: str, path: str, file_bytes: int | None = None) -> list[str]:
    store = open_store(url)
    wait()
    with_limit(file_bytes)
    fetched = outcome(lambda: store.fetch(key, Path(path)))
    with_limit(None)
    return [fetched]


def put_often(url: str, key: str, size: int, times: int) -> list[str]:
    store = open_store(url)
    wait()
    contents = [bytes([number]) * size for number in range(times)]
    return [outcome(partial(store.put, key, each)) for each in contents]


def with_limit(file_bytes: int | None) -> None:
    """Let no file grow beyond `file_bytes`: to a writer, a disk that is full."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if file_bytes is None else file_bytes, hard))


ACTIONS: dict[str, Callable[..., list[str]]] = {
    each.__name__: each
    for each in (launch, claim, promote, own_and_pause, create, put, fetch, put_often)
}

if __name__ == "__main__":
    arguments: dict[str, Any] = json.loads(sys.argv[2])
    print(json.dumps(ACTIONS[sys.argv[1]](**arguments)))
