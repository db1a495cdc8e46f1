"""The implementations that the contracts are asked of, and races between real processes.

A contract test takes `registry` or `store` and knows only its interface. What is asked of one
implementation alone, of its files for instance, stands in a module of its own.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.aws import client
from common.registry import Registry, open_registry
from common.registry.dynamodb import DynamoTable
from common.store import Store, open_store
from tests.contract.cloud import Cloud, Server
from tests.contract.proxy import Proxy

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Server]:
    """The emulation of AWS in a process of its own, started by the first test that asks."""
    with Server() as server:
        yield server


@pytest.fixture
def cloud(aws_server: Server, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """AWS as this process and those it starts see it."""
    made = Cloud(aws_server.url)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made


# Each makes an address of its own kind, empty and apart from every other test's.


@pytest.fixture(params=["sqlite", "dynamodb"])
def registry_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/registry.sqlite"
    return f"dynamodb://{request.getfixturevalue('cloud').table()}"


@pytest.fixture
def registry(registry_url: str) -> Registry:
    return open_registry(registry_url)


@pytest.fixture(params=["directory", "s3"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "directory":
        return f"file://{tmp_path}/store"
    return f"s3://{request.getfixturevalue('cloud').bucket()}/loop/a"


@pytest.fixture
def store(store_url: str) -> Store:
    return open_store(store_url)


class RacingProcess:
    """One process of racer.py, from the line to its outcome."""

    def __init__(self, action: str, arguments: dict[str, Any]) -> None:
        command = [sys.executable, "-m", "tests.contract.racer", action, json.dumps(arguments)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ready(self) -> None:
        """Wait until it stands at the line."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def outcomes(self) -> list[str]:
        """Wait for its end; `done` or the name of the error, for each thing it tried."""
        outcomes: list[str] = json.loads(self.process.communicate()[0])
        return outcomes


@pytest.fixture
def racer() -> Iterator[Callable[..., RacingProcess]]:
    """Starts a process on its way to the line; none outlives the test."""
    started: list[RacingProcess] = []

    def start(action: str, **arguments: Any) -> RacingProcess:
        started.append(RacingProcess(action, arguments))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def race(
    racer: Callable[..., RacingProcess],
) -> Callable[[str, list[dict[str, Any]]], list[str]]:
    """Lets one process per set of arguments do the same at once; how it went for each."""

    def run(action: str, arguments: list[dict[str, Any]]) -> list[str]:
        processes = [racer(action, **each) for each in arguments]
        for process in processes:
            process.ready()
        for process in processes:
            process.go()
        return [process.outcomes()[0] for process in processes]

    return run


@pytest.fixture
def table(cloud: Cloud) -> str:
    return cloud.table()


@pytest.fixture
def other(table: str) -> Registry:
    """Another process's registry in the table, which meets no faults."""
    return open_registry(f"dynamodb://{table}")


@pytest.fixture
def proxy(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """What stands between this process and AWS; what AWS's library waits for comes at once."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with Proxy(cloud.url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


@pytest.fixture
def proxied(other: Registry, proxy: Proxy, table: str) -> Registry:
    """The registry in the table by way of the proxy, with little patience."""
    return Registry(DynamoTable(client("dynamodb"), table, patience_seconds=0.2))
