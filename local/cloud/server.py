"""The emulated AWS as one WSGI application, and its server on 127.0.0.1.

Every request is a real HTTP request of an unmodified client. It is identified and recorded; a
fault may meet it; ECS's operations on tasks and services and Lambda's Invoke are answered here,
because the emulator behind runs nothing; everything else is moto's. Moto gets one request at a
time: its transactions would not be atomic otherwise.
"""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from common.errors import UsageError
from local.cloud.answers import Answer, AwsError, failure, success
from local.cloud.calls import Call, Recorder, identify
from local.cloud.control import CONTROL, Control
from local.cloud.faults import ConnectionCutError, Fault, after, before
from local.cloud.parts import Parts

HOST = "127.0.0.1"
OUR_TASK_OPERATIONS = {"RunTask", "StopTask", "DescribeTasks", "ListTasks"}

Environ = dict[str, Any]


class Handler(MotoRequestHandler):
    """Quiet, and without the wait of 40 ms that small packets cost."""

    disable_nagle_algorithm = True

    def log(self, *_: Any) -> None:
        """Nothing: calls have a record of their own."""


class Application:
    """The WSGI application."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._one_at_a_time = threading.Lock()
        self.parts: Parts | None = None
        """Tasks, functions and the rest, once the resources that they need are there."""

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = _body(environ)
        try:
            answer = self._answer(environ, body)
        except ConnectionCutError:
            _hang_up(environ)
            raise
        start_response(answer.line, list(answer.headers))
        return [answer.body] if answer.whole else _beginning(environ, answer.body)

    def _answer(self, environ: Environ, body: bytes) -> Answer:
        path = str(environ["PATH_INFO"])
        if path.startswith(CONTROL):
            return _controlled(self._ready(), path.removeprefix(CONTROL), body)
        call = identify(environ, body)
        fault = self.parts.faults.meet(call) if self.parts else None
        status, error = 0, ""
        try:
            answer = self._call(call, fault, environ, body)
            status, error = answer.status, answer.error or _error_in(answer)
        finally:
            kind = fault.kind if fault else ""
            self._recorder.add(call, status=status, error=error, fault=kind)
        return answer

    def _call(self, call: Call, fault: Fault | None, environ: Environ, body: bytes) -> Answer:
        """Carry a call out, with what its fault does before and after."""
        if fault is None:
            return self._carry_out(call, None, environ, body)
        if fault.kind == "die_before":
            self._kill(call)
        changed = before(fault, call, body)
        if isinstance(changed, Answer):
            return changed
        if _has_gone(environ):
            raise ConnectionCutError  # whoever was kept waiting has died: the call never came
        if changed is not body:
            _forget_checksums(environ)
        answer = self._carry_out(call, fault, environ, changed)
        if fault.kind == "die_after":
            self._kill(call)
        return after(fault, answer)

    def _carry_out(self, call: Call, fault: Fault | None, environ: Environ, body: bytes) -> Answer:
        try:
            if call.service == "ecs" and self.parts is not None:
                services, given = self.parts.services, call.parameters
                if services.is_ours(call.operation, given):
                    return success(services.answer(call.operation, given))
                if call.operation in OUR_TASK_OPERATIONS:
                    return success(self.parts.tasks.answer(call.operation, given, fault))
            if (call.service, call.operation) == ("lambda", "Invoke"):
                return self._invoke(call, body)
        except AwsError as error:
            return failure(call.service, error)
        return self._by_moto(environ, body)

    def _invoke(self, call: Call, body: bytes) -> Answer:
        asynchronous = call.parameters["InvocationType"] == "Event"
        functions = self._ready().functions
        _, result = functions.invoke(
            str(call.parameters["FunctionName"]), body, asynchronous=asynchronous
        )
        made = success(None, status=202 if asynchronous else 200)
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(result.payload))),
        ]
        if result.error:
            headers.append(("X-Amz-Function-Error", result.error))
        return Answer(status=made.status, headers=tuple(headers), body=result.payload)

    def _by_moto(self, environ: Environ, body: bytes) -> Answer:
        told: list[Any] = []
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        with self._one_at_a_time:
            answered = self._moto(environ, lambda *start: told.extend(start[:2]))
            content = b"".join(answered)
        line, headers = told
        return Answer(status=int(line.split()[0]), headers=tuple(headers), body=content)

    def _kill(self, call: Call) -> None:
        parts = self._ready()
        parts.functions.kill_all_of(call.principal)
        parts.tasks.kill_all_of(call.principal)
        raise ConnectionCutError

    def _ready(self) -> Parts:
        assert self.parts is not None, "nobody asks before the server says that it is ready"
        return self.parts


def listening(application: Application) -> tuple[BaseWSGIServer, str]:
    """A server that answers from now on, and its address."""
    server = make_server(HOST, 0, application, threaded=True, request_handler=Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server, f"http://{HOST}:{server.server_port}"


def _controlled(parts: Parts, path: str, body: bytes) -> Answer:
    """A control request of the rehearsal, or a task that asks for its metadata."""
    if path.startswith("metadata/"):
        identity, _, whole = path.removeprefix("metadata/").partition("/")
        task = parts.tasks.named(identity)
        return success(task.task_metadata() if whole == "task" else task.metadata())
    try:
        return success(Control(parts).carry_out(path, json.loads(body or b"{}")))
    except (UsageError, LookupError, ValueError) as error:
        return success({"error": str(error) or type(error).__name__}, status=400)


def _body(environ: Environ) -> bytes:
    """The request's body, sent with a length or in chunks."""
    if environ.get("wsgi.input_terminated"):
        return bytes(environ["wsgi.input"].read())
    return bytes(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))


def _error_in(answer: Answer) -> str:
    """The code of an error that moto answered, as far as it can be told."""
    if answer.status < 400:
        return ""
    with suppress(ValueError, AttributeError):
        return str(json.loads(answer.body).get("__type", "")).rpartition("#")[2]
    _, _, rest = answer.body.decode("utf-8", "replace").partition("<Code>")
    return rest.partition("<")[0]


def _forget_checksums(environ: Environ) -> None:
    """Whoever damages bytes on their way need not be noticed by the checksum of that way."""
    for name in [name for name in environ if "CHECKSUM" in name or name == "HTTP_CONTENT_MD5"]:
        del environ[name]


def _has_gone(environ: Environ) -> bool:
    """Whether the client has closed the connection meanwhile."""
    connection: socket.socket = environ["werkzeug.socket"]
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _hang_up(environ: Environ) -> None:
    with suppress(OSError):
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)


def _beginning(environ: Environ, body: bytes) -> Iterator[bytes]:
    yield body
    _hang_up(environ)
    raise ConnectionCutError
