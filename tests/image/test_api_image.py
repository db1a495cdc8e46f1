"""The API's image, run as AWS runs it: what is in it, what it answers, and a signal to stop.

It serves the version that the task's image has made, from the same emulated store and registry.
"""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import pytest

from common import aws
from image.build import OF_TASK
from local.mariadb import Server
from tests.image.conftest import FIRST, Loop
from tests.image.container import PYTHON, Ended, Image, Running, probed

pytestmark = pytest.mark.image

LARGEST = 400  # MB, of which the base is half
API_USER, API_PASSWORD = "hairme_api", "of a throw-away server"
PERSON = {"face_shape": "계란형", "personal_color": "봄웜", "k": 3}
PATIENCE = 30
"""Seconds after which a start is taken for failed."""


@pytest.fixture(scope="module")
def seen(api_image: Image, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a program finds in a container."""
    return probed(api_image, tmp_path_factory.mktemp("probe"))


def test_the_image_says_who_runs_what_and_how_to_ask_whether_it_lives(api_image: Image) -> None:
    config = api_image.config
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == [PYTHON, "-m", "api"]
    assert config["Cmd"] == ["--host", "0.0.0.0", "--port", "8080"]
    assert config["Volumes"] == {"/tmp": {}}
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert config["Healthcheck"]["Test"][:3] == ["CMD", PYTHON, "-c"]
    assert config["Labels"]["org.opencontainers.image.revision"] == api_image.built.revision


def test_the_image_shows_nothing_of_the_machine_that_built_it(api_image: Image) -> None:
    assert "PIP_" not in api_image.history
    assert "/mnt/host" not in api_image.history
    names = {pair.partition("=")[0] for pair in api_image.config["Env"]}
    assert [name for name in names if name.startswith(("PIP_", "AWS_", "DB_", "API_"))] == []


def test_the_api_is_the_first_process_of_a_user_without_rights(seen: dict[str, Any]) -> None:
    assert (seen["uid"], seen["gid"], seen["groups"]) == (10001, 10001, [])
    assert (seen["pid"], seen["capabilities"]) == (1, 0)


def test_nothing_but_tmp_can_be_written(seen: dict[str, Any]) -> None:
    assert set(seen["refused"].values()) == {"Read-only file system"}
    assert seen["writable"] == ["/tmp"]


def test_nothing_that_trains_is_in_it(seen: dict[str, Any]) -> None:
    assert seen["heavy"] == []
    assert seen["tools"] == []
    assert seen["test_folders"] == []
    assert seen["rooms"] == ["api", "common", "task"]
    assert {f"task/{name}.py" for name in seen["of_task"]} == set(OF_TASK)
    assert seen["not_compiled"] == []


def test_the_image_is_small(api_image: Image) -> None:
    print(f"the API's image: {api_image.built.megabytes} MB")

    assert api_image.built.megabytes < LARGEST


@dataclass(frozen=True)
class Served:
    """A container with the API, and where it answers."""

    running: Running
    port: int

    def ask(self, path: str, body: object = None) -> dict[str, Any]:
        """The answer; raises OSError where there is none, or another than 200."""
        url = f"http://127.0.0.1:{self.port}{path}"
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=5) as answer:
            found: dict[str, Any] = json.loads(answer.read())
        return found

    def wait(self) -> None:
        """Until it is ready."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.ask("/ready")
            except OSError:
                assert time.monotonic() < until, self.running.process.poll()
                assert self.running.process.poll() is None, self.running.end()
                time.sleep(0.1)
            else:
                return


@pytest.fixture
def served(loop: Loop, first: Ended, mariadb: Server, api_image: Image) -> Iterator[Served]:
    """The API over what the first run has promoted, with a database user of its own."""
    assert first.exit == 0, first
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = replace(
        loop,
        image=api_image,
        environment=loop.environment
        | {"DATABASE_URL": mariadb.url("image", API_USER), "DB_SECRET_ARN": secret(loop, mariadb)},
    )
    found = Served(own.start("--host", "127.0.0.1", "--port", str(port)), port)
    try:
        found.wait()
        yield found
    finally:
        if found.running.process.poll() is None:
            found.running.signal(signal.SIGKILL)
            found.running.end()


def secret(loop: Loop, server: Server) -> str:
    """The ARN of the secret with the password of a user as infra/schema.sql makes it."""
    server.execute(f"CREATE USER IF NOT EXISTS {API_USER} IDENTIFIED BY '{API_PASSWORD}'")
    server.execute(f"GRANT SELECT, INSERT, UPDATE ON image.analysis_history TO {API_USER}")
    with mock.patch.dict("os.environ", loop.environment):
        client = aws.client("secretsmanager")
    text = json.dumps({"username": API_USER, "password": API_PASSWORD})
    return str(client.create_secret(Name=f"image-{time.monotonic_ns()}", SecretString=text)["ARN"])


def test_it_answers_with_the_version_that_the_task_has_promoted_until_it_is_told_to_stop(
    served: Served, loop: Loop
) -> None:
    assert served.ask("/health") == {"status": "ok"}
    model = served.ask("/model")
    assert (model["version"], model["degraded"]) == (FIRST, False)
    (entry,) = [each for each in loop.registry().history() if each.version == FIRST]
    assert model["sha"] == entry.sha

    answer = served.ask("/recommend", PERSON)

    assert answer["version"] == FIRST
    assert len(answer["items"]) == 3
    assert answer["recorded"] is True

    served.running.signal(signal.SIGTERM)
    assert served.running.end().exit == 0
