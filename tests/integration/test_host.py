"""A task asks ECS who it is, at the address that ECS gives each container."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from common.errors import RetrainError
from task import host
from task.host import METADATA
from tests.unit.place import Place, fresh

TASK_ID = "158d1c8083dd49d6b527399fd6414f5c"
ARN = f"arn:aws:ecs:us-east-1:123456789012:task/hairme/{TASK_ID}"
DIGEST = f"sha256:{'25f3695b' * 8}"
TASK = json.dumps({"Cluster": "hairme", "TaskARN": ARN, "Family": "retraining"})
CONTAINER = json.dumps({"DockerId": "ea32192c8553", "Name": "task", "ImageID": DIGEST})


class Metadata:
    """What the address answers, one path each, a list one answer after the other; last one stays.

    An answer is a status and a body.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, str]]] = {
            "/v4/x": [(200, CONTAINER)],
            "/v4/x/task": [(200, TASK)],
        }
        self.asked: list[str] = []
        self.url = ""

    def next(self, path: str) -> tuple[int, str]:
        self.asked.append(path)
        left = self.answers[path]
        return left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    """The address, in front of which a proxy is set for everything else."""
    made = Metadata()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = made.next(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    monkeypatch.setattr(host, "PAUSES", (0.0, 0.0))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_port}/v4/x"
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield made
        server.shutdown()


def test_a_task_learns_its_name_its_arn_and_its_image(metadata: Metadata) -> None:
    found = host.read({METADATA: metadata.url, "CODE_REVISION": "0123abc"})

    assert found == host.Host(task=TASK_ID, task_arn=ARN, image_digest=DIGEST, revision="0123abc")


def test_elsewhere_a_process_goes_by_its_machine_and_number() -> None:
    found = host.read({})

    assert re.fullmatch(r".+-\d+", found.task)
    assert (found.task_arn, found.image_digest, found.revision) == (None, None, None)


def test_an_answer_that_is_late_is_asked_for_again(metadata: Metadata) -> None:
    metadata.answers["/v4/x/task"] = [(500, ""), (200, "{"), (200, TASK)]

    assert host.read({METADATA: metadata.url}).task == TASK_ID
    assert metadata.asked.count("/v4/x/task") == 3


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        pytest.param(404, "", "got HTTPError", id="no such page"),
        pytest.param(200, "<html>", "got JSONDecodeError", id="no JSON"),
        pytest.param(200, "[]", "with a JSON object, got a list", id="another JSON"),
        pytest.param(200, "{}", "got a TaskARN of 'None'", id="no ARN"),
        pytest.param(200, '{"TaskARN": "arn:aws:s3:::x"}', "got a TaskARN of", id="another ARN"),
    ],
)
def test_an_answer_that_names_no_task_is_an_error_that_says_so(
    metadata: Metadata, status: int, body: str, says: str
) -> None:
    metadata.answers["/v4/x/task"] = [(status, body)]

    with pytest.raises(RetrainError, match=re.escape(says)) as caught:
        host.read({METADATA: metadata.url})

    assert METADATA in str(caught.value)
    assert "start the task again" in str(caught.value)


def test_nobody_there_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "PAUSES", ())

    with pytest.raises(RetrainError, match="got URLError"):
        host.read({METADATA: "http://127.0.0.1:9/v4/x"})


def test_without_a_digest_the_run_goes_on_and_records_none(
    metadata: Metadata, caplog: pytest.LogCaptureFixture
) -> None:
    metadata.answers["/v4/x"] = [(200, '{"ImageID": ""}')]

    assert host.read({METADATA: metadata.url}).image_digest is None
    assert "digest is not recorded" in caplog.text


def test_a_run_on_ecs_records_its_task_and_its_image(metadata: Metadata, tmp_path: Path) -> None:
    place: Place = fresh(tmp_path)

    place.json("run", "--run-id", "m-b", **{METADATA: metadata.url})

    run = place.registry.run("m-b")
    assert run is not None
    assert (run.owner, run.task_arn) == (f"m-b/{TASK_ID}", ARN)
    record = json.loads(place.store.read("runs/m-b/run.json"))
    assert (record["task_arn"], record["image_digest"]) == (ARN, DIGEST)
    assert place.json("status")["runs"][0]["task_arn"] == ARN
