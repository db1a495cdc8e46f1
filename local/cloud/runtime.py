"""One execution environment of a Lambda function: AWS's own runtime client runs the bundle.

The client asks a Runtime API on 127.0.0.1 for the next invocation and posts what came of it, as
in the cloud. It hangs on an answer without `Content-Type` or `Lambda-Runtime-Trace-Id`.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_GONE = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one invocation; `error` is empty when the handler returned."""

    payload: bytes
    error: str = ""
    """`Unhandled`, as in the header X-Amz-Function-Error."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """What the runtime client is asked to do."""

    request_id: str
    payload: bytes
    deadline_ms: int
    arn: str


class Environment:
    """A process that handles one invocation after another."""

    def __init__(self, start: Callable[[str], subprocess.Popen[bytes]]) -> None:
        """start: begins the process, given the address of its Runtime API."""
        self._next: queue.Queue[Invocation | None] = queue.Queue()
        self._result: queue.Queue[Result] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.process = start(f"127.0.0.1:{self._server.server_address[1]}")
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def alive(self) -> bool:
        """Whether it can take another invocation."""
        return self.process.poll() is None

    def run(self, request_id: str, payload: bytes, *, arn: str, timeout: float) -> Result:
        """Have one event handled; afterwards it may be dead, by its own fault or by time."""
        deadline = int((time.time() + timeout) * 1000)
        self._next.put(
            Invocation(request_id=request_id, payload=payload, deadline_ms=deadline, arn=arn)
        )
        try:
            found = self._result.get(timeout=timeout)
        except queue.Empty:
            self.close()
            return _failed("Sandbox.Timedout", request_id, f"timed out after {timeout:.2f} seconds")
        if found.error == "Runtime.ExitError":
            status = self.process.returncode
            return _failed(found.error, request_id, f"Runtime exited, status {status}")
        return found

    def close(self) -> None:
        """Kill the process and its Runtime API."""
        self.process.kill()
        self._watcher.join()

    def _watch(self) -> None:
        """When the process ends, whoever waits for its result is told."""
        self.process.wait()
        self._result.put(Result(payload=b"", error="Runtime.ExitError"))
        self._next.put(_GONE)
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        environment = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                invocation = environment._next.get()
                if invocation is _GONE:
                    self.close_connection = True
                    return
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                    "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                    "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
                    "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
                }
                self._say(200, invocation.payload, headers)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                # Also `/init/error`: then the module could not even be imported.
                error = "Unhandled" if self.path.endswith("/error") else ""
                environment._result.put(Result(payload=body, error=error))
                self._say(202, b'{"status":"OK"}', {})

            def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing: what the function prints is its log."""

        return Handler


def _failed(kind: str, request_id: str, says: str) -> Result:
    told = {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {says}"}
    return Result(payload=json.dumps(told).encode(), error="Unhandled")
