"""The proof, both ways: nothing that is needed is refused, nothing is given that nobody needs.

needs = needed(stack, {"trigger": [...calls...], ...})
assert not refused(stack, needs) and not idle(stack, needs)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.permissions.calls import Call, requests
from tests.permissions.iam import Request, allowed
from tests.permissions.platform_calls import rows
from tests.permissions.stack import Right, Stack


@dataclass(frozen=True, kw_only=True)
class Need:
    """A question that IAM will be asked about a role, and why it will be."""

    role: str
    request: Request
    reason: str
    """The call, as `s3.PutObject`, or what the platform does."""
    source: str = ""
    """Where AWS documents a call that cannot be recorded."""

    def __str__(self) -> str:
        return f"{self.role}: {self.request} ({self.reason})"


def needed(stack: Stack, calls: Mapping[str, Iterable[Call]]) -> list[Need]:
    """Every different question that the recorded calls and the platform lead to."""
    platform = [
        Need(role=row.role, request=row.request, reason=row.why, source=row.source)
        for row in rows(stack)
    ]
    recorded = [
        Need(role=role, request=request, reason=str(call))
        for role, made in calls.items()
        for call in made
        for request in requests(call, stack.names)
    ]
    # Two calls may differ in their context alone: both are kept.
    unique = {
        (n.role, n.request, n.reason, tuple(sorted(n.request.context.items()))): n for n in recorded
    }
    return [*unique.values(), *platform]


def refused(stack: Stack, needs: Iterable[Need]) -> list[Need]:
    """What the roles need and are not allowed."""
    policies = {role: stack.policy(role) for role in stack.roles}
    return [need for need in needs if not allowed(policies[need.role], need.request)]


def reasons(stack: Stack, right: Right, needs: Iterable[Need]) -> list[Need]:
    """What becomes refused when this one right is taken away."""
    rest = stack.without(right)
    return [n for n in needs if n.role == right.role and not allowed(rest, n.request)]


def idle(stack: Stack, needs: Iterable[Need]) -> list[Right]:
    """The rights that could be taken away without anybody noticing."""
    needs = list(needs)
    rights = [right for held in stack.rights.values() for right in held]
    return [right for right in rights if not reasons(stack, right, needs)]
