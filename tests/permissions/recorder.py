"""Records every call that clients of AWS make in this process, with its parameters and fate.

with recording() as recorder:
    with recorder.acting("trigger"):
        handle({}, context)
recorder.calls["trigger"]
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
from botocore.exceptions import EndpointConnectionError

from tests.permissions.calls import Call

NOT_FOUND = 404


@dataclass
class Recorder:
    """Each role's calls; what is called while nobody acts is the test's own."""

    calls: defaultdict[str, list[Call]] = field(default_factory=lambda: defaultdict(list))
    role: str | None = None

    @contextmanager
    def acting(self, role: str) -> Iterator[None]:
        """What is called in here, by any thread, is called by this role."""
        assert self.role is None, "one role acts at a time"
        self.role = role
        try:
            yield
        finally:
            self.role = None

    def _called(
        self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any
    ) -> None:
        if self.role is None:
            return
        heard = self.calls[self.role]
        context["recorded"] = (heard, len(heard))
        service = model.service_model.service_name
        # IAM is asked about names; a file's content is none of its business.
        given = {name: value for name, value in params.items() if name != "Body"}
        heard.append(Call(service=service, operation=model.name, parameters=given))

    def _answered(self, http_response: Any, context: dict[str, Any], **_: Any) -> None:
        if "recorded" in context and http_response.status_code == NOT_FOUND:
            heard, at = context["recorded"]
            heard[at] = replace(heard[at], missing=True)

    @contextmanager
    def unanswered(self, operation: str) -> Iterator[None]:
        """A call (as `s3.UploadPart`) that does not arrive, of clients that are made in here."""
        assert boto3.DEFAULT_SESSION is not None
        events, name = boto3.DEFAULT_SESSION.events, f"before-call.{operation}"

        def cut_off(**_: Any) -> None:
            raise EndpointConnectionError(endpoint_url=operation)

        events.register(name, cut_off)
        try:
            yield
        finally:
            events.unregister(name, cut_off)

    def listen(self, session: boto3.Session) -> None:
        """Hear every client that the session makes from now on."""
        session.events.register("provide-client-params.*.*", self._called)
        session.events.register("after-call.*.*", self._answered)


@contextmanager
def recording() -> Iterator[Recorder]:
    """A recorder that hears each client that is made in here without a session of its own."""
    before, session, recorder = boto3.DEFAULT_SESSION, boto3.Session(), Recorder()
    recorder.listen(session)
    boto3.DEFAULT_SESSION = session
    try:
        yield recorder
    finally:
        boto3.DEFAULT_SESSION = before
