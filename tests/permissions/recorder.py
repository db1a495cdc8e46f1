"""Records every call that clients of AWS make in this process, with its parameters and fate.

with recording() as calls:
    ...                       # clients made in here are heard
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from tests.permissions.calls import Call


@contextmanager
def recording() -> Iterator[list[Call]]:
    """The list that grows with each call. Clients must be made inside: they copy the hooks."""
    calls: list[Call] = []
    before = boto3.DEFAULT_SESSION
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    events = boto3.DEFAULT_SESSION.events

    def heard(params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        service = model.service_model.service_name
        context["recorded"] = len(calls)
        calls.append(Call(service=service, operation=model.name, parameters=dict(params)))

    def answered(http_response: Any, context: dict[str, Any], **_: Any) -> None:
        at = context["recorded"]
        made = calls[at]
        calls[at] = Call(
            service=made.service,
            operation=made.operation,
            parameters=made.parameters,
            missing=http_response.status_code == NOT_FOUND,
        )

    events.register("provide-client-params.*.*", heard)
    events.register("after-call.*.*", answered)
    try:
        yield calls
    finally:
        boto3.DEFAULT_SESSION = before


NOT_FOUND = 404
