"""What goes wrong on command: errors, cut connections, damaged bytes, calls that wait.

A fault waits for the `nth` call that it fits and meets `times` of them from there on. It acts on
the real HTTP request of an unmodified process, so what is tested is the whole way: the client's
retries, its time-outs and its reading of the answer.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from common.errors import UsageError
from local.cloud.answers import Answer, AwsError, failure
from local.cloud.calls import Call

KINDS: Mapping[str, str] = {
    "throttle": "answers that there were too many calls, in the service's own words",
    "server_error": "answers 500",
    "error": "answers `code` with `status`",
    "cut_before": "closes the connection; the call is not carried out",
    "cut_after": "carries the call out and closes the connection without an answer",
    "truncate_request": "carries the call out with the first half of its body",
    "wrong_request": "carries the call out with one byte of its body changed",
    "truncate_answer": "sends the first half of the answer's body and closes the connection",
    "wrong_answer": "changes one byte of the answer's body",
    "hold": "keeps the call waiting until it is released, then carries it out",
    "hold_after": "carries the call out and keeps its answer until it is released",
    "die_before": "kills the process that called instead of carrying the call out",
    "die_after": "carries the call out and kills the process that called",
    "cancel": "refuses a transaction for `reasons`",
    "failures": "RunTask: answers 200 with `failures` of these `reasons` and no task",
    "no_start": "RunTask: the task stops before its container started, with this `message`",
}
THROTTLES: Mapping[str, tuple[int, str]] = {
    "dynamodb": (400, "ProvisionedThroughputExceededException"),
    "s3": (503, "SlowDown"),
    "sns": (400, "Throttling"),
}
SERVER_ERRORS: Mapping[str, str] = {
    "dynamodb": "InternalServerError",
    "ecs": "ServerException",
    "s3": "InternalError",
    "secretsmanager": "InternalServiceError",
}
LONGEST_HOLD = 110.0
"""Seconds after which a held call goes on by itself: whoever held it is gone."""


class ConnectionCutError(ConnectionError):
    """The connection is closed without an answer."""


@dataclass(kw_only=True)
class Fault:
    """One thing that goes wrong, and how often it has."""

    service: str
    operation: str
    """Its name; empty: all of them."""
    kind: str
    where: str = ""
    """Only calls whose parameters mention this."""
    principal: str = ""
    """Only calls of this access key."""
    nth: int = 1
    times: int = 1
    """How many calls it meets; 0 is all."""
    status: int = 400
    code: str = ""
    message: str = "by order of the rehearsal"
    reasons: list[str] = field(default_factory=list)
    seen: int = 0
    met: int = 0
    reached: threading.Event = field(default_factory=threading.Event, repr=False)
    released: threading.Event = field(default_factory=threading.Event, repr=False)

    def fits(self, call: Call) -> bool:
        """Whether it concerns this call, which is then counted."""
        concerned = (
            call.service == self.service
            and self.operation in ("", call.operation)
            and self.principal in ("", call.principal)
            and (not self.where or call.mentions(self.where))
        )
        self.seen += concerned
        past = self.times and self.seen >= self.nth + self.times
        if not concerned or self.seen < self.nth or past:
            return False
        self.met += 1
        return True

    def wait(self) -> None:
        """Say that the call has come, and keep it until it is released."""
        self.reached.set()
        self.released.wait(LONGEST_HOLD)


class Faults:
    """The faults in force, by number."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._lock, self._last = threading.Lock(), 0

    def add(self, given: Mapping[str, Any]) -> int:
        """Put a fault in force; UsageError for one that cannot be meant."""
        known = {each.name for each in fields(Fault) if each.init} - {"reached", "released"}
        if unknown := given.keys() - known:
            raise UsageError(
                f"a fault takes {', '.join(sorted(known))}, got {', '.join(sorted(unknown))}: "
                "correct the names"
            )
        if given.get("kind") not in KINDS:
            raise UsageError(
                f"a fault's kind must be one of {', '.join(KINDS)}, got {given.get('kind')!r}: "
                "choose one"
            )
        with self._lock:
            self._last += 1
            self._faults[self._last] = Fault(**given)
            return self._last

    def meet(self, call: Call) -> Fault | None:
        """The first fault that this call meets."""
        with self._lock:
            return next((fault for fault in self._faults.values() if fault.fits(call)), None)

    def release(self, number: int) -> None:
        """Let the call go on that the fault holds."""
        self._faults[number].released.set()

    def clear(self) -> None:
        """Nothing goes wrong any more; whatever is held goes on."""
        with self._lock:
            for fault in self._faults.values():
                fault.released.set()
            self._faults.clear()

    def state(self) -> dict[str, dict[str, Any]]:
        """How often each fault has met a call, and whether one waits."""
        return {
            str(number): {"met": fault.met, "reached": fault.reached.is_set()}
            for number, fault in self._faults.items()
        }


def before(fault: Fault, call: Call, body: bytes) -> bytes | Answer:
    """What the fault makes of a request: the body to carry out, or at once the answer."""
    if fault.kind == "throttle":
        status, code = THROTTLES.get(call.service, (400, "ThrottlingException"))
        return failure(call.service, AwsError(code, "Rate exceeded", status))
    if fault.kind == "server_error":
        code = SERVER_ERRORS.get(call.service, "InternalFailure")
        return failure(call.service, AwsError(code, "We encountered an internal error", 500))
    if fault.kind == "error":
        return failure(call.service, AwsError(fault.code, fault.message, fault.status))
    if fault.kind == "cancel":
        return failure(call.service, _cancelled(fault.reasons))
    if fault.kind == "cut_before":
        raise ConnectionCutError
    if fault.kind == "hold":
        fault.wait()
    if fault.kind == "truncate_request":
        return body[: len(body) // 2]
    return _changed(body) if fault.kind == "wrong_request" else body


def after(fault: Fault, answer: Answer) -> Answer:
    """What the fault makes of an answer."""
    if fault.kind == "cut_after":
        raise ConnectionCutError
    if fault.kind == "hold_after":
        fault.wait()
    if fault.kind == "truncate_answer":
        return answer.cut(len(answer.body) // 2)
    if fault.kind == "wrong_answer":
        return answer.with_body(_changed(answer.body))
    return answer


def _changed(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body


def _cancelled(reasons: list[str]) -> AwsError:
    listed = [{"Code": code, "Message": code} for code in reasons]
    return AwsError(
        "TransactionCanceledException",
        "Transaction cancelled, please refer cancellation reasons for specific reasons "
        f"[{', '.join(reasons)}]",
        400,
        {"CancellationReasons": listed},
    )
