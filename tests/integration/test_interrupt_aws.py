"""A signal stops a run in the midst of a request to AWS, whose client would try again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from common.aws import client
from common.store.s3 import S3Store
from task.interrupt import Interrupt, Stop
from tests.unit.signals import signals_taken

BEGUN = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"


class Bucket:
    """It begins an upload, and when the first bytes come, the process is told to stop."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.released = Event()
        self.url = ""

    def answer(self, method: str) -> bytes:
        self.asked.append(method)
        if method == "POST":
            return BEGUN
        if method == "PUT" and self.asked.count("PUT") == 1:
            os.kill(os.getpid(), signal.SIGTERM)
            self.released.wait()
        return b""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    made = Bucket()

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if not self.parse_request():
                return
            body = made.answer(self.command)
            with suppress(ConnectionError):  # whoever was stopped waits for no answer
                self.send_response(200 if body else 204)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        given = {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x", "REGION": "us-east-1"}
        for name, value in {**given, "ENDPOINT_URL": url}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield made
        made.released.set()
        server.shutdown()


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    with signals_taken() as made:
        yield made


@pytest.mark.parametrize(
    ("size", "requests"),
    [
        pytest.param(1_000, ["PUT"], id="in one piece"),
        pytest.param(9_000_000, ["POST", "PUT", "DELETE"], id="in parts, which are given up"),
    ],
)
def test_an_upload_stops_at_once_and_is_not_tried_again(
    bucket: Bucket, interrupt: Interrupt, tmp_path: Path, size: int, requests: list[str]
) -> None:
    source = tmp_path / "votes.parquet"
    source.write_bytes(bytes(size))
    store = S3Store(client("s3"), "models")

    with pytest.raises(Stop):
        store.put("runs/m-one/votes.parquet", source)

    assert bucket.asked == requests
