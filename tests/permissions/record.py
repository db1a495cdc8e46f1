"""The emulated cloud's own record, as the proof takes it: calls that other processes have made.

    assert refused(stack, needed(stack, recorded(stack, lines))) == []

There the principal of a call is the logical id of the role whose keys signed it. People and the
emulation itself sign with other keys; they need no role of ours.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable

from tests.permissions.calls import Call
from tests.permissions.recorder import NOT_FOUND
from tests.permissions.stack import Stack


def recorded(stack: Stack, lines: Iterable[str]) -> dict[str, list[Call]]:
    """Our name of each role → its calls, from the JSON lines of the record."""
    roles = {
        logical_id: stack.role_of(stack.template.attribute(logical_id, "Arn"))
        for logical_id in stack.template.of_type("AWS::IAM::Role")
    }
    calls = defaultdict(list)
    for line in map(json.loads, lines):
        if line["principal"] in roles:
            call = Call(
                service=line["service"],
                operation=line["operation"],
                parameters=line["parameters"],
                missing=line["status"] == NOT_FOUND,
            )
            calls[roles[line["principal"]]].append(call)
    return dict(calls)
