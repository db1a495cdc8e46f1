"""Lambda on this machine: the real bundle in AWS's own runtime, invoked as Lambda invokes.

A synchronous call is refused with 429 beyond the reserved concurrency. An asynchronous event
waits its turn, is tried again twice when the function fails (with the same request id), and then
goes to the on-failure destination. An environment serves one event after the other, stays warm,
and is replaced when it died or its function's variables changed.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from local.cloud import processes
from local.cloud.answers import AwsError
from local.cloud.runtime import Environment, Result
from local.cloud.stack import FunctionSpec, Rehearsal

UNRESERVED = 10
"""Environments at once of a function without a reservation; a new account's whole quota."""


@dataclass(kw_only=True)
class Event:
    """One event for one function, and what came of it."""

    request_id: str
    function: str
    payload: Any
    asynchronous: bool
    attempts: list[dict[str, Any]] = field(default_factory=list)
    """{seconds, error, answer} of each try."""
    done: bool = False

    @property
    def payload_bytes(self) -> bytes:
        return json.dumps(self.payload).encode()


class Function:
    """One function with its environments."""

    def __init__(self, spec: FunctionSpec, make: Callable[[FunctionSpec], Environment]) -> None:
        self.spec = spec
        self._make, self._idle, self._busy = make, list[Environment](), list[Environment]()
        self._changed = threading.Condition()

    def run(self, request_id: str, payload: bytes, *, wait: bool) -> Result:
        """Handle one event. Raises AwsError when all environments are busy, unless it may wait."""
        environment = self._take(wait)
        try:
            spec = self.spec
            return environment.run(request_id, payload, arn=spec.arn, timeout=spec.timeout_seconds)
        finally:
            with self._changed:
                self._busy.remove(environment)
                if environment.alive:
                    self._idle.append(environment)
                self._changed.notify_all()

    def _take(self, wait: bool) -> Environment:
        limit = UNRESERVED if self.spec.reserved is None else self.spec.reserved
        with self._changed:
            while len(self._busy) >= limit:
                if not wait:
                    raise AwsError("TooManyRequestsException", "Rate Exceeded.", 429)
                self._changed.wait()
            self._idle = [each for each in self._idle if each.alive]
            environment = self._idle.pop() if self._idle else self._make(self.spec)
            self._busy.append(environment)
            return environment

    def close(self) -> None:
        """End all environments; the next event begins cold."""
        with self._changed:
            ending, self._idle = [*self._idle, *self._busy], []
        for environment in ending:
            environment.close()

    def kill_busy(self) -> None:
        """The environments at work die."""
        with self._changed:
            for environment in self._busy:
                environment.process.kill()


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where functions run: the unpacked bundle, a folder for their logs, the endpoint."""

    bundle: Path
    folder: Path
    url: str
    region: str
    retry_seconds: float
    """Pause before an asynchronous event is tried again (in the cloud one minute, then two)."""


class Functions:
    """All functions of the stack, and every event that they were given."""

    def __init__(
        self,
        specs: Mapping[str, FunctionSpec],
        rehearsal: Rehearsal,
        place: Place,
        failed: Callable[[FunctionSpec, dict[str, Any]], None],
    ) -> None:
        """failed: delivers an event that nobody could handle to the function's destination."""
        self._rehearsal, self._place, self._failed = rehearsal, place, failed
        self._functions = {name: Function(spec, self._environment) for name, spec in specs.items()}
        self.events: list[Event] = []

    def invoke(self, name: str, payload: bytes, *, asynchronous: bool) -> tuple[Event, Result]:
        """What Invoke does; an asynchronous event is answered at once, with an empty result."""
        function = self._named(name)
        event = Event(
            request_id=str(uuid4()),
            function=function.spec.name,
            payload=json.loads(payload or b"{}"),
            asynchronous=asynchronous,
        )
        self.events.append(event)
        if asynchronous:
            threading.Thread(target=self._work_off, args=(function, event), daemon=True).start()
            return event, Result(payload=b"")
        try:
            return event, self._attempt(function, event, wait=False)
        finally:
            event.done = True

    def restart(self) -> None:
        """The variables changed: every function begins anew with its next event."""
        for function in self._functions.values():
            function.close()

    def kill_all_of(self, principal: str) -> None:
        """Kill the environments of a role that are at work."""
        for function in self._functions.values():
            if function.spec.principal == principal:
                function.kill_busy()

    def _work_off(self, function: Function, event: Event) -> None:
        with suppress(processes.EndedError):  # an event on its way when everything ends
            self._try_until_done(function, event)

    def _try_until_done(self, function: Function, event: Event) -> None:
        for attempt in range(function.spec.retries + 1):
            if attempt:
                time.sleep(self._place.retry_seconds * attempt)
            if not self._attempt(function, event, wait=True).error:
                break
        else:
            self._failed(function.spec, _record(function.spec, event))
        event.done = True

    def _attempt(self, function: Function, event: Event, *, wait: bool) -> Result:
        start = time.monotonic()
        result = function.run(event.request_id, event.payload_bytes, wait=wait)
        event.attempts.append(
            {
                "seconds": round(time.monotonic() - start, 3),
                "error": result.error,
                "answer": json.loads(result.payload or b"null"),
            }
        )
        return result

    def _named(self, name: str) -> Function:
        short = name.rpartition(":function:")[2].partition(":")[0] or name
        if short not in self._functions:
            raise AwsError("ResourceNotFoundException", f"Function not found: {name}", 404)
        return self._functions[short]

    def _environment(self, spec: FunctionSpec) -> Environment:
        """A new process with the function's own variables and Lambda's; nothing of ours."""
        place = self._place
        command = [sys.executable, "-m", "awslambdaric", spec.handler]

        def start(runtime_api: str) -> Any:
            own = {
                "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "LANG": "en_US.UTF-8",
                "TZ": ":UTC",
                "PYTHONDONTWRITEBYTECODE": "1",  # the bundle's folder is read-only in the cloud
                "AWS_ENDPOINT_URL": place.url,
                "AWS_REGION": place.region,
                "AWS_DEFAULT_REGION": place.region,
                "AWS_ACCESS_KEY_ID": spec.principal,
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_EXECUTION_ENV": "AWS_Lambda_python3.14",
                "AWS_LAMBDA_FUNCTION_NAME": spec.name,
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_RUNTIME_API": runtime_api,
                "LAMBDA_TASK_ROOT": str(place.bundle),
                "_HANDLER": spec.handler,
            }
            environment = self._rehearsal.applied(spec.environment) | own
            log = place.folder / f"{spec.name}.log"
            return processes.start(command, env=environment, cwd=place.bundle, log=log)

        return Environment(start)


def as_json(event: Event) -> dict[str, Any]:
    """An event for whoever asks what happened."""
    return asdict(event)


def _record(spec: FunctionSpec, event: Event) -> dict[str, Any]:
    """What Lambda sends to an on-failure destination."""
    return {
        "version": "1.0",
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": f"{spec.arn}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": len(event.attempts),
        },
        "requestPayload": event.payload,
        "responseContext": {"statusCode": 200, "functionError": event.attempts[-1]["error"]},
        "responsePayload": event.attempts[-1]["answer"],
    }
