"""The proof, both ways: nothing that is needed is refused, nothing is given that nobody needs.

needs = needed(stack, {"trigger": [...calls...], ...})
assert not refused(stack, needs) and not idle(stack, needs)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tests.permissions.calls import Call, requests
from tests.permissions.iam import Request, Statement, allowed
from tests.permissions.platform_calls import rows
from tests.permissions.stack import Right, Stack

Statements = tuple[Statement, ...]


@dataclass(frozen=True, kw_only=True)
class Need:
    """A question that IAM will be asked, about whom, and why."""

    role: str
    """Our name of a role, or empty: a service of AWS asks in its own name."""
    request: Request
    reason: str
    """The call, as `s3.PutObject`, or what the platform does."""
    source: str = ""
    """Where AWS documents a call that cannot be recorded."""

    def __str__(self) -> str:
        return f"{self.role or self.request.principal}: {self.request} ({self.reason})"


def needed(stack: Stack, calls: Mapping[str, Iterable[Call]]) -> list[Need]:
    """Every different question that the recorded calls and the platform lead to."""
    recorded = [
        Need(role=role, request=_by(stack, role, request), reason=str(call))
        for role, made in calls.items()
        for call in made
        for request in requests(call, stack.names)
    ]
    platform = [
        Need(role=row.role, request=row.request, reason=row.why, source=row.source)
        for row in rows(stack)
    ]
    different = {(one.role, one.request, _key(one), one.reason): one for one in recorded}
    return [*different.values(), *platform]


def _key(need: Need) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The context, which requests are not compared by."""
    return tuple(sorted(need.request.context.items()))


def _by(stack: Stack, role: str, request: Request) -> Request:
    """The request as code of ours makes it."""
    context = dict(request.context)
    if role in stack.functions:
        name = stack.functions[role]["FunctionName"]
        context["lambda:SourceFunctionArn"] = (stack.names.arn("lambda", f"function:{name}"),)
    return replace(request, principal=stack.roles[role], context=context)


def permitted(need: Need, own: Statements, guard: Statements) -> bool:
    """IAM's answer under the role's own statements and those of the resource's policy."""
    asked = need.request
    if not need.role:
        return allowed(guard, asked)
    if asked.action.startswith("kms:"):
        # A key is under its own policy first: without its word no role's right counts.
        return allowed(own, asked) and allowed(guard, asked)
    return allowed(own, asked) and not any(not one.allow and one.applies(asked) for one in guard)


def refused(stack: Stack, needs: Iterable[Need]) -> list[Need]:
    """What is needed and is not allowed."""
    return [need for need in needs if not permitted(need, *_asked(stack, need))]


def reasons(stack: Stack, right: Right, needs: Iterable[Need]) -> list[Need]:
    """What becomes refused when this one right is taken away."""
    rest, found = stack.without(right), []
    for need in needs:
        own, guard = _asked(stack, need)
        if not permitted(need, own, guard):
            continue
        if right.holder == need.role:
            own = rest
        elif right.holder == stack.guard_of(need.request.resource):
            guard = rest
        else:
            continue
        if not permitted(need, own, guard):
            found.append(need)
    return found


def idle(stack: Stack, needs: Iterable[Need]) -> list[Right]:
    """The rights that could be taken away without anybody noticing."""
    needs = list(needs)
    return [right for right in stack.rights if not reasons(stack, right, needs)]


def _asked(stack: Stack, need: Need) -> tuple[Statements, Statements]:
    guard = stack.guard_of(need.request.resource)
    return stack.policies.get(need.role, ()), stack.policies[guard] if guard else ()
